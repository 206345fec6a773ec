"""Keeping the indices of a run: whenever a task's state changes, so does what finds the task by it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from immutables import Map
from msgspec.structs import replace

from accord.domain.agenda import Agenda
from accord.domain.graph import UNDO, Graph
from accord.domain.ids import TaskId
from accord.domain.state import Run, TaskState, Waiting


def put(run: Run, task: TaskId, state: TaskState) -> Run:
    """The run with this state of the task, and everything that finds the task by it."""
    before = run.state(task)
    due_at, offer_at = _due_at(run.graph, task, state), _offer_at(state)
    if due_at != state.due_at or offer_at != state.offer_at:
        state = replace(state, due_at=due_at, offer_at=offer_at)
    changes: dict[str, Any] = {"tasks": run.tasks.set(task, state)}
    if before.busy != state.busy:
        changes["busy"] = run.busy.set(task, None) if state.busy else run.busy.delete(task)
        if task.startswith(UNDO):
            changes["compensating"] = run.compensating + (1 if state.busy else -1)
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
    times = [attempt.lease_until for attempt in state.attempts if attempt.live]
    times.extend(one.timeout_at for one in state.attempts if one.live and one.timeout_at is not None)
    if state.waiting is not None and state.waiting.until is not None:
        times.append(state.waiting.until)
    node = graph.tasks.get(task)
    if node is not None and node.deadline is not None and state.started_at is not None:
        times.append(state.started_at + node.deadline)
    return min(times, default=None)


def _offer_at(state: TaskState) -> datetime | None:
    return min((want.not_before for want in state.wants if want.not_before is not None), default=None)


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
