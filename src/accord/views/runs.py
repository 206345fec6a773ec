"""Runs as scripts and programs get them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from accord.domain import event as e
from accord.domain.approval import waiting_tasks
from accord.domain.certificate import Certificate
from accord.domain.cost import shortest
from accord.domain.fault import Fault
from accord.domain.ids import RunId, TaskId
from accord.domain.state import Run
from accord.ports import RunQuery, RunSummary
from accord.ports import RunState as State
from accord.service import Barred, Exhibit, Service
from accord.views.result import Result, result_of, value_of
from accord.views.tasks import ListedTask, amount, listed_task


class ListedRun(RunSummary, frozen=True, kw_only=True):
    """A run of a list."""

    left: bool = False
    """Whether no process works on it."""
    left_at: datetime | None = None
    """Since when, where that is known."""
    imported: bool = False
    """Whether it was imported from a bundle, and is only looked at."""

    def summary(self) -> RunSummary:
        """What the journal's projection says of it."""
        return RunSummary(**{name: getattr(self, name) for name in RunSummary.__struct_fields__})


class RunPage(msgspec.Struct, frozen=True):
    """A page of runs, the newest first."""

    runs: tuple[ListedRun, ...]
    next: RunId | None
    """The last run of the page, behind which the next one begins; None where there is none."""


class RunCounts(msgspec.Struct, frozen=True):
    """How many runs there are."""

    states: Mapping[State, int]
    """By state; none where it is 0."""


class RunDocument(Result, frozen=True, kw_only=True):
    """A run: its result so far, its input, its tasks."""

    fault: Fault | None
    spent: str
    """What all attempts have cost together, a decimal."""
    max_cost: str | None
    by: str
    input: Any
    input_labels: tuple[str, ...]
    """What was said of all of the input at the start, beside what the template says."""
    suggested_by: str = ""
    """The language model that has suggested the graph; empty where none has."""
    parent: e.Parent | None
    """The task of another run that this run does."""
    origin: e.Origin | None
    """The run that this one was forked from, and the last of its events that both share."""
    certificate: Certificate | None = None
    """What was proven of its graph before it began; None of runs that an earlier version has begun."""
    erased: e.RunErased | None
    """Who has had its documents made unreadable."""
    acknowledged: e.RunAcknowledged | None = None
    """Who knows that it has failed, since it did so last."""
    updated_at: datetime
    deadline_at: datetime | None
    epoch: int
    waiting: tuple[TaskId, ...]
    """Tasks that wait for somebody, by name."""
    barred: tuple[Barred, ...] = ()
    """Tasks that wait because the policy lets no agent do them."""
    left: bool
    left_at: datetime | None
    tasks: tuple[ListedTask, ...]
    exhibit: Exhibit | None = None
    """What it was imported from, where it is only looked at."""


class RunState(msgspec.Struct, frozen=True):
    """How a run is now."""

    run: RunId
    state: str


class Erased(msgspec.Struct, frozen=True):
    """Whose documents cannot be read any more."""

    erased: tuple[RunId, ...]
    """The run, and those that did its tasks."""


class WatchedRun(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is, for those who watch all."""

    run: RunId
    template: str
    title: str
    state: State
    started_at: datetime
    updated_at: datetime
    tasks_total: int
    tasks_done: int
    tasks_failed: int
    parent: RunId | None
    origin: e.Origin | None = None
    acknowledged: bool = False


class RunNews(msgspec.Struct, frozen=True):
    """How these runs are now."""

    runs: tuple[WatchedRun, ...]
    after: datetime | None
    """Where to go on after this; None where this is no place for it."""


def watched(summary: RunSummary) -> WatchedRun:
    """The run of this summary."""
    return WatchedRun(**{name: getattr(summary, name) for name in WatchedRun.__struct_fields__})


def listed(run: RunSummary, left: Mapping[RunId, datetime | None], exhibit: Exhibit | None = None) -> ListedRun:
    """A run of a list as scripts get it."""
    return ListedRun(
        **msgspec.structs.asdict(run),
        left=run.run in left,
        left_at=left.get(run.run),
        imported=exhibit is not None,
    )


async def run_page(service: Service, query: RunQuery) -> RunPage:
    """A page of runs as scripts get it."""
    return await page_of(service, query, await service.runs(query))


async def page_of(service: Service, query: RunQuery, runs: Sequence[RunSummary]) -> RunPage:
    """The same of runs that are at hand: those that the query finds, or of them those that somebody may see."""
    left = await service.left([run.run for run in runs if run.wake_at is not None])
    exhibit = await service.exhibit()
    return RunPage(
        tuple(listed(run, left, exhibit) for run in runs), runs[-1].run if len(runs) == query.limit else None
    )


def run_state(run: Run) -> RunState:
    """How the run is."""
    return RunState(run.id, "paused" if run.paused else run.phase)


async def run_document(service: Service, run: Run, *, sealed: bool = True) -> RunDocument:
    """The run as it is, with the orchestrator's statement of its output, or where it is not `sealed`, as it was."""
    now = run.told_at(datetime.now(UTC)) if sealed else run.updated_at
    result, left = await result_of(service, run, sealed=sealed), await service.left([run.id])
    started = run.started
    return RunDocument(
        **msgspec.structs.asdict(result),
        fault=run.fault,
        spent=shortest(run.spent),
        max_cost=amount(run.budget),
        by=started.by,
        input=await value_of(service, started.input),
        input_labels=started.labels,
        suggested_by=run.graph.suggested_by,
        parent=started.parent,
        origin=started.origin,
        certificate=started.certificate.certificate if started.certificate is not None else None,
        erased=run.erased,
        acknowledged=run.acknowledged,
        updated_at=run.updated_at,
        deadline_at=run.deadline_at,
        epoch=run.epoch,
        waiting=tuple(waiting_tasks(run)),
        barred=tuple(await service.barred(run)),
        left=run.id in left,
        left_at=left.get(run.id),
        exhibit=await service.exhibit(),
        tasks=tuple(listed_task(run, name, now) for name in run.graph.order),
    )
