"""What a JSON Schema says about a place inside its values: the sub-schema at a path, its names and types."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import TypeAlias

from accord.domain.schema import JsonSchema, compile_schema, resolve, subschemas
from accord.errors import ContractViolation

MAX_ALTERNATIVES = 64
"""Combinations of `anyOf` and `oneOf` that are looked at; beyond that the answer is unknown."""

MAX_CONJUNCTS = 256
MAX_REFERENCES = 32
_DEFINITIONS = ("$defs", "definitions")
_REFERENCES = frozenset({"$ref", "$dynamicRef"})
_BOUND = frozenset({"$ref", "$dynamicRef", "$anchor", "$dynamicAnchor", "$id", "$schema", *_DEFINITIONS})
"""Keywords that have to do with the document around a schema."""

_IN_PLACE = frozenset({"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf"})
"""Keywords whose schemas are about the same value."""

JSON_TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
_STATED = {**{name: frozenset({name}) for name in JSON_TYPES}, "number": frozenset({"integer", "number"})}
"""What `type` means by each name: a number may be an integer."""

_NO_TYPE: frozenset[str] = frozenset()

Alternative: TypeAlias = tuple[dict[str, object], ...]
"""Schemas that hold together."""


def schema_at(schema: JsonSchema, path: Sequence[str | int]) -> JsonSchema | None:
    """The schema of what a path reaches: False where nothing can be there, None where the schema does not say.

    Follows local references, `properties`, `items`, `prefixItems`, `allOf`, `anyOf` and `oneOf`; of a union those
    alternatives count that can have the member. The answer is self-contained.
    """
    current, reader = schema, Alternatives(schema)
    for step in path:
        found = reader.of(current)
        if found is None:
            there = None
        elif len(found) == 1:
            there = _step(found[0], step)
        else:
            there = _union(_step(alternative, step) for alternative in found)
        if there is None or there is False:
            return there
        current = there
    return _self_contained(current, schema) if path else current


def declared_names(schema: JsonSchema, path: Sequence[str | int] = ()) -> frozenset[str]:
    """The names of all members that the schema declares for the object at a path."""
    there = schema_at(schema, path)
    found = None if there is None else Alternatives(there if path else schema).of(there)
    declared = [part.get("properties") for alternative in found or () for part in alternative]
    return frozenset(name for each in declared if isinstance(each, dict) for name in each)


def required_names(schema: JsonSchema) -> frozenset[str]:
    """The names of the members that every object of the schema has, as far as anybody can tell."""
    found = Alternatives(schema).of(schema) or ()
    needed = [frozenset(itertools.chain.from_iterable(map(_required, alternative))) for alternative in found]
    return frozenset.intersection(*needed) if needed else frozenset()


def _required(part: dict[str, object]) -> list[str]:
    names = part.get("required")
    return [one for one in names if isinstance(one, str)] if isinstance(names, list) else []


def may_hold(schema: JsonSchema, path: Sequence[str | int], *, value: object) -> bool:
    """Whether the value may stand at a path; where nobody can tell, and in a schema that is none, it may."""
    try:
        there = schema_at(schema, path)
        return there is None or compile_schema(there).is_valid(value)
    except ContractViolation:
        return True


def may_be_at(schema: JsonSchema, path: Sequence[str | int]) -> bool:
    """Whether there may be anything at a path; where nobody can tell, and in a schema that is none, there may."""
    try:
        return schema_at(schema, path) is not False
    except ContractViolation:
        return True


def types_of(schema: JsonSchema) -> frozenset[str]:
    """The JSON types that values of the schema may have; all of them where it does not say."""
    found = Alternatives(schema).of(schema)
    if found is None:
        return JSON_TYPES
    return frozenset().union(*map(types_together, found))


def is_movable(schema: JsonSchema) -> bool:
    """Whether a schema refers to its own definitions only, so that it can stand inside another one."""
    references = [part[name] for _, part in subschemas(schema) for name in ("$ref", "$dynamicRef") if name in part]
    return all(str(each).startswith(tuple(f"#/{name}/" for name in _DEFINITIONS)) for each in references)


def joined(parts: Mapping[str, JsonSchema]) -> tuple[dict[str, JsonSchema], dict[str, object]]:
    """Schemas made ready to stand in one document, and the `$defs` that they need there.

    One that refers to anything but its own definitions becomes True: nothing is known of it there.
    """
    schemas: dict[str, JsonSchema] = {}
    definitions: dict[str, object] = {}
    for number, (name, schema) in enumerate(parts.items()):
        if _stands_alone(schema):
            schemas[name] = schema
            continue
        moved = _moved(schema, number) if is_movable(schema) else True
        if isinstance(moved, dict):
            for keyword in ("$id", "$schema"):
                moved.pop(keyword, None)
            for keyword in _DEFINITIONS:
                own = moved.pop(keyword, None)
                if isinstance(own, dict):
                    definitions.update({_moved_name(keyword, number) + each: own[each] for each in own})
        schemas[name] = moved
    return schemas, definitions


def _stands_alone(schema: JsonSchema) -> bool:
    """Whether a schema can stand anywhere as it is."""
    return not _mentions(schema, _BOUND)


def _moved(schema: JsonSchema, number: int) -> JsonSchema:
    """A copy whose local references carry the number of the schema that they came from."""
    copied = deepcopy(schema)
    for _, part in subschemas(copied):
        reference = part.get("$ref")
        if isinstance(reference, str):
            part["$ref"] = _moved_reference(reference, number)
    return copied


def _moved_reference(reference: str, number: int) -> str:
    for keyword in _DEFINITIONS:
        if reference.startswith(f"#/{keyword}/"):
            return f"#/$defs/{_moved_name(keyword, number)}{reference.removeprefix(f'#/{keyword}/')}"
    return reference


def _moved_name(keyword: str, number: int) -> str:
    return f"{number}." if keyword == "$defs" else f"{number}-"


class Alternatives:
    """Schemas of one document as unions of conjunctions."""

    def __init__(self, root: JsonSchema) -> None:
        self._root = root
        # The schemas are kept with their answers, so that no other one gets the same id.
        self._known: dict[int, tuple[object, list[Alternative] | None]] = {}

    def of(self, schema: JsonSchema | None, budget: int = MAX_REFERENCES) -> list[Alternative] | None:
        """The alternatives; None where the schema is unknown, refers to itself in place, or has too many."""
        if schema is True:
            return [({},)]
        if not isinstance(schema, dict):
            return [] if schema is False else None
        if _IN_PLACE.isdisjoint(schema):
            return [(schema,)]
        if id(schema) not in self._known and budget > 0:
            self._known[id(schema)] = schema, None
            self._known[id(schema)] = schema, self._read(schema, budget)
        return self._known.get(id(schema), (schema, None))[1]

    def _read(self, schema: dict[str, object], budget: int) -> list[Alternative] | None:
        factors: list[list[Alternative]] = [[(schema,)]]
        for union in _conjuncts(self._root, schema):
            found: list[Alternative] = []
            for part in union:
                inner = self.of(part, budget - 1)
                if inner is None:
                    return None
                found.extend(inner)
            factors.append(found)
        return _product(factors)


def _product(factors: list[list[Alternative]]) -> list[Alternative] | None:
    size, parts = 1, 0
    for factor in factors:
        size *= len(factor)
        parts += max(map(len, factor), default=0)
        if size > MAX_ALTERNATIVES or parts > MAX_CONJUNCTS:
            return None
    return [tuple(itertools.chain.from_iterable(each)) for each in itertools.product(*factors)]


def _conjuncts(root: JsonSchema, schema: dict[str, object]) -> list[list[JsonSchema | None]]:
    """What else has to hold, each a list of schemas of which one does."""
    found: list[list[JsonSchema | None]] = []
    if "$ref" in schema:
        found.append([resolve(root, schema["$ref"])])
    if "$dynamicRef" in schema:
        found.append([None])
    found.extend([part] for part in _schemas(schema.get("allOf")))
    found.extend(list(_schemas(schema[keyword])) for keyword in ("anyOf", "oneOf") if keyword in schema)
    return found


def _schemas(value: object) -> list[JsonSchema]:
    return [each for each in value if isinstance(each, dict | bool)] if isinstance(value, list) else []


def types_together(alternative: Alternative) -> frozenset[str]:
    """The JSON types that all schemas of an alternative allow."""
    allowed = JSON_TYPES
    for part in alternative:
        stated = part.get("type")
        if isinstance(stated, str):
            allowed &= _STATED.get(stated, _NO_TYPE)
        elif isinstance(stated, list):
            allowed &= _NO_TYPE.union(*(_STATED.get(each, _NO_TYPE) for each in stated))
        listed = [part["const"]] if "const" in part else part.get("enum")
        if isinstance(listed, list):
            allowed &= frozenset().union(*map(types_of_value, listed))
    return allowed


def types_of_value(value: object) -> frozenset[str]:
    """The JSON types that a value has: an integer is a number as well, and `1.0` an integer."""
    if value is None or isinstance(value, bool):
        return frozenset(("null" if value is None else "boolean",))
    if isinstance(value, int | float):
        return frozenset(("integer", "number") if float(value).is_integer() else ("number",))
    return frozenset(("string" if isinstance(value, str) else "array" if isinstance(value, list) else "object",))


def _step(alternative: Alternative, step: str | int) -> JsonSchema | None:
    if ("object" if isinstance(step, str) else "array") not in types_together(alternative):
        return False
    look = member_of if isinstance(step, str) else _item
    found = [look(part, step) for part in alternative]  # type: ignore[arg-type]  # the types were told apart above
    if any(each is False for each in found):
        return False
    known = [each for each in found if each is not None and each is not True]
    if not known:
        return None
    return known[0] if len(known) == 1 else {"allOf": known}


def member_of(schema: dict[str, object], name: str) -> JsonSchema | None:
    properties = schema.get("properties")
    if isinstance(properties, dict) and name in properties:
        return _as_schema(properties[name])
    if "patternProperties" in schema:
        return None
    rest = schema.get("additionalProperties")
    if rest is None and schema.get("unevaluatedProperties") is False and not _adds_members(schema):
        return False
    return _as_schema(rest)


def _adds_members(schema: dict[str, object]) -> bool:
    return not schema.keys().isdisjoint({"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"})


def _item(schema: dict[str, object], index: int) -> JsonSchema | None:
    first = schema.get("prefixItems")
    if isinstance(first, list) and 0 <= index < len(first):
        return _as_schema(first[index])
    longest = schema.get("maxItems")
    if index < 0 or (isinstance(longest, int) and index >= longest):
        return False
    return _as_schema(schema.get("items"))


def _as_schema(value: object) -> JsonSchema | None:
    return value if isinstance(value, dict | bool) else None


def _union(found: Iterable[JsonSchema | None]) -> JsonSchema | None:
    possible = [each for each in found if each is not False]
    if not possible:
        return False
    known = [each for each in possible if each is not None]
    if len(known) < len(possible):
        return None
    return known[0] if len(known) == 1 else {"anyOf": known}


def _mentions(value: object, keywords: frozenset[str]) -> bool:
    """Whether one of these keywords may be inside of a schema."""
    if isinstance(value, dict):
        if not keywords.isdisjoint(value):
            return True
        value = value.values()
    elif not isinstance(value, list):
        return False
    return any(isinstance(each, dict | list) and _mentions(each, keywords) for each in value)


def _self_contained(schema: JsonSchema, root: JsonSchema) -> JsonSchema | None:
    """The schema with the root's definitions; None where it refers to any other part of the root."""
    if not isinstance(schema, dict) or not isinstance(root, dict):
        return schema
    if not _mentions(schema, _REFERENCES):
        return schema
    whole = {**schema, **{name: root[name] for name in _DEFINITIONS if name in root}}
    return whole if is_movable(whole) else None
