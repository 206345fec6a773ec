"""Readings: every expression of a graph with who evaluates it, and what makes a read of it suspect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from accord.domain.expression import Binding, Computed, expressions
from accord.domain.graph import Graph, Task, Work

_ROOTS = frozenset({"input", "tasks", "run"})
"""What is the same for all that evaluates an expression of a task."""

Stage: TypeAlias = Literal["condition", "input", "output"]


class Reading(msgspec.Struct, frozen=True):
    """An expression, and who evaluates it: the condition of a task when it is ready, its input when it begins, the
    run's output (`task` None) when all have ended.
    """

    stage: Stage
    task: Task | None
    computed: Computed


class Suspicion(msgspec.Struct, frozen=True):
    """A read that may fail as far as the schemas and joins say, whatever the conditions rule out."""

    code: str
    message: str
    pointer: str
    source: str
    hint: str

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
        yield from (Reading("condition", task, computed) for computed in conditions_of(task))
        yield from (Reading("input", task, computed) for computed in inputs_of(task))
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


def _is_shared(computed: Computed) -> bool:
    return all(reference.root in _ROOTS for reference in computed.expression.references)
