"""Preceding tasks: which are done for certain whenever a task begins, by the joins, whatever the conditions say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import and_, or_
from typing import Final

from accord.domain.graph import Graph, Task
from accord.domain.ids import TaskId

_MOST: Final = 10_000
"""Needs and how many of them are wanted, multiplied: beyond that nothing is told of a join that waits for some."""


class Preceding:
    """Of each task those before it, as bits by their place in the order."""

    def __init__(self, graph: Graph) -> None:
        self._order = graph.order
        self._bit = {name: 1 << number for number, name in enumerate(graph.order)}
        self._done: dict[TaskId, int] = {}
        for name in graph.order:
            self._done[name] = self._before(graph.tasks[name])

    def of(self, task: TaskId, among: int) -> Iterator[TaskId]:
        """Those tasks, of `among`, that are done whenever this one begins, the nearest first."""
        left = self._done[task] & among
        while left:
            number = left.bit_length() - 1
            left ^= 1 << number
            yield self._order[number]

    def bit(self, task: TaskId) -> int:
        """What stands for a task."""
        return self._bit[task]

    def _before(self, task: Task) -> int:
        """Of any `at_least` needs one is among those that have a task behind them, if these are enough of all."""
        if task.join.settled or not task.needs:
            return 0
        ways = [self._done[need] | self._bit[need] for need in task.needs]
        wanted = len(ways) if task.join.at_least is None else min(task.join.at_least, len(ways))
        return _in_many(ways, len(ways) - wanted + 1)


def _in_many(sets: Sequence[int], many: int) -> int:
    """What is in so many of the sets."""
    if many == 1:
        return reduce(or_, sets)
    if many == len(sets):
        return reduce(and_, sets)
    if many * len(sets) > _MOST:
        return 0
    found = [-1, *([0] * many)]
    for each in sets:
        for count in range(many, 0, -1):
            found[count] |= found[count - 1] & each
    return found[many]
