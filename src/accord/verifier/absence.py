"""Absence: members that a schema declares but does not require, so that reading them may fail."""

from __future__ import annotations

from accord.domain.expression import Expression, Reference, Types
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import declared_names, schema_at
from accord.domain.schema_union import schema_key
from accord.errors import ContractViolation
from accord.verifier.compatibility import covers


class Absence:
    """Answers which member of a path may be absent; remembers the answers of one verification."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, tuple[str, ...]], int | None] = {}
        self._keys: dict[int, tuple[JsonSchema, bytes]] = {}

    def first(self, reference: Reference, types: Types) -> str | None:
        """The first member on the path of a reference that is declared and may be absent, as it is written."""
        path = (reference.root, *reference.path)
        length = next((count for count in range(len(path), 0, -1) if path[:count] in types), 0)
        if not length or length == len(path):
            return None
        schema, rest = types[path[:length]], path[length:]
        key = (self._key(schema), rest)
        if key not in self._known:
            self._known[key] = _first_absent(schema, rest)
        position = self._known[key]
        return None if position is None else ".".join(path[: length + position + 1])

    def _key(self, schema: JsonSchema) -> bytes:
        """The schema's key; the schema is kept, so that its identity stays its own."""
        known = self._keys.get(id(schema))
        if known is None:
            known = self._keys[id(schema)] = (schema, schema_key(schema))
        return known[1]


def is_guarded(reference: Reference, expression: Expression) -> bool:
    """Whether has() or `.?` asks for the reference, or for something on the way to it."""
    return any(
        guard.root == reference.root and guard.path == reference.path[: len(guard.path)] for guard in expression.guarded
    )


def _first_absent(schema: JsonSchema, path: tuple[str, ...]) -> int | None:
    for position, name in enumerate(path):
        before = schema_at(schema, path[:position])
        if before is None or name not in declared_names(schema, path[:position]):
            return None
        required: JsonSchema = {"type": "object", "required": [name]}
        try:
            if covers(required, before).refuted:
                return position
        except ContractViolation:
            return None
    return None
