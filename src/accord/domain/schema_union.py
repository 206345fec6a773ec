"""Schemas put together of others, each self-contained: unions, narrowed ones, lists, and what items of lists have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import orjson

from accord.domain.schema import JsonSchema, subschemas
from accord.domain.schema_path import is_movable, joined, schema_at

_DEFINITIONS = ("$defs", "definitions")


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
    if not all(map(is_movable, distinct.values())):
        return None
    parts, definitions = joined({str(index): each for index, each in enumerate(distinct.values())})
    whole: dict[str, object] = {"anyOf": list(parts.values())}
    return {**whole, "$defs": definitions} if definitions else whole


def narrowed(schema: JsonSchema, fact: Mapping[str, object]) -> JsonSchema:
    """What values of the schema have for which the fact holds as well; the fact refers to nothing."""
    if not isinstance(schema, dict):
        return dict(fact) if schema is True else False
    if schema.keys().isdisjoint(fact) and "$ref" not in schema:
        return {**schema, **fact}
    inner = {name: value for name, value in schema.items() if name not in _DEFINITIONS}
    definitions = {name: schema[name] for name in _DEFINITIONS if name in schema}
    return {"allOf": [inner, dict(fact)], **definitions}


def list_of(items: JsonSchema | None, least: int = 0, most: int | None = None) -> JsonSchema:
    """Lists with such items, and so many of them."""
    bounds = ({"minItems": least} if least else {}) | ({} if most is None else {"maxItems": most})
    if items is False:
        return False if least else {"type": "array", "maxItems": 0}
    if items is None or items is True or not is_movable(items):
        return {"type": "array", **bounds}
    parts, definitions = joined({"items": items})
    whole: dict[str, object] = {"type": "array", **parts, **bounds}
    return {**whole, "$defs": definitions} if definitions else whole


def object_of(members: Mapping[str, JsonSchema], absent: Iterable[str] = ()) -> JsonSchema:
    """Objects with just these members, of which some may be absent."""
    properties, definitions = joined(members)
    needed = [name for name in members if name not in set(absent)]
    schema: dict[str, object] = {"type": "object", "properties": properties, "required": needed}
    schema["additionalProperties"] = False
    return {**schema, "$defs": definitions} if definitions else schema


def tuple_of(items: Sequence[JsonSchema]) -> JsonSchema:
    """Lists of just these items."""
    if not items:
        return {"type": "array", "maxItems": 0}
    parts, definitions = joined({str(index): item for index, item in enumerate(items)})
    schema: dict[str, object] = {"type": "array", "prefixItems": list(parts.values())}
    schema.update(minItems=len(items), maxItems=len(items))
    return {**schema, "$defs": definitions} if definitions else schema


def item_of(schema: JsonSchema) -> JsonSchema | None:
    """What any item has of a list that keeps the schema; None where that is unknown."""
    return union(schema_at(schema, (index,)) for index in _positions(schema))


def _positions(schema: JsonSchema) -> Sequence[int]:
    """Positions in a list that may differ in schema, and the next one, which stands for all others."""
    first = [part.get("prefixItems") for _, part in subschemas(schema)]
    longest = max((len(each) for each in first if isinstance(each, list)), default=0)
    return range(longest + 1)
