"""Ranks: how long it takes from a task to the end of its run, along the longest way.

This is the upward rank of HEFT (Topcuoglu, Hariri and Wu, 2002), without transfers: payloads go through the
orchestrator whoever works. Serving ready tasks by it, the highest first, keeps what is critical from waiting behind
what is not.
"""

from __future__ import annotations

from collections.abc import Callable

from accord.domain.graph import Graph
from accord.domain.ids import TaskId


def upward_ranks(graph: Graph, expected: Callable[[TaskId], float]) -> dict[TaskId, float]:
    """The rank of each node, in the units of `expected`: what a task takes by itself, or one item of it."""
    ranks: dict[TaskId, float] = {}
    for task in reversed(graph.order):
        ranks[task] = expected(task) + max((ranks[after] for after in graph.dependents[task]), default=0.0)
    return ranks
