"""Pairs of schemas: a producer's, a consumer's, and whether the consumer accepts all that the producer may give."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from accord.verifier.containment.references import Draft

OLD, NEW = Draft.DRAFT_7, Draft.DRAFT_2020_12

Schema: TypeAlias = dict[str, Any] | bool

_LINES = Path(__file__).with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()

PAIRS: list[tuple[bool, Schema, Schema, Draft]] = [
    (each["contained"], each["producer"], each["consumer"], OLD if each["draft"] == "7" else NEW)
    for each in map(json.loads, _LINES)
]
"""Whether the consumer accepts all that the producer may give, the two, and their draft: written by hand, in the format
of `bench/sets`.
"""

_SCALARS = (None, True, False, 0, 1, 2, 3, -1, 0.5, 1.5, 6, "", "a", "b", "aa", "ab", "bc", "x-a", "1")
_NAMES = ("a", "b", "c", "x-a")
_PATTERNS = ("^a", "b$", "^[ab]+$", "^a{2,3}$", "a|b", "^[0-9]+$", "^x-", "^[^a]*$", "^(a|bc)*$")
_TYPES = ("string", "integer", "number", "object", "array", "null", "boolean", ["string", "null"], ["object", "array"])


def values(chance: Random) -> list[object]:
    """Small values of every kind, among which counterexamples are likely."""
    lists: list[object] = [[one, other] for one in _SCALARS[:10] for other in _SCALARS[5:15:3]]
    objects: list[object] = [{name: value} for name in _NAMES for value in _SCALARS]
    both: list[object] = [{"a": one, "b": other} for one in _SCALARS[::3] for other in _SCALARS[::4]]
    return [*_SCALARS, [], {}, *lists, *objects, *both, *(_value(chance, 3) for _ in range(80)), 10, -10, "aaa", "aaaa"]


def random_pair(chance: Random) -> tuple[bool, Schema, Schema, Draft]:
    """Two schemas; with True where the first one is a stronger form of the second one."""
    draft = chance.choice((OLD, NEW))
    schema = _document(chance, draft)
    if chance.random() < 0.4:
        return False, schema, _document(chance, draft), draft
    stronger = _stronger(chance, schema)
    return (True, stronger, schema, draft) if chance.random() < 0.6 else (False, schema, stronger, draft)


def _value(chance: Random, depth: int) -> object:
    kind = chance.random()
    if depth == 0 or kind < 0.6:
        return chance.choice(_SCALARS)
    if kind < 0.8:
        return [_value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    return {name: _value(chance, depth - 1) for name in chance.sample(_NAMES, chance.randint(0, 3))}


def _document(chance: Random, draft: Draft) -> Schema:
    schema = _schema(chance, chance.randint(0, 3), draft)
    if isinstance(schema, dict) and "#/definitions" in json.dumps(schema):
        schema["definitions"] = {"A": _schema(chance, 2, draft)}
    return schema


def _stronger(chance: Random, schema: Schema) -> Schema:
    if not isinstance(schema, dict):
        return {"allOf": [schema, _schema(chance, 1, NEW)]} if schema else False
    found = json.loads(json.dumps(schema))
    match chance.choice(("minimum", "maxLength", "required", "minItems", "uniqueItems")):
        case "minimum":
            found["minimum"] = max(chance.choice((0, 1, 5)), schema.get("minimum", -99))
        case "maxLength":
            found["maxLength"] = min(chance.randint(0, 3), schema.get("maxLength", 99))
        case "required":
            found["required"] = sorted({*schema.get("required", []), chance.choice(_NAMES)})
        case "minItems":
            found["minItems"] = max(chance.randint(0, 3), schema.get("minItems", 0))
        case "uniqueItems":
            found["uniqueItems"] = True
    return found  # type: ignore[no-any-return]  # a copy of a dict


def _schema(chance: Random, depth: int, draft: Draft) -> Schema:
    if depth <= 0 and chance.random() < 0.1:
        return chance.random() < 0.6
    makers = (_of_type, _of_numbers, _of_texts, _of_values)
    inner = (_of_arrays, _of_tuples, _of_objects, _of_names, _of_logic, _of_conditions)
    found: dict[str, Any] = {}
    for _ in range(chance.choice((1, 1, 2, 2, 3))):
        if depth <= 0 or chance.random() < 0.3:
            chance.choice(makers)(chance, found)
        else:
            chance.choice(inner)(chance, found, depth - 1, draft)
    return found


def _of_type(chance: Random, schema: dict[str, Any]) -> None:
    schema["type"] = chance.choice(_TYPES)


def _of_numbers(chance: Random, schema: dict[str, Any]) -> None:
    for keyword in chance.sample(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), chance.randint(0, 2)):
        schema[keyword] = chance.choice((0, 1, 2, 3, 5, -1, 0.5, 1.5))
    if chance.random() < 0.4:
        schema["multipleOf"] = chance.choice((1, 2, 3, 0.5, 1.5))


def _of_texts(chance: Random, schema: dict[str, Any]) -> None:
    for keyword in chance.sample(("minLength", "maxLength"), chance.randint(0, 2)):
        schema[keyword] = chance.randint(0, 3)
    if chance.random() < 0.6:
        schema["pattern"] = chance.choice(_PATTERNS)


def _of_values(chance: Random, schema: dict[str, Any]) -> None:
    if chance.random() < 0.5:
        schema["const"] = _value(chance, 2)
    else:
        schema["enum"] = [_value(chance, 2)]


def _of_arrays(chance: Random, schema: dict[str, Any], depth: int, draft: Draft) -> None:
    schema["items"] = _schema(chance, depth, draft)
    for keyword in chance.sample(("minItems", "maxItems"), chance.randint(0, 2)):
        schema[keyword] = chance.randint(0, 3)
    if chance.random() < 0.25:
        schema["uniqueItems"] = True


def _of_tuples(chance: Random, schema: dict[str, Any], depth: int, draft: Draft) -> None:
    first = [_schema(chance, depth, draft) for _ in range(chance.randint(1, 2))]
    schema["items" if draft is OLD else "prefixItems"] = first
    if chance.random() < 0.6:
        schema["additionalItems" if draft is OLD else "items"] = _schema(chance, depth, draft)
    if chance.random() < 0.5:
        schema["contains"] = _schema(chance, depth, draft)
        if draft is NEW:
            schema["minContains"], schema["maxContains"] = chance.randint(0, 2), chance.randint(0, 3)
    if draft is NEW and chance.random() < 0.3:
        schema["unevaluatedItems"] = _schema(chance, depth, draft)


def _of_objects(chance: Random, schema: dict[str, Any], depth: int, draft: Draft) -> None:
    schema["properties"] = {n: _schema(chance, depth, draft) for n in chance.sample(_NAMES, chance.randint(1, 3))}
    if chance.random() < 0.5:
        schema["required"] = chance.sample(_NAMES, chance.randint(1, 2))
    if chance.random() < 0.3:
        schema["additionalProperties"] = _schema(chance, depth, draft)
    if chance.random() < 0.3:
        schema["properties"]["a"] = {"$ref": "#/definitions/A"}


def _of_names(chance: Random, schema: dict[str, Any], depth: int, draft: Draft) -> None:
    schema["patternProperties"] = {p: _schema(chance, depth, draft) for p in chance.sample(_PATTERNS, 2)}
    if chance.random() < 0.3:
        schema["propertyNames"] = _schema(chance, depth, draft)
    for keyword in chance.sample(("minProperties", "maxProperties"), chance.randint(0, 2)):
        schema[keyword] = chance.randint(0, 3)
    if draft is OLD:
        schema["dependencies"] = {"a": chance.choice((["b"], _schema(chance, depth, draft)))}
    elif chance.random() < 0.5:
        schema["unevaluatedProperties"] = _schema(chance, depth, draft)


def _of_logic(chance: Random, schema: dict[str, Any], depth: int, draft: Draft) -> None:
    keyword = chance.choice(("allOf", "anyOf", "oneOf", "not"))
    parts = [_schema(chance, depth, draft) for _ in range(chance.randint(1, 3))]
    schema[keyword] = parts[0] if keyword == "not" else parts


def _of_conditions(chance: Random, schema: dict[str, Any], depth: int, draft: Draft) -> None:
    for keyword in ("if", "then", "else"):
        schema[keyword] = _schema(chance, depth, draft)
