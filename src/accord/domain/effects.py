"""Effects: what has to be done in the world because of events. Always derivable from them, so a crash in between
repeats them and loses none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.command import PARENT
from accord.domain.document import Document
from accord.domain.flow import run_labels
from accord.domain.graph import Subrun
from accord.domain.ids import RunId, TaskId
from accord.domain.labels import told
from accord.domain.recourse import UNSURE
from accord.domain.run import Attempt, Run
from accord.domain.state import Call
from accord.errors import Problem


class Send(msgspec.Struct, frozen=True, gc=False):
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


class Offer(msgspec.Struct, frozen=True, gc=False):
    """A task wants an agent."""

    task: TaskId


class Free(msgspec.Struct, frozen=True, gc=False):
    """An attempt has ended: its agent has room again."""

    task: TaskId
    attempt: Attempt
    blamed: bool = False
    """Whether it ended by a fault of the agent's own: its time ran out, it has crashed, its result broke the contract.
    An agent that is unsure, refuses an input, or says that nobody could do it, is not to blame."""


class StartSubrun(msgspec.Struct, frozen=True):
    """Start the run that does a task. If it is there already, nothing happens; if it has ended, that is told again."""

    task: TaskId
    run: RunId
    template: str
    input: Document


class StartCall(msgspec.Struct, frozen=True):
    """Start the run that a task's agent has asked for. If it is there already, nothing happens; if it has ended, that
    is told again.
    """

    task: TaskId
    call: Call


class Reply(msgspec.Struct, frozen=True):
    """Tell the agent what came of what it has asked for."""

    task: TaskId
    attempt: Attempt
    call: Call


class TellParent(msgspec.Struct, frozen=True):
    """Tell the run whose task this run did how it ended."""

    run: RunId
    command: c.SubrunEnded


class TellSubrun(msgspec.Struct, frozen=True):
    """Pause, resume or cancel the run that does a task, as its parent was.

    A refusal is no matter; but where the run is not there, or has ended, the answer is SubrunEnded: the parent waits
    for it.
    """

    run: RunId
    task: TaskId
    """The task that it does, or did."""
    command: c.Pause | c.Resume | c.Cancel


class Ended(msgspec.Struct, frozen=True):
    """The run has ended."""


_BEGINNINGS = (e.SubrunStarted, e.CallMade)

Effect = Send | Withdraw | Reject | Offer | Free | StartSubrun | StartCall | Reply | TellParent | TellSubrun | Ended


def effects(run: Run, events: Sequence[e.Event]) -> Iterator[Effect]:
    """What follows from these events, in order; `run` is the state after them: a sub-run of it that has yet to start by
    one of these events is told nothing before.
    """
    below = run.subruns or run.called or run.leaving
    coming = {event.run for event in events if isinstance(event, _BEGINNINGS)} if below else set()
    for event in events:
        make = _EFFECTS.get(type(event))
        if make is None:
            continue
        if not coming:
            yield from make(run, event)
            continue
        if isinstance(event, _BEGINNINGS):
            coming.discard(event.run)
        yield from (one for one in make(run, event) if not (isinstance(one, TellSubrun) and one.run in coming))


def outstanding(run: Run) -> Iterator[Effect]:
    """What has to be done again when the run is taken over: everything that may not have been done."""
    for task in sorted(run.busy):
        state = run.state(task)
        if state.wants:
            yield Offer(task)
        yield from (Send(task, attempt) for attempt in state.attempts if attempt.live)
        if task in run.subruns:
            yield from _subrun_again(run, task)
        for call in state.calls:
            if call.run in run.called:
                yield StartCall(task, call)
                yield _hold(run, call.run, task)
    for subrun in sorted(run.leaving):
        yield _leave(run, subrun, "the task has ended")
        yield _hold(run, subrun, run.leaving[subrun])
    if run.ended:
        yield from _ended(run, None)


def _subrun_again(run: Run, task: TaskId) -> Iterator[Effect]:
    state, action = run.state(task), run.graph.task(task).action
    assert isinstance(action, Subrun)  # noqa: S101 - it has been started
    assert state.subrun_input is not None  # noqa: S101 - as before
    subrun = run.subruns[task]
    yield StartSubrun(task, subrun, action.template, state.subrun_input)
    yield _hold(run, subrun, task)


def _hold(run: Run, subrun: RunId, task: TaskId) -> TellSubrun:
    return TellSubrun(subrun, task, c.Pause(by=PARENT) if run.paused else c.Resume(by=PARENT))


def _leave(run: Run, subrun: RunId, reason: str) -> TellSubrun:
    return TellSubrun(subrun, run.leaving[subrun], c.Cancel(by=PARENT, reason=reason, gives_up=run.gave_up))


def _attempt_of(run: Run, event: Any) -> Attempt:
    attempt = run.attempt(event.task, event.attempt)
    assert attempt is not None, "the event has been applied"  # noqa: S101
    return attempt


def _send(run: Run, event: e.AttemptAssigned) -> Iterator[Effect]:
    attempt = _attempt_of(run, event)
    if attempt.live:
        yield Send(event.task, attempt)


def _send_again(run: Run, event: e.AttemptDamaged) -> Iterator[Effect]:
    """An agent that gets an assignment again does not do it again, but gives its answer again."""
    yield Send(event.task, _attempt_of(run, event))


def _free(run: Run, event: e.AttemptSucceeded | e.AttemptFailed) -> Iterator[Effect]:
    blamed = isinstance(event, e.AttemptFailed) and event.retryable and event.fault is None
    yield Free(event.task, _attempt_of(run, event), blamed)


def _reject(run: Run, event: e.AttemptRejected) -> Iterator[Effect]:
    attempt = _attempt_of(run, event)
    blamed = event.fault == "producer" and all(problem.code != UNSURE for problem in event.problems)
    yield Free(event.task, attempt, blamed)
    yield Reject(event.task, attempt, event.problems)


def _withdraw(run: Run, event: e.AttemptCancelled | e.AttemptExpired) -> Iterator[Effect]:
    attempt = _attempt_of(run, event)
    reason = event.reason if isinstance(event, e.AttemptCancelled) else event.cause
    yield Free(event.task, attempt, isinstance(event, e.AttemptExpired))
    yield Withdraw(event.task, attempt, reason)


def _offer(run: Run, event: e.AttemptWanted) -> Iterator[Effect]:
    yield Offer(event.task)


def _start_subrun(run: Run, event: e.SubrunStarted) -> Iterator[Effect]:
    yield StartSubrun(event.task, event.run, event.template, event.input)
    if run.paused:
        yield TellSubrun(event.run, event.task, c.Pause(by=PARENT))


def _start_call(run: Run, event: e.CallMade) -> Iterator[Effect]:
    call = run.state(event.task).call(event.call)
    if call is None:
        return  # the task was undone by an event of the same commit
    yield StartCall(event.task, call)
    if run.paused:
        yield TellSubrun(event.run, event.task, c.Pause(by=PARENT))


def _reply(run: Run, event: e.CallEnded) -> Iterator[Effect]:
    state = run.state(event.task)
    call = state.call(event.call)
    if call is not None:
        yield from (Reply(event.task, attempt, call) for attempt in state.current() if attempt.live)


def _cancel_subruns(run: Run, event: e.TaskCancelled | e.TaskFailed | e.TaskCompleted) -> Iterator[Effect]:
    if not run.leaving:
        return
    match event:
        case e.TaskCancelled(reason=reason):
            why = reason
        case e.TaskFailed(problem=problem):
            why = problem.message
        case _:
            why = "the task is completed"
    yield from (_leave(run, one, why) for one, task in sorted(run.leaving.items()) if task == event.task)


def _give_up(run: Run, event: e.RunCancelling | e.RunFailing) -> Iterator[Effect]:
    if event.gives_up:
        yield from (_leave(run, subrun, "nothing more is undone") for subrun in sorted(run.leaving))


def _hold_subruns(run: Run, event: e.RunPaused | e.RunResumed) -> Iterator[Effect]:
    command: c.Pause | c.Resume = c.Pause(by=PARENT) if isinstance(event, e.RunPaused) else c.Resume(by=PARENT)
    tasks = {subrun: task for task, subrun in run.subruns.items()} | dict(run.called) | dict(run.leaving)
    yield from (TellSubrun(subrun, tasks[subrun], command) for subrun in sorted(tasks))


def _ended(run: Run, event: e.Event | None) -> Iterator[Effect]:
    if not run.ended:
        return  # it was taken up again before its end was durable: it has yet to end
    parent = run.started.parent
    if parent is not None:
        problem = None if run.phase == "completed" else run.problem or Problem("ACC445", f"the run was {run.phase}")
        command = c.SubrunEnded(
            task=parent.task,
            run=run.id,
            output=run.output,
            problem=problem,
            cost=run.spent or None,
            labels=told(run_labels(run)) if run.labelled and run.phase == "completed" else (),
        )
        yield TellParent(parent.run, command)
    yield Ended()


_EFFECTS: dict[type, Callable[[Run, Any], Iterator[Effect]]] = {
    e.AttemptAssigned: _send,
    e.AttemptDamaged: _send_again,
    e.AttemptSucceeded: _free,
    e.AttemptFailed: _free,
    e.AttemptRejected: _reject,
    e.AttemptCancelled: _withdraw,
    e.AttemptExpired: _withdraw,
    e.AttemptWanted: _offer,
    e.SubrunStarted: _start_subrun,
    e.CallMade: _start_call,
    e.CallEnded: _reply,
    e.TaskCompleted: _cancel_subruns,
    e.TaskCancelled: _cancel_subruns,
    e.TaskFailed: _cancel_subruns,
    e.RunCancelling: _give_up,
    e.RunFailing: _give_up,
    e.RunPaused: _hold_subruns,
    e.RunResumed: _hold_subruns,
    e.RunCompleted: _ended,
    e.RunFailed: _ended,
    e.RunCancelled: _ended,
}
