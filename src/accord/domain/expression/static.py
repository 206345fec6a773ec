"""What can be told of an expression before it is ever evaluated, from the schemas of what it reads."""

from __future__ import annotations

import itertools
from collections import ChainMap
from collections.abc import Iterator
from difflib import get_close_matches
from typing import cast

from accord.domain.expression.binding import UNKNOWN, Binding, Computed, Entries, Items, Literal, Text
from accord.domain.expression.inference import Inference, Types
from accord.domain.expression.program import Expression, pattern_fault, syntax_of
from accord.domain.expression.reference import Reference, Step, member
from accord.domain.expression.syntax import Call, Constant, quoted, walked
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import declared_names, schema_at, types_of
from accord.domain.schema_range import lengths_of
from accord.domain.schema_union import object_of, tuple_of
from accord.errors import Place, Problem

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

_PRINTED = {"null": 4, "boolean": 5, "integer": 25, "number": 25}
"""How many characters a value of a type takes at most as JSON."""

_JSON_TYPES = {
    "bool": frozenset({"boolean"}),
    "int": frozenset({"integer", "number"}),
    "double": frozenset({"number"}),
    "string": frozenset({"string"}),
    "list": frozenset({"array"}),
    "map": frozenset({"object"}),
    "null": frozenset({"null"}),
}


def static_problems(
    expression: Expression, types: Types, *, expected: str | None = None, pointer: str = ""
) -> tuple[Problem, ...]:
    """All that is wrong with an expression by the schemas of what it reads.

    ACC207: a path that its schema rules out, or that goes to an item of what is no list; or, where the schema is open,
    one that it does not declare, that looks like a declared one, and that no has() or `.?` guards. ACC202: an operator
    in it is never used on what it is for, or a pattern of matches() is none. ACC208: `expected` (a `result_type`) is
    not what it gives.
    """
    found = [*_path_problems(expression, types, pointer), *_pattern_problems(expression, pointer)]
    found += () if found else _item_problems(expression, types, pointer)
    if not found and _gives_nothing(expression, types):
        message = f"{quoted(expression.source)} never gives anything: by the schemas, what it reads is of other types"
        found.append(Problem("ACC202", message, Place(pointer=pointer), "convert with string(), int() or double()"))
    if expected is not None and not _may_give(expression, types, expected):
        given = _given(expression, types)
        message = f"{quoted(expression.source)} gives {given}, here {expected} is needed"
        found.append(Problem("ACC208", message, Place(pointer=pointer)))
    return tuple(found)


def schema_of(expression: Expression, types: Types) -> JsonSchema | None:
    """The schema of what an expression gives; None where nothing is known."""
    if expression is UNKNOWN:
        return None
    if expression.path is not None:
        return _schema_of_path(expression.path, types)
    found = Inference(types).schema(syntax_of(expression))
    return None if found is True else found


def where(condition: Expression | None, types: Types) -> Types:
    """What is known where a condition holds: the same, and more of the paths that it asks about."""
    if condition is None or condition is UNKNOWN:
        return types
    facts = Inference(types).facts(syntax_of(condition), holds=True)
    named = {path: fact.schema for path, fact in facts.items() if fact.present and _is_named(path)}
    return ChainMap(cast("dict[tuple[str, ...], JsonSchema]", named), cast("dict[tuple[str, ...], JsonSchema]", types))


def _is_named(path: tuple[Step, ...]) -> bool:
    return all(isinstance(step, str) for step in path)


def schema_of_binding(binding: Binding, types: Types) -> JsonSchema | None:
    """The tightest schema that is known of what a binding gives; None where nothing is."""
    match binding:
        case Literal(value):
            return {"const": value}
        case Computed(expression):
            return schema_of(expression, types)
        case Text(parts):
            return _text_schema(parts, types)
        case Entries(members):
            return object_of({name: _known(schema_of_binding(entry, types)) for name, entry in members})
        case Items(items):
            return tuple_of([_known(schema_of_binding(item, types)) for item in items])


def _text_schema(parts: tuple[str | Computed, ...], types: Types) -> JsonSchema:
    """Texts as they stand, and the JSON of what is none."""
    least, most = 0, 0
    unbounded = False
    for part in parts:
        if isinstance(part, str):
            shortest, longest = len(part), len(part)
        else:
            shortest, found = _printed(_known(schema_of(part.expression, types)))
            unbounded, longest = unbounded or found is None, found or 0
        least, most = least + shortest, most + longest
    text: dict[str, object] = {"type": "string", "minLength": least}
    return text if unbounded else text | {"maxLength": most}


def _printed(schema: JsonSchema) -> tuple[int, int | None]:
    """How many characters a value takes in a text, at least and at most."""
    types = types_of(schema)
    if types == {"string"}:
        return lengths_of(schema, "string")
    longest = [_PRINTED.get(each) for each in types]
    least = 0 if "string" in types else 1
    return least, None if None in longest else max((each for each in longest if each is not None), default=0)


def _known(schema: JsonSchema | None) -> JsonSchema:
    return True if schema is None else schema


def _path_problems(expression: Expression, types: Types, pointer: str) -> Iterator[Problem]:
    for reference in sorted(expression.references):
        problem = _path_problem(reference, expression, types)
        if problem is not None:
            message, hint = problem
            yield Problem("ACC207", f"{message}, in {quoted(expression.source)}", Place(pointer=pointer), hint)


def _item_problems(expression: Expression, types: Types, pointer: str) -> Iterator[Problem]:
    """Where a path goes to an item of what is no list for certain."""
    path = (expression.path or ()) if expression is not UNKNOWN else ()
    for at, step in enumerate(path):
        before = _schema_of_path(path[:at], types) if isinstance(step, int) else None
        kinds = types_of(before) if before is not None else frozenset({"array"})
        if before is not False and "array" not in kinds:
            said = f"`{_text(path[:at])}` is {' or '.join(sorted(kinds))}, which has no item {step}"
            hint = "a part of a text is `charAt(…)` or `substring(…)`" if kinds == {"string"} else None
            yield Problem("ACC207", f"{said}, in {quoted(expression.source)}", Place(pointer=pointer), hint)
            return


def _pattern_problems(expression: Expression, pointer: str) -> Iterator[Problem]:
    for node in () if expression is UNKNOWN else walked(syntax_of(expression)):
        match node:
            case Call("matches", (_, Constant(str() as pattern))) if (fault := pattern_fault(pattern)) is not None:
                message = f"{fault}, in {quoted(expression.source)}"
                yield Problem("ACC202", message, Place(pointer=pointer), "write it as RE2 has it")


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


def _gives_nothing(expression: Expression, types: Types) -> bool:
    """Whether an operator or function is never used on what it is for, although all that is read may be there."""
    if expression is UNKNOWN or expression.path is not None or schema_of(expression, types) is not False:
        return False
    paths = ((reference.root, *reference.path) for reference in expression.references)
    return not any(_schema_of_path(path, types) is False for path in paths)


def _may_give(expression: Expression, types: Types, expected: str) -> bool:
    schema = schema_of(expression, types)
    if schema is None or schema is False:  # where nothing can be there, ACC207 says so
        return expression.result_type in ("dyn", expected)
    return not types_of(schema).isdisjoint(_JSON_TYPES[expected])


def _given(expression: Expression, known: Types) -> str:
    schema = schema_of(expression, known)
    if schema is None or expression.result_type != "dyn":
        return expression.result_type
    types = types_of(schema)
    return " or ".join(sorted(types - {"integer"} if "number" in types else types))


def _text(path: tuple[Step, ...]) -> str:
    return f"{path[0]}{''.join(map(member, path[1:]))}"
