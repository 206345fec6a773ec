"""Time: what is due in a run, and when the run must be looked at next."""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import datetime

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.document import document_of
from accord.domain.draft import Draft
from accord.domain.graph import Wait
from accord.domain.ids import LeaseToken, TaskId
from accord.domain.outcome import expire, fall_back
from accord.domain.progress import fail_run, fail_task, stop_attempts
from accord.domain.run import NEVER_WOKEN, Run, TaskState
from accord.errors import Problem


def tick(draft: Draft, command: c.Tick) -> None:
    """Do all that is due: leases, timeouts, deadlines, timers. A deadline counts on while the run is paused."""
    deadline = draft.run.started.deadline_at
    if deadline is not None and deadline <= draft.now:
        fail_run(draft, Problem("ACC440", f"the run's deadline has passed ({deadline.isoformat()})"), None)
    for task in tuple(draft.run.busy):
        if task in draft.run.busy:
            _tick_task(draft, task, command.renewed)


def next_wake(run: Run, renewed: dict[LeaseToken, datetime]) -> datetime | None:
    """When the run must be looked at again at the latest; None when it has ended. `renewed` tells how long
    heartbeats keep leases.
    """
    if run.ended:
        return None
    idle = run.updated_at + NEVER_WOKEN
    times = [idle]
    if run.started.deadline_at is not None and run.phase == "running":
        times.append(run.started.deadline_at)
    for task in run.busy:
        times.extend(_due(run, task, run.state(task), renewed))
    return min(times)


def _due(run: Run, task: TaskId, state: TaskState, renewed: dict[LeaseToken, datetime]) -> Iterator[datetime]:
    for attempt in state.attempts:
        if attempt.live:
            yield max(attempt.lease_until, renewed.get(attempt.lease, attempt.lease_until))
            if attempt.timeout_at is not None:
                yield attempt.timeout_at
    for want in state.wants:
        if want.not_before is not None and want.not_before > run.updated_at:
            yield want.not_before
    if state.waiting is not None and state.waiting.until is not None:
        yield state.waiting.until
    deadline = run.graph.task(task).deadline
    if deadline is not None and state.started_at is not None:
        yield state.started_at + deadline


def _tick_task(draft: Draft, task: TaskId, renewed: Container[LeaseToken]) -> None:
    state = draft.run.state(task)
    spec = draft.run.graph.task(task)
    if spec.deadline and state.started_at and state.started_at + spec.deadline <= draft.now:
        stop_attempts(draft, task, "the task's deadline has passed")
        fail_task(draft, task, Problem("ACC441", f"the deadline of task {task} has passed"))
        return
    if state.waiting is not None and state.waiting.until is not None and state.waiting.until <= draft.now:
        _end_waiting(draft, task)
        return
    for attempt in state.attempts:
        current = draft.run.attempt(task, attempt.number)
        if current is None or not current.live:
            continue
        if current.timeout_at is not None and current.timeout_at <= draft.now:
            expire(draft, task, current, "timeout")
        elif current.lease_until <= draft.now and current.lease not in renewed:
            expire(draft, task, current, "lease")


def _end_waiting(draft: Draft, task: TaskId) -> None:
    waiting = draft.run.state(task).waiting
    assert waiting is not None  # noqa: S101 - narrowed by the caller
    action = draft.run.graph.task(task).action
    if waiting.for_ == "time":
        output = document_of(b'"%s"' % draft.now.isoformat().encode())
        draft.emit(e.TaskCompleted(at=draft.now, task=task, output=output, by="timer"))
    elif waiting.for_ == "review":
        fall_back(draft, task, Problem("ACC442", f"nobody reviewed the result of {task} in time"))
    elif isinstance(action, Wait) and action.on_timeout == "skip":
        draft.emit(e.TaskSkipped(at=draft.now, task=task, reason="nobody answered in time"))
    else:
        fail_task(draft, task, Problem("ACC443", f"nobody answered {task} in time"))
