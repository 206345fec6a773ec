"""Playing: what CEL makes of an example, task by task: an input, and how the tasks on a path end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from accord.domain.defaults import completed
from accord.domain.expression import Types, evaluate
from accord.domain.graph import Choice, Graph, Task, Work
from accord.domain.ids import TaskId
from accord.domain.schema_path import schema_at
from accord.errors import ExpressionInvalid
from accord.verifier.readings import Reading, tasks_of
from accord.verifier.samples import Impossible, Samples

_AGENT: Final = "agent"

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
    outputs: Mapping[TaskId, Any]
    """The outputs that the example says, of as many items as the lists that tasks go through."""

    def scope_of(self, reading: Reading) -> dict[str, object] | None:
        """What an expression sees; None where it is not evaluated."""
        if reading.task is None:
            return self.last if self.ended_well else None
        reached = self.ready if reading.stage == "condition" else self.begun
        return self.scopes[reading.task.id] if reading.task.id in reached else None

    def told(self, example: Example, reading: Reading | None = None) -> dict[str, Any]:
        """The example as it is shown: without the outputs that are not there yet where something is read."""
        told: dict[str, Any] = {"input": example.input}
        task = None if reading is None else reading.task
        some = task is not None and waits_for_some(task)
        late = {need for need in task.needs if (task.id, need) not in example.seen} if task and some else set()
        outputs = {name: each for name, each in self.outputs.items() if name not in late}
        if outputs:
            told["outputs"] = outputs
        if self.skipped:
            told["skipped"] = list(self.skipped)
        return told


def takes_two(choice: Choice) -> Callable[[Played], bool]:
    """Says of a run whether two branches of a choice begin."""
    return lambda seen: sum(name in seen.begun for name in choice.between) > 1


def takes_none(choice: Choice) -> Callable[[Played], bool]:
    """Says of a run whether all branches of a choice are ready, and none begins."""
    return lambda seen: all(name in seen.ready and name in seen.skipped for name in choice.between)


class Plays:
    """Plays examples of one graph; `types` are the schemas of what its expressions read."""

    def __init__(self, graph: Graph, types: Types) -> None:
        self._graph, self._types = graph, types
        self._samples = Samples()

    def of(self, example: Example, cone: Iterable[TaskId]) -> Played:
        """What CEL makes of an example: which tasks begin, by really evaluating their conditions."""
        return _Play(self._graph, example, self._item_of).through(cone)

    def _item_of(self, task: TaskId) -> object:
        """An item as the output of a `for_each` may have it. Raises Impossible."""
        item = schema_at(self._types["tasks", task, "output"], (0,))
        return self._samples.of(True if item is None else item)


class _Play:
    """One example, played."""

    def __init__(self, graph: Graph, example: Example, item_of: Callable[[TaskId], object]) -> None:
        self._graph, self._example, self._item_of = graph, example, item_of
        self._outputs: dict[TaskId, Any] = dict(example.outputs)
        self._tasks = len(graph.tasks)
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
        outputs = {name: each for name, each in self._outputs.items() if self._ends.get(name) != "skipped"}
        return Played(self._scopes, frozenset(self._ready), frozenset(self._begun), skipped, ended, last, outputs)

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
        if task.for_each is not None and task.id in self._outputs:
            return self._end_of_items(task, scope)
        return "failed" if task.id in self._example.failed else "completed"

    def _end_of_items(self, task: Task, scope: Mapping[str, object]) -> str | None:
        """How a `for_each` ends, whose output is read: with an item for each of its list, or as a whole by that."""
        assert task.for_each is not None, "it is one"  # noqa: S101
        try:
            items = evaluate(task.for_each, scope)
            if isinstance(items, list) and self._tasks + len(items) <= self._graph.max_tasks:
                self._tasks += len(items)
                self._outputs[task.id] = self._as_many(task.id, len(items))
                return "completed"
        except Impossible:
            return None
        except ExpressionInvalid:
            pass
        self._outputs[task.id] = None
        return None if task.fails_run else "failed"

    def _as_many(self, task: TaskId, many: int) -> list[Any]:
        """The output that the example says, with so many items."""
        said = self._outputs[task]
        items = said[:many] if isinstance(said, list) else []
        return items + [self._item_of(task) for _ in range(many - len(items))]

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
        if end == "failed":
            return {**_record(end), "output": None}
        agent = _AGENT if _is_always_by_agent(self._graph.tasks[name]) else None
        return {**_record(end, agent), "output": self._outputs.get(name)}


def _record(status: str, agent: str | None = None) -> dict[str, object]:
    return {"status": status, "confidence": None, "agent": agent}


def _is_always_by_agent(task: Task) -> bool:
    """Whether the task has an agent wherever it has completed, unless a fork took its output over: all else that
    completes a task, and what is known of a `for_each` as a whole, names none.
    """
    action = task.action
    return (
        isinstance(action, Work)
        and task.for_each is None
        and all(option.capability is not None for option in action.options)
    )


def waits_for_some(task: Task) -> bool:
    """Whether the task begins although some of its needs have not ended."""
    return not task.join.settled and task.join.at_least not in (None, len(task.needs))


def read_with(graph: Graph, tasks: Iterable[TaskId]) -> list[TaskId]:
    """These tasks, whose output is read, and those whose output says how many items there are of them, in topological
    order.
    """
    found = {name for name in tasks if name in graph.tasks}
    front = list(found)
    while front:
        binding = graph.tasks[front.pop()].for_each
        for name in () if binding is None else tasks_of(binding.references):
            if name in graph.tasks and name not in found:
                found.add(name)
                front.append(name)
    return [name for name in graph.order if name in found]


def cone_of(graph: Graph, tasks: Iterable[TaskId]) -> list[TaskId]:
    """These tasks and all before them, in topological order."""
    found = set(tasks)
    front = list(found)
    while front:
        for need in graph.tasks[front.pop()].needs:
            if need not in found:
                found.add(need)
                front.append(need)
    return [name for name in graph.order if name in found]
