"""Abilities: what the planner knows of a capability, and reads its use from: names, descriptions, members, kinds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import msgspec

from accord.domain.schema import JsonSchema
from accord.domain.schema_path import declared_names, required_names, schema_at, types_of
from accord.planner.bounds import Holds, Part
from accord.planner.composition.wording import content, trigrams
from accord.planner.units import Unit, unit_of

_KINDS = {
    **dict.fromkeys(("str", "string", "text"), "string"),
    **dict.fromkeys(("int", "integer"), "integer"),
    **dict.fromkeys(("float", "double", "number"), "number"),
    **dict.fromkeys(("bool", "boolean"), "boolean"),
    **dict.fromkeys(("list", "array", "tuple"), "array"),
    **dict.fromkeys(("dict", "object"), "object"),
}
ANY = "any"
"""The kind of what may be of several kinds, or does not say."""

NUMERIC = frozenset({"integer", "number"})
_TIME = frozenset(content("date day time deadline month year schedule"))

_DAY = frozenset(content("date day deadline due"))

_NAME_OF = re.compile(r"\bnames? of\b", re.IGNORECASE)


class Member(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """One member of an input or an output."""

    name: str
    description: str = ""
    kind: str = ANY
    """A type of JSON Schema, or any other word such as `image`; only equal ones, and whole numbers for numbers, fit."""
    required: bool = True
    schema: JsonSchema = True
    whole: bool = False
    """Whether it is not one member of an output, or of an item, but all of it."""
    each: str | None = None
    """The output of which it is each item, or a part of each; an empty name stands for the output as a whole."""
    gathered: bool = False
    """Whether it is the list of this member of several outputs."""

    @cached_property
    def named(self) -> tuple[str, ...]:
        """The stems of its name."""
        return content(self.name)

    @cached_property
    def described(self) -> tuple[str, ...]:
        """The stems of its description."""
        return content(self.description)

    @cached_property
    def words(self) -> frozenset[str]:
        """The stems of both."""
        return frozenset((*self.named, *self.described))

    @cached_property
    def trigrams(self) -> frozenset[str]:
        """Of its name."""
        return trigrams(self.name)

    @cached_property
    def described_trigrams(self) -> frozenset[str]:
        """Of its description."""
        return trigrams(self.description)

    @property
    def is_number(self) -> bool:
        return self.kind in NUMERIC

    @cached_property
    def unit(self) -> Unit | None:
        """What it is counted in, where that is told."""
        return unit_of(self.name, self.description, self.schema) if self.is_number else None

    @property
    def options(self) -> tuple[str, ...]:
        """The texts that it may be, where it is one of several."""
        listed = self.schema.get("enum") if isinstance(self.schema, dict) else None
        return tuple(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else ()

    @cached_property
    def holds(self) -> Holds:
        """What it may hold, as slots do: a name where its description says so."""
        told = Part(self.name, self.schema).holds
        return "name" if told == "words" and _NAME_OF.search(self.description) else told

    @property
    def decides(self) -> bool:
        """Whether there can be a condition over it: a yes or no, a number, or one of several options."""
        return self.kind == "boolean" or self.is_number or bool(self.options)

    @property
    def has_default(self) -> bool:
        """Whether there is a value for it where nothing is said."""
        return not self.required and isinstance(self.schema, dict) and "default" in self.schema

    @property
    def is_text(self) -> bool:
        """Whether words can stand for it: a text, a list, or something with a kind of its own, such as an image."""
        return self.kind not in NUMERIC and self.kind not in ("boolean", "object")

    @property
    def form(self) -> str:
        """The format of its schema, empty where it has none."""
        return str(self.schema.get("format", "")) if isinstance(self.schema, dict) else ""

    @property
    def takes_day(self) -> bool:
        """Whether a day, told from the present, may be meant for it."""
        return self.form in ("date", "date-time") or (
            self.kind == "string" and not self.form and not _DAY.isdisjoint(self.named)
        )

    @cached_property
    def is_time(self) -> bool:
        """Whether it is said to be a date or a time."""
        return self.is_text and not _TIME.isdisjoint(self.words)


class Ability(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """A capability as a plan may use it."""

    name: str
    """Unique in a catalogue: `text.summarize@1.2.0`, or any other name."""
    title: str = ""
    """The name in words, without a version; the name where it is empty."""
    description: str = ""
    inputs: tuple[Member, ...] = ()
    outputs: tuple[Member, ...] = ()

    @property
    def called(self) -> str:
        """What it is called in words, and in examples: every version of a capability has the same."""
        return self.title or self.name

    @cached_property
    def named(self) -> frozenset[str]:
        """The stems of its name."""
        return frozenset(content(self.called))

    @cached_property
    def described(self) -> frozenset[str]:
        """The stems of its name and its description."""
        return self.named | frozenset(content(self.description))

    @cached_property
    def input_words(self) -> frozenset[str]:
        return frozenset(word for member in self.inputs for word in member.words)

    @cached_property
    def output_words(self) -> frozenset[str]:
        return frozenset(word for member in self.outputs for word in member.words)

    @property
    def act(self) -> str:
        """What it does: the end of a name with dots."""
        return self.called.rpartition(".")[2]

    @cached_property
    def verb(self) -> str:
        """The first word of its name."""
        return next(iter(content(self.called)), "")


def kind_named(text: str) -> str:
    """The kind that a type's name means: `str` is `string`; an unknown name is a kind of its own."""
    plain = re.sub(r"[\s_-]+", " ", text.strip().casefold())
    return _KINDS.get(plain, plain or ANY)


def kind_of(schema: JsonSchema) -> str:
    """The kind of what a schema allows; null beside another type changes nothing."""
    types = types_of(schema) - {"null"}
    if types == {"integer", "number"}:
        return "number"
    return next(iter(types)) if len(types) == 1 else ANY


def ability_of(name: str, description: str, accepts: JsonSchema, gives: JsonSchema) -> Ability:
    """The ability that a contract describes. Its outputs are the members that are always there, and the output as a
    whole.
    """
    return Ability(
        name=name,
        title=name.partition("@")[0],
        description=description or _said(accepts) or _said(gives),
        inputs=tuple(members_of(accepts)),
        outputs=(*(one for one in members_of(gives) if one.required), _whole(name, description, gives)),
    )


def _whole(name: str, description: str, gives: JsonSchema) -> Member:
    """The output as one value, called like the thing that the capability gives."""
    title = name.partition("@")[0].rpartition(".")[2]
    return Member(name=title, description=_said(gives) or description, kind=kind_of(gives), schema=gives, whole=True)


def members_of(schema: JsonSchema) -> Iterator[Member]:
    """The members of an object that its schema declares."""
    known = schema if isinstance(schema, dict) else {}
    properties, needed = known.get("properties"), required_names(schema)
    declared = properties if isinstance(properties, dict) else {}
    for name in [*declared, *sorted(declared_names(schema) - declared.keys())]:
        found = schema_at(schema, (name,))
        part = True if found is None else found
        yield Member(
            name=name,
            description=_said(declared.get(name)) or _said(part),
            kind=kind_of(part),
            required=name in needed,
            schema=part,
        )


def _said(schema: Any) -> str:
    words = (schema.get(key, "") for key in ("title", "description")) if isinstance(schema, dict) else ()
    return " ".join(word for word in words if isinstance(word, str) and word)
