"""Clauses of an objective, and which ability each of them speaks of where the abilities are known, in order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property, lru_cache

import msgspec

from accord.planner.composition.ability import Ability
from accord.planner.composition.wording import content, total, weight
from accord.planner.dates import MOMENT, WRITTEN
from accord.planner.numbers import NUMBER_WORDS
from accord.planner.units import measure_behind

_SAID = rf"(?:\d[\d.]*|{NUMBER_WORDS})"
_BOTH = rf"\bbetween {_SAID}(?:[ -]?\w+)? and (?={_SAID})|\bhundred and (?={_SAID})"
"""Two numbers that are parts of one thing."""

_QUOTED = re.compile(
    rf"\"[^\"]*\"|\u201c[^\u201d]*\u201d|(?<=\d),(?=\d)|\b(?:Dr|Mr|Mrs|Ms|Prof|St|Nr|No)\. "
    rf"|(?i:{MOMENT}|{WRITTEN}|{_BOTH})"
)
_HIDDEN = {" ": "\0", ",": "\1", ".": "\2", ";": "\3", "!": "\4", "?": "\5"}
_NEXT = (
    "then|after|afterwards|finally|lastly|subsequently|next|once|following|followed|later|thereafter|also|additionally"
)
_BREAK = re.compile(rf"(?<=[.;!?])\s+|,?\s+\b(?=(?:{_NEXT}|and)\b)|,\s+", re.IGNORECASE)
_NUMBER = re.compile(rf"(?<![\w.])(?:\d+(?:\.\d+)?|an?|{NUMBER_WORDS})(?=[ -]?[A-Za-z])", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.;!?])\s+")
_OPENS = re.compile(
    rf"^(?:,?\s*and\s+)?(?:{_NEXT}|eventually|upon|post|based|in addition|second|third|first|conclude|proceed"
    r"|furthermore|moreover)\b",
    re.IGNORECASE,
)

STAYS = 0.35
"""What it costs to stay with an ability where a clause opens something new, and to go on where it does not."""

SKIPS = 0.6
"""What it costs to leave an ability without a clause."""


class Clause(msgspec.Struct, frozen=True, dict=True):
    """A part of an objective that asks for one thing, more or less."""

    text: str
    opens: float
    """How likely it begins something new: 1 a sentence, less what begins with `then`, `and` or a comma."""

    @cached_property
    def words(self) -> frozenset[str]:
        """The stems that say something."""
        return frozenset(content(self.text))


@lru_cache(maxsize=256)
def clauses(objective: str) -> tuple[Clause, ...]:
    """The clauses in order; what is in quotation marks, or measured in several units, is never parted."""
    masked = _measured(_QUOTED.sub(lambda found: _hidden(found[0]), objective))
    starts = {_shown(sentence)[:12] for sentence in _SENTENCE.split(masked)}
    parts = (_shown(part).strip() for part in _BREAK.split(masked) if part)
    return tuple(Clause(part, _opens(part, starts)) for part in parts if part)


def _measured(text: str) -> str:
    """The text with what is measured in several units as one word: `1 hour and 30 minutes`."""
    for number in _NUMBER.finditer(text):
        measure = measure_behind(text[number.end() :])
        if measure is not None and measure.more:
            end = number.end() + len(measure.written)
            text = text[: number.start()] + _hidden(text[number.start() : end]) + text[end:]
    return text


def _hidden(text: str) -> str:
    return "".join(_HIDDEN.get(letter, letter) for letter in text)


def _shown(masked: str) -> str:
    for letter, hidden in _HIDDEN.items():
        masked = masked.replace(hidden, letter)
    return masked


def _opens(text: str, starts: set[str]) -> float:
    if text[:12] in starts:
        return 1.0
    if _OPENS.match(text):
        return 0.7
    return 0.4 if text.lower().startswith("and ") else 0.0


def spoken_of(parts: Sequence[Clause], abilities: Sequence[Ability]) -> tuple[int, ...]:
    """For each clause the index of the ability that it speaks of, never falling: the likeliest such reading.

    Dynamic programming over clauses and abilities; of equal readings that with the later abilities.
    """
    if not parts or not abilities:
        return ()
    fits = _fits(parts, abilities)
    best = [[fits[0][index] - SKIPS * index for index in range(len(abilities))]]
    came: list[list[int]] = []
    for clause, row in zip(parts[1:], fits[1:], strict=True):
        ways = [_best_way(best[-1], index, clause.opens) for index in range(len(abilities))]
        best.append([row[index] + ways[index][0] for index in range(len(abilities))])
        came.append([way[1] for way in ways])
    last = len(abilities) - 1
    path = [max(range(len(abilities)), key=lambda index: best[-1][index] - SKIPS * (last - index))]
    for back in reversed(came):
        path.append(back[path[-1]])
    return tuple(reversed(path))


def _best_way(before: Sequence[float], index: int, opens: float) -> tuple[float, int]:
    """The best score up to the clause before, and the ability that it spoke of."""

    def cost(earlier: int) -> float:
        if earlier == index:
            return STAYS * opens
        return STAYS * (1 - opens) + SKIPS * (index - earlier - 1)

    return max((before[earlier] - cost(earlier), earlier) for earlier in range(index + 1))


def _fits(parts: Sequence[Clause], abilities: Sequence[Ability]) -> list[list[float]]:
    """How well each clause fits each ability; a word that several abilities have counts less for each."""
    described = Counter(word for ability in abilities for word in ability.described)
    taken = Counter(word for ability in abilities for word in ability.input_words)

    def share(words: frozenset[str], of: frozenset[str], counted: Counter[str], whole: float) -> float:
        return sum(weight(word) / counted[word] for word in sorted(words & of)) / (whole + 0.1)

    return [
        [
            2 * share(clause.words, ability.named, described, total(ability.named))
            + share(clause.words, ability.described, described, total(ability.described))
            + 0.7 * share(clause.words, ability.input_words, taken, total(clause.words) + 2)
            for ability in abilities
        ]
        for clause in parts
    ]
