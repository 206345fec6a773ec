"""Words of names, descriptions and objectives as stems, and how like each other they are.

Rare stems count more: what is rare was counted once in the descriptions of many tools (`weights.json`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

from accord.planner.composition.weights import RAREST, rarity
from accord.planner.words import stem

PREFIX: Final = 5
"""Words with so many first letters in common are one."""

_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+(?:\.\d+)?")
_STOP = frozenset(
    {
        *("the", "a", "an", "of", "to", "for", "in", "on", "with", "by", "from", "and", "or", "is", "are", "be"),
        *("that", "this", "it", "its", "as", "at", "into", "which", "whether", "if", "s", "based", "use", "us"),
        *("default", "unit", "e", "g", "etc", "specific", "given", "give", "provid", "provided", "using", "used"),
    }
)


@lru_cache(maxsize=65536)
def stems(text: str) -> tuple[str, ...]:
    """The stems of a text in order."""
    return tuple(map(stem, parts(text)))


def parts(text: str) -> tuple[str, ...]:
    """The words of a text in order, without case; `snake_case` and `camelCase` are two each."""
    return tuple(piece.lower() for piece in _PIECE.findall(text))


@lru_cache(maxsize=65536)
def content(text: str) -> tuple[str, ...]:
    """The stems that say something."""
    return tuple(word for word in stems(text) if word not in _STOP)


@lru_cache(maxsize=65536)
def trigrams(text: str) -> frozenset[str]:
    """The runs of three letters, its ends marked."""
    bare = "##" + re.sub(r"[^a-z0-9]", "", text.lower()) + "#"
    return frozenset(bare[at : at + 3] for at in range(len(bare) - 2))


def begins_like(word: str, several: Iterable[str]) -> bool:
    """Whether a word begins like one of several: `measurement`, `measure`."""
    return len(word) >= PREFIX and any(one[:PREFIX] == word[:PREFIX] for one in several)


def weight(word: str) -> float:
    """How much a stem says: the rarer, the more."""
    return rarity().get(word, RAREST)


def total(words: Iterable[str]) -> float:
    """The weight of stems together."""
    return math.fsum(map(weight, words))


def percent(chance: float) -> str:
    """A likelihood for people; 100 % is only what is certain."""
    return f"{two_places(chance):.0%}"


def two_places(chance: float) -> float:
    """A likelihood to two places; 1 is only what is certain."""
    return min(round(chance, 2), 0.99) if chance < 1 else 1.0


def likeness(one: Collection[str], other: Collection[str]) -> float:
    """The weighted share of stems that both have: 0 to 1."""
    left, right = frozenset(one), frozenset(other)
    every = total(left | right)
    return total(left & right) / every if every else 0.0


def share_in(part: Collection[str], whole: Collection[str]) -> float:
    """The weighted share of `part` that is in `whole`: 0 to 1."""
    left, right = frozenset(part), frozenset(whole)
    every = total(left)
    return total(left & right) / every if every else 0.0


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of trigrams that both have."""
    every = len(one | other)
    return len(one & other) / every if every else 0.0
