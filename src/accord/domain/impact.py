"""What rests on a key: the results that statements by it have brought about, and all that depends on them, in the same
run and in others.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from graphlib import TopologicalSorter
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from accord.domain.document import Document
from accord.domain.graph import Graph, behind, node_of
from accord.domain.ids import AgentId, KeyId, RunId, TaskId
from accord.domain.lineage import backings
from accord.domain.run import Run


class Traced(msgspec.Struct, frozen=True, kw_only=True):
    """Of a run, what has to be known to tell what of it rests on a key."""

    run: RunId
    graph: Graph
    signed: tuple[TaskId, ...]
    """Tasks and items whose result is accepted under a statement by the key."""
    subruns: Mapping[RunId, TaskId]
    """Runs that have done tasks of this one."""
    origin: RunId | None
    """The run that this one was forked from."""
    adopted: frozenset[TaskId]
    """Nodes whose outputs were taken over from there."""
    output: Document | None
    ended: bool


class Affected(msgspec.Struct, frozen=True, kw_only=True):
    """What of a run rests on a key."""

    run: RunId
    signed: tuple[TaskId, ...]
    """Tasks and items whose result is accepted under a statement by the key itself."""
    tasks: tuple[TaskId, ...]
    """Nodes of the graph that rest on those, or on other runs that do, in topological order; theirs included."""
    report: bool
    """Whether the run's output rests on it, be it there already or not."""
    output: Document | None
    ended: bool


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """What rests on a key."""

    key: KeyId
    agent: AgentId
    since: datetime | None
    """Only results that were accepted since then are looked at."""
    runs: tuple[Affected, ...]
    """The oldest first."""
    doubted: tuple[RunId, ...] = ()
    """Those of them that are marked: what they say is not to be relied on."""


def traced(run: Run, kids: Container[KeyId], since: datetime | None) -> Traced:
    """What has to be known of a run; the keys are one, and those that it has let sign for it."""
    tasks = run.tasks.items()
    origin = run.started.origin
    return Traced(
        run=run.id,
        graph=run.graph,
        signed=tuple(_signed(run, kids, since)),
        subruns={
            **{state.subrun: task for task, state in tasks if state.subrun is not None},
            **{call.run: task for task, state in tasks for call in state.calls if call.output is not None},
        },
        origin=origin.run if origin is not None else None,
        adopted=frozenset(node_of(task) for task, state in tasks if state.adopted),
        output=run.output,
        ended=run.ended,
    )


def _signed(run: Run, kids: Container[KeyId], since: datetime | None) -> Iterator[TaskId]:
    for backing in backings(run):
        if backing.key in kids:
            # When it was signed says whoever holds the key; when it was accepted, we.
            ended_at = run.state(backing.task).ended_at
            if since is None or ended_at is None or ended_at >= since:
                yield backing.task


def affected(runs: Iterable[Traced]) -> list[Affected]:
    """Those of the runs that something rests on the key in, the oldest first: followed from sub-runs to the runs that
    they have done tasks of, and from runs to their forks, until nothing is added.
    """
    known = {one.run: one for one in runs}
    tasks = {one.run: frozenset(map(node_of, one.signed)) for one in known.values()}
    while True:
        closed = {run: frozenset(behind(known[run].graph, nodes)) for run, nodes in tasks.items()}
        more = {run: closed[run] | _from_others(known[run], known, closed) for run in known}
        if more == tasks:
            break
        tasks = more
    return [_affected(known[run], tasks[run]) for run in sorted(known) if tasks[run]]


def together(impacts: Sequence[Impact]) -> Impact:
    """What rests on any of these keys of one agent, the first of which stands for all."""
    first = impacts[0]
    runs: dict[RunId, Affected] = {}
    for one in (one for impact in impacts for one in impact.runs):
        runs[one.run] = _united(runs[one.run], one) if one.run in runs else one
    doubted = {run for impact in impacts for run in impact.doubted}
    return replace(first, runs=tuple(runs[run] for run in sorted(runs)), doubted=tuple(sorted(doubted)))


def _united(one: Affected, other: Affected) -> Affected:
    return replace(
        one,
        signed=_merged(one.signed, other.signed),
        tasks=_merged(one.tasks, other.tasks),
        report=one.report or other.report,
    )


def _merged(*parts: Sequence[TaskId]) -> tuple[TaskId, ...]:
    """All of them in an order that those of each part keep; each part is in that of the graph."""
    before: dict[TaskId, set[TaskId]] = {task: set() for part in parts for task in part}
    for part in parts:
        for earlier, later in pairwise(part):
            before[later].add(earlier)
    return tuple(TopologicalSorter(before).static_order())


def _from_others(
    one: Traced, known: Mapping[RunId, Traced], tasks: Mapping[RunId, frozenset[TaskId]]
) -> frozenset[TaskId]:
    done = {node_of(task) for run, task in one.subruns.items() if run in known and _reports(known[run], tasks[run])}
    shared = one.adopted & tasks.get(one.origin, frozenset()) if one.origin is not None else frozenset()
    return shared | done


def _reports(one: Traced, tasks: frozenset[TaskId]) -> bool:
    """Whether the run's output rests on one of these nodes."""
    read = [reference for reference in one.graph.output.references if reference.root == "tasks"]
    return bool(tasks) and any(not reference.path or reference.path[0] in tasks for reference in read)


def _affected(one: Traced, tasks: frozenset[TaskId]) -> Affected:
    return Affected(
        run=one.run,
        signed=one.signed,
        tasks=tuple(node for node in one.graph.order if node in tasks),
        report=_reports(one, tasks),
        output=one.output,
        ended=one.ended,
    )
