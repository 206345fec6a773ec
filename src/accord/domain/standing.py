"""Standing: how a task is, told further apart than by its phase. What is active is at work, has been given to an agent,
or waits for one; and an expansion is what the most advanced of its open items is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal

from accord.domain.ids import TaskId, split_item
from accord.domain.state import Run, TaskState

Standing = Literal["pending", "queued", "assigned", "running", "waiting", "completed", "failed", "skipped", "cancelled"]
"""Has not begun; wants an agent, now or once a back-off is over; an agent has it, and has not said that it has begun;
is at work, or another run is; waits for a person, a signal or a time; and the ends.
"""

DONE: Final[tuple[Standing, ...]] = ("completed", "skipped")
"""What counts as done, of items as of tasks."""

_FIRST: Final[tuple[Standing, ...]] = ("running", "assigned", "waiting", "queued")
"""Of an expansion with items in several of these, the first one counts."""


def standing(run: Run, task: TaskId) -> Standing:
    """How a task, or an item or a compensation of one, is."""
    state = run.state(task)
    if state.phase == "expanded":
        return of_items(open_items(run, task))
    if state.phase == "active":
        return _of_attempts(state)
    return state.phase


def _of_attempts(state: TaskState) -> Standing:
    if state.subrun is not None or any(one.phase == "working" for one in state.attempts):
        return "running"
    return "assigned" if any(one.live for one in state.attempts) else "queued"


def of_items(found: Mapping[Standing, int]) -> Standing:
    """How an expansion under way is whose items are like this."""
    return next((one for one in _FIRST if found.get(one)), "running")


def again_at(state: TaskState) -> datetime | None:
    """When the task may be tried again; None where that may be at once, or is not wanted."""
    times = [want.not_before for want in state.wants]
    return min((at for at in times if at is not None), default=None) if None not in times else None


def open_items(run: Run, node: TaskId) -> Counter[Standing]:
    """How many of the items of an expansion that are under way are how."""
    return _counted(run, (task for task in run.busy if task != node and split_item(task)[0] == node))


def all_items(run: Run, node: TaskId) -> Counter[Standing]:
    """How many of all items of an expansion are how: together they are all that it has."""
    found = _counted(run, run.started_items(node))
    found["pending"] = run.state(node).item_count - (found.total() - found["pending"])
    return +found


def _counted(run: Run, tasks: Iterable[TaskId]) -> Counter[Standing]:
    return Counter(standing(run, task) for task in tasks)
