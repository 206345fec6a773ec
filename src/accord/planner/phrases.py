"""Example phrases, and how an objective is laid over one: fixed words in order, slots for what is between them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

import msgspec

from accord.domain.template_rules import SLOT
from accord.planner.words import ARTICLES, FILLERS, VERSUS, Word, weight, words_of

MISSING_SLOT = 0.5
"""Cost of a slot without words: less than a word of the phrase is worth, so that no slot takes such a word."""

SAYS_NOTHING = MISSING_SLOT + 0.1
"""Cost of a slot with words that say nothing, as `for` or `the`: its words only where they fit nowhere else."""

STANDS_IN = 0.05
"""Cost of a preposition that stands for another one."""

PLACES = frozenset({"in", "of", "at", "on", "from", "inside", "under", "within"})
"""Prepositions that stand for each other in front of a place."""

_POLITE = ("please", "now")
_COURTESIES = (
    *(("thank", "you", "very", "much"), ("thanks", "a", "lot"), ("many", "thanks"), ("thank", "you"), ("thanks",)),
    *((word,) for word in _POLITE),
)
"""What may stand behind all that is wanted, the longer first."""


class Slot(msgspec.Struct, frozen=True):
    """A part of a phrase that stands for any words."""

    name: str


class Alignment(msgspec.Struct, frozen=True):
    """How the words of an objective lie on a phrase."""

    slots: tuple[tuple[str, tuple[Word, ...]], ...]
    missing_slots: tuple[str, ...]
    matched: float
    """Weight of the fixed words that both have."""
    lost: float
    """Weight of the fixed words that are not in the objective, and of words of the objective that fit nowhere."""
    fixed: tuple[str, ...]
    """The words of the objective that are fixed in the phrase."""
    led: frozenset[str] = frozenset()
    """The slots right before which all is said that stands before them in the phrase."""

    @property
    def score(self) -> float:
        """The share of what is fixed, or fits nowhere, that was matched: 1 is all."""
        return self.matched / (self.matched + self.lost) if self.matched else 0.0


class Phrase(msgspec.Struct, frozen=True, dict=True):
    """An example phrase of a template."""

    text: str

    @cached_property
    def parts(self) -> tuple[Word | Slot, ...]:
        """Its fixed words, without articles and the like, and its slots."""
        found: list[Word | Slot] = []
        end = 0
        for slot in SLOT.finditer(self.text):
            found.extend(_fixed(self.text[end : slot.start()]))
            found.append(Slot(slot[1]))
            end = slot.end()
        return (*found, *_fixed(self.text[end:]))

    @property
    def slots(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts if isinstance(part, Slot))

    @cached_property
    def _begin(self) -> str | None:
        """The last word before a slot with which the phrase begins but for fillers: `want` of `we want {dish}`."""
        slot = SLOT.search(self.text)
        words = words_of(self.text[: slot.start()]) if slot is not None else ()
        said = [word.plain for word in words if word.plain not in ARTICLES | {"to"}]
        return said[-1] if said and isinstance(self.parts[0], Slot) else None

    def begins(self, objective: str, words: Sequence[Word]) -> bool:
        """Whether the fillers with which the phrase begins, if it does, are said before the words: without them, its
        first slot would take any verb.
        """
        before = words_of(objective[: words[0].start]) if words else ()
        return self._begin is None or any(word.plain == self._begin for word in before)

    def align(self, words: tuple[Word, ...]) -> Alignment:
        """The alignment that loses least; of equal ones that in which earlier slots are shorter, the last longer."""
        return _Aligning(words, self.parts).best()


def objective_words(objective: str) -> tuple[Word, ...]:
    """The words of an objective without its polite beginning; `a vs b` says `compare` without the word."""
    words = words_of(objective)
    start = next((index for index, word in enumerate(words) if word.quoted or word.plain not in FILLERS), len(words))
    words = words[start:]
    if any(word.plain in VERSUS for word in words[1:-1]) and not any(word.stem == "compar" for word in words):
        words = (Word("compare", words[0].start, words[0].start), *words)
    return words[: _before_courtesies(words)]


def with_thanks(words: tuple[Word, ...], objective: str) -> tuple[Word, ...]:
    """The words of an objective and the thanks behind them, which may be what is to be said; the words alone where
    there are none.
    """
    behind = [word for word in words_of(objective) if words and word.start >= words[-1].end]
    while behind and (behind[-1].is_comma or behind[-1].plain in _POLITE):
        behind.pop()
    is_thanks = any(word.plain in ("thank", "thanks") for word in behind)
    return (*words, *behind) if is_thanks else words


def _before_courtesies(words: tuple[Word, ...]) -> int:
    """Where the courtesies begin with which words end."""
    end = len(words)
    while end:
        said = tuple('"' if word.quoted else word.plain for word in words[:end])
        length = (
            1 if words[end - 1].is_comma else next((len(one) for one in _COURTESIES if said[-len(one) :] == one), 0)
        )
        if not length:
            break
        end -= length
    return end


def _fixed(text: str) -> list[Word]:
    return [word for word in words_of(text) if weight(word) > 0]


class _Aligning:
    """Least-cost alignment by dynamic programming; O(words² · parts)."""

    def __init__(self, words: tuple[Word, ...], parts: tuple[Word | Slot, ...]) -> None:
        self.words, self.parts = words, parts
        self.costs = [weight(word) for word in words]
        self.says = [0, *accumulate(cost >= 1 for cost in self.costs)]
        self.table: dict[tuple[int, int], tuple[float, int, Any]] = {}

    def best(self) -> Alignment:
        for at in range(len(self.words), -1, -1):
            for part in range(len(self.parts), -1, -1):
                self.table[at, part] = min(self._ways(at, part), key=lambda way: way[:2])
        return self._told()

    def _ways(self, at: int, part: int) -> list[tuple[float, int, Any]]:
        """Cost, order of preference, and the next state of each way to go on."""
        ways: list[tuple[float, int, Any]] = []
        more, fixed = at < len(self.words), self.parts[part] if part < len(self.parts) else None
        if not more and fixed is None:
            return [(0.0, 0, None)]
        if isinstance(fixed, Slot):
            # A slot takes at least one word; it goes on, or ends behind this one. The last takes all that is left.
            if more:
                last, most = part + 1 == len(self.parts), len(self.words)
                ways.extend(
                    (self._said(at, end) + self.table[end, part + 1][0], most - end if last else end, (end, part + 1))
                    for end in range(at + 1, most + 1)
                )
            ways.append((MISSING_SLOT + self.table[at, part + 1][0], 1000, (at, part + 1)))
        elif fixed is not None:
            if more and _same(self.words[at], fixed):
                other = 0.0 if self.words[at].stem == fixed.stem else STANDS_IN
                ways.append((other + self.table[at + 1, part + 1][0], 0, (at + 1, part + 1)))
            ways.append((weight(fixed) + self.table[at, part + 1][0], 1001, (at, part + 1)))
        if more:
            ways.append((self.costs[at] + self.table[at + 1, part][0], 1002, (at + 1, part)))
        return ways

    def _said(self, at: int, end: int) -> float:
        """What it costs that a slot has these words."""
        return 0.0 if self.says[end] > self.says[at] else SAYS_NOTHING

    def _told(self) -> Alignment:
        at = part = 0
        is_led = True
        led: set[str] = set()
        slots: list[tuple[str, tuple[Word, ...]]] = []
        missing: list[str] = []
        fixed: list[str] = []
        matched = lost = 0.0
        while (state := self.table[at, part][2]) is not None:
            to, behind = state
            piece = self.parts[part] if behind > part else None
            if isinstance(piece, Slot):
                if to > at:
                    slots.append((piece.name, self.words[at:to]))
                    led.update({piece.name} if is_led else ())
                else:
                    missing.append(piece.name)
            elif piece is not None and to > at:
                matched += weight(piece)
                fixed.append(self.words[at].text)
                is_led = True
            else:
                cost = weight(piece) if piece is not None else self.costs[at]
                is_led, lost = is_led and not cost, lost + cost
            at, part = to, behind
        return Alignment(tuple(slots), tuple(missing), matched, lost, tuple(fixed), frozenset(led))


def _same(word: Word, fixed: Word) -> bool:
    if word.quoted:
        return False
    return word.stem == fixed.stem or (word.plain in PLACES and fixed.plain in PLACES)
