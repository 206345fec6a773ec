"""A run as it is drawn: its tasks and edges in their places, with their states; and what of it changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from accord.domain import event as e
from accord.domain.graph import Graph, Sleep, Subrun, Wait, Work, node_of, undo_id, undone_id
from accord.domain.ids import AgentId, Digest, RunId, TaskId, item_id, split_item
from accord.domain.machine import TaskPhase
from accord.domain.standing import Standing, again_at, of_items, standing
from accord.domain.state import Run
from accord.errors import Problem
from accord.ports import RunState
from accord.service import state_of
from accord.views.placing import CELL, GAP, HEAD, PAD, Box, Placement, PlacementKind, edges_of, size_of

TaskKind = Literal["agent", "approval", "signal", "timer", "run"]
"""Who or what does a task: an agent, a person who is asked, a signal, a time, another run."""

_WIDE: Final = (e.RollbackStarted, e.RollbackFinished)
"""Events that change the states of many tasks."""


class DrawnState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a task is; what is left out is none."""

    task: TaskId
    state: TaskPhase
    standing: Standing
    """The same, told further apart: whether it is at work, has an agent that has not begun, or waits for one."""
    attempts: int = 0
    """Of its own, and not of its items; diagnoses are not counted."""
    live: int = 0
    """Attempts that are under way."""
    agent: AgentId | None = None
    """Of the newest attempt."""
    working: int = 0
    """Of `live`, those whose agents have said that they have begun; the others may wait in the agents' queues."""
    assigned_at: datetime | None = None
    """When the newest attempt was given to its agent."""
    began_at: datetime | None = None
    """When that agent had begun, by what it said; left out where it has said nothing, as of short work."""
    waits: str | None = None
    """What it waits for: `signal`, `approval`, `review` or `time`."""
    undo: TaskPhase | None = None
    """The state of its compensation."""
    again_at: datetime | None = None
    """Until when it waits before it is tried again; where that is over it waits for an agent."""
    item_count: int = 0
    items: Mapping[Standing, int] = {}
    """How many of its items stand how; those that are not here have not begun."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    subrun: RunId | None = None
    adopted: bool = False
    confidence: float | None = None
    problem: Problem | None = None


class DrawnTask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task in its place."""

    task: TaskId
    kind: TaskKind
    box: Box
    what: str = ""
    """The capability, the signal or the template."""
    description: str = ""
    for_each: bool = False
    compensates: bool = False
    """Whether it can be undone."""
    columns: int = 0
    """Of an open group: in how many columns its items are."""


class DrawnEdge(msgspec.Struct, frozen=True, omit_defaults=True):
    """That a task comes before another one."""

    source: TaskId
    target: TaskId
    reason: str
    """`needs`, or the expression that mentions it."""
    points: tuple[float, ...] = ()
    """x, y, x, y, …; a straight line where there are none."""


class Cells(msgspec.Struct, frozen=True):
    """Where the items of an open group are in its box: row by row, in its `columns`."""

    size: float = CELL
    gap: float = GAP
    head: float = HEAD
    """What is above them."""
    pad: float = PAD
    """What is left of them."""


class DrawnRest(msgspec.Struct, frozen=True):
    """A time in which nothing was done: the run was paused, or had ended before it was taken up again."""

    since: datetime
    until: datetime | None
    """None while it goes on."""


