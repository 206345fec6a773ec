"""Slots: the words that an example phrase leaves open, read as what the template's input schema asks for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from accord.domain.schema import JsonSchema, compile_schema
from accord.domain.schema_path import schema_at, types_of
from accord.planner.forms import Unclear, form_of
from accord.planner.numbers import number_in_words
from accord.planner.units import Measure, measure_behind, unit_of
from accord.planner.words import ARTICLES, PREPOSITIONS, VERSUS, Word, text_between

MAX_ITEM_WORDS = 3
"""A list item of more words, without quotation marks, is a sentence."""

_CONNECTORS = frozenset({"and", "or", "&", "+", *VERSUS})
_COMPARING = frozenset({"with", "against", "to"})
_ALL_OF = frozenset({"and", "&", "+"})
POINTERS = frozenset(
    {"it", "them", "this", "that", "these", "those", "everything", "anything", "something", "nothing", "all", "stuff"}
)
"""Words that point at something that only the speaker knows."""

_TRUTH = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_PATH_FORMATS = ("path", "file-path", "directory-path")


class Unusable(Exception):
    """The words of a slot are not what the schema asks for."""


def read_slot(
    words: Sequence[Word], objective: str, schema: JsonSchema, name: str = "", now: datetime | None = None
) -> Any:
    """The value that the words are, by the schema of the slot; the name may say in which unit, and `now` what a day is
    told from.

    Raises:
        Unusable: they are not what the schema asks for; the message says why.
    """
    try:
        written = form_of(text_between(objective, words), schema, now)
    except Unclear as error:
        raise Unusable(str(error)) from None
    value = _read(words, objective, schema, name) if written is None else written
    broken = compile_schema(schema).violations(value)
    if broken:
        raise Unusable(broken[0].message)
    return value


def not_understood(words: str) -> str:
    """That nothing is done for these words."""
    return f"not understood: `{words}`"


def told_as(name: str, said: str, value: Any) -> str:
    """That words are a part of the input, and as what they are read, where that is another text or number."""
    is_other = isinstance(value, str | int | float) and str(value).casefold() != said.casefold()
    return f"`{said}` is its `{name}`{f': {value}' if is_other else ''}"


def _read(words: Sequence[Word], objective: str, schema: JsonSchema, name: str = "") -> Any:
    options = _options(schema)
    if options:
        return _nearest(words, objective, options)
    types = types_of(schema)
    if "string" in types:
        return _text(words, objective, schema)
    if "array" in types:
        return list(_items(words, objective, schema))
    if types & {"integer", "number"}:
        return _measured(words, schema, name)
    if "boolean" in types and len(words) == 1 and words[0].plain in _TRUTH:
        return _TRUTH[words[0].plain]
    raise Unusable(f"`{text_between(objective, words)}` is not what is needed here")


def _options(schema: JsonSchema) -> list[str]:
    found = schema.get("enum", []) if isinstance(schema, dict) else []
    return [str(each) for each in found] if isinstance(found, list) else []


def _nearest(words: Sequence[Word], objective: str, options: list[str]) -> str:
    text = text_between(objective, words).casefold()
    by_text = {re.sub(r"[-_]", " ", option.casefold()): option for option in options}
    close = get_close_matches(re.sub(r"[-_]", " ", text), by_text, n=1, cutoff=0.8)
    if not close:
        raise Unusable(f"`{text}` is none of {', '.join(options)}")
    return by_text[close[0]]


def _text(words: Sequence[Word], objective: str, schema: JsonSchema) -> str:
    is_path = isinstance(schema, dict) and schema.get("format") in _PATH_FORMATS
    bare = _without_articles(words) if is_path else list(words)
    if is_path and (len(bare) != 1 or bare[0].is_comma or bare[0].plain in PREPOSITIONS | POINTERS):
        raise Unusable(f"`{text_between(objective, words)}` is no path; put one with spaces into quotes")
    if not bare or all(word.is_comma for word in bare):
        raise Unusable("there is nothing")
    trimmed = list(bare)
    while trimmed[-1].is_comma:
        trimmed.pop()
    if len(trimmed) == 1 and not trimmed[0].quoted and trimmed[0].plain in POINTERS | PREPOSITIONS | {"the", "an"}:
        raise Unusable(f"`{trimmed[0].text}` does not say what")
    return text_between(objective, trimmed)


def _items(words: Sequence[Word], objective: str, schema: JsonSchema) -> Iterator[Any]:
    """The items between commas, `and`, `or` and `vs`; an Oxford comma is one separator with the word behind it. What
    needs several is held `against` each other, too.
    """
    least = schema.get("minItems") if isinstance(schema, dict) else None
    is_compared = isinstance(least, int) and least > 1
    connectors = _CONNECTORS | _COMPARING if is_compared else _CONNECTORS
    item = schema_at(schema, (0,))
    joins = {word.plain for word in words if not word.quoted} & connectors
    if "or" in joins and not joins.isdisjoint(_ALL_OF):
        raise Unusable(f"`{text_between(objective, words)}` may be all or one of them")
    for part in _parts(_without_lead(words), connectors):
        bare = _without_articles(part)
        if not bare:
            raise Unusable("the list has a gap")
        quoted = any(word.quoted for word in bare)
        if len(bare) > MAX_ITEM_WORDS and not quoted:
            message = f"`{text_between(objective, bare)}` is too long for one item of a list"
            raise Unusable(f"{message}; put it into quotes")
        if not quoted and any(word.plain in PREPOSITIONS for word in bare):
            raise Unusable(f"`{text_between(objective, bare)}` is no item of a list; put it into quotes")
        if len(bare) == 1 and not quoted and bare[0].plain in POINTERS:
            raise Unusable(f"`{bare[0].text}` does not say which")
        yield _read(bare, objective, True if item is None else item)


def _parts(words: Sequence[Word], connectors: Collection[str]) -> Iterator[list[Word]]:
    part: list[Word] = []
    after_comma = False
    for word in words:
        is_connector = not word.quoted and word.plain in connectors
        if word.is_comma or (is_connector and not after_comma):
            yield part
            part = []
        elif not is_connector:
            part.append(word)
        after_comma = word.is_comma
    yield part


def _without_lead(words: Sequence[Word]) -> Sequence[Word]:
    leads = ("between", "among", "both")
    return words[1:] if len(words) > 1 and not words[0].quoted and words[0].plain in leads else words


def _without_articles(words: Sequence[Word]) -> list[Word]:
    """Without a leading article, unless it is all there is: `a` may be a name."""
    has_article = len(words) > 1 and not words[0].quoted and words[0].plain in ARTICLES
    return list(words[1:] if has_article else words)


def _measured(words: Sequence[Word], schema: JsonSchema, name: str) -> int | float:
    """A number, or one in a unit that can be told in that of the slot."""
    text = " ".join(word.plain for word in words if not word.is_comma)
    whole, measure = "number" not in types_of(schema), _measure_in(text)
    unit = unit_of(name, _described(schema), schema) if measure is not None else None
    if measure is None or unit is None or not measure.fits(unit):
        return _number(text, whole=whole)
    value = measure.into(_number(text.removesuffix(measure.written), whole=False), unit)
    if value is None or (whole and not isinstance(value, int)):
        raise Unusable(f"`{text}` is no {'whole ' if whole else 'exact '}number of {unit.name}")
    return value


def _described(schema: JsonSchema) -> str:
    return str(schema.get("description", "")) if isinstance(schema, dict) else ""


def _measure_in(text: str) -> Measure | None:
    """The unit with which a text ends."""
    ends = (measure_behind(text[at:]) for at in range(1, len(text)))
    return next((one for one in ends if one is not None and text.endswith(one.written)), None)


def _number(text: str, *, whole: bool) -> int | float:
    if re.fullmatch(r"[-+]?\d{1,15}", text):
        return int(text)
    if re.fullmatch(r"[-+]?\d{1,15}\.\d{1,15}", text) and not whole:
        return float(text)
    number = number_in_words(text)
    if number is None:
        raise Unusable(f"`{text}` is no {'whole ' if whole else ''}number")
    return number
