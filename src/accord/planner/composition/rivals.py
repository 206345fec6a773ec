"""Rows of values: what is said side by side, `"a", "b" and the item "c"`. An input that takes a list takes all of them;
of another one it is asked which is meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

import msgspec

from accord.planner.composition.ability import Ability
from accord.planner.composition.clauses import clauses
from accord.planner.composition.composer import Composition
from accord.planner.composition.literals import Placed, placed
from accord.planner.composition.wording import content

_JOINS = frozenset({"and", "or", "the", "a", "an", "also", "plus", "both", "either"})
_WORD = re.compile(r"[^\W_]+")


class Row(msgspec.Struct, frozen=True):
    """Values of one sort, side by side."""

    values: tuple[str, ...]
    text: str
    """All of it, as it is said."""


def row_of(objective: str, taken: str, called: Collection[str]) -> Row | None:
    """The values that are said beside one that is taken for what is `called` so; None where it is alone."""
    row: list[Placed] = []
    for one in _literals(objective):
        if row and not _are_joined(row[-1], one, objective, called):
            if taken in (each.said.text for each in row):
                break
            row = []
        row.append(one)
    values = tuple(each.said.text for each in row)
    if len(values) < 2 or taken not in values:
        return None
    return Row(values, objective[row[0].start : row[-1].end])


def _literals(objective: str) -> Iterator[Placed]:
    """The literals of all clauses, where they are in the whole."""
    at = 0
    for part in clauses(objective):
        at = objective.index(part.text, at)
        for one in placed(part.text, 0):
            yield msgspec.structs.replace(one, start=at + one.start, end=at + one.end)
        at += len(part.text)


def _are_joined(one: Placed, other: Placed, objective: str, called: Collection[str]) -> bool:
    between = _WORD.findall(objective[one.end : other.start])
    joins = all(word.lower() in _JOINS or not set(content(word)).isdisjoint(called) for word in between)
    return one.said.sort == other.said.sort and joins


def same_again(found: Composition, values: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """Abilities for whose clause nothing is said but a value, and what an earlier one takes: `order the item "a" and
    the item "b"` asks for nothing but orders. Each with the earlier one.
    """
    for index, one in enumerate(found.chosen):
        said = frozenset(content(_without_values(found.clause_of(index), values)))
        for earlier, other in enumerate(found.chosen[:index]):
            if not one.taught and other.clause < one.clause and said and said <= _nouns(other.ability):
                yield index, earlier
                break


def _nouns(ability: Ability) -> frozenset[str]:
    """What an ability takes, and what it is about."""
    return ability.input_words | (ability.named - frozenset(content(ability.act)))


def _without_values(text: str, values: Mapping[str, str]) -> str:
    for value in values.values():
        text = text.replace(value, " ")
    return text
