"""Examples that composition learns from: objectives, the abilities that they want, and which of those feed which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec


class Example(msgspec.Struct, frozen=True):
    """An objective with the right answer."""

    objective: str
    abilities: tuple[str, ...]
    """The names of those that it wants."""
    links: tuple[tuple[str, str], ...] = ()
    """Pairs of names: the first one's output feeds the second one."""

    @property
    def combination(self) -> frozenset[str]:
        """What it wants, together: the same for all phrases of a template."""
        return frozenset(self.abilities)


class Habits:
    """How often abilities are wanted, wanted together, and linked, in examples."""

    def __init__(self, examples: Iterable[Example]) -> None:
        self.size = 0
        self.wanted: Counter[str] = Counter()
        self.together: Counter[tuple[str, str]] = Counter()
        self.linked: Counter[tuple[str, str]] = Counter()
        self.fed: Counter[str] = Counter()
        self.feeds: Counter[str] = Counter()
        self.connected = 0
        self.several = 0
        for example in examples:
            self._count(example)

    def _count(self, example: Example) -> None:
        names = sorted(set(example.abilities))
        links = {(one, other) for one, other in example.links if one != other}
        self.size += 1
        self.wanted.update(names)
        self.together.update((one, other) for one in names for other in names if one != other)
        self.linked.update(links)
        self.fed.update({other for _, other in links})
        self.feeds.update({one for one, _ in links})
        if len(names) > 1:
            self.several += 1
            self.connected += is_connected(names, links)

    @property
    def share_connected(self) -> float:
        """Of the examples with several abilities, those in which links join all of them."""
        return self.connected / self.several if self.several else 0.0

    @property
    def link_rate(self) -> float:
        """How often one of two abilities that are wanted together feeds the other one."""
        return (sum(self.linked.values()) + 1) / (sum(self.together.values()) + 4)


def is_connected(names: Sequence[str], links: Iterable[tuple[str, str]]) -> bool:
    """Whether links join all of the names, whichever way they point."""
    return len(components(names, links)) <= 1


def components(names: Sequence[str], links: Iterable[tuple[str, str]]) -> list[set[str]]:
    """The names in groups that links join."""
    groups = {name: {name} for name in names}
    for one, other in links:
        if one in groups and other in groups and groups[one] is not groups[other]:
            groups[one] |= groups[other]
            for name in groups[other]:
                groups[name] = groups[one]
    return list({id(group): group for group in groups.values()}.values())
