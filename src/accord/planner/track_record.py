"""Track record: which of two capabilities that do the same is expected to give a result that counts sooner, cheaper and
more surely, by what is known of earlier attempts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Self

import msgspec

from accord.domain.experience import Try
from accord.planner.composition.preference import Prefer, Preference

ENOUGH: Final = 5
"""Of fewer attempts nothing is concluded."""

WORTH: Final = 0.1
"""One is better that is a tenth better than the other: what is less may be chance."""

_LEAST: Final = 1e-3


class _Record(msgspec.Struct, frozen=True):
    """What attempts were like, in the mean."""

    time_s: float
    """With the wait for an agent."""
    cost: float | None
    fails: float
    """The share that brought no result that was accepted."""
    confidence: float

    @classmethod
    def of(cls, tries: Sequence[Try]) -> Self:
        """The record of these attempts."""
        costs = [float(one.cost) for one in tries if one.cost is not None]
        sure = [one.confidence for one in tries if one.ok and one.confidence is not None]
        return cls(
            time_s=math.fsum(one.waited_s + one.took_s for one in tries) / len(tries),
            cost=math.fsum(costs) / len(costs) if costs else None,
            fails=sum(not one.ok for one in tries) / len(tries),
            confidence=math.fsum(sure) / len(sure) if sure else 1.0,
        )

    def better_than(self, other: _Record) -> float:
        """The logarithm of how many times as good it is: its time and, where both tell it, its cost, each counted as
        often as it takes until a result can be relied on.
        """
        gain = 2 * math.log(max(self._counts, _LEAST) / max(other._counts, _LEAST))
        gain += math.log(max(other.time_s, _LEAST) / max(self.time_s, _LEAST))
        if self.cost is not None and other.cost is not None:
            gain += math.log(max(other.cost, _LEAST) / max(self.cost, _LEAST))
        return gain

    @property
    def _counts(self) -> float:
        return (1 - self.fails) * self.confidence

    def words(self, other: _Record) -> str:
        """How it differs, for people: `2.1 s sooner, 3 % fewer failures`."""
        told = []
        if abs(sooner := other.time_s - self.time_s) >= 0.01:
            told.append(f"{abs(sooner):.3g} s {'sooner' if sooner > 0 else 'later'}")
        if self.cost is not None and other.cost is not None and self.cost != other.cost:
            cheaper = other.cost - self.cost
            told.append(f"{abs(cheaper):.3g} {'cheaper' if cheaper > 0 else 'dearer'}")
        if fewer := round(100 * (other.fails - self.fails)):
            told.append(f"{abs(fewer)} % {'fewer' if fewer > 0 else 'more'} failures")
        if surer := round(100 * (self.confidence - other.confidence)):
            told.append(f"{abs(surer)} % {'more' if surer > 0 else 'less'} confident")
        return ", ".join(told)


def by_record(known: Mapping[str, Sequence[Try]]) -> Prefer:
    """Compares capabilities by attempts at them, which are known by name."""

    def prefer(first: str, second: str) -> Preference | None:
        tries = known.get(first, ()), known.get(second, ())
        if min(map(len, tries)) < ENOUGH:
            return None
        one, other = map(_Record.of, tries)
        gain = one.better_than(other)
        if abs(gain) < math.log1p(WORTH):
            return None
        return Preference(gain > 0, one.words(other) if gain > 0 else other.words(one))

    return prefer
