"""Time: what is due in a run, and when the run must be looked at next."""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime, timedelta

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.draft import Draft
from accord.domain.graph import Wait
from accord.domain.ids import LeaseToken, TaskId
from accord.domain.outcome import expire
from accord.domain.progress import fail_run, fail_task, stop_attempts, stop_tasks
from accord.domain.run import NEVER_WOKEN, Attempt, Run, TaskState
from accord.errors import Problem


def tick(draft: Draft, command: c.Tick) -> None:
    """Do all that is due: leases, timeouts, deadlines, timers. They count on while the run is paused."""
    deadline = draft.run.deadline_at
    if deadline is not None and deadline <= draft.now:
        fail_run(draft, Problem("ACC440", f"the run's deadline has passed ({deadline.isoformat()})"), None)
    for _, task in tuple(draft.run.due.until(draft.now)):
        if task in draft.run.busy:
            _tick_task(draft, task, command.renewed)


def next_wake(
    run: Run,
    renewed: Mapping[LeaseToken, datetime],
    now: datetime | None = None,
    at_latest: timedelta = NEVER_WOKEN,
) -> datetime | None:
    """When the run must be looked at again at the latest; None when it has ended.

    `renewed` tells how long heartbeats keep leases. `now` is by default the time of the last event. What was due at
    `now` is taken as done, but for leases: so the answer is later than `now`, unless a renewal has run out. A run that
    waits for nothing is looked at after `at_latest`.
    """
    if run.ended:
        return None
    now = now or run.updated_at
    best = now + at_latest
    if run.deadline_at is not None and run.phase == "running":
        best = min(best, run.deadline_at)
    best = min(best, run.offers.after(now) or best)
    for when, task in run.due:
        if when >= best:
            break
        best = min(best, _due(run, task, run.state(task), renewed) or best)
    return best


def _due(run: Run, task: TaskId, state: TaskState, renewed: Mapping[LeaseToken, datetime]) -> datetime | None:
    times = [
        max(attempt.lease_until, renewed.get(attempt.lease, attempt.lease_until))
        for attempt in state.attempts
        if attempt.live
    ]
    times.extend(one.timeout_at for one in state.attempts if one.live and one.timeout_at is not None)
    if state.waiting is not None and state.waiting.until is not None:
        times.append(state.waiting.until)
    deadline = deadline_of(run, task, state)
    return min(times if deadline is None else [*times, deadline], default=None)


def deadline_of(run: Run, task: TaskId, state: TaskState) -> datetime | None:
    """When the task must have settled; items and compensations have no deadline of their own."""
    spec = run.graph.tasks.get(task)
    if spec is None or spec.deadline is None or state.started_at is None:
        return None
    return state.started_at + spec.deadline


def _tick_task(draft: Draft, task: TaskId, renewed: Container[LeaseToken]) -> None:
    state = draft.run.state(task)
    deadline = deadline_of(draft.run, task, state)
    if deadline is not None and deadline <= draft.now:
        _end_overdue(draft, task)
    elif state.waiting is not None and state.waiting.until is not None and state.waiting.until <= draft.now:
        _end_waiting(draft, task)
    else:
        for attempt in state.attempts:
            _tick_attempt(draft, task, attempt, renewed)


def _tick_attempt(draft: Draft, task: TaskId, attempt: Attempt, renewed: Container[LeaseToken]) -> None:
    current = draft.run.attempt(task, attempt.number)
    if current is None or not current.live:
        return
    if current.timeout_at is not None and current.timeout_at <= draft.now:
        expire(draft, task, current, "timeout")
    elif current.lease_until <= draft.now and current.lease not in renewed:
        expire(draft, task, current, "lease")


def _end_overdue(draft: Draft, task: TaskId) -> None:
    reason = "the task's deadline has passed"
    stop_tasks(draft, [item for item in draft.run.started_items(task) if item in draft.run.busy], reason)
    stop_attempts(draft, task, reason)
    fail_task(draft, task, Problem("ACC441", f"the deadline of task {task} has passed"))


def _end_waiting(draft: Draft, task: TaskId) -> None:
    waiting = draft.run.state(task).waiting
    assert waiting is not None  # noqa: S101 - narrowed by the caller
    action = draft.run.graph.task(task).action
    if waiting.for_ == "time":
        output = draft.values.document(b'"%s"' % draft.now.isoformat().encode())
        draft.emit(e.TaskCompleted(at=draft.now, task=task, output=output, by="timer"))
    elif isinstance(action, Wait) and action.on_timeout == "skip":
        draft.emit(e.TaskSkipped(at=draft.now, task=task, reason="nobody answered in time"))
    else:
        fail_task(draft, task, Problem("ACC443", f"nobody answered {task} in time"))
