"""Equals: other abilities that are meant as much as one that is chosen. `measure the sample S1` asks for none of those
that measure something in samples: each of them has all the words that the others have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from accord.planner.composition.ability import Ability
from accord.planner.composition.composer import Composition
from accord.planner.composition.literals import unquoted
from accord.planner.composition.preference import do_the_same
from accord.planner.composition.synonyms import stand_ins
from accord.planner.composition.wording import content


def equals(found: Composition) -> Iterator[tuple[int, list[Ability]]]:
    """The chosen abilities with those that do as much of what is said, and something else. What examples choose, or
    what takes and gives the same, has none.
    """
    said = frozenset(content(unquoted(found.reading.objective)))
    for index, one in enumerate(found.chosen):
        own = _known(said, one.ability)
        several = [
            other.ability
            for other in found.near
            if _acts_alike(one.ability, other.ability, said)
            and not do_the_same(one.ability, other.ability)
            and own <= _known(said, other.ability)
            and _takes_as_much(found, index, other.ability)
        ]
        if several and not one.taught:
            yield index, several


def _acts_alike(one: Ability, other: Ability, said: frozenset[str]) -> bool:
    """Whether both do what one word says."""
    act = frozenset(content(one.act))
    return act == frozenset(content(other.act)) and any(not act.isdisjoint((word, *stand_ins(word))) for word in said)


def _known(said: frozenset[str], ability: Ability) -> frozenset[str]:
    """The words that are said and that an ability has, or others for them."""
    own = ability.described | ability.input_words | ability.output_words
    return frozenset(word for word in said if not own.isdisjoint((word, *stand_ins(word))))


def _takes_as_much(found: Composition, index: int, other: Ability) -> bool:
    """Whether another ability has an input for all that the chosen one is given."""
    fed = {link.edge.key for link in found.links}
    given = Counter(
        member.kind
        for member in found.reading.abilities[index].inputs
        if (index, member.name) in fed or found.reading.filled[index, member.name].said is not None
    )
    return given <= Counter(member.kind for member in other.inputs)
