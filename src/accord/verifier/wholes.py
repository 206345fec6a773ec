"""Wholes: what all that is said of a document leaves of what a path into it reads.

The schema at a path tells less than the document does: which tag a member comes with, what `if`, `not` or
`dependentSchemas` ask for, what a condition has found beside it. So where that schema does not fit, the whole is asked:
whether a document that keeps its schema, and what the conditions say, may have there what is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from accord.domain.expression import Binding, Computed, Entries, Items, Types, schema_of_binding
from accord.domain.expression.reference import Step
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import is_movable, joined, schema_at
from accord.domain.schema_union import object_of, tuple_of
from accord.errors import ContractViolation
from accord.verifier.compatibility import Verdict, covers

Place: TypeAlias = tuple[str, ...]

Whole: TypeAlias = Mapping[Place, object]
"""Values of all that is at a root."""


def root_of(place: Place) -> Place:
    """The place of its own that something is read from: the input, the output of a task, an item."""
    return place[:3] if place[0] == "tasks" else place[:2] if place[0] == "task" else place[:1]


def whole_of(root: Place, types: Types) -> JsonSchema:
    """What is known of all that is at a root: its schema, and what conditions have found inside of it."""
    found = [place for place in types if len(place) > len(root) and place[: len(root)] == root]
    inside = (_inside(place[len(root) :], types[place], is_there=True) for place in found)
    return both(types[root], *inside)


def both(*schemas: JsonSchema) -> JsonSchema:
    """What keeps all of these schemas, as far as each can stand beside others."""
    if len(schemas) == 1:
        return schemas[0]
    parts, definitions = joined({str(number): each for number, each in enumerate(schemas)})
    whole: dict[str, object] = {"allOf": list(parts.values())}
    return {**whole, "$defs": definitions} if definitions else whole


def verdict_of(wanted: JsonSchema, given: JsonSchema) -> Verdict:
    """Whether all that is given is as it is wanted."""
    try:
        return covers(wanted, given)
    except ContractViolation:
        # What was put together of several schemas may be larger than a schema may be.
        return Verdict("unknown")


class Wholes:
    """The documents that a binding reads, asked as wholes; `types` are the schemas of all that it reads."""

    def __init__(self, types: Types) -> None:
        self.types = types
        self.refused: list[Whole] = []
        """Documents that have somewhere what is not wanted there."""

    def given(self, binding: Binding, wanted: JsonSchema, path: tuple[Step, ...] = ()) -> JsonSchema:
        """What the binding gives, where all that is read by a path is as it is wanted if the whole says so."""
        match binding:
            case Entries(members):
                return object_of({name: self.given(each, wanted, (*path, name)) for name, each in members})
            case Items(items):
                return tuple_of([self.given(each, wanted, (*path, index)) for index, each in enumerate(items)])
        known = schema_of_binding(binding, self.types)
        given = True if known is None else known
        there = schema_at(wanted, path)
        if there is None or not is_movable(there) or verdict_of(there, given).proven:
            return given
        return both(given, there) if any(self._ask(each, there) for each in _read_by(binding)) else given

    def _ask(self, read: tuple[Step, ...], wanted: JsonSchema) -> bool:
        """Whether what a path reads is always as it is wanted; a document where it is not is remembered."""
        root = root_of(tuple(map(str, read)))
        if root not in self.types:
            return False
        verdict = verdict_of(_inside(read[len(root) :], wanted), whole_of(root, self.types))
        if verdict.refuted:
            self.refused.append({root: verdict.witness})
        return verdict.proven


def _read_by(binding: Binding) -> Iterator[tuple[Step, ...]]:
    if isinstance(binding, Computed) and binding.expression.path is not None:
        yield binding.expression.path


def _inside(path: tuple[Step, ...], schema: JsonSchema, *, is_there: bool = False) -> JsonSchema:
    """The schema of what has at a path what keeps a schema, if anything or (`is_there`) for certain."""
    parts, definitions = joined({"": schema})
    whole = parts[""]
    for step in reversed(path):
        if isinstance(step, str):
            whole = {"properties": {step: whole}}
            whole |= {"type": "object", "required": [step]} if is_there else {}
        else:
            whole = {"prefixItems": [*[True] * step, whole]}
    return {**whole, "$defs": definitions} if definitions and isinstance(whole, dict) else whole
