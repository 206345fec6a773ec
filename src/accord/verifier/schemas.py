"""Schemas put together: unions, lists and items of schemas that are self-contained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from accord.domain.expression import Binding, Computed, Entries, Items, Literal, Text, Types, schema_of_binding
from accord.domain.schema import JsonSchema, subschemas
from accord.domain.schema_path import joined, schema_at, types_of

NULL: JsonSchema = {"type": "null"}
_FAR = 2**31


def schema_key(schema: JsonSchema) -> bytes:
    """The same bytes for schemas that say the same in the same words."""
    return orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)


def union(schemas: Iterable[JsonSchema | None]) -> JsonSchema | None:
    """What values of any of the schemas have; None where one of them is unknown."""
    distinct: dict[bytes, JsonSchema] = {}
    for schema in schemas:
        if schema is None or schema is True:
            return None
        if schema is not False:
            distinct[schema_key(schema)] = schema
    if len(distinct) < 2:
        return next(iter(distinct.values()), False)
    if not all(map(_can_be_moved, distinct.values())):
        return None
    parts, definitions = joined({str(index): each for index, each in enumerate(distinct.values())})
    whole: dict[str, object] = {"anyOf": list(parts.values())}
    return {**whole, "$defs": definitions} if definitions else whole


def spelt_out(schema: JsonSchema) -> JsonSchema:
    """The same schema with constant objects and lists written member by member, so that paths lead into them."""
    if not isinstance(schema, dict):
        return schema
    constant = schema.get("const")
    if isinstance(constant, dict):
        members = {name: spelt_out({"const": value}) for name, value in constant.items()}
        return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
    if isinstance(constant, list):
        items = [spelt_out({"const": value}) for value in constant]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    properties, first = schema.get("properties"), schema.get("prefixItems")
    if isinstance(properties, dict):
        return {**schema, "properties": {name: spelt_out(each) for name, each in properties.items()}}
    return {**schema, "prefixItems": [spelt_out(each) for each in first]} if isinstance(first, list) else schema


def list_of(items: JsonSchema | None) -> JsonSchema:
    """Lists with such items."""
    if items is None or not _can_be_moved(items):
        return {"type": "array"}
    parts, definitions = joined({"items": items})
    whole: dict[str, object] = {"type": "array", **parts}
    return {**whole, "$defs": definitions} if definitions else whole


def items_of(binding: Binding, types: Types) -> JsonSchema | None:
    """What the items of a list have that a binding gives; None where that is unknown."""
    match binding:
        case Literal(list() as values):
            return {"enum": values} if values else False
        case Items(parts):
            return union(schema_of_binding(part, types) for part in parts)
    schema = schema_of_binding(binding, types)
    return None if schema is None else union(schema_at(schema, (index,)) for index in _positions(schema))


def at_best(binding: Binding, types: Types, wanted: JsonSchema, path: tuple[str | int, ...] = ()) -> JsonSchema:
    """The schema of what a binding gives if all that is only roughly known of it is as it is wanted.

    The type that CEL states of an expression says less than the expression does: what that type allows beyond what is
    wanted may never come. Contracts, in contrast, are taken at their word.
    """
    match binding:
        case Entries(members):
            parts = {name: at_best(each, types, wanted, (*path, name)) for name, each in members}
            schemas, definitions = joined(parts)
            whole: dict[str, object] = {"type": "object", "properties": schemas, "required": list(parts)}
            whole["additionalProperties"] = False
            return {**whole, "$defs": definitions} if definitions else whole
        case Items(items):
            found = [at_best(each, types, wanted, (*path, index)) for index, each in enumerate(items)]
            schemas, definitions = joined({str(index): each for index, each in enumerate(found)})
            whole = {"type": "array", "prefixItems": list(schemas.values())}
            whole.update(minItems=len(found), maxItems=len(found))
            return {**whole, "$defs": definitions} if definitions else whole
    given = schema_of_binding(binding, types)
    is_rough = isinstance(binding, Text) or (isinstance(binding, Computed) and binding.expression.path is None)
    if given is not None and given is not True and not is_rough:
        return given
    there = schema_at(wanted, path)
    if given is None or there is None:
        return True if there is None else there
    return given if types_of(given).isdisjoint(types_of(there)) else there


def _positions(schema: JsonSchema) -> Sequence[int]:
    """Positions in a list that may differ in schema, and one that stands for all others."""
    first = [part.get("prefixItems") for _, part in subschemas(schema)]
    longest = max((len(each) for each in first if isinstance(each, list)), default=0)
    return (*range(longest), _FAR)


def _can_be_moved(schema: JsonSchema) -> bool:
    """Whether the schema refers to its own definitions only, so that it can stand inside another one."""
    references = (part.get("$ref", "#/$defs/") for _, part in subschemas(schema))
    return all(str(each).startswith(("#/$defs/", "#/definitions/")) for each in references)
