"""Called: what a slot's phrases say of the words in it by the noun before it.

In `clean the car {plate}` the slot is what a car is called: a name or a code. So `the car AB-123` gives it `AB-123`;
`the dog Rex` and `the doctor` are other things, and `AB-123 dirty` says more than a name does. Where no phrase has such
a noun, a slot may be any words, and only a name behind an unknown noun is not clear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from accord.domain.schema import JsonSchema
from accord.domain.schema_path import schema_at
from accord.domain.template import Template
from accord.domain.template_rules import SLOT
from accord.planner.asides import Aside
from accord.planner.bounds import EVERY, JOINS, NAMING, PARTICLES, Part
from accord.planner.phrases import Slot
from accord.planner.slots import POINTERS, Unusable
from accord.planner.words import ARTICLES, PREPOSITIONS, Word, stem, text_between, weight, words_of

_DETERMINERS: Final = ARTICLES | {"my", "our", "your", "his", "her", "their", "its", "this", "that"}
_MARK: Final = re.compile(r"[A-Z\d@/._&+~]")
_LONGEST: Final = 3
"""Words of a thing with its article, in the place of a text."""


class Taken(msgspec.Struct, frozen=True):
    """What of the words of a slot is its value."""

    words: tuple[Word, ...]
    aside: Aside | None = None
    """What of them says something else."""
    left: tuple[Word, ...] = ()
    """What is said beside the value, and nothing is known of: `red` of `the red car AB-123`."""


def part_of(template: Template, name: str) -> Part:
    """A part of the template's input, with the nouns that phrases have before its slot; its own name is one where the
    examples of its schema are names or codes.
    """
    schema = schema_at(template.input, (name,))
    heads = frozenset(word for phrase in template.examples for word in _heads(template, phrase, name))
    part = Part(name, True if schema is None else schema, heads)
    shown = [one for one in _listed(schema, "examples") if isinstance(one, str)]
    if shown and all(_MARK.search(one) for one in shown):
        return Part(name, part.schema, heads.union(map(stem, part.parts)))
    return part


def taken(part: Part, words: Sequence[Word], template: Template, objective: str, *, led: bool) -> Taken:
    """The value among the words of a slot; `led` where what stands before the slot in a phrase is said before them.

    Raises:
        Unusable: what is called so is not said, or not clearly; the message says why.
    """
    is_pointer = len(words) == 1 and not words[0].quoted and words[0].plain in POINTERS
    if part.holds == "other" or part.says_when or is_pointer:
        return Taken(tuple(words))
    return _Value(part, template, objective, led).of(_trimmed(words))


class _Value:
    def __init__(self, part: Part, template: Template, objective: str, led: bool) -> None:
        self._part, self._template, self._objective, self._led = part, template, objective, led

    def of(self, words: Sequence[Word]) -> Taken:
        start = next((at for at, word in enumerate(words) if is_marked(word)), len(words))
        before, named = words[:start], words[start:]
        said = [word for word in before if word.plain not in _DETERMINERS]
        self._which(said, words)
        if any(word.is_comma or (not word.quoted and word.plain in JOINS) for word in words):
            return Taken(tuple(words))
        if not self._part.is_called:
            return self._any(words, before, named)
        if self._part.holds == "text":
            return self._text(words, said, named)
        return self._named(before, named) if named else self._small(words, said)

    def _which(self, said: Sequence[Word], words: Sequence[Word]) -> None:
        """See that it is no `every car`."""
        many = bool(said) and said[0].plain in EVERY
        if many and len(words) > 1 and all(self._is_head(word) for word in said[1:]) and self._part.is_called:
            raise Unusable(f"`{text_between(self._objective, words)}` does not say which")

    def _any(self, words: Sequence[Word], before: Sequence[Word], named: Sequence[Word]) -> Taken:
        """The words of a slot that may be any; a name behind a noun is one, or both are."""
        has_article = len(before) > 1 and before[0].plain in _DETERMINERS
        if named and before and self._is_head(before[-1]) and len(before) <= 1 + has_article:
            return Taken(tuple(named))
        if has_article and named and self._knows(before[-1]):
            return Taken(tuple(named), left=self._unknown(before))
        if self._part.holds == "words" and ((has_article and named) or _leads_on(words)):
            self._unclear(words)
        if self._part.holds == "words" and not named and not self._led:
            self._unclear(words)
        return Taken(tuple(words))

    def _text(self, words: Sequence[Word], said: Sequence[Word], named: Sequence[Word]) -> Taken:
        """A text without the noun before it; a thing alone is hardly one."""
        if said and named and all(self._is_head(word) for word in said):
            return Taken(tuple(named))
        if not named and 1 < len(words) <= _LONGEST and words[0].plain in _DETERMINERS:
            self._unclear(words)
        return Taken(tuple(words))

    def _named(self, before: Sequence[Word], named: Sequence[Word]) -> Taken:
        """A name, up to what is no part of one."""
        said = [word for word in before if word.plain not in _DETERMINERS]
        while said and said[-1].plain in NAMING and self._part.holds != "token":
            said.pop()
        is_known = not said or self._is_head(said[-1]) or self._knows(said[-1])
        if self._part.holds == "token":
            return Taken(tuple(named if is_known else (*said, *named)))
        if not is_known and not self._is_title(said):
            return Taken((), Aside((*before, *named), "other"))
        end = next((at for at in range(1, len(named)) if not _goes_on(named, at)), len(named))
        if not named[end - 1].quoted and named[end - 1].plain.endswith(("'s", "\u2019s")):
            return Taken((), Aside((*before, *named), "other"))
        titled = () if is_known else said
        aside = Aside(tuple(named[end:]), "more") if end < len(named) else None
        return Taken((*titled, *named[:end]), aside, () if titled else self._unknown(said))

    def _is_title(self, said: Sequence[Word]) -> bool:
        """Whether words before a name may belong to it: `doctor Miller`."""
        return self._part.holds == "name" and len(said) == 1

    def _small(self, words: Sequence[Word], said: Sequence[Word]) -> Taken:
        """A name in small letters: a word that is nothing else, where a phrase has one."""
        rest = [word for word in said if not self._is_head(word)]
        if not rest:
            raise Unusable(f"`{text_between(self._objective, words)}` does not say which")
        if words[0].plain in PREPOSITIONS or (words[0].plain in _DETERMINERS and len(rest) == len(said)):
            return Taken((), Aside(tuple(words), "other"))
        if not self._led or any(weight(word) < 1 for word in rest):
            self._unclear(words)
        return Taken(tuple(rest))

    def _unknown(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """The words of these that say something, and nothing of the template has."""
        known = [word for word in words if self._is_head(word) or self._knows(word) or word.plain in _DETERMINERS]
        return tuple(word for word in words if weight(word) >= 1 and word not in known)

    def _unclear(self, words: Sequence[Word]) -> None:
        said = text_between(self._objective, words)
        raise Unusable(f"`{said}` may be something else; what belongs together is put into quotation marks")

    def _is_head(self, word: Word) -> bool:
        return word.stem in self._part.heads or word.stem in map(stem, self._part.parts)

    def _knows(self, word: Word) -> bool:
        return word.stem in _words_of(self._template)


def is_marked(word: Word) -> bool:
    """Whether a word is a value by how it is written: a name, a code, a number, or in quotation marks."""
    return word.quoted or _MARK.search(word.text) is not None


def goes_on_with(word: Word, part: Part, template: Template) -> bool:
    """Whether a word right behind the value of a part says more of it, as no phrase does: `AB-123 back`."""
    is_said = not is_marked(word) and word.text.isalpha() and weight(word) >= 1
    return part.is_called and is_said and word.stem not in _words_of(template)


def _goes_on(named: Sequence[Word], at: int) -> bool:
    """Whether a name goes on with this word: `Bank of Wales`."""
    if is_marked(named[at]):
        return not named[at].quoted and not named[at - 1].quoted
    return named[at].plain in PARTICLES and at + 1 < len(named) and is_marked(named[at + 1])


def _leads_on(words: Sequence[Word]) -> bool:
    """Whether a preposition behind a name says more: `Berlin by air`, not `Bank of Wales`."""
    end = next((at for at in range(1, len(words)) if not _goes_on(words, at)), len(words))
    return is_marked(words[0]) and end < len(words) and words[end].plain in PREPOSITIONS


def _trimmed(words: Sequence[Word]) -> list[Word]:
    kept = list(words)
    while kept and kept[-1].is_comma:
        kept.pop()
    return kept


def _heads(template: Template, phrase: str, name: str) -> Iterator[str]:
    """The stems of the nouns behind an article and before the slot; where another slot stands there, its options."""
    for before in _before(phrase, name):
        if isinstance(before, Slot):
            yield from (stem(str(one).casefold()) for one in _listed(schema_at(template.input, (before.name,)), "enum"))
        else:
            yield before


@lru_cache(maxsize=4096)
def _before(phrase: str, name: str) -> tuple[str | Slot, ...]:
    """What stands before a slot of a phrase: the stem of a noun behind an article, or another slot."""
    found: list[str | Slot] = []
    end, last = 0, None
    for slot in SLOT.finditer(phrase):
        between = phrase[end : slot.start()]
        if slot[1] == name:
            found.extend([last] if last is not None and not between.strip() else _nouns(words_of(between)))
        end, last = slot.end(), Slot(slot[1])
    return tuple(found)


def _nouns(words: Sequence[Word]) -> Iterator[str]:
    """The last of these words, where an article and no more than what describes stands before it."""
    at = next((at for at in range(len(words) - 1, -1, -1) if words[at].plain in ARTICLES), None)
    behind = words[at + 1 :] if at is not None else ()
    if behind and not any(weight(word) < 1 for word in behind):
        yield behind[-1].stem


def _listed(schema: JsonSchema | None, key: str) -> Sequence[Any]:
    found = schema.get(key) if isinstance(schema, dict) else None
    return found if isinstance(found, list) else ()


def _words_of(template: Template) -> frozenset[str]:
    """The stems of all that a template says of what it is for."""
    schema = template.input if isinstance(template.input, dict) else {}
    parts = [one for one in schema.get("properties", {}).values() if isinstance(one, dict)]
    described = (str(one.get(key, "")) for one in parts for key in ("title", "description"))
    phrases = (SLOT.sub(" ", phrase) for phrase in template.examples)
    texts = (template.name.replace("-", " "), template.description, *phrases, *described)
    return frozenset(word.stem for text in texts for word in words_of(text) if weight(word) >= 1)
