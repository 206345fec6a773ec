"""Times: what the tasks of a run take at most and at least, by their timeouts, back-offs and timers, against deadlines.

    ACC838  a limit of the template that no run which does all its tasks can keep
    ACC176  attempts, waits and timers that may take longer than a deadline, or retries that it rules out (warning)

The time of back-offs is counted without its jitter, at its most, and at its least with all of it. An attempt has the
timeout of its task or that of its contract, whichever is less. What nothing bounds is left out where it is told that
a deadline may be too short: it is so without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

import msgspec

from accord.domain.duration import parse_duration
from accord.domain.expression import Literal
from accord.domain.graph import Backoff, Graph, Option, Sleep, Subrun, Task, Wait, Work
from accord.domain.ids import TaskId
from accord.domain.order import may_be_skipped
from accord.verifier.known import Capabilities
from accord.verifier.report import Bounds, Findings

NONE: Final = timedelta()
Inner: TypeAlias = Callable[[str], Bounds | None]
"""The bounds of a workflow that a task runs; None where they are not known."""

_GUARD: Final = "or leave it, as a guard"
_BRANCHES: Final = "; where it takes all of its branches"


class Span(msgspec.Struct, frozen=True):
    """How long something may take."""

    time: timedelta = NONE
    """All that is bounded of it."""
    words: str = ""
    """How that adds up."""
    bounded: bool = True
    """Whether that is all of it."""


class Times(msgspec.Struct, frozen=True):
    """What is known of the times of a graph's tasks."""

    graph: Graph
    capabilities: Capabilities
    inner: Inner
    least: Mapping[TaskId, int]
    """The fewest items of each list that a task goes through."""
    most: Mapping[TaskId, int | None]
    """The most, as far as the run may have so many tasks; None where nothing says."""

    def spans(self) -> dict[TaskId, Span]:
        """Of each task how long it may take from its begin, whatever its deadline says."""
        return {name: self._whole(task) for name, task in self.graph.tasks.items()}

    def at_least(self) -> tuple[tuple[TaskId, ...], timedelta]:
        """The path whose timers take longest in every run that completes, and how long."""
        skipped = may_be_skipped(self.graph.tasks, self.graph.order)
        least = {name: NONE if name in skipped else self._least(task) for name, task in self.graph.tasks.items()}
        path, time = critical(self.graph, least, certain=True)
        return path, time or NONE

    def check(self, spans: Mapping[TaskId, Span], findings: Findings) -> None:
        """Tell which deadlines cannot be kept, and which may be too short for what the graph allows."""
        for task in self.graph.tasks.values():
            self._check_task(task, spans[task.id], findings)
        if self.graph.deadline is not None:
            self._check_run(self.graph.deadline, spans, findings)

    # -- deadlines -----------------------------------------------------------------------------------------------

    def _check_task(self, task: Task, span: Span, findings: Findings) -> None:
        if task.deadline is None:
            return
        at, deadline, least = f"/tasks/{task.id}/deadline", _s(task.deadline), self._least(task, whole=True)
        never = _never_tried(task, task.deadline)
        if least > task.deadline:
            message = f"the task never completes: its timers take {_s(least)} s, and its `deadline` is {deadline} s"
            findings.error("ACC838", message, at, f"raise it to {_s(least)} s at least, or shorten the timers")
        elif never is not None:
            attempt, waits = never
            message = (
                f"attempt {attempt} is never made after the waits between attempts: it would be after the deadline"
            )
            hint = f"lower attempts or back-offs, or raise `deadline`; {_GUARD}"
            findings.warning("ACC176", message, at, hint, {"waits_s": waits, "deadline_s": deadline})
        elif span.time > task.deadline:
            message = "by its timeouts and back-offs the task may take longer than its deadline: it fails then (ACC441)"
            hint = f"raise `deadline` to {_s(span.time)} s, or lower attempts, timeouts or back-offs; {_GUARD}"
            findings.warning("ACC176", message, at, hint, {"time_s": _sum(span), "deadline_s": deadline})

    def _check_run(self, deadline: timedelta, spans: Mapping[TaskId, Span], findings: Findings) -> None:
        at, path, least = "/limits/deadline", *self.at_least()
        if least > deadline:
            message = (
                f"no run can complete within {_s(deadline)} s: the timers of {' → '.join(path)} take {_s(least)} s"
            )
            findings.error("ACC838", message, at, "raise the deadline, or shorten the timers")
            return
        skipped = may_be_skipped(self.graph.tasks, self.graph.order)
        for left_out, where in ((skipped, ""), (frozenset[TaskId](), _BRANCHES)):
            cut = {name: Span() if name in left_out else self._cut(name, span) for name, span in spans.items()}
            path, time = critical(self.graph, {name: span.time for name, span in cut.items()})
            if time is not None and time > deadline:
                message = "the tasks of one path may take longer together than the run may: it fails then (ACC440)"
                hint = f"raise `deadline` to {_s(time)} s, or lower attempts, timeouts or back-offs; {_GUARD}"
                tasks = {name: _sum(cut[name]) for name in path if cut[name].time}
                example = {"time_s": _s(time), "deadline_s": _s(deadline), "tasks": tasks}
                findings.warning("ACC176", message + where, at, hint, example)
                return

    def _cut(self, name: TaskId, span: Span) -> Span:
        deadline = self.graph.tasks[name].deadline
        return span if deadline is None or span.time <= deadline else Span(deadline, _s(deadline))

    # -- tasks ---------------------------------------------------------------------------------------------------

    def _whole(self, task: Task) -> Span:
        """Items are done all at once, or so many at a time as the task says."""
        single = self._single(task)
        if task.for_each is None:
            return single
        items = self.most.get(task.id)
        if items is None:
            return msgspec.structs.replace(single, bounded=False)
        rounds = -(-items // min(task.parallel or self.graph.parallel, self.graph.parallel))
        words = single.words if rounds == 1 else f"{rounds} * ({single.words})"
        return Span(rounds * single.time, words, single.bounded)

    def _single(self, task: Task) -> Span:
        """Of the task, or one item of it."""
        match task.action:
            case Wait(timeout=timeout):
                return _span(timeout)
            case Sleep() as sleep:
                return _span(_slept(sleep))
            case Subrun(template=template):
                inner = self.inner(template)
                return _span(None if inner is None or inner.time_s is None else timedelta(seconds=inner.time_s))
            case Work() as work:
                tried = _added([self._tried(work, option) for option in work.options if option.capability is not None])
                return msgspec.structs.replace(tried, bounded=False) if _is_reviewed(work) else tried

    def _tried(self, work: Work, option: Option) -> Span:
        """All attempts of one option, one after the other."""
        waits, timeout = list(_waits(work)), self._timeout(work, option)
        waited = " + ".join(_s(each) for each in waits if each)
        if timeout is None:
            return Span(sum(waits, NONE), waited, bounded=False)
        attempts = f"{work.retry.attempts} * {_s(timeout)}"
        words = f"{attempts} + {waited}" if waited else attempts
        return Span(work.retry.attempts * timeout + sum(waits, NONE), words)

    def _timeout(self, work: Work, option: Option) -> timedelta | None:
        contracts = () if option.capability is None else self.capabilities.contracts(option.capability)
        contracted = [one.limits.deadline for one in contracts]
        known = [each for each in contracted if each is not None]
        longest = max(known) if known and len(known) == len(contracted) else None
        return min((each for each in (work.timeout, longest) if each is not None), default=None)

    def _least(self, task: Task, *, whole: bool = False) -> timedelta:
        """How long a task takes at least that is done for certain and, if it has to be `whole`, completes."""
        if task.for_each is not None and not self.least.get(task.id, 0):
            return NONE
        if isinstance(task.action, Sleep) and (whole or task.fails_run or task.for_each is None):
            return _slept(task.action) or NONE
        inner = self.inner(task.action.template) if isinstance(task.action, Subrun) else None
        return NONE if inner is None or not (whole or task.fails_run) else timedelta(seconds=inner.least_s)


def critical(
    graph: Graph, takes: Mapping[TaskId, timedelta | None], *, certain: bool = False
) -> tuple[tuple[TaskId, ...], timedelta | None]:
    """The path that takes longest, and how long. Where it is to be `certain`, a task that does not wait for all its
    needs waits for none.
    """
    ends: dict[TaskId, timedelta | None] = {}
    before: dict[TaskId, TaskId | None] = {}
    for name in graph.order:
        task = graph.tasks[name]
        needs = () if certain and task.join.at_least is not None else task.needs
        last = _last(needs, ends)
        begins = NONE if last is None else ends[last]
        own = takes[name]
        before[name] = last
        ends[name] = None if begins is None or own is None else begins + own
    found = _last(graph.order, ends)
    path = [] if found is None else [found]
    while path and (earlier := before[path[-1]]) is not None:
        path.append(earlier)
    return tuple(reversed(path)), NONE if found is None else ends[found]


def _last(names: Iterable[TaskId], ends: Mapping[TaskId, timedelta | None]) -> TaskId | None:
    """The one that ends last; the first of those that nothing bounds."""
    last: TaskId | None = None
    for name in names:
        end = ends[name]
        if end is None:
            return name
        if last is None or end > (ends[last] or NONE):
            last = name
    return last


def _never_tried(task: Task, deadline: timedelta) -> tuple[int, str] | None:
    """The first attempt of a task that is never made after all before it have failed, and what is waited for it at
    least; None where all may be. Copies do not wait for each other.
    """
    if not isinstance(task.action, Work) or task.action.redundancy is not None:
        return None
    kept = 1 - task.action.retry.backoff.jitter
    waits: list[timedelta] = []
    for wait in _waits(task.action):
        waits.append(wait * kept)
        if sum(waits, NONE) >= deadline:
            return len(waits) + 1, _sum(_added([_span(each) for each in waits]))
    return None


def _is_reviewed(work: Work) -> bool:
    """Whether a person may have to look at the result, who may take any time."""
    return work.confidence is not None and work.confidence.otherwise == "review"


def _waits(work: Work) -> Iterator[timedelta]:
    """The waiting times between the attempts, at most."""
    backoff = work.retry.backoff
    return (_wait(backoff, number) for number in range(work.retry.attempts - 1))


def _wait(backoff: Backoff, number: int) -> timedelta:
    whole_s = backoff.first.total_seconds() * backoff.factor ** min(number, 64)
    return timedelta(seconds=min(whole_s, backoff.cap.total_seconds()))


def _slept(action: Sleep) -> timedelta | None:
    return parse_duration(str(action.until.value)) if isinstance(action.until, Literal) else None


def _span(time: timedelta | None) -> Span:
    return Span(bounded=False) if time is None else Span(time, _s(time))


def _added(spans: list[Span]) -> Span:
    words = " + ".join(each.words for each in spans if each.words)
    return Span(sum((each.time for each in spans), NONE), words, all(each.bounded for each in spans))


def _sum(span: Span) -> str:
    return span.words if span.words == _s(span.time) else f"{span.words} = {_s(span.time)}"


def _s(time: timedelta) -> str:
    """Seconds as they are told."""
    return f"{time.total_seconds():.3f}".rstrip("0").rstrip(".")
