"""Why words ask for an ability that has other words, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from accord.planner.composition.ability import Ability
from accord.planner.composition.synonyms import stand_ins
from accord.planner.composition.wording import content, parts
from accord.planner.words import stem


def alike(said: str, ability: Ability) -> Iterator[tuple[str, str]]:
    """Words that are said and that the ability does not have, each with one of its words that it stands for."""
    own = {stem(word): word for word in parts(f"{ability.called} {ability.description}")}
    asked = frozenset(content(said))
    for word in dict.fromkeys(parts(said)):
        told = stem(word)
        found = stand_ins(told) & own.keys() if told in asked and told not in own else frozenset()
        if found:
            yield word, own[min(found)]
