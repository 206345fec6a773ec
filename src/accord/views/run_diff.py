"""Where two runs parted: what they were given that is not the same, then for each task the first event that is another
one, and what they took. Handy for a run and its fork, or for the same template today and yesterday.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET

from accord.domain import event as e
from accord.domain.causes import problem_words
from accord.domain.cost import shortest
from accord.domain.difference import Difference, differences
from accord.domain.document import Document
from accord.domain.grounds import short_name
from accord.domain.ids import AgentId, Digest, RunId, TaskId
from accord.domain.machine import event_name
from accord.domain.run import Run
from accord.domain.state import TaskState
from accord.service import Service
from accord.views.histories import history
from accord.views.result import value_of
from accord.views.tasks import amount, cost_of

VALUES_MOST: Final = 20
"""So many places are told in which two values differ."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two runs."""

    run: RunId
    title: str
    template: str
    graph: Digest
    state: str
    took_s: float
    """From start to end, or up to its last event, but for rests."""
    attempts: int
    cost: str
    events: int


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the two runs rest on and that is not the same."""

    what: str
    """`template`, `input`, `labels`, `policy`, `contract of text.summarize`."""
    words: str
    differences: tuple[Difference, ...] = ()
    """Where the two values differ; some of them."""


class Parting(msgspec.Struct, frozen=True, kw_only=True):
    """Where the two runs went different ways in a task."""

    what: str
    """`agent`, `output`, `input`, `attempt`, `branch`, `missing`."""
    words: str
    before: int | None
    """The number of the event in the first run; None where it has none."""
    after: int | None
    differences: tuple[Difference, ...] = ()
    """Where the two values differ; some of them."""


class TaskPair(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a task in both."""

    task: TaskId
    states: tuple[str, str]
    agents: tuple[tuple[AgentId, ...], tuple[AgentId, ...]]
    attempts: tuple[int, int]
    took_s: tuple[float | None, float | None]
    cost: tuple[str | None, str | None]
    input: tuple[Difference, ...]
    """Where what the task was given last differs; some of the places."""
    output: tuple[Difference, ...]
    """Where what came of it differs; some of the places."""
    parted: Parting | None
    """None where both have done the same."""


class RunsDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Where two runs parted."""

    before: Side
    after: Side
    shared: int | None
    """Where one was forked from the other: the last event of the origin that the fork knows of."""
    origin: RunId | None
    """Which of the two the other one was forked from."""
    taken_over: tuple[TaskId, ...]
    """The tasks whose outputs the fork took over; all others it did anew."""
    given: tuple[Given, ...]
    tasks: tuple[TaskPair, ...]
    """Those that parted, by the first event that says so in either run, then all others that either has begun."""

    @property
    def same(self) -> bool:
        """Whether nothing is different but times and cost."""
        return not self.given and all(one.parted is None for one in self.tasks)


def _when(pair: TaskPair) -> tuple[bool, int]:
    numbers = () if pair.parted is None else (pair.parted.before, pair.parted.after)
    return pair.parted is None, min((number for number in numbers if number is not None), default=0)


Told = Sequence[tuple[int, e.Event]]


async def runs_diff(service: Service, before: RunId, after: RunId) -> RunsDiff:
    """Where two runs parted. Raises NotFound where there is no such run."""
    runs = await service.run(before), await service.run(after)
    told = await history(service, before), await history(service, after)
    fork = _fork(*runs)
    pairs = [await _pair(service, task, runs, told) for task in _tasks(*runs)]
    pairs.sort(key=_when)
    return RunsDiff(
        before=_side(runs[0], told[0]),
        after=_side(runs[1], told[1]),
        shared=fork[1].sequence if fork is not None else None,
        origin=fork[1].run if fork is not None else None,
        taken_over=tuple(_taken_over(told[fork[0]])) if fork is not None else (),
        given=tuple([one async for one in _given(service, runs, told)]),
        tasks=tuple(pairs),
    )


def _side(run: Run, told: Told) -> Side:
    return Side(
        run=run.id,
        title=run.started.title,
        template=run.started.template,
        graph=run.started.graph,
        state="paused" if run.paused else run.phase,
        took_s=round(run.worked(run.started.at, run.told_at(datetime.now(UTC))).total_seconds(), 6),
        attempts=sum(1 for _ in run.work()),
        cost=shortest(run.spent),
        events=told[-1][0],
    )


def _fork(*runs: Run) -> tuple[int, e.Origin] | None:
    """Which of the two was forked from the other, and from where in it."""
    for which, other in ((1, 0), (0, 1)):
        origin = runs[which].started.origin
        if origin is not None and origin.run == runs[other].id:
            return which, origin
    return None


def _taken_over(told: Told) -> Iterator[TaskId]:
    return (event.task for _, event in told if isinstance(event, e.TaskAdopted))


def _tasks(before: Run, after: Run) -> list[TaskId]:
    """Everything to which something has happened in either, nodes first in the order of the first graph."""
    begun = {*before.tasks, *after.tasks}
    order = [node for node in dict.fromkeys((*before.graph.order, *after.graph.order)) if node in begun]
    return [*order, *sorted(begun - set(order))]


# -- what they were given ----------------------------------------------------------------------------------------


async def _given(service: Service, runs: tuple[Run, Run], told: tuple[Told, Told]) -> Any:
    before, after = (run.started for run in runs)
    if before.graph != after.graph:
        values = [msgspec.json.decode(await service.template(one.graph)) for one in (before, after)]
        words = f"the template is {after.template} in place of {before.template}"
        if before.template == after.template:
            words = f"{before.template} is not the same document"
        yield Given(what="template", words=words, differences=_some(*values))
    if before.input.sha256 != after.input.sha256:
        values = [await value_of(service, one.input) for one in (before, after)]
        yield Given(what="input", words="the inputs differ", differences=_some(*values))
    if before.labels != after.labels:
        words = f"the input's labels are {_list(after.labels)} in place of {_list(before.labels)}"
        yield Given(what="labels", words=words)
    for what, (old, new) in _rested_on(*told).items():
        yield Given(what=what, words=f"{what}: {_list(new)} in place of {_list(old)}")


def _rested_on(before: Told, after: Told) -> dict[str, tuple[list[str], list[str]]]:
    """The contracts and policy sets on which assignments rested, where both had some and they are not the same."""
    found = [_digests(told) for told in (before, after)]
    both = found[0].keys() & found[1].keys()
    return {what: (found[0][what], found[1][what]) for what in sorted(both) if found[0][what] != found[1][what]}


def _digests(told: Told) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for _, event in told:
        if isinstance(event, e.AttemptAssigned):
            name = event.capability.partition("@")[0]
            found.setdefault(f"contract of {name}", {})[f"{event.capability} ({event.contract[:12]})"] = None
            policy = event.policy.digest[:12] if event.policy is not None else "the one that ships"
            found.setdefault("policy", {})[policy] = None
    return {what: sorted(digests) for what, digests in found.items()}


def _some(before: Any, after: Any) -> tuple[Difference, ...]:
    return tuple(differences(before, after))[:VALUES_MOST]


def _list(texts: Sequence[str]) -> str:
    return ", ".join(texts) or "none"


# -- tasks -------------------------------------------------------------------------------------------------------


async def _pair(service: Service, task: TaskId, runs: tuple[Run, Run], told: tuple[Told, Told]) -> TaskPair:
    states = [run.state(task) for run in runs]
    parts = [[run.state(part) for part in run.instances(task)] for run in runs]
    adopted = any(state.adopted for state in states)
    marks = [list(_marks(of, task, outcome_only=adopted)) for of in told]
    return TaskPair(
        task=task,
        states=(states[0].phase, states[1].phase),
        agents=tuple(tuple(dict.fromkeys(one.agent for part in all_ for one in part.attempts)) for all_ in parts),  # type: ignore[arg-type]  # two of them
        attempts=(sum(part.work for part in parts[0]), sum(part.work for part in parts[1])),
        took_s=tuple(_took(run, task) for run in runs),  # type: ignore[arg-type]  # two of them
        cost=tuple(amount(cost_of(run, task)) for run in runs),  # type: ignore[arg-type]  # two of them
        input=await _apart(service, [_given_last(state) for state in states]),
        output=await _apart(service, [state.output for state in states]),
        parted=await _parted(service, task, marks),
    )


def _given_last(state: TaskState) -> Document | None:
    work = [one for one in state.attempts if one.want.purpose == "work"]
    return work[-1].want.input if work else state.subrun_input or state.items


async def _apart(service: Service, documents: Sequence[Document | None]) -> tuple[Difference, ...]:
    """Where the values of two documents differ: all of a value where there is no other."""
    before, after = documents
    if before is None or after is None:
        found = [UNSET if one is None else await value_of(service, one) for one in documents]
        return () if before is after else (Difference("", "added" if before is None else "removed", *found),)
    if before.sha256 == after.sha256:
        return ()
    return _some(await value_of(service, before), await value_of(service, after))


def _took(run: Run, task: TaskId) -> float | None:
    state = run.state(task)
    took = run.took(task, run.updated_at)
    return None if state.ended_at is None or took is None else round(took.total_seconds(), 6)


class _Mark(msgspec.Struct, frozen=True):
    """What an event says of a task that a repetition of the run should say as well."""

    sequence: int
    event: e.Event
    facts: Mapping[str, Any]


def _marks(told: Told, task: TaskId, *, outcome_only: bool) -> Iterator[_Mark]:
    for sequence, event in told:
        if getattr(event, "task", None) == task:
            facts = _outcome(event) if outcome_only else _facts(event)
            if facts is not None:
                yield _Mark(sequence, event, facts)


def _outcome(event: e.Event) -> Mapping[str, Any] | None:
    """Only what came out, where one of the runs has taken that over from the other."""
    match event:
        case e.TaskCompleted(output=output) | e.TaskAdopted(output=output):
            return {"kind": "completed", "output": output.sha256 if output is not None else None}
        case e.TaskFailed() | e.TaskSkipped() | e.TaskCancelled():
            return {"kind": event_name(type(event))}
    return None


def _facts(event: e.Event) -> Mapping[str, Any] | None:  # noqa: C901 - a case for each kind of event
    """None where an event says nothing that is to be compared."""
    kind = event_name(type(event))
    match event:
        case e.AttemptWanted(input=document, purpose=purpose, option=option):
            return {"kind": kind, "purpose": purpose, "option": option, "input": document.sha256}
        case e.AttemptAssigned(agent=agent):
            return {"kind": kind, "agent": agent}
        case e.AttemptSucceeded(output=output, confidence=confidence):
            return {"kind": kind, "output": output.sha256, "confidence": confidence}
        case e.AttemptRejected(output=output, problems=problems):
            return {"kind": kind, "output": output.sha256, "problems": [one.code for one in problems]}
        case e.AttemptFailed(problem=problem) | e.TaskFailed(problem=problem):
            return {"kind": kind, "problem": problem.code, "message": problem.message}
        case e.AttemptExpired(cause=cause):
            return {"kind": kind, "cause": cause}
        case e.TaskCompleted(output=output):
            return {"kind": kind, "output": output.sha256 if output is not None else None}
        case e.TaskExpanded(count=count, items=items):
            return {"kind": kind, "count": count, "input": items.sha256}
        case e.TaskSkipped(reason=reason):
            return {"kind": kind, "reason": reason}
        case e.AttemptAccepted() | e.AttemptDamaged() | e.SubrunEnded():
            return None
    return {"kind": kind}


async def _parted(service: Service, task: TaskId, marks: Sequence[Sequence[_Mark]]) -> Parting | None:
    before, after = marks
    for one, other in zip(before, after, strict=False):
        if one.facts != other.facts:
            return await _between(service, task, one, other)
    if len(before) == len(after):
        return None
    rest = (before if len(before) > len(after) else after)[min(len(before), len(after))]
    is_first = len(before) > len(after)
    words = f"only in the {'first' if is_first else 'second'} run: {_event_words(rest.event)}"
    return Parting(
        what="missing",
        words=words,
        before=rest.sequence if is_first else None,
        after=None if is_first else rest.sequence,
    )


async def _between(service: Service, task: TaskId, one: _Mark, other: _Mark) -> Parting:
    what = _what(one, other)
    documents = [_document(mark.event) for mark in (one, other)]
    found = await _apart(service, documents) if None not in documents else ()
    first, second = _event_words(one.event), _event_words(other.event)
    words = (
        f"{task}: {first}; in the second run {second}" if first != second else f"{task}: {first}, with another value"
    )
    return Parting(what=what, words=words, before=one.sequence, after=other.sequence, differences=found)


def _what(one: _Mark, other: _Mark) -> str:
    if one.facts["kind"] != other.facts["kind"]:
        kinds = {one.facts["kind"], other.facts["kind"]}
        return "branch" if kinds & {"task.skipped", "task.cancelled", "task.expanded"} else "attempt"
    names = [name for name in one.facts if one.facts.get(name) != other.facts.get(name)]
    return next((name for name in ("agent", "input", "output") if name in names), "attempt")


def _document(event: e.Event) -> Document | None:
    match event:
        case e.AttemptWanted(input=document) | e.TaskExpanded(items=document):
            return document
        case e.AttemptSucceeded(output=output) | e.AttemptRejected(output=output):
            return output
        case e.TaskCompleted(output=output) | e.TaskAdopted(output=output):
            return output
    return None


def _event_words(event: e.Event) -> str:  # noqa: C901 - a case for each kind of event
    match event:
        case e.AttemptWanted(purpose=purpose, option=option):
            which = "" if option == 0 else f" (option {option})"
            return f"{'a diagnosis' if purpose == 'diagnose' else 'an attempt'} was wanted{which}"
        case e.AttemptAssigned(agent=agent):
            return f"it was given to {short_name(agent)}"
        case e.AttemptSucceeded(attempt=attempt):
            return f"attempt {attempt} succeeded"
        case e.AttemptRejected(problems=problems):
            return f"the result was rejected: {problem_words(problems[0])}" if problems else "the result was rejected"
        case e.AttemptFailed(problem=problem):
            return f"the agent could not do it: {problem_words(problem)}"
        case e.TaskFailed(problem=problem):
            return f"it failed: {problem_words(problem)}"
        case e.TaskSkipped(reason=reason):
            return f"it was skipped: {reason}"
        case e.TaskExpanded(count=count):
            return f"it had {count} items"
        case e.TaskCompleted() | e.TaskAdopted():
            return "it completed"
        case e.SignalReceived(by=by):
            return f"{by} answered it"
        case e.TaskWaiting(for_=what):
            return f"it waited for {'a' if what != 'approval' else 'an'} {what}"
    return event_name(type(event)).replace(".", " ").replace("_", " ")
