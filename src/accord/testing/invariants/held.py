"""Invariant 7: after the acknowledgement of a pause nothing is assigned; cancel, rollback and fork leave no attempt
running.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from accord.domain import event as e
from accord.domain.graph import behind, node_of, undo_id, undone_id
from accord.domain.ids import TaskId
from accord.domain.run import Run

LAG = timedelta(seconds=10)
"""How much later than the one that was asked other orchestrators learn of a hold."""


class Hold(msgspec.Struct, frozen=True):
    """A hold that was acknowledged, and by whom."""

    scope: str
    subject: str
    owner: str
    at: datetime


class Holds:
    """The holds in force, by scope and subject."""

    def __init__(self) -> None:
        self.placed: dict[tuple[str, str], Hold] = {}

    def see(self, run: Run, event: e.Event, owner: str) -> Iterator[str]:
        """What was assigned although it was held back; `run` is the state before."""
        if not isinstance(event, e.AttemptAssigned) or not self.placed:
            return
        template = run.started.template
        keys = ("everything", ""), ("template", template), ("template", template.partition("@")[0])
        for key in (*keys, ("agent", event.agent)):
            hold = self.placed.get(key)
            lag = timedelta(0) if hold is not None and hold.owner == owner else LAG
            if hold is not None and event.at > hold.at + lag:
                yield f"{event.task} was assigned under a hold on {key}"


def unheld(before: Run, event: e.Event, after: Run) -> Iterator[str]:
    """What the event does although the run is paused, or leaves although it is to be stopped or undone."""
    match event:
        case e.AttemptAssigned() if before.paused:
            yield f"{event.task} was assigned while the run was paused"
        case e.AttemptAssigned(task=task) if before.spent_all and undone_id(task) is None:
            yield f"{task} was assigned although the budget is spent"
        case e.AttemptWanted(task=task) if undone_id(task) and before.state(task).phase == "pending":
            yield from _hasty(before, undone_id(task) or task)
        case e.RollbackFinished(tasks=tasks):
            yield from _left(before, tasks)
            yield from _running(before, tasks)
        case e.RunFailed() | e.RunCancelled() if before.graph.compensates_failure and not before.gave_up:
            yield from _left(before, before.graph.order)
        case _:
            pass


def forsaken(run: Run) -> Iterator[str]:
    """What goes on although its run, its task or its epoch has ended."""
    if run.ended and (run.busy or run.live or run.leaving or run.paused):
        yield f"it is {run.phase} and has left something"
    if run.phase == "completed":
        for node in run.graph.order:
            yield from _missing(run, node)
    for task, state in run.tasks.items():
        live = [attempt for attempt in state.attempts if attempt.live]
        if not state.busy and (live or state.wants or state.waiting):
            yield f"{task} is {state.phase} and goes on"
        if any(attempt.epoch != state.epoch for attempt in live):
            yield f"{task}: an attempt of an old epoch is under way"


def _hasty(run: Run, task: TaskId) -> Iterator[str]:
    """A task is undone only when it had completed, and after all that is behind it."""
    if run.state(task).phase != "completed" or run.state(task).adopted:
        yield f"{task} is undone but had not completed here"
    node = node_of(task)
    yield from _left(run, tuple(later for later in behind(run.graph, [node]) if later != node))


def _left(run: Run, tasks: tuple[TaskId, ...]) -> Iterator[str]:
    for name in tasks:
        for task in _compensable(run, name):
            if run.state(undo_id(task)).phase != "completed":
                yield f"{task} was not undone"


def _compensable(run: Run, name: TaskId) -> Iterator[TaskId]:
    """The completed instances of a node, or the item itself, that have a compensation."""
    spec = run.graph.task(name)
    if spec.compensate is None:
        return
    for task in run.instances(name):
        state = run.state(task)
        group = spec.for_each is not None and task == spec.id
        if state.phase == "completed" and not state.adopted and not group:
            yield task


def _running(run: Run, tasks: tuple[TaskId, ...]) -> Iterator[str]:
    for name in tasks:
        for task in run.instances(name):
            if any(attempt.live for attempt in run.state(task).attempts):
                yield f"{task} goes on through a rollback"


def _missing(run: Run, node: TaskId) -> Iterator[str]:
    """A run is never a success with a task missing, or failed that must not fail."""
    good = {"completed", "skipped"} if run.graph.tasks[node].fails_run else {"completed", "skipped", "failed"}
    group = run.state(node)
    for task in run.instances(node) if group.phase == "completed" else (node,):
        if run.state(task).phase not in good:
            yield f"the run completed although {task} is {run.state(task).phase}"
    if group.phase == "completed" and group.items_settled != group.item_count:
        yield f"{node} lacks items"
