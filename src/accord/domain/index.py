"""Indices and counters of a run: whenever a task's state changes, so does what finds it, and what counts it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from immutables import Map
from msgspec.structs import replace

from accord.domain.agenda import Agenda
from accord.domain.graph import UNDO, Graph, Task, node_of, undone_id
from accord.domain.ids import TaskId, split_item
from accord.domain.state import Run, TaskState, Waiting
from accord.errors import TransitionRefused


def put(run: Run, task: TaskId, state: TaskState) -> Run:
    """The run with this state of the task, and everything that finds the task by it."""
    before = run.state(task)
    due_at, offer_at = _due_at(run.graph, task, state), _offer_at(state) if state.wants else None
    if due_at != state.due_at or offer_at != state.offer_at:
        state = replace(state, due_at=due_at, offer_at=offer_at)
    changes: dict[str, Any] = {"tasks": run.tasks.set(task, state)}
    busy = state.busy
    if before.busy != busy:
        changes["busy"] = run.busy.set(task, None) if busy else run.busy.delete(task)
        if task.startswith(UNDO):
            changes["compensating"] = run.compensating + (1 if busy else -1)
    if before.due_at != due_at:
        changes["due"] = _moved(run.due, task, before.due_at, due_at)
    if before.offer_at != offer_at:
        changes["offers"] = _moved(run.offers, task, before.offer_at, offer_at)
    if before.waiting is not state.waiting:
        changes["listening"] = _listening(run.listening, task, before.waiting, state.waiting)
    return replace(run, **changes)


def _due_at(graph: Graph, task: TaskId, state: TaskState) -> datetime | None:
    if not state.busy:
        return None
    times: list[datetime] = []
    for attempt in state.attempts:
        if attempt.live:
            times.append(attempt.lease_until)
            if attempt.timeout_at is not None:
                times.append(attempt.timeout_at)
    if state.waiting is not None and state.waiting.until is not None:
        times.append(state.waiting.until)
    node = graph.tasks.get(task)
    if node is not None and node.deadline is not None and state.started_at is not None:
        times.append(state.started_at + node.deadline)
    return min(times, default=None)


def _offer_at(state: TaskState) -> datetime | None:
    times = [want.not_before for want in state.wants if want.not_before is not None]
    return min(times, default=None)


def _moved(agenda: Agenda, task: TaskId, before: datetime | None, after: datetime | None) -> Agenda:
    if before is not None:
        agenda = agenda.drop(before, task)
    return agenda if after is None else agenda.add(after, task)


def _listening(
    listening: Map[str, Map[TaskId, None]], task: TaskId, before: Waiting | None, after: Waiting | None
) -> Map[str, Map[TaskId, None]]:
    if before is not None and before.signal is not None:
        left = listening[before.signal].delete(task)
        listening = listening.set(before.signal, left) if left else listening.delete(before.signal)
    if after is not None and after.signal is not None:
        listening = listening.set(after.signal, listening.get(after.signal, Map[TaskId, None]()).set(task, None))
    return listening


# -- counters ----------------------------------------------------------------------------------------------------


def done(task: Task, state: TaskState) -> bool:
    """Whether a settled task lets those behind it start: it completed, or may fail without harm."""
    return state.phase == "completed" or (state.phase == "failed" and not task.fails_run)


def count_begin(run: Run, task: TaskId, before: TaskState) -> Run:
    """Tell the group of an item that it begins, or what is to be undone that its undoing begins."""
    if before.phase != "pending":
        return run
    undone = undone_id(task)
    if undone is not None:
        if run.undone >= len(run.to_undo) or run.to_undo[run.undone] != undone:
            raise TransitionRefused.of("ACC413", f"{undone} is not what is to be undone next")
        return replace(run, undone=run.undone + 1, compensated=node_of(undone))
    node, index = split_item(task)
    if index is None:
        return run
    group = run.state(node)
    if index < group.items_started:
        changed = replace(group, again_begun=group.again_begun + 1)
    else:
        changed = replace(group, items_started=index + 1)
    return replace(run, tasks=run.tasks.set(node, changed))


def count_settled(run: Run, task: TaskId, state: TaskState, *, step: int) -> Run:
    """Tell the group of an item, or the dependents of a node, that a task has settled (`step` 1) or no longer has
    (-1).
    """
    node, index = split_item(task)
    if index is not None:
        return _count_item(run, node, state, step)
    good = step if done(run.graph.tasks[task], state) else 0
    tasks = run.tasks.mutate()
    for dependent in run.graph.dependents.get(task, ()):
        counts = run.state(dependent)
        tasks[dependent] = replace(
            counts, needs_done=counts.needs_done + good, needs_settled=counts.needs_settled + step
        )
    return replace(
        run,
        tasks=tasks.finish(),
        settled=run.settled + step,
        completed=run.completed + (step if state.phase == "completed" else 0),
        failed=run.failed + (step if state.phase == "failed" else 0),
        cancelled=run.cancelled + (step if state.phase == "cancelled" else 0),
    )


def _count_item(run: Run, node: TaskId, state: TaskState, step: int) -> Run:
    group = run.state(node)
    failed = step if state.phase == "failed" else 0
    changed = replace(group, items_settled=group.items_settled + step, items_failed=group.items_failed + failed)
    return replace(run, tasks=run.tasks.set(node, changed))
