"""Preference: of two abilities that fit an objective about equally, and take and give the same, which one is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from accord.planner.composition.ability import Ability, Member
from accord.planner.composition.choice import Looked
from accord.planner.composition.index import Index

AS_WELL = 0.6
"""An ability fits as well that is this much as like the words that ask for another one. How likely it is wanted says
nothing here: of two that do the same, the first explains the words, and leaves none to the other.
"""


class Preference(msgspec.Struct, frozen=True):
    """Which of two is better, and by what."""

    first: bool
    why: str


Prefer = Callable[[str, str], Preference | None]
"""Compares two capabilities by their names; None where nobody can tell."""


def indifferent(first: str, second: str) -> Preference | None:
    """Cannot tell."""
    del first, second
    return None


class Preferred(msgspec.Struct, frozen=True):
    """An ability that is used, and another one that would have done."""

    ability: Ability
    instead_of: Ability
    why: str


def preferred(
    chosen: Sequence[Looked], looked: Sequence[Looked], index: Index, prefer: Prefer
) -> tuple[list[Looked], tuple[Preferred, ...]]:
    """The chosen ones, each but where another one does the same and is better; and what was compared. What is chosen
    anyway takes nobody's place.
    """
    taken = {one.at for one in chosen}
    found: list[Looked] = []
    compared: list[Preferred] = []
    for one in chosen:
        best = one
        for other in looked:
            if other.at in taken or not _as_good(one, other, index):
                continue
            abilities = index.abilities[best.at], index.abilities[other.at]
            told = prefer(abilities[0].called, abilities[1].called)
            if told is not None:
                better, worse = abilities if told.first else abilities[::-1]
                compared.append(Preferred(better, worse, told.why))
                best = best if told.first else other
        taken.add(best.at)
        found.append(best)
    return found, tuple(compared)


def _as_good(one: Looked, other: Looked, index: Index) -> bool:
    if other.clause != one.clause or other.pieces["like_here"] < AS_WELL * one.pieces["like_here"]:
        return False
    first, second = index.abilities[one.at], index.abilities[other.at]
    return do_the_same(first, second)


def do_the_same(first: Ability, second: Ability) -> bool:
    """Whether two abilities take and give the same, as far as names and kinds say."""
    return _shape(first.inputs) == _shape(second.inputs) and _shape(first.outputs) == _shape(second.outputs)


def _shape(members: Sequence[Member]) -> set[tuple[str, str, bool]]:
    return {(one.name, one.kind, one.required) for one in members}
