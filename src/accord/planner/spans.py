"""Spans: the words of an objective in which a template's input is said, found by what its schema asks for.

Used where a template is meant in other words than those of its phrases. A span is taken only where nothing else could
be meant: what is typed (a number, a date, one of a few) stands for itself, and a text is what stands where the phrases
have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import msgspec

from accord.domain.schema import JsonSchema
from accord.domain.schema_path import schema_at, types_of
from accord.domain.template import Template
from accord.domain.template_rules import SLOT
from accord.errors import Problem
from accord.planner.asides import Aside, not_taken
from accord.planner.bounds import beside_in, check
from accord.planner.called import goes_on_with, part_of, taken
from accord.planner.forms import Unclear, form_of, is_free_text
from accord.planner.phrases import PLACES, Alignment, Phrase, objective_words
from accord.planner.slots import Unusable, read_slot
from accord.planner.words import PREPOSITIONS, Word, stem, text_between, weight

MOST_WORDS = 6
"""Of a span that is typed."""

_HALF = 0.5
"""The least share of words in which a phrase has to fit."""

_FAR = 4
"""Where no word of a part's name is near a span."""

_BESIDE: Final = re.compile(rf"{SLOT.pattern}(?=\s*{{)")
_BEHIND: Final = re.compile(rf"}}\s*{SLOT.pattern}")
"""A slot in front of another one, and one behind it."""


class Filled(msgspec.Struct, frozen=True):
    """What an objective says of a template's input."""

    input: dict[str, Any]
    words: dict[str, str]
    """What of the objective each part was read from."""
    beside: tuple[Problem, ...] = ()
    """What stands in the place of a part, and says something else (ACC809)."""
    left: tuple[str, ...] = ()
    """What stands there beside the part, and nothing is known of."""


def fill(objective: str, template: Template, given: Mapping[str, Any], now: datetime | None = None) -> Filled:
    """What the objective says of the template's input, beside what is given already; `now` is the present, where that
    is known.
    """
    return _Filling(objective, template, given, now).filled()


def wanted_of(template: Template, said: Mapping[str, Any]) -> tuple[str, ...]:
    """The parts of the input that are needed and were not said."""
    schema = template.input if isinstance(template.input, dict) else {}
    return tuple(name for name in schema.get("required", ()) if name not in said)


