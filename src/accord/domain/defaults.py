"""Defaults of a schema: what a run's input is completed with before it starts, and whether they keep the schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accord.domain.schema import JsonSchema, compile_schema, subschemas
from accord.domain.schema_path import is_movable
from accord.errors import Place, Problem

_DEFINITIONS = ("$defs", "definitions")


def completed(value: Any, schema: JsonSchema) -> Any:
    """The input with the `default` of every property that it leaves out, in objects and defaults inside it as well.

    Only `properties` at the place itself count, not those behind `$ref` or in a union. The value is not changed.
    """
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return value
    found = {name: completed(inner, properties.get(name, True)) for name, inner in value.items()}
    for name, part in properties.items():
        if name not in found and isinstance(part, dict) and "default" in part:
            found[name] = completed(part["default"], part)
    return found


def schema_when_completed(schema: JsonSchema) -> JsonSchema:
    """The schema of inputs that were completed: properties with a `default` are there."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(schema, dict) or not isinstance(properties, dict):
        return schema
    inner = {name: schema_when_completed(part) for name, part in properties.items()}
    given = [name for name, part in properties.items() if isinstance(part, dict) and "default" in part]
    stated = schema.get("required")
    required = dict.fromkeys([*(stated if isinstance(stated, list) else ()), *given])
    return {**schema, "properties": inner, "required": list(required)} if required else {**schema, "properties": inner}


def unexplained(schema: JsonSchema) -> JsonSchema:
    """The schema without its own description, which would be told as a hint to whoever has it before him anyway."""
    return {key: part for key, part in schema.items() if key != "description"} if isinstance(schema, dict) else schema


def default_problems(schema: JsonSchema, pointer: str) -> Iterator[Problem]:
    """ACC248 for each `default` in a sound schema that its own schema refuses, completed as an input is; `pointer` is
    where the schema stands.
    """
    root = schema if isinstance(schema, dict) else {}
    definitions = {name: root[name] for name in _DEFINITIONS if name in root}
    for at, part in subschemas(schema):
        whole = {**part, **definitions}
        if "default" not in part or not is_movable(whole):
            continue
        place = Place(pointer=f"{pointer}{at}/default")
        for violation in compile_schema(unexplained(whole)).violations(completed(part["default"], part), "ACC248"):
            inside = f" at {violation.place.pointer}" if violation.place.pointer else ""
            message = f"the `default` is refused by its own schema{inside}: {violation.message}"
            yield Problem("ACC248", message, place, violation.hint)
