"""What a composed graph gives in the end: all that was asked for, not only what its last tasks give."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from accord.planner.composition.composer import Composition
from accord.planner.composition.conditions import Conditions
from accord.planner.documents import expression


def results(found: Composition, said: Conditions, tasks: Sequence[str]) -> dict[str, str]:
    """The output of a graph, by task; empty where it is what its last tasks give anyway.

    What a task gives is asked for unless a task that is done in any case takes it: what only decides whether another
    one is done, comes before it, or is taken by one that may be skipped, would be lost.
    """
    before = _before(found, said)
    skipped = _may_be_skipped(found, said, before)
    taken = {link.edge.source for link in found.links if link.edge.target not in skipped}
    wanted = [at for at in range(len(tasks)) if at not in taken]
    last = set(range(len(tasks))).difference(*before.values())
    if last.issuperset(wanted):
        return {}
    return {tasks[at]: expression(_output(tasks[at], may_be_skipped=at in skipped)) for at in wanted}


def _before(found: Composition, said: Conditions) -> Mapping[int, Collection[int]]:
    """Which tasks come right before each."""
    before: dict[int, set[int]] = {at: set() for at in range(len(found.reading.abilities))}
    for link in found.links:
        before[link.edge.target].add(link.edge.source)
    for order in found.orders:
        before[order.target].add(order.source)
    for guard in said.guards:
        before[guard.target].update(test.source for test in guard.tests)
    return before


def _may_be_skipped(found: Composition, said: Conditions, before: Mapping[int, Collection[int]]) -> Collection[int]:
    """Those with a condition, and those that come after them unless they begin all the same."""
    settled = {order.target for order in found.orders if order.settled}
    skipped = {guard.target for guard in said.guards if not guard.of_items}
    while more := {at for at, sources in before.items() if skipped.intersection(sources)} - settled - skipped:
        skipped |= more
    return skipped


def _output(task: str, *, may_be_skipped: bool) -> str:
    return f"tasks.{task}.?output.orValue(null)" if may_be_skipped else f"tasks.{task}.output"
