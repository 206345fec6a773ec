"""Schemas put together: unions, lists and items of schemas that are self-contained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from accord.domain.expression import Binding, Items, Literal, Types, schema_of_binding
from accord.domain.schema import JsonSchema, subschemas
from accord.domain.schema_path import joined, schema_at

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


def _positions(schema: JsonSchema) -> Sequence[int]:
    """Positions in a list that may differ in schema, and one that stands for all others."""
    first = [part.get("prefixItems") for _, part in subschemas(schema)]
    longest = max((len(each) for each in first if isinstance(each, list)), default=0)
    return (*range(longest), _FAR)


def _can_be_moved(schema: JsonSchema) -> bool:
    """Whether the schema refers to its own definitions only, so that it can stand inside another one."""
    references = (part.get("$ref", "#/$defs/") for _, part in subschemas(schema))
    return all(str(each).startswith(("#/$defs/", "#/definitions/")) for each in references)
