"""Widths: how many tasks may be under way at once, and how often that is more than their agents can do at a time.

Tasks that are all before or behind each other are a chain; tasks at once are never two of one chain (Dilworth, 1950).
So the number of chains that tasks are covered by is never less than the number of those that can be at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias

from accord.domain.capability import CapabilityRange
from accord.domain.graph import Graph, Task, Work
from accord.domain.ids import TaskId
from accord.verifier.report import Queue

Slots: TypeAlias = Callable[[CapabilityRange], int | None]
"""How many tasks the agents of a capability can do at a time; None where that is not known."""


def unknown_slots(wanted: CapabilityRange) -> int | None:
    """Nobody knows who is there."""
    return None


class Widths:
    """How wide a graph may get; `items` are the most items of each `for_each`, None where nothing bounds them."""

    def __init__(self, graph: Graph, items: Mapping[TaskId, int | None]) -> None:
        self._graph, self._items = graph, items
        self._bits = {name: 1 << number for number, name in enumerate(graph.order)}
        self._before: dict[TaskId, int] = {}
        for name in graph.order:
            found = 0
            for need in graph.tasks[name].needs:
                found |= self._before[need] | self._bits[need]
            self._before[name] = found

    def of(self, tasks: Iterable[TaskId]) -> int:
        """So many of these tasks, in topological order, may be under way at once at most; items count each."""
        return min(int(self._heaviest(tasks, {})), self._graph.parallel)

    def turns(self, longest: Mapping[TaskId, timedelta]) -> timedelta:
        """How long tasks may wait for others at most, one after the other, where `limits.parallel` lets fewer be under
        way than could be: as long as all places are taken (list scheduling: Graham, 1966).
        """
        if self._heaviest(self._graph.order, {}) <= self._graph.parallel:
            return timedelta()
        work = sum((time * self._own(self._graph.tasks[name]) for name, time in longest.items()), timedelta())
        return work / self._graph.parallel

    def weight_of(self, weights: Mapping[TaskId, Decimal]) -> Decimal:
        """What those tasks weigh together at most that may be under way at once, by what one attempt at each weighs."""
        named = [name for name in self._graph.order if name in weights]
        heaviest = max(weights.values(), default=Decimal(0))
        return min(self._heaviest(named, weights), self._graph.parallel * heaviest)

    def _heaviest(self, tasks: Iterable[TaskId], weights: Mapping[TaskId, Decimal]) -> Decimal:
        """The heaviest of each chain, together; a task without a weight weighs one."""
        ends: dict[int, int] = {}
        heaviest: list[Decimal] = []
        free = 0
        for name in tasks:
            own = self._own(self._graph.tasks[name]) * weights.get(name, Decimal(1))
            before = self._before[name] & free
            if before:
                last = before & -before
                chain = ends.pop(last)
                free ^= last
                heaviest[chain] = max(heaviest[chain], own)
            else:
                chain = len(heaviest)
                heaviest.append(own)
            ends[self._bits[name]] = chain
            free |= self._bits[name]
        return sum(heaviest, Decimal(0))

    def _own(self, task: Task) -> int:
        """How many items of the task, with their copies, may be under way at once."""
        copies = 1
        if isinstance(task.action, Work) and task.action.redundancy is not None:
            copies = task.action.redundancy.copies
        if task.for_each is None:
            return copies
        bounds = (self._items.get(task.id), task.parallel, self._graph.parallel)
        return copies * min(each for each in bounds if each is not None)


def queues_of(graph: Graph, widths: Widths, slots: Slots) -> tuple[Queue, ...]:
    """Where more may be wanted of a capability at once than its agents do at a time, the longest queue first.

    Of n tasks that take equally long and c that can be done at a time, the last one begins after ceil(n / c) - 1 turns,
    whoever orders them (the bound n / c of list scheduling: Graham, 1969).
    """
    wanted: dict[str, tuple[CapabilityRange, list[TaskId]]] = {}
    for name in graph.order:
        action = graph.tasks[name].action
        first = action.options[0].capability if isinstance(action, Work) else None
        if first is not None:
            wanted.setdefault(str(first), (first, []))[1].append(name)
    found = []
    for capability, tasks in wanted.values():
        at_a_time, at_once = slots(capability), widths.of(tasks)
        if at_a_time is not None and at_once > at_a_time > 0:
            turns = -(-at_once // at_a_time)
            found.append(Queue(capability=str(capability), at_once=at_once, at_a_time=at_a_time, turns=turns))
    return tuple(sorted(found, key=lambda one: (-one.turns, one.capability)))
