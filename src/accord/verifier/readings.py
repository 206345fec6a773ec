"""Readings: every expression of a graph with who evaluates it, and what makes a read of it suspect."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from accord.domain.expression import Binding, Computed, Expression, Reference, expressions
from accord.domain.graph import Graph, Task, Work
from accord.domain.ids import TaskId
from accord.errors import ExpressionInvalid

_ROOTS = frozenset({"input", "tasks", "run"})
"""What is the same for all that evaluates an expression of a task."""

FAILURES: Final = frozenset({"ACC208", "ACC210", "ACC211", "ACC212", "ACC213", "ACC214"})
"""What it is called when a read fails, because something is absent or of another type."""

Wanted: TypeAlias = Literal["bool", "list"]
Stage: TypeAlias = Literal["condition", "input", "output"]


class Reading(msgspec.Struct, frozen=True):
    """An expression, and who evaluates it: the condition of a task when it is ready, its input when it begins, the
    run's output (`task` None) when all have ended.
    """

    stage: Stage
    task: Task | None
    computed: Computed
    wanted: Wanted | None = None
    """What it has to give."""

    @property
    def key(self) -> tuple[str, str]:
        """Tells it from all others."""
        return self.computed.pointer, self.computed.expression.source

    def breaks(self, scope: Mapping[str, object], codes: Collection[str]) -> str | None:
        """The code of what CEL says where evaluating it fails in one of these ways, or where it gives something else
        than it has to give; None where it does not.
        """
        try:
            value = self.computed.expression.evaluate(scope)
        except ExpressionInvalid as error:
            return next((problem.code for problem in error.problems if problem.code in codes), None)
        fits = self.wanted is None or isinstance(value, bool if self.wanted == "bool" else list)
        return None if fits else "ACC208"


class Suspicion(msgspec.Struct, frozen=True):
    """A read that may fail as far as the schemas and joins say, whatever the conditions rule out."""

    code: str
    message: str
    pointer: str
    source: str
    hint: str
    codes: frozenset[str] = frozenset({"ACC210", "ACC211"})
    """What CEL says where it comes true."""
    absent: TaskId | None = None
    """The task whose output may be absent, if it is about one."""
    open: bool = False
    """Whether no schema says anything of what is read: then it is no fault, and only not proven."""

    @property
    def key(self) -> tuple[str, str]:
        """Which expression it is about."""
        return self.pointer, self.source


def readings_of(graph: Graph) -> Iterator[Reading]:
    """All expressions but those of compensations, of fallbacks that read the failure, and of single items."""
    return (each for each in all_readings_of(graph) if each.stage != "input" or _is_shared(each.computed))


def all_readings_of(graph: Graph) -> Iterator[Reading]:
    """All expressions but those of compensations."""
    for task in graph.tasks.values():
        yield from (Reading("condition", task, computed, "bool") for computed in conditions_of(task))
        whole = task.for_each if isinstance(task.for_each, Computed) else None
        for computed in inputs_of(task):
            yield Reading("input", task, computed, "list" if computed is whole else None)
    yield from (Reading("output", None, computed) for computed in expressions(graph.output))


def conditions_of(task: Task) -> Iterator[Computed]:
    """The expression that says whether a task begins."""
    if task.when is not None:
        yield Computed(task.when, f"/tasks/{task.id}/when")


def inputs_of(task: Task) -> Iterator[Computed]:
    """The expressions that are evaluated once a task begins, fallbacks included."""
    if task.for_each is not None:
        yield from expressions(task.for_each)
    for binding in bindings_of(task):
        yield from expressions(binding)


def bindings_of(task: Task) -> Iterator[Binding]:
    """The bindings of a task's action, fallbacks included."""
    action = task.action
    if isinstance(action, Work):
        yield from (option.binding for option in action.options)
    else:
        yield next(getattr(action, name) for name in ("title", "until", "binding") if hasattr(action, name))


def tasks_of(references: Iterable[Reference]) -> Iterator[TaskId]:
    """The tasks that are read."""
    return (TaskId(each.path[0]) for each in references if each.root == "tasks" and each.path)


def _is_shared(computed: Computed) -> bool:
    return all(reference.root in _ROOTS for reference in computed.expression.references)


def is_guarded(reference: Reference, expression: Expression) -> bool:
    """Whether has() or `.?` asks for the reference, or for something on the way to it."""
    return any(
        guard.root == reference.root and guard.path == reference.path[: len(guard.path)] for guard in expression.guarded
    )
