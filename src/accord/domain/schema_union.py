"""Schemas put together of others, each self-contained: unions, narrowed ones, lists, and what items of lists have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import orjson

from accord.domain.schema import JsonSchema, subschemas
from accord.domain.schema_path import Alternative, Alternatives, is_movable, joined, member_of, schema_at

_DEFINITIONS = ("$defs", "definitions")
_TOLD = frozenset({"const", "enum", "not"})


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


def tagged(schema: JsonSchema, name: str, fact: Mapping[str, object]) -> JsonSchema:
    """What is left of a union's alternatives where a fact holds of a member that is there: those go whose texts for it
    are ruled out.
    """
    found = Alternatives(schema).of(schema) if isinstance(schema, dict) and not _TOLD.isdisjoint(fact) else None
    if not isinstance(schema, dict) or found is None or len(found) < 2:
        return schema
    left = [each for each in found if _may_have(each, name, fact)]
    if len(left) == len(found) or not left:
        return schema
    definitions = {name: schema[name] for name in _DEFINITIONS if name in schema}
    parts = ({"allOf": [_without_unions(part) for part in each]} for each in left)
    return {"anyOf": list(parts), **definitions}


def _may_have(alternative: Alternative, name: str, fact: Mapping[str, object]) -> bool:
    members = (member_of(part, name) for part in alternative)
    listed = [texts for member in members if (texts := _texts(member)) is not None]
    if not listed:
        return True
    wanted, denied = _texts(fact), _texts(fact.get("not"))
    common = set.intersection(*listed)
    return bool((common if wanted is None else common & wanted) - (denied or set()))


def _texts(schema: object) -> set[str] | None:
    """The only values of a schema, if they are texts."""
    said = schema if isinstance(schema, dict) else {}
    listed = [said["const"]] if "const" in said else said.get("enum")
    return set(listed) if isinstance(listed, list) and all(isinstance(each, str) for each in listed) else None


def _without_unions(part: Mapping[str, object]) -> dict[str, object]:
    return {name: each for name, each in part.items() if name not in (*_DEFINITIONS, "allOf", "anyOf", "oneOf", "$ref")}


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
