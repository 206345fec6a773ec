"""Samples: values that keep a schema."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from accord.domain.schema import JsonSchema, compile_schema
from accord.domain.schema_path import Alternatives, declared_names, schema_at, types_of
from accord.domain.schema_range import lengths_of, numbers_of
from accord.domain.schema_union import item_of, schema_key
from accord.errors import ContractViolation
from accord.verifier.compatibility import covers

MOST: Final = 12
"""Different values of one schema that are tried."""

EXTREMES: Final = (sys.float_info.max, -sys.float_info.max, math.ulp(0.0))
"""The largest and the smallest doubles."""

_FAR: Final = (2**63 - 1, -(2**63))
"""The largest integers that CEL holds."""

_LONGEST: Final = 1_000
_DEEPEST: Final = 4


class Impossible(Exception):
    """No value was found that fits the schema."""


class Samples:
    """Values that fit schemas, found once for each."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[object, ...]] = {}
        self._several: dict[bytes, list[Any]] = {}

    def of(self, schema: JsonSchema) -> Any:
        """A small value of a schema. Raises Impossible where none is found."""
        key = schema_key(schema)
        if key not in self._known:
            try:
                verdict = covers(False, schema)
                self._known[key] = (verdict.witness,) if verdict.refuted else ()
            except ContractViolation:
                self._known[key] = ()
        if not self._known[key]:
            raise Impossible
        return msgspec.to_builtins(self._known[key][0])

    def several(self, schema: JsonSchema, hints: Iterable[object] = (), deep: int = _DEEPEST) -> list[Any]:
        """Values of a schema that differ in what they are: at its bounds, of each of its types, and those of the hints
        that fit, which come first; none where none is found.
        """
        known = list(hints)
        key = schema_key([deep, schema, known])  # type: ignore[arg-type]  # any JSON has such a key
        if key not in self._several:
            self._several[key] = self._fitting(schema, itertools.chain(known, self._tried(schema, known, deep)))
        return self._several[key]

    def _fitting(self, schema: JsonSchema, values: Iterable[object]) -> list[Any]:
        try:
            fits = compile_schema(schema)
        except ContractViolation:
            return []
        found: dict[bytes, Any] = {}
        for value in values:
            if fits.is_valid(value):
                found.setdefault(msgspec.json.encode(value), value)
            if len(found) == MOST:
                break
        return list(found.values())

    def _tried(self, schema: JsonSchema, hints: list[object], deep: int) -> Iterator[object]:
        try:
            yield self.of(schema)
        except Impossible:
            return
        for alternative in Alternatives(schema).of(schema) or ():
            for part in alternative:
                listed = part.get("enum", [part["const"]] if "const" in part else [])
                yield from listed if isinstance(listed, list) else ()
        kinds = sorted(types_of(schema)) if deep else []
        each_in_turn = itertools.zip_longest(*(self._of_type(kind, schema, hints, deep - 1) for kind in kinds))
        yield from (value for values in each_in_turn for value in values)

    def _of_type(self, kind: str, schema: JsonSchema, hints: list[object], deep: int) -> Iterator[object]:
        match kind:
            case "null" | "boolean":
                yield from (None,) if kind == "null" else (False, True)
            case "integer" | "number":
                found = numbers_of(schema)
                yield from (one for one in (found.least, found.most) if one is not None) if found is not None else ()
                yield from (0, 1, -1, 2, -2, 0.5, *_FAR, *(EXTREMES if kind == "number" else ()))
            case "string":
                yield from ("a" * length for length in _some_lengths(*lengths_of(schema, kind)))
            case "array":
                item = item_of(schema)
                items = self.several(True if item is None else item, hints, deep)
                lengths = _some_lengths(*lengths_of(schema, kind))
                yield from ([each] * length for length in lengths for each in (items if length else [None]))
            case "object":
                yield from self._objects(schema, hints, deep)

    def _objects(self, schema: JsonSchema, hints: list[object], deep: int) -> Iterator[object]:
        """Objects that differ in one member from the first, or lack it."""
        first = self.of(schema)
        for name in sorted(declared_names(schema)) if isinstance(first, dict) else ():
            yield {each: value for each, value in first.items() if each != name}
            there = schema_at(schema, (name,))
            values = self.several(True if there is None else there, hints, deep)
            yield from ({**first, name: each} for each in values)


def _some_lengths(least: int, most: int | None) -> list[int]:
    """The least, the next, and the most that is not too long."""
    lengths = {least, least + 1, least + 2 if most is None else most}
    return sorted(one for one in lengths if one <= _LONGEST and (most is None or one <= most))
