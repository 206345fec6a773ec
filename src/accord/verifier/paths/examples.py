"""Examples: a model of Z3 becomes a run's input with outputs of tasks, and CEL is asked whether it takes that path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import z3

from accord.domain.defaults import completed
from accord.domain.expression import Types
from accord.domain.graph import Graph, Task
from accord.domain.ids import TaskId
from accord.domain.schema import JsonSchema, Schema, compile_schema
from accord.domain.schema_path import schema_at
from accord.errors import ContractViolation, ExpressionInvalid
from accord.formulas import Formula, python_text
from accord.verifier.paths.places import Place
from accord.verifier.paths.states import States, waits_for_some
from accord.verifier.paths.terms import Kind
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
_RUN: Final = {"id": "run_0", "template": "", "started_at": "2026-01-01T00:00:00+00:00"}


class Example(msgspec.Struct, frozen=True):
    """A run's input and how the tasks on a path end; whether CEL takes that path is for `played` to say."""

    input: Any
    outputs: Mapping[TaskId, Any]
    turned: frozenset[TaskId]
    failed: frozenset[TaskId]
    seen: frozenset[tuple[TaskId, TaskId]]


class Played(msgspec.Struct, frozen=True):
    """What CEL makes of an example, task by task."""

    scopes: Mapping[TaskId, dict[str, object]]
    """What each task that was ready saw."""
    ready: frozenset[TaskId]
    begun: frozenset[TaskId]
    skipped: tuple[TaskId, ...]
    ended_well: bool
    """Whether all tasks of the cone have ended, and none the run."""
    last: dict[str, object]
    """What the run's output sees."""


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
        value = self._at(place, schema, model)
        self._check(schema, value)
        return value

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
        kind = next((each for each in place.kinds if holds_in(model, place.is_a(each))), None)
        if kind is None:
            raise Impossible
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


def played(graph: Graph, example: Example, cone: Iterable[TaskId]) -> Played:
    """What CEL makes of an example: which tasks begin, by really evaluating their conditions."""
    return _Play(graph, example).through(cone)


class _Play:
    """One example, played."""

    def __init__(self, graph: Graph, example: Example) -> None:
        self._graph, self._example = graph, example
        self._scope: dict[str, object] = {
            "input": completed(example.input, graph.input_schema),
            "run": {**_RUN, "template": graph.template},
        }
        self._views: dict[str, object] = {}
        self._ends: dict[TaskId, str] = {}
        self._scopes: dict[TaskId, dict[str, object]] = {}
        self._ready: set[TaskId] = set()
        self._begun: set[TaskId] = set()

    def through(self, cone: Iterable[TaskId]) -> Played:
        """Play all these tasks, in topological order."""
        names = list(cone)
        for name in names:
            end = self._end(self._graph.tasks[name])
            if end is not None:
                self._ends[name] = end
                self._views[name] = self._view(name, end)
        skipped = tuple(name for name, end in self._ends.items() if end == "skipped")
        last = {**self._scope, "tasks": self._views}
        ended = all(name in self._ends for name in names)
        return Played(self._scopes, frozenset(self._ready), frozenset(self._begun), skipped, ended, last)

    def _end(self, task: Task) -> str | None:
        """How the task ends; None where it does not, or ends the run."""
        ready = self._join(task)
        if ready is not True:
            return "skipped" if ready is False else None
        self._ready.add(task.id)
        scope = self._scopes[task.id] = {**self._scope, "tasks": self._seen_by(task)}
        try:
            holds = task.when is None or task.when.evaluate(scope)
        except ExpressionInvalid:
            return None if task.fails_run else "failed"
        if not isinstance(holds, bool):
            return None if task.fails_run else "failed"
        if not holds:
            return "skipped"
        self._begun.add(task.id)
        if task.id in self._example.turned:
            return "skipped"
        return "failed" if task.id in self._example.failed else "completed"

    def _join(self, task: Task) -> bool | None:
        """Whether the task is ready; None where it waits for ever, because the run has ended."""
        ends = [self._ends.get(need) for need in task.needs]
        if task.join.settled:
            return True if None not in ends else None
        required = len(ends) if task.join.at_least is None else min(task.join.at_least, len(ends))
        if sum(self._is_seen(task, need) for need in task.needs) >= required:
            return True
        return False if ends.count("skipped") > len(ends) - required else None

    def _is_seen(self, task: Task, need: TaskId) -> bool:
        """Whether the task finds the need done as it begins."""
        done = self._ends.get(need) in ("completed", "failed")
        return done and (not waits_for_some(task) or (task.id, need) in self._example.seen)

    def _seen_by(self, task: Task) -> dict[str, object]:
        if not waits_for_some(task):
            return dict(self._views)
        late: dict[str, object] = {
            str(need): _record("pending") for need in task.needs if not self._is_seen(task, need)
        }
        return self._views | late

    def _view(self, name: TaskId, end: str) -> dict[str, object]:
        if end == "skipped":
            return _record(end)
        output = None if end == "failed" else self._example.outputs.get(name)
        return {**_record(end), "output": output}


def _record(status: str) -> dict[str, object]:
    return {"status": status, "confidence": None, "agent": None}


def _narrowed(schema: JsonSchema, kind: Kind) -> JsonSchema:
    """The schema, of values of one type."""
    if schema is True:
        return {"type": _TYPES[kind]}
    if isinstance(schema, dict) and schema.get("type") == _TYPES[kind]:
        return schema
    narrowed: dict[str, object] = {"allOf": [schema, {"type": _TYPES[kind]}]}
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
