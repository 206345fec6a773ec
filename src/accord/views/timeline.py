"""Timelines as pages and scripts get them: times are seconds since the run's start."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

import msgspec

from accord.codec import decode_event
from accord.domain import event as e
from accord.domain.graph import Graph, node_of
from accord.domain.ids import AgentId, RunId, TaskId, split_item
from accord.domain.machine import AttemptPhase, TaskPhase
from accord.domain.standing import Standing, standing
from accord.domain.timeline import AttemptSpan, Span, SpanKind, Step, Timeline, Track
from accord.errors import NotFound, StoreCorrupt
from accord.ports import Record, RunState
from accord.service import Service, state_of
from accord.views.past import run_at


class SpanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a task did one thing."""

    kind: SpanKind
    from_s: float
    until_s: float | None
    """None where it still does."""


class AttemptSpanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt: from the assignment to its end."""

    attempt: int
    agent: AgentId
    purpose: e.Purpose
    state: AttemptPhase
    from_s: float
    accepted_s: float | None
    """When the agent had begun, by what it said; for longer tasks only."""
    until_s: float | None


class TrackDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What one task, or an item or a compensation of one, did when."""

    task: TaskId
    state: TaskPhase
    standing: Standing
    items: int | None
    """How many items it has; each has a track of its own, which is told where they are asked for."""
    spans: tuple[SpanDocument, ...]
    attempts: tuple[AttemptSpanDocument, ...]


class StepDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A task of the critical path."""

    task: TaskId
    item: TaskId | None
    """Of an expansion, the item that ended last."""
    from_s: float
    until_s: float | None
    of_run_s: float | None
    """How much it is of what the run took, which is the sum of all; None where it is under way. What came before it had
    ended when this begins: so it may be more than what the task took since it began last.
    """
    kinds_s: dict[SpanKind, float]
    """What it, or the item, did in this time, and for how long; rests are told as pauses, and as nothing else."""


class RestDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which nothing was done: the run was paused, or had ended before it was taken up again."""

    from_s: float
    until_s: float


class TimelinePage(msgspec.Struct, frozen=True, kw_only=True):
    """What the tasks of a run did when, and what the run took as long for as it did."""

    run: RunId
    sequence: int
    """The last event that is in it."""
    state: RunState
    started_at: datetime
    until_s: float
    """When the last event happened."""
    tracks: tuple[TrackDocument, ...]
    critical: tuple[StepDocument, ...]
    """The chain of tasks that the run took as long for as it did."""
    critical_s: dict[SpanKind, float]
    """What was done along it, and for how long."""
    rests: tuple[RestDocument, ...]
    """Those that are over, in order."""
    next: TaskId | None
    """The last task of the page, behind which the next one begins; None where there is none."""


async def timeline_at(service: Service, run: RunId, at: int | None) -> tuple[Timeline, int]:
    """What happened in a run up to its event number `at`, or where that is None, up to now; with the number of the last
    event that is in it. Made in another thread: of a run with many tasks it takes long. Raises NotFound, StoreCorrupt.
    """
    records = await service.records(run, limit=at)
    if not records or (at is not None and len(records) < at):
        await run_at(service, run, at)  # raises
    started = decode_event(records[0])
    if not isinstance(started, e.RunStarted):
        raise StoreCorrupt.of("ACC531", f"the first event of {run} does not start it")
    graph = await service.graph(started.graph)
    return await asyncio.to_thread(_folded, graph, started, records[1:]), records[-1].sequence


def _folded(graph: Graph, started: e.RunStarted, rest: Sequence[Record]) -> Timeline:
    found = Timeline(graph, started)
    for record in rest:
        found.add(decode_event(record))
    return found


def timeline_page(found: Timeline, sequence: int, group: str | None, after: str | None, limit: int) -> TimelinePage:
    """A page of a timeline: of the tasks and compensations of the graph, or of the items of one task. Raises NotFound
    where there is no such task.
    """
    names = list(_page(found, group, after, limit + 1))
    more = len(names) > limit
    critical = found.critical()
    zero = found.run.started.at
    return TimelinePage(
        run=found.run.id,
        sequence=sequence,
        state=state_of(found.run),
        started_at=zero,
        until_s=seconds(zero, found.run.updated_at),
        tracks=tuple(_track(found, found.track(name)) for name in names[:limit]),
        critical=tuple(_step(one, zero) for one in critical),
        critical_s=_sums(critical),
        rests=tuple(
            RestDocument(from_s=seconds(zero, one.since), until_s=seconds(zero, one.until)) for one in found.run.rests
        ),
        next=names[limit - 1] if more else None,
    )


def seconds(zero: datetime, at: datetime) -> float:
    """How long after the run's start it was."""
    return round((at - zero).total_seconds(), 6)


def _page(found: Timeline, group: str | None, after: str | None, limit: int) -> Iterator[TaskId]:
    if group is not None and group not in found.run.graph.tasks:
        raise NotFound.of("ACC434", f"the run has no task {group}", hint="the timeline without it has them")
    wanted = (name for name in found.tasks() if _in(name, group))
    if after is not None:
        for name in wanted:
            if name == after:
                break
        else:
            raise NotFound.of("ACC434", f"the run has no task {after} that has begun", hint="begin without after")
    return islice(wanted, limit)


def _in(name: TaskId, group: str | None) -> bool:
    """Whether the track belongs to the page of the items of this group, or of all tasks."""
    is_item = split_item(name)[1] is not None
    return is_item and node_of(name) == group if group is not None else not is_item


def _track(found: Timeline, track: Track) -> TrackDocument:
    zero, state = found.run.started.at, found.run.state(track.task)
    return TrackDocument(
        task=track.task,
        state=state.phase,
        standing=standing(found.run, track.task),
        items=state.item_count or None,
        spans=tuple(_span(one, zero) for one in track.spans),
        attempts=tuple(_attempt(one, zero) for one in track.attempts),
    )


def _span(span: Span, zero: datetime) -> SpanDocument:
    return SpanDocument(kind=span.kind, from_s=seconds(zero, span.since), until_s=_or_none(zero, span.until))


def _attempt(span: AttemptSpan, zero: datetime) -> AttemptSpanDocument:
    return AttemptSpanDocument(
        attempt=span.number,
        agent=span.agent,
        purpose=span.purpose,
        state=span.phase,
        from_s=seconds(zero, span.since),
        accepted_s=_or_none(zero, span.accepted),
        until_s=_or_none(zero, span.until),
    )


def _step(step: Step, zero: datetime) -> StepDocument:
    return StepDocument(
        task=step.task,
        item=step.item,
        from_s=seconds(zero, step.since),
        until_s=_or_none(zero, step.until),
        of_run_s=None if step.took is None else round(step.took.total_seconds(), 6),
        kinds_s={kind: round(length.total_seconds(), 6) for kind, length in step.kinds.items()},
    )


def _sums(steps: Sequence[Step]) -> dict[SpanKind, float]:
    sums: dict[SpanKind, float] = {}
    for step in steps:
        for kind, length in step.kinds.items():
            sums[kind] = round(sums.get(kind, 0.0) + length.total_seconds(), 6)
    return sums


def _or_none(zero: datetime, at: datetime | None) -> float | None:
    return None if at is None else seconds(zero, at)
