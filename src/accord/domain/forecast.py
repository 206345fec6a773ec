"""Forecasts: when a run will have ended, by how long its tasks took in earlier runs of the same template."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import chain
from statistics import median_low

import msgspec

from accord.domain.experience import Experience
from accord.domain.ids import TaskId
from accord.domain.machine import SETTLED
from accord.domain.state import Run


class Usual(msgspec.Struct, frozen=True):
    """What is usual for the tasks of a template."""

    runs: int
    """How many completed runs it was learned from."""
    took: Mapping[TaskId, timedelta]
    """The median of how long a task took, with everything that it waited for; nothing for one that was skipped."""


class Forecast(msgspec.Struct, frozen=True):
    """What is to come, if everything takes as long as usual."""

    left: timedelta
    """Until the run has ended."""
    path: tuple[TaskId, ...]
    """The tasks still to be done that this takes as long for, in order: the critical path."""


def usual(known: Experience) -> Usual:
    """What is known of the tasks of the template that was asked for."""
    took = {task: [one.took_s for one in each.done] for task, each in known.tasks.items()}
    for task in chain.from_iterable(known.skipped):
        took.setdefault(task, []).append(0.0)
    medians = {task: timedelta(seconds=median_low(times)) for task, times in took.items() if times}
    return Usual(len(known.skipped), medians)


def forecast(run: Run, known: Usual, now: datetime) -> Forecast | None:
    """When the run will have ended; None where it has, where nothing goes on, or where a task is not known."""
    if run.ended or run.paused or run.phase != "running":
        return None
    ends: dict[TaskId, timedelta] = {}
    before: dict[TaskId, TaskId | None] = {}
    for task in run.graph.order:
        state = run.state(task)
        if state.phase in SETTLED:
            continue
        if task not in known.took:
            return None
        needs = [need for need in run.graph.tasks[task].needs if need in ends]
        last = max(needs, key=lambda need: ends[need], default=None)
        begins = ends[last] if last is not None else timedelta()
        ends[task], before[task] = begins + _left(run, task, known.took[task], now), last
    if not ends:
        return None
    path = [max(ends, key=lambda task: ends[task])]
    while (earlier := before[path[-1]]) is not None:
        path.append(earlier)
    return Forecast(ends[path[0]], tuple(reversed(path)))


def _left(run: Run, task: TaskId, usual: timedelta, now: datetime) -> timedelta:
    """How much of its usual time a task has still before it."""
    return max(usual - (run.took(task, now) or timedelta()), timedelta())
