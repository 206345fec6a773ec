"""Timelines: what each task of a run did when: it waited, was queued, waited before it was tried again, ran. Everything
comes from the run's events, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from accord.domain import event as e
from accord.domain.graph import Graph, undo_id
from accord.domain.ids import AgentId, TaskId, split_item
from accord.domain.machine import SETTLED, AttemptPhase
from accord.domain.run import begin, evolve
from accord.domain.standing import again_at
from accord.domain.state import Run, TaskState

SpanKind = Literal["waiting", "queued", "retry_wait", "assigned", "running", "paused", "answer", "timer", "items"]
"""What a task does: waits for what comes before it, or for its turn; is to be given to an agent; waits before it is
tried again; an agent has it, and has not begun, or not said so yet; an agent, or another run, is at work; would be
given to an agent if the run were not paused; waits for a person or for a signal; waits for a time; its items are under
way.
"""

_WIDE: Final = (
    e.RunPaused,
    e.RunResumed,
    e.RunCompleted,
    e.RunFailed,
    e.RunCancelled,
    e.RollbackStarted,
    e.RollbackFinished,
)
"""Events after which any task may do something else."""

_ENDS: Final = (e.AttemptSucceeded, e.AttemptRejected, e.AttemptFailed, e.AttemptExpired, e.AttemptCancelled)


class Span(msgspec.Struct, frozen=True):
    """A time in which a task did one thing; `until` is None where it still does."""

    kind: SpanKind
    since: datetime
    until: datetime | None


class AttemptSpan(msgspec.Struct, frozen=True):
    """An attempt: from the assignment to its end."""

    number: int
    agent: AgentId
    purpose: e.Purpose
    phase: AttemptPhase
    since: datetime
    accepted: datetime | None
    """When the agent had begun, by what it said; for longer tasks only."""
    until: datetime | None


class Track(msgspec.Struct, frozen=True):
    """What one task, or an item or a compensation of one, did: the spans follow one another and do not overlap."""

    task: TaskId
    spans: tuple[Span, ...]
    attempts: tuple[AttemptSpan, ...]


class Step(msgspec.Struct, frozen=True):
    """A task of the critical path: what came before it had ended at `since`."""

    task: TaskId
    item: TaskId | None
    """Of an expansion, the item that ended last."""
    since: datetime
    until: datetime | None
    took: timedelta | None
    """How much of what the run took it is, rests left out; None where it is under way."""
    kinds: dict[SpanKind, timedelta]
    """What it, or the item, did in this time, and for how long: rests are told as pauses, and as nothing else."""


class Timeline:
    """What happened in a run, made event by event."""

    def __init__(self, graph: Graph, started: e.RunStarted) -> None:
        self.run = begin(graph, started)
        self._open: dict[TaskId, tuple[SpanKind, datetime, datetime | None]] = {}
        self._spans: dict[TaskId, list[Span]] = {}
        self._ended: dict[tuple[TaskId, int], datetime] = {}
        for task in graph.order:
            self._note(task, started.at)

    def add(self, event: e.Event) -> None:
        """One more event has happened. Raises TransitionRefused for one that cannot follow."""
        self.run = evolve(self.run, event)
        if isinstance(event, _ENDS):
            self._ended[event.task, event.attempt] = event.at
        for task in self._touched(event):
            self._note(task, event.at)

    def tasks(self) -> Iterator[TaskId]:
        """Everything that has a track: the tasks in the order of the graph, each with its items, then compensations."""
        undone: list[TaskId] = []
        for node in self.run.graph.order:
            for part in self.run.instances(node):
                if part in self._spans or part in self._open:
                    yield part
                undo = undo_id(part)
                if undo in self._spans or undo in self._open:
                    undone.append(undo)
        yield from undone

    def track(self, task: TaskId) -> Track:
        """What a task did; nothing where there is no such task."""
        spans = list(self._spans.get(task, ()))
        if task in self._open:
            kind, since, _ = self._open[task]
            spans.append(Span(kind, since, None))
        parted = (part for span in spans for part in self._at_agent(task, span))
        return Track(task, tuple(parted), tuple(self._attempts(task)))

    def critical(self) -> tuple[Step, ...]:
        """The chain of tasks that the run took as long for as it did: each begins when the last of those that it waited
        for had ended. It leads to the task that ended last, or to the one that has been under way longest.
        """
        last = self._last()
        steps: list[Step] = []
        while last is not None:
            before = self._before(last)
            since = self.run.state(before).ended_at if before is not None else None
            steps.append(self._step(last, since or self.run.started.at))
            last = before
        return tuple(reversed(steps))

    # -- spans ---------------------------------------------------------------------------------------------------

    def _touched(self, event: e.Event) -> Iterable[TaskId]:
        if isinstance(event, _WIDE):
            return [*self._open, *self.run.graph.order, *self.run.busy]
        task: TaskId | None = getattr(event, "task", None)
        return () if task is None else (task,)

    def _note(self, task: TaskId, at: datetime) -> None:
        """Write down what the task does from now on, where that is something else."""
        state = self.run.state(task)
        kind = _kind(self.run, task, state, at)
        known = self._open.get(task)
        back = again_at(state) if kind == "retry_wait" else None
        if known is not None and (known[0], known[2]) == (kind, back):
            return
        if known is not None:
            self._close(task, at)
        elif task not in self._spans and split_item(task)[1] is not None:
            self._since_expanded(task, at)
        if kind is not None:
            self._open[task] = (kind, self._goes_on(task, kind, at), back)

    def _goes_on(self, task: TaskId, kind: SpanKind, at: datetime) -> datetime:
        """Since when the task does this, without a break."""
        spans = self._spans.get(task)
        if spans and (spans[-1].kind, spans[-1].until) == (kind, at):
            return spans.pop().since
        return at

    def _since_expanded(self, item: TaskId, at: datetime) -> None:
        """An item has waited for its turn since the expansion."""
        node, _ = split_item(item)
        since = self.run.state(node).started_at
        if since is not None and since < at:
            self._spans[item] = [Span("waiting", since, at)]

    def _close(self, task: TaskId, at: datetime) -> None:
        kind, since, back = self._open.pop(task)
        spans = self._spans.setdefault(task, [])
        if back is not None and since < back < at:  # the wait was over, and no agent had been found yet
            spans.append(Span(kind, since, back))
            kind, since = "queued", back
        if since < at:
            spans.append(Span(kind, since, at))

    def _at_agent(self, task: TaskId, span: Span) -> Iterator[Span]:
        """The span, and before it how long its first attempt stood in the queue of its agent. One that has ended, and
        of which its agent has said nothing, was at work.
        """
        shared = [one for one in self._attempts(task) if _overlap(one, span)] if span.kind == "running" else []
        if not shared:  # of what another run does, there are none
            yield span
            return
        since = min((at for at in map(_began, shared) if at is not None), default=None)
        if since is None or (span.until is not None and since >= span.until):
            yield Span("assigned", span.since, span.until)
        elif since > span.since:
            yield from (Span("assigned", span.since, since), Span("running", since, span.until))
        else:
            yield span

    def _attempts(self, task: TaskId) -> Iterator[AttemptSpan]:
        for one in self.run.state(task).attempts:
            key = (task, one.number)
            yield AttemptSpan(
                one.number, one.agent, one.want.purpose, one.phase, one.assigned_at, one.began_at, self._ended.get(key)
            )

    # -- the critical path ---------------------------------------------------------------------------------------

    def _last(self) -> TaskId | None:
        order = self.run.graph.order
        states = [self.run.state(task) for task in order]
        busy = [(one.started_at, place) for place, one in enumerate(states) if one.busy and one.started_at]
        if busy:
            return order[min(busy)[1]]
        ended = [(one.ended_at, place) for place, one in enumerate(states) if one.ended_at]
        return order[max(ended)[1]] if ended else None

    def _before(self, task: TaskId) -> TaskId | None:
        """What the task waited for last."""
        state = self.run.state(task)
        began = state.started_at or state.ended_at
        needs = [(self.run.state(need).ended_at, need) for need in self.run.graph.tasks[task].needs]
        ended = [(at, need) for at, need in needs if at is not None and began is not None and at <= began]
        return max(ended)[1] if ended else None

    def _step(self, task: TaskId, since: datetime) -> Step:
        state = self.run.state(task)
        item = self._last_item(task)
        found: dict[SpanKind, timedelta] = {}
        for span in self.track(item or task).spans:
            until = min(span.until or self.run.updated_at, state.ended_at or self.run.updated_at)
            begun = max(span.since, since)
            length = until - begun if span.kind == "paused" else self.run.worked(begun, until)
            if length > timedelta():
                found[span.kind] = found.get(span.kind, timedelta()) + length
        took = None if state.ended_at is None else self.run.worked(since, state.ended_at)
        return Step(task, item, since, state.ended_at, took, found)

    def _last_item(self, task: TaskId) -> TaskId | None:
        ended = [(at, item) for item in self.run.started_items(task) if (at := self.run.state(item).ended_at)]
        return max(ended)[1] if ended else None


def _overlap(one: AttemptSpan, span: Span) -> bool:
    return (one.until is None or one.until > span.since) and (span.until is None or one.since < span.until)


def _began(one: AttemptSpan) -> datetime | None:
    """Since when the agent is at work; None where it has said nothing yet."""
    return one.accepted or (one.since if one.until is not None else None)


def _kind(run: Run, task: TaskId, state: TaskState, at: datetime) -> SpanKind | None:
    """What the task does; None where it does nothing any more, or nothing yet."""
    if state.phase in SETTLED or run.ended:
        return None
    if state.phase == "pending":
        return "waiting" if task in run.graph.tasks else None
    if state.phase == "expanded":
        return "items"
    if task in run.subruns or any(attempt.live for attempt in state.attempts):
        return "running"
    if state.waiting is not None:
        return "timer" if state.waiting.for_ == "time" else "answer"
    if run.paused:
        return "paused"
    back = again_at(state)
    return "retry_wait" if back is not None and back > at else "queued"
