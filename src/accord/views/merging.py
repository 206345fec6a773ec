"""Two templates in one drawing: what both have is in one place, and what only one has says which one it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from accord.domain.compile import compile_graph
from accord.domain.difference import Difference, differences
from accord.domain.graph import Graph
from accord.domain.ids import Digest, TaskId
from accord.domain.order import dependents_of, topological
from accord.views.catalogue import Entry
from accord.views.drawing import DrawnEdge, DrawnTask, drawn_task
from accord.views.placing import Placement, PlacementKind
from accord.views.templates import Compared, compared

Change = Literal["same", "added", "removed", "changed"]

Edges = Mapping[tuple[TaskId, TaskId], str]
"""Source and target of each, with the reason why it is one."""


class MergedTask(DrawnTask, frozen=True, kw_only=True, omit_defaults=True):
    """A task in its place, and what is different about it."""

    change: Change = "same"
    differences: tuple[Difference, ...] = ()
    """Where its two documents differ, by JSON pointers into them."""


class MergedEdge(DrawnEdge, frozen=True, omit_defaults=True):
    """That a task comes before another one, in both templates or in one."""

    change: Change = "same"
    was: str = ""
    """The reason in the first template, where that is another one."""


class MergedGraph(msgspec.Struct, frozen=True, kw_only=True):
    """Two templates in one drawing."""

    before: Compared
    after: Compared
    placement: PlacementKind
    width: float
    height: float
    tasks: tuple[MergedTask, ...]
    edges: tuple[MergedEdge, ...]


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """Two templates, and the graph that both are drawn by."""

    before: Entry
    after: Entry
    graph: Graph
    """The tasks of both. An edge of the first template that runs against the second one is left out: it is straight."""
    sides: tuple[Graph, Graph]


def merged(before: Entry, after: Entry) -> Merged:
    """The two templates as one graph, which is for drawings alone."""
    old, new = (compile_graph(one.template, one.digest) for one in (before, after))
    tasks = {**old.tasks, **new.tasks}
    needs = _needs(tasks, _edges(old), _edges(new))
    graph = replace(
        new,
        digest=Digest(f"{old.digest} {new.digest}"),
        tasks={name: replace(task, needs=needs[name]) for name, task in tasks.items()},
        order=topological(needs),
        dependents=dependents_of(needs),
    )
    return Merged(before=before, after=after, graph=graph, sides=(old, new))


def _edges(graph: Graph) -> Edges:
    return {(need, name): task.reasons.get(need, "") for name, task in graph.tasks.items() for need in task.needs}


def _needs(tasks: Iterable[TaskId], old: Edges, new: Edges) -> dict[TaskId, tuple[TaskId, ...]]:
    """What each task needs in either; where that is a cycle, what the first template alone says of it is left out."""
    found: dict[TaskId, dict[TaskId, None]] = {name: {} for name in tasks}
    for source, target in {**old, **new}:
        found[target][source] = None
    needs = {name: tuple(before) for name, before in found.items()}
    left = needs.keys() - set(topological(needs))
    return {
        name: tuple(one for one in before if not {one, name} <= left or (one, name) in new)
        for name, before in needs.items()
    }


def merged_graph(found: Merged, placement: Placement) -> MergedGraph:
    """Both templates as they are drawn, in the places of `found.graph`."""
    old, new = found.sides
    documents = tuple(msgspec.json.decode(one.data)["tasks"] for one in (found.before, found.after))
    return MergedGraph(
        before=compared(found.before),
        after=compared(found.after),
        placement=placement.kind,
        width=placement.width,
        height=placement.height,
        tasks=tuple(_task(found, name, placement, *documents) for name in found.graph.order),
        edges=tuple(_merged_edges(_edges(old), _edges(new), placement)),
    )


def _task(
    found: Merged, name: TaskId, placement: Placement, old: Mapping[str, Any], new: Mapping[str, Any]
) -> MergedTask:
    places = tuple(differences(old.get(name, {}), new.get(name, {})))
    was, is_there = (name in side.tasks for side in found.sides)
    change: Change = "added" if not was else "removed" if not is_there else "changed" if places else "same"
    drawn = drawn_task(found.graph, name, placement, {})
    shared = {field: getattr(drawn, field) for field in DrawnTask.__struct_fields__}
    return MergedTask(**shared, change=change, differences=places)


def _merged_edges(old: Edges, new: Edges, placement: Placement) -> Iterator[MergedEdge]:
    for edge, reason in {**old, **new}.items():
        source, target = edge
        was = old.get(edge)
        change: Change = "added" if was is None else "removed" if edge not in new else "same"
        if change == "same" and was != reason:
            change = "changed"
        points = placement.lines.get(edge, ())
        yield MergedEdge(source, target, reason, points, change, was or "" if change == "changed" else "")
