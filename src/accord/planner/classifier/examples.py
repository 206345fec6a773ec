"""Examples: what was said, and what is meant by it. Templates bring theirs; more come from use, with consent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec

from accord.domain.ids import Digest
from accord.domain.learning import Lesson
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import schema_at, types_of
from accord.domain.template import Template
from accord.domain.template_rules import SLOT
from accord.planner.words import words_of


class Example(msgspec.Struct, frozen=True):
    """Words, and the label that they mean; `None` for what is outside of all labels."""

    text: str
    label: str | None


def phrases_of(templates: Iterable[Template]) -> Iterator[Example]:
    """The example phrases of templates, with something in each slot: what its schema has for an example, else a word
    that nobody knows, as the words of a request will be that go there.
    """
    for template in templates:
        for number, phrase in enumerate(template.examples):
            yield Example(SLOT.sub(partial(_filled, template, number), phrase), template.name)


def examples_of(lessons: Iterable[Lesson], templates: Sequence[Template]) -> Iterator[Example]:
    """What people have said, with something in each slot. Of the same words the newest lesson counts, and none that is
    about a template that is not there.
    """
    by_name = {template.name: template for template in templates}
    newest = {lesson.objective.casefold(): lesson for lesson in lessons}
    for number, lesson in enumerate(newest.values()):
        if lesson.template is None:
            yield Example(lesson.objective, None)
        elif lesson.template in by_name:
            template = by_name[lesson.template]
            yield Example(SLOT.sub(partial(_filled, template, number), lesson.objective), template.name)


def phrase_of(objective: str, slots: Mapping[str, str]) -> str:
    """The words of an objective without what goes into the input: `{slot}` stands in its place, so that neither names
    nor numbers of a single case are learnt, or kept.
    """
    phrase = objective.replace("{", "(").replace("}", ")")
    for name, said in sorted(slots.items(), key=lambda slot: len(slot[1]), reverse=True):
        phrase = phrase.replace(said, f"{{{name}}}", 1)
    return phrase


def words_in(template: Template) -> frozenset[str]:
    """The stems of the words that the template's phrases are made of."""
    return frozenset(word.stem for phrase in template.examples for word in words_of(SLOT.sub(" ", phrase)))


def _filled(template: Template, number: int, slot: re.Match[str]) -> str:
    schema = schema_at(template.input, (slot[1],))
    known = [one for key in ("enum", "examples") for one in _listed(schema, key) if isinstance(one, str | int | float)]
    if known:
        return str(known[number % len(known)])
    types = types_of(schema) if schema is not None else frozenset()
    if types & {"integer", "number"} and "string" not in types:
        return str(number + 2)
    word = sha256(f"{template.name} {slot[0]} {number}".encode()).hexdigest()
    return f"{word[:6]} and {word[6:11]}" if "array" in types else word[:7]


def _listed(schema: JsonSchema | None, key: str) -> list[Any]:
    found = schema.get(key) if isinstance(schema, dict) else None
    return found if isinstance(found, list) else []


def digest_of_examples(examples: Iterable[Example]) -> Digest:
    """The digest of a set of examples, whatever their order."""
    ordered = sorted(set(examples), key=lambda one: (one.text, one.label or ""))
    return Digest(sha256(msgspec.json.encode(ordered)).hexdigest())