class _Filling:
    def __init__(self, objective: str, template: Template, given: Mapping[str, Any], now: datetime | None) -> None:
        self._text, self._now = objective, now
        self._words = objective_words(objective)
        self._template = template
        self._given = given
        self._taken: set[int] = set()
        """Where the words begin that a part was read from."""
        self._input: dict[str, Any] = {}
        self._said: dict[str, str] = {}
        self._beside: list[Problem] = []
        self._left: list[str] = []
        self._ends: dict[int, str] = {}
        """The parts by where the last word begins that they were read from."""

    def filled(self) -> Filled:
        schemas = [(name, schema) for name, schema in self._schemas() if name not in self._given]
        for name, schema in schemas:
            if not is_free_text(schema):
                self._take_typed(name, schema, schemas)
        by_name = dict(schemas)
        for name, part, led in self._by_phrases():
            if name in by_name and name not in self._input:
                is_list = "array" in types_of(by_name[name])
                self._take(name, part if is_list else list(_until(part, frozenset())), by_name[name], led=led)
        self._beside.extend(self._behind())
        return Filled(self._input, self._said, tuple(self._beside), tuple(self._left))

    def _behind(self) -> Iterator[Problem]:
        """What is said right behind a part, and more of it."""
        for before, word in pairwise(self._words):
            name = self._ends.get(before.start)
            if name is None or word.start in self._taken:
                continue
            if goes_on_with(word, part_of(self._template, name), self._template):
                yield not_taken(name, self._text, Aside((word,), "more"))

    def _schemas(self) -> Iterator[tuple[str, JsonSchema]]:
        """The parts of the input, those that are needed first."""
        schema = self._template.input if isinstance(self._template.input, dict) else {}
        needed = schema.get("required", [])
        names = schema.get("properties", {})
        for name in sorted(names, key=lambda one: one not in needed):
            part = schema_at(schema, (name,))
            if part is not None:
                yield name, part

    def _take_typed(self, name: str, schema: JsonSchema, others: Sequence[tuple[str, JsonSchema]]) -> None:
        """Take the one span that is of the schema's type; of several, or where another part is of that type as well,
        the one beside a word of the part's name.
        """
        found = list(self._spans(name, schema))
        same = [other for other, of in others if other not in self._input and _kind(of) == _kind(schema)]
        ranks = [self._named(span, name) for span in found]
        named = [span for span, rank in zip(found, ranks, strict=True) if rank == min(ranks) < _FAR]
        is_needed = name in wanted_of(self._template, self._given)
        if len(found) == len(same) == 1 and is_needed:
            named = found
        if len(named) == 1:
            self._take(name, named[0], schema, led=True)

    def _spans(self, name: str, schema: JsonSchema) -> Iterator[list[Word]]:
        """The spans that can be read by the schema, each as long as it may be; none that was taken overlaps."""
        free = [word for word in self._words if word.start not in self._taken]
        at = 0
        while at < len(free):
            longest = next((free[at:end] for end in _ends(free, at) if self._reads(free[at:end], schema, name)), None)
            if longest is not None:
                yield self._without_lead(longest, schema, name)
            at += len(longest) if longest is not None else 1

    def _without_lead(self, span: list[Word], schema: JsonSchema, name: str) -> list[Word]:
        """The span without the word that leads to it, where it is one without that as well: `on` of `on 3 May` stands
        in phrases before the part.
        """
        leads = span[0].plain in PREPOSITIONS and not span[0].quoted
        return span[1:] if leads and self._reads(span[1:], schema, name) else span

    def _reads(self, part: Sequence[Word], schema: JsonSchema, name: str) -> bool:
        """Whether the words are surely of the schema's type; a text is only where its format or pattern tells."""
        text = text_between(self._text, part)
        try:
            if form_of(text, schema, self._now) is not None:
                return True
        except Unclear:
            return True
        has_options = isinstance(schema, dict) and "enum" in schema
        if not has_options and types_of(schema) & {"string", "array", "object", "boolean"}:
            return False
        try:
            read_slot(part, self._text, schema, name, self._now)
        except Unusable:
            return False
        return True

    def _named(self, part: Sequence[Word], name: str) -> int:
        """How far a word of the part's name is from the span: right behind it, before it, one further; else `_FAR`."""
        stems = {stem(word) for word in name.replace("-", "_").split("_")}
        words = [word for word in self._words if weight(word) >= 1 or word in part]
        first, last = words.index(part[0]), words.index(part[-1])
        behind, before = words[last + 1 : last + 3], words[max(0, first - 2) : first][::-1]
        near = [*zip((0, 2), behind, strict=False), *zip((1, 3), before, strict=False)]
        return min((rank for rank, word in near if word.stem in stems), default=_FAR)

    def _by_phrases(self) -> Iterator[tuple[str, list[Word], bool]]:
        """What stands where phrases have their slots, and whether what is before a slot stands before it: by the phrase
        that fits best, where half of it does; else by what stands in front of it.
        """
        free = tuple(word for word in self._words if word.start not in self._taken)
        phrases = [
            self._unread(text) for text in self._template.examples if Phrase(text).begins(self._text, self._words)
        ]
        alignments = [one for phrase in phrases for one in _alignments(phrase, free)]
        for alignment in sorted(alignments, key=lambda one: (one.score, one.matched), reverse=True)[:1]:
            if alignment.score >= _HALF:
                for name, words in alignment.slots:
                    is_called = part_of(self._template, name).is_called
                    yield name, list(words if is_called else _core(words)), name in alignment.led
        for name, part in (*self._by_names(free), *self._by_prepositions(free)):
            yield name, part, True

    def _unread(self, phrase: str) -> Phrase:
        """A phrase without a slot for what is read already right beside another one: it takes no words of that."""
        beside = {*_BESIDE.findall(phrase), *_BEHIND.findall(phrase)} & self._input.keys()
        return Phrase(SLOT.sub(lambda slot: "" if slot[1] in beside else slot[0], phrase))

    def _by_names(self, free: Sequence[Word]) -> Iterator[tuple[str, list[Word]]]:
        """What is in quotation marks, where one part alone is a text and is needed."""
        texts = wanted_of(self._template, {**self._given, **self._input})
        quoted = [word for word in free if word.quoted and word.start not in self._taken]
        if len(texts) == len(quoted) == 1:
            yield texts[0], quoted

    def _by_prepositions(self, free: Sequence[Word]) -> Iterator[tuple[str, list[Word]]]:
        """What comes behind the word that stands in front of the slot in a phrase, up to the next such word."""
        for name, leads in _leads(self._template).items():
            for at, word in enumerate(free):
                if word.plain in leads and not word.quoted and word.start not in self._taken:
                    part = list(_until(free[at + 1 :], PREPOSITIONS))
                    if part:
                        yield name, part

    def _take(self, name: str, part: Sequence[Word], schema: JsonSchema, *, led: bool) -> None:
        if any(word.start in self._taken for word in part) or name in self._input:
            return
        asked = part_of(self._template, name)
        aside = beside_in(asked, part, self._text)
        if aside is not None:
            self._beside.append(not_taken(name, self._text, aside))
            return
        try:
            found = taken(asked, part, self._template, self._text, led=led)
            if found.aside is not None:
                self._beside.append(not_taken(name, self._text, found.aside))
                return
            part = found.words
            check(asked, part, self._text)
            value = read_slot(part, self._text, schema, name, self._now)
        except Unusable:
            return
        self._input[name] = value
        self._said[name] = text_between(self._text, part)
        self._left.extend(word.text for word in found.left)
        self._ends[part[-1].start] = name
        self._taken.update(word.start for word in part)


