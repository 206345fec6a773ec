"""Why a run failed, was cancelled, or is about to be: from its end back to what began it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from accord.domain import event as e
from accord.domain.fault import Fault
from accord.domain.graph import undone_id
from accord.domain.grounds import short_name
from accord.domain.ids import AgentId, RunId, TaskId
from accord.domain.state import Attempt, Run
from accord.errors import Problem


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A link of the chain: it came about because of the one that follows."""

    kind: Literal["run", "task", "item", "undo", "mapping", "attempt", "subrun", "person"]
    words: str
    problem: Problem | None = None
    fault: Fault | None = None
    """Whose doing it is, where a contract was broken."""
    task: TaskId | None = None
    attempt: int | None = None
    agent: AgentId | None = None
    run: RunId | None = None
    """The other run that did the task: its own chain goes on from here."""
    event: int | None = None
    """The number of the event that says so."""


def causes_of(run: Run, events: Sequence[tuple[int, e.Event]]) -> Iterator[Cause]:
    """The chain of a run that has failed, is failing, was cancelled or is being cancelled; nothing for any other."""
    if run.phase in ("failing", "failed"):
        yield from _of_failure(run, events)
    elif run.phase in ("cancelling", "cancelled"):
        sequence, cancelling = _last(events, e.RunCancelling)
        if isinstance(cancelling, e.RunCancelling):
            why = f": {cancelling.reason}" if cancelling.reason else ""
            words = f"{cancelling.by} cancelled it{why}"
            yield Cause(kind="person", words=words, event=sequence)


def _of_failure(run: Run, events: Sequence[tuple[int, e.Event]]) -> Iterator[Cause]:
    sequence, failing = _last(events, e.RunFailing)
    if not isinstance(failing, e.RunFailing):
        return
    problem = failing.problem
    words = f"the run {'failed' if run.ended else 'is failing'}: {problem_words(problem)}"
    yield Cause(kind="run", words=words, problem=problem, fault=failing.fault, event=sequence)
    if failing.task is not None:
        yield from task_causes(run, failing.task, events)


def task_causes(run: Run, task: TaskId, events: Sequence[tuple[int, e.Event]]) -> Iterator[Cause]:
    """Why a task failed; nothing where it has not. Of an expansion, its items that have."""
    state = run.state(task)
    if state.phase != "failed" or state.problem is None:
        return
    sequence, _ = _last(events, e.TaskFailed, task)
    yield Cause(
        kind="undo" if undone_id(task) is not None else "item" if "[" in task else "task",
        words=f"{task} failed: {problem_words(state.problem)}",
        problem=state.problem,
        fault=state.fault,
        task=task,
        event=sequence,
    )
    for problem in dict.fromkeys(state.misfits):
        words = f"what the template gives {task} does not fit: {problem_words(problem)}"
        yield Cause(kind="mapping", words=words, problem=problem, fault="mapping", task=task)
    for call in state.calls:
        words = f"run {call.run} did what its agent had asked for: {call.wanted}"
        yield Cause(kind="subrun", words=words, task=task, run=call.run)
    if state.subrun is not None:
        yield Cause(kind="subrun", words=f"run {state.subrun} did {task}", task=task, run=state.subrun)
    for attempt in state.current():
        if attempt.phase in ("rejected", "failed", "expired"):
            yield _of_attempt(task, attempt, events)
    for item in run.started_items(task):
        yield from task_causes(run, item, events)


def _of_attempt(task: TaskId, attempt: Attempt, events: Sequence[tuple[int, e.Event]]) -> Cause:
    ends = e.AttemptRejected | e.AttemptFailed | e.AttemptExpired
    event = next(
        (
            (sequence, one)
            for sequence, one in reversed(events)
            if isinstance(one, ends) and (one.task, one.attempt) == (task, attempt.number)
        ),
        None,
    )
    problem = attempt.problems[0] if attempt.problems else None
    told = f": {problem_words(problem)}" if problem is not None else ""
    of = "the diagnosis" if attempt.want.purpose == "diagnose" else f"attempt {attempt.number}"
    return Cause(
        kind="attempt",
        words=f"{short_name(attempt.agent)} had {of} of {task}, and {_HOW[attempt.phase]}{told}",
        problem=problem,
        fault=attempt.fault,
        task=task,
        attempt=attempt.number,
        agent=attempt.agent,
        event=event[0] if event is not None else None,
    )


_HOW: Final[Mapping[str, str]] = {
    "rejected": "its result was rejected",
    "failed": "it could not do it",
    "expired": "it did not answer in time",
}


def problem_words(problem: Problem) -> str:
    """`ACC420 no luck`, with the place where there is one."""
    at = f" at {problem.place.pointer}" if problem.place.pointer else ""
    return f"{problem.code}{at} {problem.message}"


def _last(
    events: Sequence[tuple[int, e.Event]], kind: type, task: TaskId | None = None
) -> tuple[int | None, e.Event | None]:
    for sequence, event in reversed(events):
        if isinstance(event, kind) and (task is None or getattr(event, "task", None) == task):
            return sequence, event
    return None, None
