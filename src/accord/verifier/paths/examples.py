"""Examples: a model of Z3 becomes a run's input with outputs of tasks, for CEL to say whether it takes that path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import z3

from accord.domain.expression import Types
from accord.domain.ids import TaskId
from accord.domain.schema import JsonSchema, Schema, compile_schema
from accord.domain.schema_path import schema_at
from accord.errors import ContractViolation
from accord.formulas import Formula, python_text
from accord.verifier.paths.places import Place
from accord.verifier.paths.states import States
from accord.verifier.paths.terms import Kind
from accord.verifier.playing import Example
from accord.verifier.samples import Impossible, Samples

LONGEST: Final = 1000
"""Items of a list in an example."""

_TYPES: Final[Mapping[Kind, str]] = {
    "null": "null",
    "bool": "boolean",
    "int": "integer",
    "double": "number",
    "string": "string",
    "list": "array",
    "map": "object",
}


class Examples:
    """Makes examples of models."""

    def __init__(self, states: States, types: Types) -> None:
        self._states, self._graph, self._types = states, states.graph, types
        self._samples = Samples()
        self._compiled: dict[int, Schema] = {}

    def of(self, model: z3.ModelRef, cone: Iterable[TaskId], read: Iterable[TaskId]) -> Example:
        """The example that a model says, with the outputs of the tasks that are `read`. Raises Impossible."""
        names = frozenset(cone)
        given = self._value(("input",), model)
        self._check(self._graph.input_schema, given)
        outputs = {
            name: self._value(("tasks", name, "output"), model)
            for name in read
            if name in names and holds_in(model, self._states.of[name].done)
        }
        return Example(
            input=given,
            outputs=outputs,
            turned=frozenset(name for name in names if holds_in(model, self._states.of[name].turned)),
            failed=frozenset(name for name in names if holds_in(model, self._states.of[name].failed)),
            seen=frozenset(
                pair for pair, seen in self._states.seen.items() if pair[0] in names and holds_in(model, seen)
            ),
        )

    def _sees(self, model: z3.ModelRef, pair: tuple[TaskId, TaskId]) -> bool:
        return holds_in(model, self._states.seen[pair])

    def _value(self, path: tuple[str, ...], model: z3.ModelRef) -> Any:
        schema = self._types.get(path, True)
        if not self._states.has_place(path):
            return self._samples.of(schema)
        place = self._states.place(path)
        assert place is not None, "something has read it"  # noqa: S101
        try:
            value = self._at(place, schema, model)
            self._check(schema, value)
        except Impossible:
            # What the model does not speak of has to fit what it says: the other members of a union's branch.
            return self._samples.of(_together(schema, self._said(place, model)))
        return value

    def _said(self, place: Place, model: z3.ModelRef) -> JsonSchema:
        """What a model says of a place, as a schema."""
        kind = _kind_of(place, model)
        if kind == "map":
            there = {name: holds_in(model, member.present) for name, member in place.members.items()}
            members = {name: self._said(place.members[name], model) if there[name] else False for name in there}
            return {"type": "object", "properties": members, "required": [name for name in there if there[name]]}
        if kind == "null" or not place.has_value(kind):
            return {"type": _TYPES[kind]}
        value = _python(model.eval(place.value(kind), model_completion=True))
        return {"type": "array", "minItems": value, "maxItems": value} if kind == "list" else {"const": value}

    def _check(self, schema: JsonSchema, value: object) -> None:
        """Raise Impossible where the value does not fit; the schemas are those of the graph, and stay."""
        if id(schema) not in self._compiled:
            try:
                self._compiled[id(schema)] = compile_schema(schema)
            except ContractViolation:
                raise Impossible from None
        if not self._compiled[id(schema)].is_valid(value):
            raise Impossible

    def _at(self, place: Place, schema: JsonSchema, model: z3.ModelRef) -> Any:
        kind = _kind_of(place, model)
        if kind == "map":
            return self._object(place, schema, model)
        if kind == "list":
            return self._list(place, schema, model)
        if kind == "null":
            return None
        if not place.has_value(kind):
            return self._samples.of(_narrowed(schema, kind))
        return _python(model.eval(place.value(kind), model_completion=True))

    def _object(self, place: Place, schema: JsonSchema, model: z3.ModelRef) -> Any:
        found: dict[str, Any] = {}
        try:
            found = dict(self._samples.of(_narrowed(schema, "map")))
        except Impossible:
            found = {}
        for name, member in place.members.items():
            if holds_in(model, member.present):
                inner = schema_at(schema, (name,))
                found[name] = self._at(member, True if inner is None else inner, model)
            else:
                found.pop(name, None)
        return found

    def _list(self, place: Place, schema: JsonSchema, model: z3.ModelRef) -> Any:
        if not place.has_value("list"):
            return self._samples.of(_narrowed(schema, "list"))
        length = model.eval(place.value("list"), model_completion=True).as_long()
        if length > LONGEST:
            raise Impossible
        items = (schema_at(schema, (index,)) for index in range(length))
        return [self._samples.of(True if item is None else item) for item in items]


def _kind_of(place: Place, model: z3.ModelRef) -> Kind:
    """The type that a model says. Raises Impossible."""
    kind = next((each for each in place.kinds if holds_in(model, place.is_a(each))), None)
    if kind is None:
        raise Impossible
    return kind


def _narrowed(schema: JsonSchema, kind: Kind) -> JsonSchema:
    """The schema, of values of one type."""
    if isinstance(schema, dict) and schema.get("type") == _TYPES[kind]:
        return schema
    return _together(schema, {"type": _TYPES[kind]})


def _together(schema: JsonSchema, more: JsonSchema) -> JsonSchema:
    """What has both schemas; the second one has no definitions."""
    if schema is True:
        return more
    narrowed: dict[str, object] = {"allOf": [schema, more]}
    if isinstance(schema, dict):
        narrowed.update({name: schema[name] for name in ("$defs", "definitions") if name in schema})
    return narrowed


def holds_in(model: z3.ModelRef, formula: Formula) -> bool:
    """Whether a formula holds in a model."""
    return formula if isinstance(formula, bool) else z3.is_true(model.eval(formula, model_completion=True))


def _python(value: Any) -> Any:
    """A value in a model as JSON."""
    if z3.is_int_value(value):
        return value.as_long()
    if z3.is_rational_value(value):
        return float(value.as_fraction())
    if z3.is_string_value(value):
        return python_text(value)
    return z3.is_true(value)
