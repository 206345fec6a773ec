"""Teachers: what examples say of an objective over a catalogue. `learned` has one that needs scikit-learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Protocol, TypeAlias

import msgspec

from accord.planner.composition.ability import Ability
from accord.planner.composition.examples import Example

LEAST_EXAMPLES = 500
"""From fewer nothing is learned: what they say would be asked for with words that say nothing of it."""

LEAST_OF_EACH = 8
"""In so many different combinations each ability is wanted that is learned; the others are judged by their words. Many
phrases of one template say only that all that it does is done at once.
"""

MOST_ABILITIES = 300
"""So many abilities are learned, those with the most examples: it bounds the memory, and the time of a plan."""

MOST_EXAMPLES = 6000
"""So many examples are learned from: the last ones."""

Pair: TypeAlias = tuple[str, str]
"""The names of two abilities: the first one feeds the second one."""


class Wanted(msgspec.Struct, frozen=True):
    """How likely an ability is wanted, and the place of the clause that speaks of it most."""

    probability: float
    clause: int


class Placed(msgspec.Struct, frozen=True):
    """An ability that is wanted, and where it is spoken of: 0 the beginning, 1 the end."""

    name: str
    place: float


class Teacher(Protocol):
    """What was learned from examples. Abilities are known by what they are called."""

    @property
    def threshold(self) -> float:
        """The least probability of an ability that is wanted."""
        ...

    @property
    def words(self) -> Set[str]:
        """The stems of all that examples say."""
        ...

    def of(self, objective: str) -> Mapping[str, Wanted]:
        """Every ability that was learned."""
        ...

    def links(self, wanted: Sequence[Placed]) -> Mapping[Pair, float]:
        """The links between abilities that are wanted, with their probabilities: acyclic."""
        ...


class Lesson(msgspec.Struct, frozen=True):
    """What there is to learn: examples, and the abilities that enough of them want, by name."""

    examples: tuple[Example, ...]
    abilities: tuple[Ability, ...]

    @classmethod
    def of(cls, examples: Sequence[Example], abilities: Sequence[Ability]) -> Lesson | None:
        """None where there is too little: fewer than two abilities, or too few examples of them."""
        counted = Counter(name for example in examples for name in set(example.abilities))
        several = Counter(name for wanted in {example.combination for example in examples} for name in wanted)
        enough = [one for one in abilities if several[one.called] >= LEAST_OF_EACH]
        most = sorted(enough, key=lambda one: (-counted[one.called], one.called))[:MOST_ABILITIES]
        names = frozenset(one.called for one in most)
        used = tuple(one for one in examples if not names.isdisjoint(one.abilities))[-MOST_EXAMPLES:]
        if len(names) < 2 or len(used) < LEAST_EXAMPLES:  # one alone is told from nothing
            return None
        return cls(used, tuple(sorted(most, key=lambda one: one.called)))
