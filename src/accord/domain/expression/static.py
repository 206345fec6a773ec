"""What can be told of an expression before it is ever evaluated, from the schemas of what it reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TypeAlias

from accord.domain.expression.binding import Binding, Computed, Entries, Items, Literal, Text
from accord.domain.expression.program import Expression
from accord.domain.expression.reference import Reference, Step, member
from accord.domain.expression.syntax import quoted
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import declared_names, joined, schema_at, types_of
from accord.errors import Place, Problem

Types: TypeAlias = Mapping[tuple[str, ...], JsonSchema]
"""Schemas by what they describe, a root and members of it: `("input",)`, `("tasks", "measure", "output")`. The
longest one that fits a reference counts. `("tasks",)` may be a closed object with the names of all tasks."""

TASK_RECORD: JsonSchema = {
    "type": "object",
    "properties": {
        "output": True,
        "confidence": {"type": ["number", "null"]},
        "status": {"type": "string"},
        "agent": {"type": ["string", "null"]},
    },
    "additionalProperties": False,
}
"""What `tasks.NAME` is, for `("tasks", NAME)`."""

RUN_RECORD: JsonSchema = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "template": {"type": "string"},
        "started_at": {"type": "string", "format": "date-time"},
    },
    "additionalProperties": False,
}
"""What `run` is."""

ERROR_RECORD: JsonSchema = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
    "additionalProperties": False,
}
"""What `error` is."""

_JSON_TYPES = {
    "bool": frozenset({"boolean"}),
    "int": frozenset({"integer", "number"}),
    "double": frozenset({"number"}),
    "string": frozenset({"string"}),
    "list": frozenset({"array"}),
    "map": frozenset({"object"}),
    "null": frozenset({"null"}),
}
_SCHEMAS: dict[str, JsonSchema] = {
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "double": {"type": "number"},
    "string": {"type": "string"},
    "list": {"type": "array"},
    "map": {"type": "object"},
    "null": {"type": "null"},
}


def static_problems(
    expression: Expression, types: Types, *, expected: str | None = None, pointer: str = ""
) -> tuple[Problem, ...]:
    """All that is wrong with an expression by the schemas of what it reads.

    ACC207: a path that its schema rules out; or, where the schema is open, one that it does not declare, that looks
    like a declared one, and that no has() or `.?` guards. ACC208: `expected` (a `result_type`) is not what it gives.
    """
    found = [*_path_problems(expression, types, pointer)]
    if expected is not None and not _may_give(expression, types, expected):
        given = _given(expression, types)
        message = f"{quoted(expression.source)} gives {given}, here {expected} is needed"
        found.append(Problem("ACC208", message, Place(pointer=pointer)))
    return tuple(found)


def schema_of(expression: Expression, types: Types) -> JsonSchema | None:
    """The schema of what an expression gives: that of its path, or its type; None where nothing is known."""
    if expression.path is None:
        return _SCHEMAS.get(expression.result_type)
    return _schema_of_path(expression.path, types)


def schema_of_binding(binding: Binding, types: Types) -> JsonSchema | None:
    """The tightest schema that is known of what a binding gives; None where nothing is."""
    match binding:
        case Literal(value):
            return {"const": value}
        case Computed(expression):
            return schema_of(expression, types)
        case Text():
            return {"type": "string"}
        case Entries(members):
            return _object_schema({name: _known(schema_of_binding(entry, types)) for name, entry in members})
        case Items(items):
            return _list_schema([_known(schema_of_binding(item, types)) for item in items])


def _object_schema(members: dict[str, JsonSchema]) -> JsonSchema:
    properties, definitions = joined(members)
    schema: dict[str, object] = {"type": "object", "properties": properties, "required": list(members)}
    schema["additionalProperties"] = False
    return {**schema, "$defs": definitions} if definitions else schema


def _list_schema(items: list[JsonSchema]) -> JsonSchema:
    parts, definitions = joined({str(index): item for index, item in enumerate(items)})
    schema: dict[str, object] = {"type": "array", "prefixItems": list(parts.values())}
    schema.update(minItems=len(items), maxItems=len(items))
    return {**schema, "$defs": definitions} if definitions else schema


def _known(schema: JsonSchema | None) -> JsonSchema:
    return True if schema is None else schema


def _path_problems(expression: Expression, types: Types, pointer: str) -> Iterator[Problem]:
    for reference in sorted(expression.references):
        problem = _path_problem(reference, expression, types)
        if problem is not None:
            message, hint = problem
            yield Problem("ACC207", f"{message}, in {quoted(expression.source)}", Place(pointer=pointer), hint)


def _path_problem(reference: Reference, expression: Expression, types: Types) -> tuple[str, str | None] | None:
    """Message and hint for the first step that does not fit."""
    anchor = _anchor((reference.root, *reference.path), types)
    if anchor is None:
        return None
    schema = types[anchor]
    rest = reference.path[len(anchor) - 1 :]
    for count in range(1, len(rest) + 1):
        there = schema_at(schema, rest[:count])
        if there is not None and there is not False:
            continue
        before, name = _text((*anchor, *rest[: count - 1])), rest[count - 1]
        names = declared_names(schema, rest[: count - 1])
        close = get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]}?" if close else _listed(names)
        if there is False:
            return f"`{before}` cannot have `{name}`", hint
        suspicious = close and name not in names and not _guarded(reference, expression)
        return (f"`{before}` does not declare `{name}`", f"{hint} or test it with has()") if suspicious else None
    return None


def _listed(names: frozenset[str]) -> str | None:
    return f"there are {', '.join(sorted(names)[:10])}" if names else None


def _guarded(reference: Reference, expression: Expression) -> bool:
    return any(
        guard.root == reference.root and reference.path[: len(guard.path)] == guard.path for guard in expression.guarded
    )


def _anchor(path: tuple[str, ...], types: Types) -> tuple[str, ...] | None:
    """The longest beginning of a path that has a schema."""
    return next((path[:count] for count in range(len(path), 0, -1) if path[:count] in types), None)


def _schema_of_path(path: tuple[Step, ...], types: Types) -> JsonSchema | None:
    names = tuple(itertools.takewhile(lambda step: isinstance(step, str), path))
    anchor = _anchor(tuple(map(str, names)), types)
    return None if anchor is None else schema_at(types[anchor], path[len(anchor) :])


def _may_give(expression: Expression, types: Types, expected: str) -> bool:
    if expression.result_type != "dyn":
        return expression.result_type == expected
    schema = schema_of(expression, types)
    # Where nothing can be there, ACC207 says so.
    return schema is None or schema is False or not types_of(schema).isdisjoint(_JSON_TYPES[expected])


def _given(expression: Expression, known: Types) -> str:
    schema = schema_of(expression, known)
    if expression.result_type != "dyn" or schema is None:
        return expression.result_type
    types = types_of(schema)
    return " or ".join(sorted(types - {"integer"} if "number" in types else types))


def _text(path: tuple[str, ...]) -> str:
    return path[0] + "".join(map(member, path[1:]))
