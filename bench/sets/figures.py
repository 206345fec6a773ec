"""Figures of sets: what was found of what is right."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import msgspec


class Score(msgspec.Struct, frozen=True):
    """One answer against the right one."""

    hits: int
    told: int
    right: int

    @classmethod
    def of(cls, right: AbstractSet[object], told: AbstractSet[object]) -> Score:
        """What the two sets have in common."""
        return cls(len(right & told), len(told), len(right))

    @property
    def exact(self) -> bool:
        return self.hits == self.told == self.right

    @property
    def f1(self) -> float:
        """1 where nothing is right and nothing was told."""
        return 2 * self.hits / (self.told + self.right) if self.told + self.right else 1.0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Shares from 0 to 1."""

    f1: float
    """Over all answers together."""
    precision: float
    recall: float
    mean_f1: float
    """The mean of the answers' own F1."""
    exact: float
    """Answers in which nothing is wrong and nothing is missing."""
    wrong: int
    missing: int


def figures_of(scores: Sequence[Score]) -> Figures:
    """The figures of answers, one at least."""
    hits, told, right = (sum(getattr(one, name) for one in scores) for name in ("hits", "told", "right"))
    return Figures(
        f1=_share(2 * hits, told + right),
        precision=_share(hits, told),
        recall=_share(hits, right),
        mean_f1=_share(sum(one.f1 for one in scores), len(scores)),
        exact=_share(sum(one.exact for one in scores), len(scores)),
        wrong=told - hits,
        missing=right - hits,
    )


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 1.0
