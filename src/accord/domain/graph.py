"""Graphs: what a template means. A graph is a DAG of tasks with compiled expressions, made once and shared by all
its runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec.structs import force_setattr

from accord.domain.capability import CapabilityRange
from accord.domain.expression import Binding, Expression, Reference
from accord.domain.ids import Digest, TaskId
from accord.domain.labels import NOTHING, Declassification, Labels, Parts
from accord.domain.template import JsonSchema

UNDO = "undo:"
"""Prefix of the id of the task that compensates another one: `undo:book`."""

AGGREGATE = TaskId("aggregate")
"""The task that a template's `aggregate` stands for."""


class Backoff(msgspec.Struct, frozen=True):
    """Waiting times between attempts, see `accord.domain.retry`."""

    first: timedelta
    factor: float
    cap: timedelta
    jitter: float


class Retry(msgspec.Struct, frozen=True):
    """Attempts in all, and the waiting times between them."""

    attempts: int
    backoff: Backoff


class Redundancy(msgspec.Struct, frozen=True):
    """So many copies at once, so many of which must agree. A copy that breaks its contract, or is unsure, is lost:
    nobody diagnoses or reviews it, another one takes its place.
    """

    copies: int
    agree: int


class ConfidenceRule(msgspec.Struct, frozen=True):
    """What happens to a result below `at_least`."""

    at_least: float
    otherwise: Literal["retry", "other_agent", "review", "fail"]


class Option(msgspec.Struct, frozen=True):
    """One way to do a task: a capability with its input, or (`capability` None) a value that stands for the output."""

    capability: CapabilityRange | None
    binding: Binding


class Calls(msgspec.Struct, frozen=True):
    """What a task's agent may ask others for."""

    at_most: int
    capabilities: tuple[str, ...]
    depth: int
    objectives: bool

    def admit(self, capability: str) -> bool:
        """Whether a capability of this name may be called."""
        return any(_covers(pattern, capability) for pattern in self.capabilities)


def _covers(pattern: str, capability: str) -> bool:
    return capability.startswith(pattern[:-1]) if pattern.endswith("*") else capability == pattern


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Done by an agent. The first option is the task's own, the others are its fallbacks, in order."""

    options: tuple[Option, ...]
    retry: Retry
    timeout: timedelta | None = None
    redundancy: Redundancy | None = None
    confidence: ConfidenceRule | None = None
    diagnose: bool = True
    upstream: bool = False
    """Whether the agent sees the run's input and the outputs of all tasks before it."""
    calls: Calls | None = None
    """What the agent may ask for while it works."""


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Waits for a signal, or (`signal` None) for a human's approval."""

    signal: str | None
    title: Binding
    schema: JsonSchema
    timeout: timedelta | None = None
    on_timeout: Literal["fail", "skip"] = "fail"
    on_reject: Literal["fail", "skip", "continue"] = "continue"
    """What becomes of the task when the answer is a rejection (`approved` is false); a signal is none."""

    @property
    def may_skip(self) -> bool:
        """Whether the task may be skipped by how it is answered, or by not being answered."""
        return "skip" in (self.on_timeout, self.on_reject)


class Sleep(msgspec.Struct, frozen=True):
    """A timer: the binding gives a duration (`90s`) or a time (RFC 3339)."""

    until: Binding


class Subrun(msgspec.Struct, frozen=True):
    """Another template, run as a run of its own; pinned to this digest when the graph was verified."""

    template: str
    """Name and version range, `source-audit@^1`."""
    binding: Binding


