"""Effects: what has to be done in the world because of events. Always derivable from them, so a crash in between
repeats them and loses none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.document import Document
from accord.domain.ids import RunId, TaskId
from accord.domain.run import Attempt, Run
from accord.errors import Problem


class Send(msgspec.Struct, frozen=True):
    """Send the assignment to its agent."""

    task: TaskId
    attempt: Attempt


class Withdraw(msgspec.Struct, frozen=True):
    """Tell the agent to stop."""

    task: TaskId
    attempt: Attempt
    reason: str


class Reject(msgspec.Struct, frozen=True):
    """Tell the agent what was wrong with its result."""

    task: TaskId
    attempt: Attempt
    problems: tuple[Problem, ...]


class Offer(msgspec.Struct, frozen=True):
    """A task wants an agent."""

    task: TaskId


class Free(msgspec.Struct, frozen=True):
    """An attempt has ended: its agent has room again."""

    task: TaskId
    attempt: Attempt


class StartSubrun(msgspec.Struct, frozen=True):
    """Start the run that does a task; if it is there already, nothing happens."""

    task: TaskId
    run: RunId
    template: str
    input: Document


class TellParent(msgspec.Struct, frozen=True):
    """Tell the run whose task this run did how it ended."""

    run: RunId
    command: c.SubrunEnded


class TellSubrun(msgspec.Struct, frozen=True):
    """Pause, resume or cancel the run that does a task, as its parent was."""

    run: RunId
    command: c.Pause | c.Resume | c.Cancel


class Ended(msgspec.Struct, frozen=True):
    """The run has ended."""


Effect = Send | Withdraw | Reject | Offer | Free | StartSubrun | TellParent | TellSubrun | Ended


def effects(run: Run, events: Sequence[e.Event]) -> Iterator[Effect]:
    """What follows from these events, in order; `run` is the state after them."""
    for event in events:
        make = _EFFECTS.get(type(event))
        if make is not None:
            yield from make(run, event)


def outstanding(run: Run) -> Iterator[Effect]:
    """What has to be done again when the run is taken over: everything that may not have been done."""
    for task in run.busy:
        state = run.state(task)
        if state.wants:
            yield Offer(task)
        yield from (Send(task, attempt) for attempt in state.attempts if attempt.live)
        if state.subrun is not None:
            yield from _subrun_again(run, task, state.subrun)
    if run.ended:
        yield from _ended(run, None)


def _subrun_again(run: Run, task: TaskId, subrun: RunId) -> Iterator[Effect]:
    if run.paused:
        yield TellSubrun(subrun, c.Pause(by="parent"))


def _attempt_of(run: Run, event: Any) -> Attempt:
    attempt = run.attempt(event.task, event.attempt)
    assert attempt is not None, "the event has been applied"  # noqa: S101
    return attempt


def _send(run: Run, event: e.AttemptAssigned) -> Iterator[Effect]:
    attempt = _attempt_of(run, event)
    if attempt.live:
        yield Send(event.task, attempt)


def _free(run: Run, event: e.AttemptSucceeded | e.AttemptFailed) -> Iterator[Effect]:
    yield Free(event.task, _attempt_of(run, event))


def _reject(run: Run, event: e.AttemptRejected) -> Iterator[Effect]:
    attempt = _attempt_of(run, event)
    yield Free(event.task, attempt)
    yield Reject(event.task, attempt, event.problems)


def _withdraw(run: Run, event: e.AttemptCancelled | e.AttemptExpired) -> Iterator[Effect]:
    attempt = _attempt_of(run, event)
    reason = event.reason if isinstance(event, e.AttemptCancelled) else event.cause
    yield Free(event.task, attempt)
    yield Withdraw(event.task, attempt, reason)


def _offer(run: Run, event: e.AttemptWanted) -> Iterator[Effect]:
    yield Offer(event.task)


def _start_subrun(run: Run, event: e.SubrunStarted) -> Iterator[Effect]:
    yield StartSubrun(event.task, event.run, event.template, event.input)


def _cancel_subrun(run: Run, event: e.TaskCancelled) -> Iterator[Effect]:
    subrun = run.state(event.task).subrun
    if subrun is not None:
        yield TellSubrun(subrun, c.Cancel(by="parent", reason=event.reason))


def _hold_subruns(run: Run, event: e.RunPaused | e.RunResumed) -> Iterator[Effect]:
    command: c.Pause | c.Resume = c.Pause(by="parent") if isinstance(event, e.RunPaused) else c.Resume(by="parent")
    for task in run.busy:
        subrun = run.state(task).subrun
        if subrun is not None:
            yield TellSubrun(subrun, command)


def _ended(run: Run, event: e.Event | None) -> Iterator[Effect]:
    parent = run.started.parent
    if parent is not None:
        problem = None if run.phase == "completed" else run.problem or Problem("ACC445", f"the run was {run.phase}")
        command = c.SubrunEnded(task=parent.task, run=run.id, output=run.output, problem=problem)
        yield TellParent(parent.run, command)
    yield Ended()


_EFFECTS: dict[type, Callable[[Run, Any], Iterator[Effect]]] = {
    e.AttemptAssigned: _send,
    e.AttemptSucceeded: _free,
    e.AttemptFailed: _free,
    e.AttemptRejected: _reject,
    e.AttemptCancelled: _withdraw,
    e.AttemptExpired: _withdraw,
    e.AttemptWanted: _offer,
    e.SubrunStarted: _start_subrun,
    e.TaskCancelled: _cancel_subrun,
    e.RunPaused: _hold_subruns,
    e.RunResumed: _hold_subruns,
    e.RunCompleted: _ended,
    e.RunFailed: _ended,
    e.RunCancelled: _ended,
}
