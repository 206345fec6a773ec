"""Order in a graph: topological, its cycles, and which tasks may be skipped."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence

from accord.domain.graph import Join, Task, Wait
from accord.domain.ids import TaskId

Needs = Mapping[TaskId, Iterable[TaskId]]


def dependents_of(needs: Mapping[TaskId, Sequence[TaskId]]) -> dict[TaskId, tuple[TaskId, ...]]:
    """The inverse of `needs`, for every task, in the order of the template."""
    found: dict[TaskId, list[TaskId]] = {task: [] for task in needs}
    for task, before in needs.items():
        for need in before:
            found[need].append(task)
    return {task: tuple(after) for task, after in found.items()}


def topological(needs: Mapping[TaskId, Sequence[TaskId]]) -> tuple[TaskId, ...]:
    """All tasks, each behind its needs, else in the order of the template; tasks on or behind a cycle are left out."""
    names = list(needs)
    position = {name: index for index, name in enumerate(names)}
    waiting = [len(needs[name]) for name in names]
    after = dependents_of(needs)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    order: list[TaskId] = []
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(name)
        for dependent in after[name]:
            index = position[dependent]
            waiting[index] -= 1
            if waiting[index] == 0:
                heapq.heappush(ready, index)
    return tuple(order)


def without_cycles(needs: Mapping[TaskId, Sequence[TaskId]]) -> dict[TaskId, tuple[TaskId, ...]]:
    """The needs, but for those by which tasks on or behind a cycle wait for each other."""
    left = needs.keys() - set(topological(needs))
    return {
        name: tuple(need for need in before if name not in left or need not in left) for name, before in needs.items()
    }


def cycles(needs: Mapping[TaskId, Sequence[TaskId]]) -> list[tuple[TaskId, ...]]:
    """Cycles without a task in common, each from task to need; at least one where there is any."""
    left = dict.fromkeys(needs)
    for task in topological(needs):
        del left[task]
    found = []
    while left:
        path = dict.fromkeys(_walk(needs, left))
        cycle = _loop(needs, left, list(path))
        if cycle:
            found.append(cycle)
        for task in path:
            left.pop(task, None)
    return found


def _walk(needs: Needs, left: Mapping[TaskId, None]) -> list[TaskId]:
    """From any task along needs that are left, until there is none, or one for the second time."""
    task: TaskId | None = next(iter(left))
    seen: dict[TaskId, None] = {}
    while task is not None and task not in seen:
        seen[task] = None
        task = next((need for need in needs[task] if need in left), None)
    return list(seen)


def _loop(needs: Needs, left: Mapping[TaskId, None], path: list[TaskId]) -> tuple[TaskId, ...]:
    """The part of the path that closes upon itself."""
    last = next((need for need in needs[path[-1]] if need in left), None)
    return tuple(path[path.index(last) :]) if last in path and last is not None else ()


def may_be_skipped(tasks: Mapping[TaskId, Task], order: Iterable[TaskId]) -> frozenset[TaskId]:
    """The tasks that may end without an output: their condition is false, their wait ran out or was rejected, or so for
    their needs.
    """
    found: set[TaskId] = set()
    for name in order:
        task = tasks[name]
        ends_early = isinstance(task.action, Wait) and task.action.may_skip
        if task.when is not None or (ends_early and task.for_each is None) or _starves(task.join, task.needs, found):
            found.add(name)
    return frozenset(found)


def _starves(join: Join, needs: tuple[TaskId, ...], skippable: set[TaskId]) -> bool:
    if join.settled:
        return False
    required = len(needs) if join.at_least is None else join.at_least
    return sum(need not in skippable for need in needs) < required
