"""Sizes: how many items and how many bytes a value may have at most that keeps a schema.

Bytes are those of compact JSON, as Accord writes it: a character of a text takes six at most (`\\u001f`), a number 25.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import orjson

from accord.domain.schema import JsonSchema

NUMBER_BYTES: Final = 25
CHARACTER_BYTES: Final = 6
_DEEPEST: Final = 32

Parts = Mapping[str, object]


def most_items(schema: JsonSchema | None) -> int | None:
    """How many items a list that keeps the schema has at most; None where it does not say."""
    return _Root(schema).items(schema, _DEEPEST)


def least_items(schema: JsonSchema | None) -> int:
    """How many items a list that keeps the schema has at least."""
    return _Root(schema).fewest(schema, _DEEPEST)


def most_bytes(schema: JsonSchema | None) -> int | None:
    """How many bytes a value that keeps the schema has at most; None where it does not say."""
    return _Root(schema).bytes(schema, _DEEPEST)


class _Root:
    """The schema that definitions are looked up in."""

    def __init__(self, schema: JsonSchema | None) -> None:
        self._schema = schema

    def items(self, schema: object, deep: int) -> int | None:
        if not isinstance(schema, dict) or not deep:
            return None
        said: list[int | None] = [schema["maxItems"]] if isinstance(schema.get("maxItems"), int) else []
        listed, first = schema.get("enum", [schema["const"]] if "const" in schema else None), schema.get("prefixItems")
        if isinstance(listed, list):
            said.append(max((len(each) for each in listed if isinstance(each, list)), default=0))
        if isinstance(first, list) and schema.get("items") is False:
            said.append(len(first))
        said.extend(self.items(part, deep - 1) for part in self._together(schema))
        said.extend(largest_of(self.items(part, deep - 1) for part in parts) for parts in self._either(schema))
        return min((each for each in said if each is not None), default=None)

    def fewest(self, schema: object, deep: int) -> int:
        if not isinstance(schema, dict) or not deep:
            return 0
        said: list[int] = [schema["minItems"]] if isinstance(schema.get("minItems"), int) else []
        listed = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if isinstance(listed, list):
            said.append(min((len(each) for each in listed if isinstance(each, list)), default=0))
        said.extend(self.fewest(part, deep - 1) for part in self._together(schema))
        said.extend(min((self.fewest(part, deep - 1) for part in parts), default=0) for parts in self._either(schema))
        return max(said, default=0)

    def bytes(self, schema: object, deep: int) -> int | None:
        if not isinstance(schema, dict) or not deep:
            return 0 if schema is False else None
        listed = schema.get("enum", [schema["const"]] if "const" in schema else None)
        said: list[int | None] = []
        if isinstance(listed, list):
            said.append(max((len(orjson.dumps(each)) for each in listed), default=0))
        said.extend(self.bytes(part, deep - 1) for part in self._together(schema))
        said.extend(largest_of(self.bytes(part, deep - 1) for part in parts) for parts in self._either(schema))
        stated = schema.get("type")
        if stated is not None:
            names = stated if isinstance(stated, list) else [stated]
            said.append(largest_of(self._of_type(str(name), schema, deep) for name in names))
        return min((each for each in said if each is not None), default=None)

    def _of_type(self, name: str, schema: Parts, deep: int) -> int | None:
        match name:
            case "null" | "boolean":
                return 5 if name == "boolean" else 4
            case "integer" | "number":
                return NUMBER_BYTES
            case "string":
                longest = schema.get("maxLength")
                return 2 + CHARACTER_BYTES * longest if isinstance(longest, int) else None
            case "array":
                return self._of_list(schema, deep)
        return self._of_object(schema, deep)

    def _of_list(self, schema: Parts, deep: int) -> int | None:
        most, first = self.items(schema, 1), schema.get("prefixItems")
        if most is None:
            return None
        given = first if isinstance(first, list) else []
        sizes = [self.bytes(each, deep - 1) for each in given[:most]]
        if most > len(given):
            sizes += [self.bytes(schema.get("items", True), deep - 1)] if most else []
        known = [each for each in sizes if each is not None]
        if len(known) < len(sizes):
            return None
        rest = known[-1] * (most - len(given) - 1) if most > len(given) else 0
        return 2 + sum(known) + rest + max(most - 1, 0)

    def _of_object(self, schema: Parts, deep: int) -> int | None:
        members = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or "patternProperties" in schema:
            return None
        if not isinstance(members, dict):
            return None
        total = 2
        for name, part in members.items():
            size = self.bytes(part, deep - 1)
            if size is None:
                return None
            total += len(orjson.dumps(name)) + size + 2
        return total

    def _together(self, schema: Parts) -> Iterable[object]:
        """Schemas that hold as well."""
        parts = schema.get("allOf")
        yield from parts if isinstance(parts, list) else ()
        name = schema.get("$ref")
        if isinstance(name, str) and isinstance(self._schema, dict):
            for keyword in ("$defs", "definitions"):
                known = self._schema.get(keyword)
                if isinstance(known, dict) and name == f"#/{keyword}/{name.rpartition('/')[2]}":
                    yield known.get(name.rpartition("/")[2])

    def _either(self, schema: Parts) -> Iterable[list[object]]:
        """Schemas one of which holds as well."""
        for keyword in ("anyOf", "oneOf"):
            parts = schema.get(keyword)
            if isinstance(parts, list):
                yield parts


def largest_of(sizes: Iterable[int | None]) -> int | None:
    """The largest; None where one is unknown."""
    largest = 0
    for size in sizes:
        if size is None:
            return None
        largest = max(largest, size)
    return largest
