"""An account of the words of an objective: each one is used, or it is told that it is not understood.

Used are the words that capabilities have, those that values and conditions are read from, and those that join what is
said. What is in quotation marks is used where a value or a condition is read from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cached_property
from itertools import groupby
from typing import Final

import msgspec

from accord.planner.composition.clauses import clauses
from accord.planner.composition.composer import Composition
from accord.planner.composition.condition_words import unopened
from accord.planner.composition.conditions import Conditions
from accord.planner.composition.polite import without_courtesies
from accord.planner.composition.school import Taught
from accord.planner.composition.synonyms import stand_ins
from accord.planner.composition.wording import content, share_in, stems
from accord.planner.units import UNIT_NAMES
from accord.planner.words import FILLERS, PREPOSITIONS

UNDERSTOOD: Final = 0.5
"""The least weighted share of what is said that names, descriptions and values account for; of a clause for which
nothing is done, too.
"""

_JOINING = (
    *("then", "after", "afterwards", "finally", "next", "also", "please", "first", "second", "third", "lastly"),
    *("eventually", "subsequently", "additionally", "furthermore", "moreover", "meanwhile", "but", "so", "because"),
    *("if", "unless", "otherwise", "else", "when", "only", "case", "each", "every", "all"),
)
_FILLING = frozenset(word for one in (*FILLERS, *_JOINING) for word in stems(one))
_POINTING = frozenset(
    stems(
        "they them their these those he she him her his your there here do does did done have has had be been am so "
        "some any both same result resulting one ones which who whose that this"
    )
)
"""Words that only point at what is said elsewhere: they are not told."""

_UNITS = frozenset(word for one in UNIT_NAMES for word in stems(one))
"""No other word stands for one of these: an hour is no minute."""

_TOKEN = re.compile(r"\"[^\"]*\"|\u201c[^\u201d]*\u201d|[^\s,;!?\"\u201c\u201d]+")


_DETERMINED = re.compile(r"(?:\w+\s+)?(?:the|an?|this|that|my|our|your|his|her|their|its)\s+\w+", re.IGNORECASE)
_THING = re.compile(r"\s+([A-Za-z]+)\s+")


class _Token(msgspec.Struct, frozen=True):
    """A word, or all between two quotation marks."""

    start: int
    end: int
    text: str

    @property
    def bare(self) -> str:
        """Without quotation marks, and what ends a sentence."""
        return self.text.strip('"\u201c\u201d.:()')

    @property
    def is_quoted(self) -> bool:
        return self.text[0] in '"\u201c'

    @property
    def leads_in(self) -> bool:
        """Whether it leads in what comes after it: `by`, `the`."""
        return self.text.lower() in PREPOSITIONS or self.text.lower() in ("a", "an", "the")


class Account(msgspec.Struct, frozen=True, dict=True):
    """What of an objective is used for a composed graph."""

    found: Composition
    slots: dict[str, str]
    """The words that went into each part of the input."""
    said: Conditions
    taught: Taught
    own: frozenset[str] = frozenset()
    """Stems of what a graph is for, beside those of the capabilities that are chosen."""

    @cached_property
    def known(self) -> frozenset[str]:
        """The words that capabilities have, that values, conditions or an order are read from, or that examples have
        where they say what is wanted.
        """
        read = (*(guard.condition for guard in self.said.guards), *(one.said or "" for one in self.found.orders))
        known = {*self.own, *(word for each in read for word in content(each))}
        for index, ability in enumerate(self.found.reading.abilities):
            known |= ability.described | ability.input_words | ability.output_words
            if self.found.chosen[index].taught and self.taught.teacher is not None:
                known |= self.taught.teacher.words & frozenset(content(self.found.clause_of(index)))
        return frozenset(known | {word for each in self.slots.values() for word in content(each)})

    @property
    def share(self) -> float:
        """The weighted share of the objective's words that are known."""
        return self._share_of(content(without_courtesies(self.found.reading.objective)))

    def left_out(self) -> Iterator[str]:
        """What is said, and nothing is done for: clauses that no capability is chosen for, and most words of which are
        not known; of all others the words that are not.
        """
        for text, passed_over in self.parts():
            if passed_over:
                yield f"nothing is done for `{text.strip(' .,;!?')}`: it is not understood"
            else:
                yield from (f"not understood: `{words}`" for words in self.strange(text))

    def parts(self) -> Iterator[tuple[str, bool]]:
        """The clauses, and of each whether no capability is chosen for it, and most of its words are not known."""
        asked = {one.clause for one in self.found.chosen}
        for at, part in enumerate(clauses(self.found.reading.objective)):
            said = [word for word in content(without_courtesies(part.text)) if word not in _FILLING]
            yield part.text, at not in asked and bool(said) and self._share_of(said) < UNDERSTOOD

    def has(self, word: str) -> bool:
        """Whether capabilities have the word itself, or a value is read from it."""
        return self._is_value(word) or self.known.issuperset(content(word))

    def stands_for(self, word: str) -> bool:
        """Whether it means nearly the same as a word that is known."""
        return any(self._is_known(each) for each in content(word))

    def leads_to_value(self, after: str) -> bool:
        """Whether a text begins with what a value is read from."""
        return any(each and after.lstrip(' "\u201c').startswith(each) for each in self.slots.values())

    def describes(self, words: str, after: str) -> bool:
        """Whether words only describe a thing that comes after them and that a value names: `of the old` before
        `painting P7`.
        """
        thing = _THING.match(after)
        named = thing is not None and self.has(thing[1]) and self.leads_to_value(after[thing.end() :])
        return named and _DETERMINED.match(words) is not None

    def holds_value(self, text: str) -> bool:
        """Whether a value is read from a part of a text."""
        return any(each and each in text for each in self.slots.values())

    def points(self, word: str) -> bool:
        """Whether a stem only points at what is said elsewhere, or joins what is said."""
        return word in _FILLING or word in _POINTING

    def _share_of(self, words: Collection[str]) -> float:
        said = {word for word in words if word not in _FILLING}
        return share_in(said, {word for word in said if self._is_known(word)})

    def _is_known(self, word: str) -> bool:
        return word in self.known or (word not in _UNITS and not stand_ins(word).isdisjoint(self.known))

    def strange(self, text: str) -> Iterator[str]:
        """The words of a clause that are not used, those that stand together as one, with what leads them in."""
        tokens = [_Token(one.start(), one.end(), one[0]) for one in _TOKEN.finditer(without_courtesies(unopened(text)))]
        strange = [self._is_strange(one) for one in tokens]
        for at in range(len(tokens) - 2, -1, -1):
            strange[at] = strange[at] or (tokens[at].leads_in and strange[at + 1])
        for told, several in groupby(zip(strange, tokens, strict=True), key=lambda one: one[0]):
            if told:
                words = [token for _, token in several]
                yield text[words[0].start : words[-1].end].strip(" .,;:!?")

    def _is_strange(self, token: _Token) -> bool:
        if token.is_quoted:
            return not self._is_value(token.bare)
        says_nothing = _POINTING if token.bare.lower() in UNIT_NAMES else _FILLING | _POINTING
        words = [word for word in content(token.bare) if word not in says_nothing]
        return bool(words) and not self._is_value(token.bare) and not all(self._is_known(word) for word in words)

    def _is_value(self, text: str) -> bool:
        """Whether a value, or a condition, is read from it."""
        read = (*self.slots.values(), *(guard.condition for guard in self.said.guards))
        return bool(text) and any(re.search(rf"(?<!\w){re.escape(text)}(?!\w)", each) for each in read)