class RunGraph(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is drawn."""

    run: RunId
    sequence: int
    """The last event that is in it: changes are told from there on."""
    last: int
    """The newest event that there is."""
    state: RunState
    template: str
    digest: Digest
    placement: PlacementKind
    width: float
    height: float
    tasks: tuple[DrawnTask, ...]
    edges: tuple[DrawnEdge, ...]
    states: tuple[DrawnState, ...]
    """Of all tasks, in their order."""
    items: Mapping[TaskId, tuple[Standing, ...]]
    """How the items of open groups stand."""
    rests: tuple[DrawnRest, ...] = ()
    """In order: they are not in what the run, or a task of it, took."""
    cells: Cells = Cells()


class TemplateGraph(msgspec.Struct, frozen=True, kw_only=True):
    """A template as it is drawn: its tasks and edges in their places."""

    template: str
    digest: Digest
    placement: PlacementKind
    width: float
    height: float
    tasks: tuple[DrawnTask, ...]
    edges: tuple[DrawnEdge, ...]


class RunChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What of a run is not as it was told before."""

    sequence: int
    """The last event that is in it."""
    state: RunState
    at: datetime
    """When that event happened."""
    tasks_done: int
    tasks_failed: int
    attempts: int
    """Under way."""
    states: tuple[DrawnState, ...]
    """Of the tasks that have changed, themselves or in one of their items."""
    items: Mapping[TaskId, Standing]
    """Of those items of open groups that have changed."""
    rests: tuple[DrawnRest, ...] = ()
    """All of them, in order."""


# -- the whole ---------------------------------------------------------------------------------------------------


def shown_items(run: Run, opened: Iterable[str]) -> dict[TaskId, int]:
    """How many items the open groups have; only what has items can be open."""
    names = (TaskId(name) for name in opened)
    return {name: run.state(name).item_count for name in names if run.state(name).item_count}


def run_graph(run: Run, sequence: tuple[int, int], placement: Placement, shown: Mapping[TaskId, int]) -> RunGraph:
    """The run as it is drawn; `sequence`: the number of the last event that is in it, and of the newest one."""
    graph = run.graph
    counts = Items(run)
    lines = placement.lines
    return RunGraph(
        run=run.id,
        sequence=sequence[0],
        last=sequence[1],
        state=state_of(run),
        template=run.started.template,
        digest=graph.digest,
        placement=placement.kind,
        width=placement.width,
        height=placement.height,
        tasks=tuple(drawn_task(graph, name, placement, shown) for name in graph.order),
        edges=tuple(DrawnEdge(*one, lines.get((one[0], one[1]), ())) for one in edges_of(graph)),
        states=tuple(drawn_state(run, name, counts.of(name)) for name in graph.order),
        items={
            name: tuple(standing(run, item_id(name, index)) for index in range(count)) for name, count in shown.items()
        },
        rests=drawn_rests(run),
    )


def drawn_rests(run: Run) -> tuple[DrawnRest, ...]:
    """When the run rested, and since when it does."""
    over = tuple(DrawnRest(one.since, one.until) for one in run.rests)
    return over if run.rests_since is None else (*over, DrawnRest(run.rests_since, None))


def template_graph(template: str, graph: Graph, placement: Placement) -> TemplateGraph:
    """A template, `name@version`, as it is drawn."""
    return TemplateGraph(
        template=template,
        digest=graph.digest,
        placement=placement.kind,
        width=placement.width,
        height=placement.height,
        tasks=tuple(drawn_task(graph, name, placement, {}) for name in graph.order),
        edges=tuple(DrawnEdge(*one, placement.lines.get((one[0], one[1]), ())) for one in edges_of(graph)),
    )


def drawn_task(graph: Graph, name: TaskId, placement: Placement, shown: Mapping[TaskId, int]) -> DrawnTask:
    """A task of the graph in its place; `shown` says of open groups how many items they have."""
    task = graph.tasks[name]
    kind, what = _kind_of(task.action)
    return DrawnTask(
        task=name,
        kind=kind,
        box=placement.boxes[name],
        what=what,
        description=task.description,
        for_each=task.for_each is not None,
        compensates=task.compensate is not None,
        columns=size_of(graph, name, shown.get(name, 0)).columns if placement.kind == "layered" else 0,
    )


def _kind_of(action: Work | Wait | Sleep | Subrun) -> tuple[TaskKind, str]:
    match action:
        case Work(options=options):
            named = [option.capability for option in options if option.capability is not None]
            return "agent", str(named[0]) if named else ""
        case Wait(signal=None):
            return "approval", ""
        case Wait(signal=signal):
            return "signal", signal or ""
        case Sleep():
            return "timer", ""
        case Subrun(template=template):
            return "run", template


def drawn_state(run: Run, name: TaskId, items: Mapping[Standing, int]) -> DrawnState:
    """How a task of the graph is."""
    state = run.state(name)
    undo = run.tasks.get(undo_id(name))
    attempts = state.attempts
    return DrawnState(
        task=name,
        state=state.phase,
        standing=of_items(items) if state.phase == "expanded" else standing(run, name),
        attempts=state.work,
        live=sum(attempt.live for attempt in attempts),
        agent=attempts[-1].agent if attempts else None,
        working=sum(attempt.phase == "working" for attempt in attempts),
        assigned_at=attempts[-1].assigned_at if attempts else None,
        began_at=attempts[-1].began_at if attempts else None,
        waits=state.waiting.for_ if state.waiting is not None else None,
        undo=undo.phase if undo is not None and undo.phase != "pending" else None,
        again_at=again_at(state),
        item_count=state.item_count,
        items=dict(items),
        started_at=state.started_at,
        ended_at=state.ended_at,
        subrun=state.subrun,
        adopted=state.adopted,
        confidence=state.confidence,
        problem=state.problem,
    )


# -- what changes ------------------------------------------------------------------------------------------------


class Items:
    """How many items of each task stand how, kept up to date item by item."""

    def __init__(self, run: Run) -> None:
        self._known: dict[TaskId, Standing] = {}
        self._counts: dict[TaskId, Counter[Standing]] = {}
        for name, task in run.graph.tasks.items():
            if task.for_each is not None:
                for item in run.started_items(name):
                    self.note(item, standing(run, item))

    def of(self, name: TaskId) -> Mapping[Standing, int]:
        """The counts of a task; none are 0."""
        return +self._counts.get(name, Counter())

    def note(self, item: TaskId, now: Standing) -> None:
        """The item stands like this now."""
        counts = self._counts.setdefault(node_of(item), Counter())
        before = self._known.pop(item, None)
        if before is not None:
            counts[before] -= 1
        if now != "pending":  # one that was undone is as if it had never begun
            self._known[item] = now
            counts[now] += 1


class Changes:
    """Gathers what changes in a run, until it is told."""

    def __init__(self, run: Run, opened: Iterable[str]) -> None:
        self._items = Items(run)
        self._opened = frozenset(opened)
        self._run = run
        self._touched: set[TaskId] = set()

    def add(self, run: Run, events: Sequence[e.Event]) -> None:
        """These events have happened, and this is the state after them."""
        for event in events:
            self._touched.update(touched(self._run, event))
            if isinstance(event, _WIDE):
                self._touched.update(touched(run, event))
        self._run = run
        for task in self._touched:
            if split_item(task)[1] is not None and undone_id(task) is None:
                self._items.note(task, standing(run, task))

    def take(self, sequence: int) -> RunChanges:
        """All that has changed since the last time."""
        run, touched_, self._touched = self._run, self._touched, set()
        nodes = {node_of(task) for task in touched_}
        items = [task for task in touched_ if split_item(task)[1] is not None and undone_id(task) is None]
        return RunChanges(
            sequence=sequence,
            state=state_of(run),
            at=run.updated_at,
            tasks_done=run.tasks_done,
            tasks_failed=run.failed,
            attempts=run.live,
            states=tuple(drawn_state(run, name, self._items.of(name)) for name in sorted(nodes)),
            items={item: standing(run, item) for item in sorted(items) if node_of(item) in self._opened},
            rests=drawn_rests(run),
        )


def touched(run: Run, event: e.Event) -> Iterator[TaskId]:
    """The tasks, items and compensations whose states an event may change; `run` is what it happens to."""
    if isinstance(event, _WIDE):
        for task in event.tasks:
            yield from run.instances(task)
        return
    task_: TaskId | None = getattr(event, "task", None)
    if task_ is not None:
        yield task_
