"""Typed: which words of a slot are the number, the date or the option that its schema asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from accord.domain.schema import JsonSchema
from accord.domain.schema_path import types_of
from accord.planner.asides import Aside
from accord.planner.bounds import JOINS, TIMES
from accord.planner.called import Taken
from accord.planner.forms import Unclear, form_of, is_free_text
from accord.planner.slots import Unusable, read_slot
from accord.planner.words import PREPOSITIONS, Word, text_between, weight


class Typed:
    """Reads words of an objective by schemas that say what they may be; `now` is the present, where that is known."""

    def __init__(self, words: Sequence[Word], objective: str, now: datetime | None) -> None:
        self._words, self._objective, self._now = words, objective, now

    def taken(self, name: str, part: Sequence[Word], schema: JsonSchema) -> Taken:
        """The words that can be read, and what of the slot is said beside them; all where that is not clear."""
        if is_free_text(schema) or types_of(schema) & {"array", "object"}:
            return Taken(tuple(part))
        several = list(self._several(part, schema))
        for words in several:
            if self._reads(name, words, schema):
                return Taken(words)
        for words in several if _is_read(schema) and not self._is_unclear(part, schema) else ():
            for end in range(len(words) - 1, 0, -1):
                is_border = not words[end].is_comma and words[end].plain not in JOINS
                if is_border and self._reads(name, words[:end], schema):
                    return Taken(words[:end], Aside(words[end:], "more"))
        return Taken(tuple(part))

    def _several(self, part: Sequence[Word], schema: JsonSchema) -> Iterator[tuple[Word, ...]]:
        """The words; numbers and options without fillers before them; and with the preposition that the phrase has for
        its own, as it is a part of `in two weeks`.
        """
        yield tuple(part)
        start = next((at for at, word in enumerate(part) if weight(word)), 0)
        if start and ("string" not in types_of(schema) or (isinstance(schema, dict) and "enum" in schema)):
            yield tuple(part[start:])
        before = [word for word in self._words if word.end <= part[0].start][-1:]
        if before and before[0].plain in PREPOSITIONS and not before[0].quoted:
            yield (*before, *part)

    def _reads(self, name: str, words: Sequence[Word], schema: JsonSchema) -> bool:
        try:
            read_slot(words, self._objective, schema, name, self._now)
        except Unusable:
            return False
        return True

    def _is_unclear(self, part: Sequence[Word], schema: JsonSchema) -> bool:
        try:
            form_of(text_between(self._objective, part), schema, self._now)
        except Unclear:
            return True
        return False


def _is_read(schema: JsonSchema) -> bool:
    """Whether what is said stands for a value, and is not one as it is written."""
    told = schema if isinstance(schema, dict) else {}
    return bool(types_of(schema) & {"integer", "number"}) or "enum" in told or told.get("format") in TIMES
