"""Images: the state of a run as one plain value, to be kept and turned into a run again."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec
from immutables import Map

from accord.domain import event as e
from accord.domain.cost import NOTHING
from accord.domain.document import Document
from accord.domain.fault import Fault
from accord.domain.graph import Graph
from accord.domain.ids import RunId, TaskId
from accord.domain.index import put
from accord.domain.machine import RunPhase
from accord.domain.state import Rest, Run, TaskState
from accord.errors import Problem


class Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All of a run that cannot be derived from the rest of it. The fields are those of `Run`."""

    started: e.RunStarted
    phase: RunPhase
    updated_at: datetime
    tasks: dict[TaskId, TaskState]
    subruns: dict[TaskId, RunId] = {}
    called: dict[RunId, TaskId] = {}
    leaving: dict[RunId, TaskId] = {}
    paused: bool = False
    paused_by: str = ""
    paused_at: datetime | None = None
    rests: tuple[Rest, ...] = ()
    rests_since: datetime | None = None
    deadline_at: datetime | None = None
    epoch: int = 0
    live: int = 0
    settled: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    items: int = 0
    signals: tuple[e.SignalReceived, ...] = ()
    undoing: tuple[TaskId, ...] = ()
    reopening: tuple[TaskId, ...] = ()
    to_undo: tuple[TaskId, ...] = ()
    undone: int = 0
    compensated: TaskId | None = None
    gave_up: bool = False
    output: Document | None = None
    problem: Problem | None = None
    fault: Fault | None = None
    spent: Decimal = NOTHING
    max_cost: Decimal | None = None
    erased: e.RunErased | None = None
    acknowledged: e.RunAcknowledged | None = None
    labelled: bool = False
    labels: frozenset[str] = frozenset()


_MAPS = ("tasks", "subruns", "called", "leaving")
_PLAIN = tuple(name for name in Image.__struct_fields__ if name not in _MAPS)


def image_of(run: Run) -> Image:
    """The run as a plain value."""
    return Image(
        tasks=dict(run.tasks),
        subruns=dict(run.subruns),
        called=dict(run.called),
        leaving=dict(run.leaving),
        **{name: getattr(run, name) for name in _PLAIN},
    )


def run_of(image: Image, graph: Graph) -> Run:
    """The run of which this is the image; `graph` is the one that the run is pinned to."""
    run = Run(
        graph=graph,
        subruns=Map(image.subruns),
        called=Map(image.called),
        leaving=Map(image.leaving),
        **{name: getattr(image, name) for name in _PLAIN},
    )
    for task, state in image.tasks.items():
        run = put(run, task, state)
    return run
