"""What is known of the values in a graph: the schema of every task's output, in the order in which they are made."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator
from functools import reduce
from itertools import islice
from operator import or_
from typing import cast

from accord.domain.defaults import schema_when_completed
from accord.domain.expression import (
    COMPLETED,
    ERROR_RECORD,
    RUN_RECORD,
    TASK_RECORD,
    Binding,
    Computed,
    Expression,
    Reference,
    Types,
    expressions,
    schema_of_binding,
    where,
)
from accord.domain.graph import Graph, Option, Sleep, Subrun, Task, Wait, Work
from accord.domain.ids import TaskId
from accord.domain.schema import JsonSchema
from accord.domain.schema_range import EXACT, lengths_of
from accord.domain.schema_union import list_of, union
from accord.verifier.known import Capabilities, Templates
from accord.verifier.preceding import Preceding
from accord.verifier.readings import bindings_of
from accord.verifier.risks import Doubts
from accord.verifier.schemas import NULL, items_of, spelt_out

_INDEX: JsonSchema = {"type": "integer", "minimum": 0, "maximum": EXACT}
_TASK: JsonSchema = {**cast("dict[str, object]", TASK_RECORD), "required": ["confidence", "status", "agent"]}
_RUN: JsonSchema = {**cast("dict[str, object]", RUN_RECORD), "required": ["id", "template", "started_at"]}
_ERROR: JsonSchema = {**cast("dict[str, object]", ERROR_RECORD), "required": ["code", "message"]}
"""What is always there; of the output `accord.verifier.structure` says when it is."""

_MOST_HELD = 8
"""Conditions before a task that are about what it reads: so many are taken into account, the nearest."""

_MOST_NESTED = 16
"""Sub-workflows inside each other that are looked into."""


class Outputs:
    """The schemas of all that expressions of a graph can read."""

    def __init__(self, graph: Graph, capabilities: Capabilities, templates: Templates, depth: int = 0) -> None:
        self._graph, self._capabilities, self._templates, self._depth = graph, capabilities, templates, depth
        self._doubts = Doubts()
        self._preceding = Preceding(graph)
        self._asking = self._asked_about(graph)
        self._items: dict[TaskId, JsonSchema | None] = {}
        self._where: dict[TaskId, Types] = {}
        self._types: dict[tuple[str, ...], JsonSchema] = {
            ("input",): schema_when_completed(graph.input_schema),
            ("run",): _RUN,
        }
        for name in graph.tasks:
            self._types[("tasks", name)] = _TASK
        for name in graph.order:
            task = graph.tasks[name]
            if task.for_each is not None:
                self._items[name] = items_of(task.for_each, self._begun(task))
            completed = _known(self._completed(task))
            if not task.fails_run:
                self._types[COMPLETED, name] = completed
            may_fail = not task.fails_run and (task.for_each is None or self._may_fail_as_whole(task, task.for_each))
            self._types["tasks", name, "output"] = _known(union((completed, NULL)) if may_fail else completed)
        self.result = schema_of_binding(graph.output, self._types)

    def everywhere(self) -> Types:
        """What expressions can read at every place."""
        return self._types

    def of(self, task: Task, *, error: bool = False) -> Types:
        """What the expressions of a task's input can read, once its condition holds; of a fallback with `error`."""
        extra: dict[tuple[str, ...], JsonSchema] = {("error",): _ERROR} if error else {}
        if task.for_each is not None:
            extra[("item",)] = _known(self._items.get(task.id))
            extra[("index",)] = _INDEX
        types = self._begun(task)
        return ChainMap(extra, cast("dict[tuple[str, ...], JsonSchema]", types)) if extra else types

    def _begun(self, task: Task) -> Types:
        """What is known once a task begins."""
        if task.id not in self._where:
            types: Types = self._types
            for condition in self._held(task):
                types = where(condition, types)
            self._where[task.id] = types
        return self._where[task.id]

    def _asked_about(self, graph: Graph) -> dict[tuple[str, ...], int]:
        """Of each place the tasks whose condition asks about it, and has held for good once they are done: one that
        fails without harm may have a condition that failed.
        """
        found: dict[tuple[str, ...], int] = {}
        for task in graph.tasks.values():
            if task.when is not None and task.fails_run and _is_lasting(task.when):
                for place in map(_place, task.when.references):
                    found[place] = found.get(place, 0) | self._preceding.bit(task.id)
        return found

    def _held(self, task: Task, *, whole: bool = False) -> Iterator[Expression]:
        """Conditions that have held where a task begins: its own, and those of tasks that are done then for certain,
        about what it reads, or about anything in the `whole` document.
        """
        if task.when is not None:
            yield task.when
        read = {_place(each) for binding in _bindings(task) for each in binding.references}
        if whole and any(place[0] == "input" for place in read):
            read |= {place for place in self._asking if place[0] == "input"}
        asking = reduce(or_, (self._asking.get(place, 0) for place in read), 0)
        for name in islice(self._preceding.of(task.id, asking), _MOST_HELD):
            condition = self._graph.tasks[name].when
            assert condition is not None, "it asks about something"  # noqa: S101
            yield condition

    def held(self, task: Task, types: Types) -> Types:
        """These types, and what all conditions say that have held where a task begins, of all in what it reads."""
        for condition in self._held(task, whole=True):
            types = where(condition, types)
        return types

    def of_compensation(self, task: Task) -> Types:
        """What the expressions of a task's compensation can read."""
        own: dict[tuple[str, ...], JsonSchema] = {("task",): {"type": "object"}}
        if isinstance(task.action, Work):
            own[("task", "input")] = _known(union(self._inputs(task, task.action)))
        own[("task", "output")] = _known(self._single(task))
        return ChainMap(own, cast("dict[tuple[str, ...], JsonSchema]", self.of(task)))

    def _inputs(self, task: Task, work: Work) -> Iterator[JsonSchema | None]:
        """Of what does a task, whichever it is; a value that stands for the output is given nothing."""
        for index, option in enumerate(work.options):
            given = schema_of_binding(option.binding, self.of(task, error=index > 0))
            yield NULL if option.capability is None else None if given is None else spelt_out(given)

    def _completed(self, task: Task) -> JsonSchema | None:
        """Of the task where it has not failed as a whole."""
        single = self._single(task)
        if task.for_each is None:
            return single
        gone_through = _known(schema_of_binding(task.for_each, self._begun(task)))
        return list_of(single if task.fails_run else union((single, NULL)), *lengths_of(gone_through, "array"))

    def _may_fail_as_whole(self, task: Task, for_each: Binding) -> bool:
        """Whether a `for_each` may have no list to go through, or with others more items than a run may have."""
        wanted = "list" if isinstance(for_each, Computed) else None
        asked = [(each, self._begun(task), wanted) for each in expressions(for_each)]
        if task.when is not None:
            asked.append((Computed(task.when, ""), self._types, "bool"))
        if any(one for each in asked for one in self._doubts.of(*each)):
            return True
        lists = [each.for_each for each in self._graph.tasks.values() if each.for_each is not None]
        most = [lengths_of(_known(schema_of_binding(each, self._types)), "array")[1] for each in lists]
        return None in most or len(self._graph.tasks) + sum(filter(None, most)) > self._graph.max_tasks

    def _single(self, task: Task) -> JsonSchema | None:
        """Of the task, or of one item of it."""
        action = task.action
        if isinstance(action, Work):
            return union(self._of_option(option, task) for option in action.options)
        if isinstance(action, Wait):
            return action.schema
        return NULL if isinstance(action, Sleep) else self._of_subrun(action)

    def _of_option(self, option: Option, task: Task) -> JsonSchema | None:
        if option.capability is None:
            value = schema_of_binding(option.binding, self.of(task, error=True))
            return None if value is None else spelt_out(value)
        contracts = self._capabilities.contracts(option.capability)
        return union(contract.output.document for contract in contracts) if contracts else None

    def _of_subrun(self, action: Subrun) -> JsonSchema | None:
        graph = self._templates.graph(action.template) if self._depth < _MOST_NESTED else None
        if graph is None:
            return None
        return Outputs(graph, self._capabilities, self._templates, self._depth + 1).result


def _bindings(task: Task) -> Iterator[Binding]:
    """All that is evaluated once a task begins, and where it is undone."""
    yield from bindings_of(task)
    if task.for_each is not None:
        yield task.for_each
    if task.compensate is not None:
        yield task.compensate.binding


def _place(reference: Reference) -> tuple[str, ...]:
    """What is read, roughly: a member of the input, a task."""
    return reference.root, *reference.path[:1]


def _is_lasting(condition: Expression) -> bool:
    """Whether what it says stays so: how a task stands does not."""
    return all(each.root != "tasks" or each.path[1:2] == ("output",) for each in condition.references)


def _known(schema: JsonSchema | None) -> JsonSchema:
    return True if schema is None else schema