def _ends(free: Sequence[Word], at: int) -> Iterator[int]:
    """Where a span that begins here may end, the longest first; it has no gap, and no comma on either side."""
    last = min(len(free), at + MOST_WORDS)
    if not free[at].is_comma:
        yield from (end for end in range(last, at, -1) if not free[end - 1].is_comma)


def _alignments(phrase: Phrase, words: tuple[Word, ...]) -> Iterator[Alignment]:
    """The phrase laid over the words, and over those from each word on that is fixed in it."""
    fixed = {part.stem for part in phrase.parts if isinstance(part, Word) and weight(part) >= 1}
    starts = [at for at, word in enumerate(words) if word.stem in fixed and not word.quoted]
    yield from (phrase.align(words[at:]) for at in dict.fromkeys((0, *starts)))


def _core(part: Sequence[Word]) -> Sequence[Word]:
    """The words of a slot without what only leads to them."""
    start = next((at for at, word in enumerate(part) if word.quoted or word.plain not in PREPOSITIONS), 0)
    return part[start:]


def _kind(schema: JsonSchema) -> tuple[Any, ...]:
    """What two parts have in common that the same words could fill."""
    if isinstance(schema, dict) and "enum" in schema:
        return "enum", str(schema["enum"])
    types = "number" if types_of(schema) & {"integer", "number"} else tuple(sorted(types_of(schema)))
    return types, schema.get("format") if isinstance(schema, dict) else None


def _leads(template: Template) -> dict[str, set[str]]:
    """For each slot the prepositions that phrases have in front of it, where no other slot has them."""
    found: dict[str, set[str]] = {}
    for text in template.examples:
        parts = text.replace("{", " {").split()
        for before, slot in pairwise(parts):
            if slot.startswith("{") and before in PREPOSITIONS:
                found.setdefault(slot.strip("{}.,?!"), set()).add(before)
    wide = {name: leads | PLACES if leads & PLACES else leads for name, leads in found.items()}
    return {
        name: leads - set().union(*(other for of, other in wide.items() if of != name)) for name, leads in wide.items()
    }


def _until(words: Sequence[Word], stops: frozenset[str]) -> Iterator[Word]:
    for word in words:
        if word.is_comma or (word.plain in stops and not word.quoted):
            return
        yield word
