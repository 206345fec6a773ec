"""What is never done in the same run: `if it is there, lend it, otherwise reserve it` hands nothing from one to the
other, whatever their outputs are called.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from accord.planner.composition.conditions import Guard
from accord.planner.composition.linking import Link


def together(links: Sequence[Link], guards: Sequence[Guard]) -> tuple[Link, ...]:
    """The links between those that may be done in the same run."""
    apart = set(_apart(guards))
    return tuple(one for one in links if frozenset((one.edge.source, one.edge.target)) not in apart)


def _apart(guards: Sequence[Guard]) -> Iterator[frozenset[int]]:
    """Those of whose conditions each is that the other one does not hold."""
    for one, other in combinations(guards, 2):
        if not (one.of_items or other.of_items) and _is_contrary(one, other):
            yield frozenset((one.target, other.target))


def _is_contrary(one: Guard, other: Guard) -> bool:
    if len(one.tests) == len(other.tests) == 1:
        (left,), (right,) = one.tests, other.tests
        same = (left.source, left.output, left.holds) == (right.source, right.output, right.holds)
        return same and (one.negated != left.negated) != (other.negated != right.negated)
    return (one.tests, one.joined) == (other.tests, other.joined) and one.negated != other.negated