class Join(msgspec.Struct, frozen=True):
    """When a task may start. `any` is `at_least` 1, `all` has `at_least` None; `settled` does not ask how its needs
    ended.
    """

    at_least: int | None = None
    settled: bool = False


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A node of a graph."""

    id: TaskId
    description: str
    action: Work | Wait | Sleep | Subrun
    needs: tuple[TaskId, ...]
    """All tasks that come first, those inferred from expressions included, in the order of the template."""
    reasons: Mapping[TaskId, str]
    """Why each need is one: `needs`, or the expression that mentions it."""
    join: Join = Join()
    when: Expression | None = None
    for_each: Binding | None = None
    parallel: int | None = None
    deadline: timedelta | None = None
    fails_run: bool = True
    compensate: Option | None = None
    labels: Labels = NOTHING
    """What its result has beside the labels of what it was made of."""
    declassify: Declassification | None = None


class Choice(msgspec.Struct, frozen=True):
    """Branches of which so many are taken, as the template declares: those whose condition is true when they are
    ready.
    """

    between: tuple[TaskId, ...]
    takes: Literal["exactly_one", "at_least_one", "at_most_one"]


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """A DAG of tasks. `order` is topological and keeps the template's order where that is free."""

    template: str
    """`name@version`."""
    digest: Digest
    """Of the template's document: a run is pinned to it."""
    title: str
    input_schema: JsonSchema
    tasks: Mapping[TaskId, Task]
    order: tuple[TaskId, ...]
    dependents: Mapping[TaskId, tuple[TaskId, ...]]
    output: Binding
    deadline: timedelta | None
    parallel: int
    max_tasks: int
    compensates_failure: bool
    max_cost: Decimal | None = None
    """What all attempts of a run may cost together."""
    when_spent: Literal["fail", "pause"] = "fail"
    input_labels: Parts = {}
    """What the template says of the input, by paths into it."""
    labelled: bool = False
    """Whether it says anything of labels; made from the others."""
    choices: tuple[Choice, ...] = ()
    """What it declares of its branches, for the verifier."""
    suggested_by: str = ""
    """The language model that has suggested it; empty where none has."""
    waits: Mapping[str, tuple[TaskId, ...]] = {}
    """The nodes that wait for a signal, by its name; made from `tasks`."""

    def __post_init__(self) -> None:
        waits: dict[str, list[TaskId]] = {}
        for name, task in self.tasks.items():
            if isinstance(task.action, Wait) and task.action.signal is not None:
                waits.setdefault(task.action.signal, []).append(name)
        labelled = bool(self.input_labels) or any(task.labels or task.declassify for task in self.tasks.values())
        force_setattr(self, "labelled", labelled)
        force_setattr(self, "waits", {signal: tuple(names) for signal, names in waits.items()})

    def task(self, task: TaskId) -> Task:
        """The node that a task, an item of it, or its compensation belongs to."""
        node = self.tasks.get(task)
        return self.tasks[node_of(task)] if node is None else node


def undo_id(task: TaskId) -> TaskId:
    """The id of the task that compensates `task`."""
    return TaskId(UNDO + task)


def undone_id(task: TaskId) -> TaskId | None:
    """The inverse of `undo_id`; None where the task is no compensation."""
    return TaskId(task[len(UNDO) :]) if task.startswith(UNDO) else None


def node_of(task: TaskId) -> TaskId:
    """The template's task of an item or a compensation: `undo:measure[3]` → `measure`."""
    name = task.removeprefix(UNDO)
    return TaskId(name.partition("[")[0])


def behind(graph: Graph, tasks: Iterable[TaskId]) -> list[TaskId]:
    """These tasks and all that depend on them, in topological order."""
    found = set(tasks)
    open_ = list(found)
    while open_:
        for dependent in graph.dependents.get(open_.pop(), ()):
            if dependent not in found:
                found.add(dependent)
                open_.append(dependent)
    return [task for task in graph.order if task in found]


def references_of(task: Task) -> frozenset[Reference]:
    """Everything that the task's expressions read."""
    found: set[Reference] = set()
    for part in _expressions(task):
        found |= part.references
    return frozenset(found)


def capabilities_of(task: Task) -> Iterator[CapabilityRange]:
    """All that the task may ask an agent for: its own capability, its fallbacks', its compensation's."""
    options = task.action.options if isinstance(task.action, Work) else ()
    for option in (*options, task.compensate):
        if option is not None and option.capability is not None:
            yield option.capability


def _expressions(task: Task) -> Iterator[Binding | Expression]:
    if task.when is not None:
        yield task.when
    if task.for_each is not None:
        yield task.for_each
    if task.compensate is not None:
        yield task.compensate.binding
    match task.action:
        case Work(options=options):
            yield from (option.binding for option in options)
        case Wait(title=title):
            yield title
        case Sleep(until=until):
            yield until
        case Subrun(binding=binding):
            yield binding
