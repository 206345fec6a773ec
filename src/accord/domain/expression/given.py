"""What a part of an expression gives: a schema, and what CEL knows beyond it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

from accord.domain.expression.functions import coarse
from accord.domain.expression.kinds import DOUBLES, JSON, Kinds, of_data, of_made
from accord.domain.expression.reference import Step
from accord.domain.schema import JsonSchema, are_more_than
from accord.domain.schema_path import declared_names, required_names, schema_at, types_of
from accord.domain.schema_range import lengths_of
from accord.domain.schema_union import item_of, list_of, union

Path: TypeAlias = tuple[Step, ...]

LARGEST: Final = 1000
"""Schemas inside of one that is put together here; of a larger one only the types are kept."""

_NO_NAME: Final = "\0"
"""A member that no schema names: it stands for all others."""

_CONTAINERS: Final[Kinds] = frozenset({"list", "map"})
_DOUBLES_INSIDE: Final[Kinds] = _CONTAINERS | DOUBLES
_NESTING: Final = frozenset({"anyOf", "allOf", "oneOf", "items", "prefixItems", "properties", "additionalProperties"})


class Given(msgspec.Struct, frozen=True):
    """What a part of an expression gives."""

    schema: JsonSchema = True
    """Of its value; True where nothing is known, and where it may be no JSON."""
    optional: bool = False
    """Whether it gives an optional, whose value has the schema."""
    present: bool = True
    """Whether an optional surely has a value, and whether what is narrowed is surely there."""
    told: Kinds | None = None
    """The kinds of its value, where more is known of them than the schema says."""
    plain: bool = False
    """Whether all inside of it is of the kinds that data has of which its schema holds."""

    infinite: bool = False
    """Whether a double in it may be infinite, or no number."""

    pure: bool = False
    """Whether all inside of it has a form in JSON, as all has that is `plain`."""

    @property
    def inside(self) -> Kinds:
        """The kinds of its value, be it in an optional or not."""
        if self.told is not None:
            return self.told
        return of_data(self.schema) if self.plain else of_made(self.schema)

    @property
    def kinds(self) -> Kinds:
        """The kinds of what it gives."""
        return frozenset({"optional"}) if self.optional else self.inside

    @property
    def is_data(self) -> bool:
        """Whether its schema says of which kinds it is and all inside of it."""
        return self.plain and not self.optional and self.inside <= of_data(self.schema)

    @property
    def is_json(self) -> bool:
        """Whether its value has a form in JSON, and all inside of it."""
        if not self.inside <= JSON or (self.infinite and not self.inside.isdisjoint(_DOUBLES_INSIDE)):
            return False
        return self.plain or self.pure or self.inside.isdisjoint(_CONTAINERS)


ANYTHING: Final = Given()


def made(schema: JsonSchema, kinds: Kinds, parts: Iterable[Given]) -> Given:
    """What is made of these parts, of a kind of these."""
    given = list(parts)
    holds = kinds.isdisjoint(_CONTAINERS) or all(each.is_data for each in given)
    pure, infinite = all(each.is_json for each in given), any(each.infinite for each in given)
    return Given(schema, told=kinds, plain=holds and kinds <= of_data(schema), infinite=infinite, pure=pure)


def either(one: Given, other: Given) -> Given:
    """One of the two."""
    if one.optional != other.optional:
        return ANYTHING
    kinds = None if one.told is None and other.told is None else one.inside | other.inside
    schema = known(union((one.schema, other.schema)))
    plain, infinite = one.plain and other.plain, one.infinite or other.infinite
    pure = one.is_json and other.is_json
    return Given(schema, one.optional, one.present and other.present, kinds, plain, infinite, pure)


def of_optional(function: str, given: list[Given]) -> Given | None:
    """What the functions of optionals give; None for all others, and where no optional is given to them."""
    match function, given:
        case "optional.none", []:
            return Given(False, optional=True, present=False, plain=True)
        case "optional.of", [one]:
            return ANYTHING if one.optional else msgspec.structs.replace(one, optional=True, present=True)
        case "optional.ofNonZeroValue", [one]:
            return ANYTHING if one.optional else msgspec.structs.replace(one, optional=True, present=False)
        case "value", [Given(optional=True) as one]:
            return msgspec.structs.replace(one, optional=False, present=True)
        case "or", [Given(optional=True) as one, Given(optional=True) as other]:
            if one.present:
                return one
            return msgspec.structs.replace(either(one, other), present=other.present)
        case (("first" | "last"), [one]) if not one.optional and types_of(one.schema) == {"array"}:
            there = lengths_of(one.schema, "array")[0] > 0
            item = known(item_of(one.schema))
            return Given(item, optional=True, present=there, plain=one.plain, infinite=one.infinite, pure=one.pure)
    return None


def at(operand: Given, path: Path) -> Given:
    """What is at a path inside of something."""
    schema = known(schema_at(operand.schema, path))
    return Given(schema, plain=operand.plain, infinite=operand.infinite, pure=operand.pure)


def data(schema: JsonSchema, *, present: bool = True) -> Given:
    """Data of which this is known."""
    return Given(schema, present=present, plain=True)


def known(schema: JsonSchema | None) -> JsonSchema:
    """The schema, True where nothing is known."""
    return True if schema is None else schema


def surely(schema: JsonSchema, step: Step) -> bool:
    """Whether every object has the member, or every list so many items."""
    if isinstance(step, str):
        return types_of(schema) == {"object"} and step in required_names(schema)
    return types_of(schema) == {"array"} and lengths_of(schema, "array")[0] > step >= 0


def any_member(schema: JsonSchema) -> JsonSchema | None:
    """What any member has of an object that keeps the schema; None where that is unknown."""
    return union(schema_at(schema, (name,)) for name in (*sorted(declared_names(schema)), _NO_NAME))


def mapping(values: JsonSchema | None) -> JsonSchema:
    """Objects of which only the values are known."""
    found = list_of(values)
    if not isinstance(found, dict) or "items" not in found:
        return {"type": "object"}
    definitions = {"$defs": found["$defs"]} if "$defs" in found else {}
    return {"type": "object", "additionalProperties": found["items"], **definitions}


def smaller(schemas: Iterable[JsonSchema]) -> list[JsonSchema]:
    """The schemas, by their types alone where they are too large together."""
    found = list(schemas)
    return [coarse(each) for each in found] if is_large(found) else found


def is_large(schemas: list[JsonSchema]) -> bool:
    """Whether there is too much in schemas to go on with all of it."""
    if len(schemas) == 1 and (isinstance(schemas[0], bool) or _NESTING.isdisjoint(schemas[0])):
        return False
    return are_more_than(LARGEST, schemas)
