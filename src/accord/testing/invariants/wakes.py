"""Invariant 2: no run is stuck. Every run that has not ended has a durable wake-up not later than what is due in it,
and whatever it wants is with the dispatcher.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from accord.domain.ids import LeaseToken, RunId, TaskId, partition_of
from accord.domain.run import Run, TaskState
from accord.domain.timing import deadline_of
from accord.engine.dispatcher import Dispatcher
from accord.engine.parts import Parts
from accord.testing.invariants.owners import Epochs

Renewed = Mapping[LeaseToken, datetime]


def unwoken(run: Run, wake_at: datetime | None, renewed: Renewed, now: datetime) -> Iterator[str]:
    """Why this is not when the run must be looked at again."""
    if (wake_at is None) != run.ended:
        yield f"it is {run.phase} and has the wake-up {wake_at}"
    elif wake_at is not None:
        first = min(_dues(run, renewed), default=None)
        if first is not None and wake_at > max(first, now):
            yield f"it wakes at {wake_at}, {first} is due before"


def unoffered(parts: Parts) -> Iterator[str]:
    """Between two turns: what a run in memory wants, and nobody will offer to an agent."""
    offered = _offered(parts.dispatcher)
    for slot in parts.ledger.slots():
        for task in slot.run.busy:
            wants, known = len(slot.run.state(task).wants), offered[slot.run.id, task]
            if wants > known:
                yield f"{slot.run.id}: {task} wants {wants} attempts, the dispatcher knows of {known}"


def unattended(parts: Parts, runs: Mapping[RunId, Run], epochs: Epochs) -> Iterator[str]:
    """Between two turns: runs of our partitions that have not ended, and are neither in memory nor about to be read."""
    for run in runs.values():
        ours = epochs.holds(partition_of(run.id), parts)
        if ours and not run.ended and parts.ledger.hot(run.id) is None and run.id not in parts.ledger.unread:
            yield f"{run.id}: nobody looks after it"


def unlooked(parts: Parts) -> Iterator[str]:
    """Between two turns: runs in memory that no timer wakes."""
    now = parts.ports.clock.now()
    for slot in parts.ledger.slots():
        if slot.wake_at is not None and slot.wake_at > now and slot.run.id not in parts.timers._at:
            yield f"{slot.run.id}: no timer is set for {slot.wake_at}"


def _offered(dispatcher: Dispatcher) -> Counter[tuple[RunId, TaskId]]:
    lanes = [(run, task) for lane in dispatcher.lanes() for run, tasks in lane.runs() for task in tasks]
    parked = [
        (run, entry.task) for run, aside in dispatcher._parked.items() for one in aside.values() for entry in one.tasks
    ]
    return Counter([*lanes, *parked, *((run, task) for _, run, task in dispatcher._later)])


def _dues(run: Run, renewed: Renewed) -> Iterator[datetime]:
    """All times at which something is due in the run."""
    if run.deadline_at is not None and run.phase == "running":
        yield run.deadline_at
    for task in run.busy:
        yield from task_dues(run, task, run.state(task), renewed)


def task_dues(run: Run, task: TaskId, state: TaskState, renewed: Renewed) -> Iterator[datetime]:
    """All times at which something is due in the task; `renewed` says how long heartbeats keep which leases."""
    deadline = deadline_of(run, task, state)
    if deadline is not None:
        yield deadline
    if state.waiting is not None and state.waiting.until is not None:
        yield state.waiting.until
    for attempt in state.attempts:
        if attempt.live:
            yield max(attempt.lease_until, renewed.get(attempt.lease, attempt.lease_until))
            if attempt.timeout_at is not None:
                yield attempt.timeout_at
