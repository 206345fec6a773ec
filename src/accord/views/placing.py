"""Where the tasks of a graph are drawn: what is asked of a layout engine, and the map that is made where a graph is too
large for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, sqrt
from typing import Any, Final, Literal

import msgspec

from accord.domain.graph import Graph
from accord.domain.ids import TaskId

PlacementKind = Literal["layered", "map"]
"""Whether tasks are boxes with routed edges, or cells of a map whose edges are straight."""

BOX: Final = (168.0, 54.0)
"""Width and height of a task."""
GROUP: Final = (168.0, 72.0)
"""Width and height of a `for_each` task whose items are folded."""
CELL: Final = 14.0
"""Width and height of an item in an open group; the next one begins after `GAP`."""
GAP: Final = 4.0
HEAD: Final = 52.0
"""Height of what an open group has above its items."""
PAD: Final = 12.0
"""What an open group has around its items."""

PITCH: Final = 22.0
"""How far the cells of a map are apart."""
AISLE: Final = 30.0
"""How far the columns of a map are apart, beyond that."""
RATIO: Final = 1.7
"""Width to height, at which maps and open groups aim."""
SLACK: Final = 1.4
"""So much wider a map may be, before its columns go on below."""

MOST_BOXES: Final = 300
MOST_LINES: Final = 900
"""A graph with more tasks, or more edges, is drawn as a map."""


class Box(msgspec.Struct, frozen=True):
    """Where a task is drawn, by its upper left corner."""

    x: float
    y: float
    width: float
    height: float


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is drawn."""

    kind: PlacementKind
    width: float
    height: float
    boxes: Mapping[TaskId, Box]
    lines: Mapping[tuple[TaskId, TaskId], tuple[float, ...]]
    """The edges as x, y, x, y, …, from border to border; an edge that is not here is straight."""


class Size(msgspec.Struct, frozen=True):
    """How large a task is drawn, and for an open group, in how many columns its items are."""

    width: float
    height: float
    columns: int = 0


def edges_of(graph: Graph) -> Iterator[tuple[TaskId, TaskId, str]]:
    """The edges of a graph, each with the reason why it is one, in topological order of what they lead to."""
    for name in graph.order:
        task = graph.tasks[name]
        for need in task.needs:
            yield need, name, task.reasons.get(need, "")


def size_of(graph: Graph, task: TaskId, open_items: int) -> Size:
    """How large a task is drawn, with so many items shown."""
    if open_items:
        columns = max(ceil(sqrt(open_items * RATIO)), int((BOX[0] - 2 * PAD) // (CELL + GAP)))
        rows = ceil(open_items / columns)
        step = CELL + GAP
        return Size(2 * PAD + columns * step - GAP, HEAD + PAD + rows * step - GAP, columns)
    return Size(*(GROUP if graph.tasks[task].for_each is not None else BOX))


def is_large(graph: Graph) -> bool:
    """Whether the graph is drawn as a map."""
    if len(graph.order) > MOST_BOXES:
        return True
    return sum(len(task.needs) for task in graph.tasks.values()) > MOST_LINES


# -- boxes, placed by an engine ----------------------------------------------------------------------------------

_OPTIONS: Final = {
    "direction": "leftright",
    "spacing": {"layer_gap": 52.0, "node_gap": 18.0, "dummy_gap": 16.0},
    "routing": {"style": "diagonal"},
}


def asked(graph: Graph, sizes: Mapping[TaskId, Size]) -> dict[str, Any]:
    """What `graphlay` is asked."""
    places = {name: place for place, name in enumerate(graph.order)}
    nodes = [
        {"key": name, "shape": "box", "size": {"width": sizes[name].width, "height": sizes[name].height}}
        for name in graph.order
    ]
    edges = [{"source": places[need], "target": places[name], "weight": 1.0} for need, name, _ in edges_of(graph)]
    return {"graph": {"nodes": nodes, "edges": edges}, "options": _OPTIONS}


def placed(graph: Graph, sizes: Mapping[TaskId, Size], answer: Mapping[str, Any]) -> Placement:
    """What `graphlay` has answered, from 0, 0 on."""
    low, high = answer["bounds"]["min"], answer["bounds"]["max"]
    boxes = {}
    for name, node in zip(graph.order, answer["nodes"], strict=True):
        size = sizes[name]
        x, y = node["center"]["x"] - size.width / 2 - low["x"], node["center"]["y"] - size.height / 2 - low["y"]
        boxes[name] = Box(round(x, 1), round(y, 1), size.width, size.height)
    lines = {
        (need, name): tuple(
            round(value, 1) for point in edge["points"] for value in (point["x"] - low["x"], point["y"] - low["y"])
        )
        for (need, name, _), edge in zip(edges_of(graph), answer["edges"], strict=True)
    }
    width, height = round(high["x"] - low["x"], 1), round(high["y"] - low["y"], 1)
    return Placement(kind="layered", width=width, height=height, boxes=boxes, lines=lines)


# -- the map -----------------------------------------------------------------------------------------------------


def mapped(graph: Graph) -> Placement:
    """The map: a column for each depth, as many cells wide as it takes; columns follow one another as words in a text
    do.
    """
    columns = _columns(graph)
    rows = _rows([len(column) for column in columns])
    boxes: dict[TaskId, Box] = {}
    x, top, bottom, furthest = 0.0, 0.0, 0.0, 0.0
    measure = _measure([len(column) for column in columns], rows)
    for column in columns:
        width = ceil(len(column) / rows) * PITCH
        if x and x + width > measure:
            x, top = 0.0, bottom + AISLE
        for place, name in enumerate(column):
            left, down = divmod(place, rows)
            boxes[name] = Box(x + left * PITCH, top + down * PITCH, CELL, CELL)
        x += width + AISLE
        bottom = max(bottom, top + min(len(column), rows) * PITCH)
        furthest = max(furthest, x - AISLE)
    return Placement(kind="map", width=furthest, height=bottom, boxes=boxes, lines={})


def _columns(graph: Graph) -> list[list[TaskId]]:
    """The tasks by depth; within a depth by where those are that they need, so that edges cross seldom."""
    depth: dict[TaskId, int] = {}
    columns: list[list[TaskId]] = []
    for name in graph.order:
        depth[name] = max((depth[need] + 1 for need in graph.tasks[name].needs), default=0)
        if depth[name] == len(columns):
            columns.append([])
        columns[depth[name]].append(name)
    place: dict[TaskId, float] = {}
    for column in columns:
        column.sort(key=lambda name: _middle([place[need] for need in graph.tasks[name].needs]))
        place |= {name: (at + 0.5) / len(column) for at, name in enumerate(column)}
    return columns


def _middle(places: Sequence[float]) -> float:
    return sum(places) / len(places) if places else 0.0


def _rows(sizes: Sequence[int]) -> int:
    """In how many rows the widest column is drawn, so that the whole has the right ratio."""
    longest = max(sizes)
    return max(1, min(longest, ceil(sqrt(sum(sizes) / RATIO))))


def _measure(sizes: Sequence[int], rows: int) -> float:
    """How wide the map may be: all columns beside one another, or, where that would be a strip, less."""
    widths = [ceil(size / rows) * PITCH + AISLE for size in sizes]
    height = min(max(sizes), rows) * PITCH
    area = sum(widths) * (height + AISLE)
    return max(sqrt(area * RATIO) * SLACK, *widths)
