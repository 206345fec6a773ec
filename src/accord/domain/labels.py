"""Labels of data: how secret it is, and what kind of data. They form a lattice (Denning, "A Lattice Model of Secure
Information Flow", 1976): what is made of several things has the join of their labels.

A set has one level at most, `public` < `internal` < `confidential`, of several the highest; and any categories:
`personal`, and names of one's own. Data of which nothing is said is `internal`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from accord.errors import BadInput, Problem

Level = Literal["public", "internal", "confidential"]
LEVELS: Final[tuple[Level, ...]] = ("public", "internal", "confidential")
"""From the lowest to the highest."""

PATTERN: Final = r"^[a-z][a-z0-9-]{0,62}$"
LabelName = Annotated[str, msgspec.Meta(pattern=PATTERN)]
"""A level or a category."""

MOST: Final = 16
"""Labels that a statement, or a contract, may add."""

Labels: TypeAlias = frozenset[str]

NOTHING: Final[Labels] = frozenset()
"""The least element: it adds nothing to what it is joined with."""

UNLABELLED: Final[Labels] = frozenset(("internal",))
"""The labels of data of which nothing is said."""

_NAME: Final = re.compile(PATTERN.replace("$", r"\Z"))
_RANK: Final = {level: rank for rank, level in enumerate(LEVELS)}


class Declassification(msgspec.Struct, frozen=True):
    """What a task may take away from the labels of its result."""

    to: Level
    """The level is this one at most."""
    without: tuple[str, ...]
    """Categories that are taken away, in order."""
    why: str

    @property
    def claim(self) -> tuple[str, ...]:
        """What the result's statement says to claim it: the level, and the categories."""
        return (self.to, *self.without)

    def of(self, labels: Labels) -> Labels:
        """What it makes of these labels; never more than they were."""
        level = level_of(labels)
        lower = [level] if level is None or _RANK[level] <= _RANK[self.to] else [self.to]
        return frozenset(one for one in (*lower, *categories(labels).difference(self.without)) if one is not None)


def join(*parts: Iterable[str]) -> Labels:
    """The least labels that are no less than each of these: all categories, and the highest level."""
    found = frozenset[str]().union(*parts)
    levels = [level for level in LEVELS if level in found]
    return found.difference(levels[:-1])


def may_flow(labels: Labels, clearance: Labels) -> bool:
    """Whether data with these labels may go to whoever is cleared for those: the order of the lattice."""
    return join(labels, clearance) == join(clearance)


def level_of(labels: Iterable[str]) -> Level | None:
    """The highest level among them; None where there is none."""
    found = set(labels)
    return next((level for level in reversed(LEVELS) if level in found), None)


def categories(labels: Iterable[str]) -> Labels:
    """All of them that are no level."""
    return frozenset(labels).difference(LEVELS)


def with_level(labels: Labels) -> Labels:
    """The labels; `internal` where they have no level."""
    return labels if level_of(labels) is not None else labels | UNLABELLED


def told(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels in their order: the level, then the categories by name."""
    return _told(frozenset(labels))


@lru_cache(4096)
def _told(labels: Labels) -> tuple[str, ...]:
    level = level_of(labels)
    return (*((level,) if level is not None else ()), *sorted(categories(labels)))


def read_labels(words: Iterable[str]) -> Labels:
    """The labels that these words are. Raises BadInput ACC690 with each word that is none."""
    found = list(words)
    hint = f"{', '.join(LEVELS)}, personal, or a name of your own: a-z, 0-9 and `-`, a letter first"
    BadInput.raise_if(
        Problem("ACC690", f"`{word:.80}` is no label", hint=hint) for word in found if _NAME.match(word) is None
    )
    return join(found)


# -- labels of parts ---------------------------------------------------------------------------------------------

Path: TypeAlias = tuple[str, ...]
Parts: TypeAlias = Mapping[Path, Labels]
"""What is said of parts of a document, by their paths."""


def path_of(pointer: str) -> Path:
    """The path of a JSON pointer."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def labels_at(parts: Parts, path: Path) -> Labels:
    """The labels of what a path reaches: what is said of it, of what it is a part of, and of all that is in it."""
    above = join(*(labels for place, labels in parts.items() if path[: len(place)] == place))
    inside = (labels for place, labels in parts.items() if place[: len(path)] == path)
    return join(with_level(above), *map(with_level, inside))
