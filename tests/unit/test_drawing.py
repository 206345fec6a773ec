"""A run as it is drawn: every task has a place of its own, and what was told of changes adds up to how the run is."""

from __future__ import annotations

from random import Random
from typing import Any

import graphlay
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.graph import Graph
from accord.domain.ids import TaskId
from accord.domain.run import begin, evolve
from accord.testing.graphs import graph_of
from accord.testing.player import Done, Player
from accord.testing.random_graphs import INPUT, random_tasks
from accord.testing.storm import Storm
from accord.views.drawing import Changes, run_graph, shown_items
from accord.views.placing import CELL, MOST_BOXES, Placement, asked, is_large, mapped, placed, size_of

RANDOMS = st.randoms(use_true_random=False)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def wide(count: int, columns: int = 3) -> Graph:
    tasks: dict[str, Any] = {}
    for column in range(columns):
        for row in range(count):
            needs = [f"t{column - 1}_{row}"] if column else []
            tasks[f"t{column}_{row}"] = {"uses": "test.work@^1", "needs": needs}
    return graph_of(tasks)


def apart(placement: Placement) -> bool:
    """Whether no two boxes touch, and all are inside."""
    boxes = sorted(placement.boxes.values(), key=lambda box: (box.x, box.y))
    inside = all(
        box.x >= 0
        and box.y >= 0
        and box.x + box.width <= placement.width + 1
        and box.y + box.height <= placement.height + 1
        for box in boxes
    )
    return inside and not any(
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
        for place, one in enumerate(boxes)
        for other in boxes[place + 1 : place + 200]
    )


@FEW
@given(RANDOMS, st.integers(1, 30))
def test_on_a_map_no_two_tasks_have_one_place_and_all_lead_to_the_right_or_on(random: Random, size: int) -> None:
    graph = graph_of(random_tasks(random, size))
    placement = mapped(graph)
    assert set(placement.boxes) == set(graph.tasks)
    assert apart(placement)
    for name, task in graph.tasks.items():
        for need in task.needs:
            before, behind = placement.boxes[need], placement.boxes[name]
            assert before.x + CELL <= behind.x or before.y < behind.y


def test_a_large_graph_is_a_map_that_is_no_strip() -> None:
    assert not is_large(wide(MOST_BOXES // 3))
    for graph in (wide(MOST_BOXES // 3 + 1), wide(900), wide(1, 700)):
        assert is_large(graph)
        placement = mapped(graph)
        assert apart(placement)
        assert 0.5 < placement.width / placement.height < 5


def test_the_engine_gives_boxes_apart_and_edges_from_border_to_border() -> None:
    tasks = {
        "a": {"uses": "test.work@^1"},
        "many": {"uses": "test.work@^1", "needs": ["a"], "for_each": "${ input.lists.l3 }"},
        "b": {"uses": "test.work@^1", "needs": ["a"]},
        "z": {"uses": "test.work@^1", "needs": ["many", "b"]},
    }
    graph = graph_of(tasks)
    sizes = {name: size_of(graph, name, 500 if name == "many" else 0) for name in graph.order}
    request = asked(graph, sizes)
    placement = placed(graph, sizes, graphlay.layout(request["graph"], options=request["options"]).raw)
    assert apart(placement)
    assert placement.boxes[TaskId("many")].width == sizes[TaskId("many")].width > 168
    first = placement.lines[TaskId("a"), TaskId("b")]
    a, b = placement.boxes[TaskId("a")], placement.boxes[TaskId("b")]
    assert abs(first[0] - (a.x + a.width)) < 1
    assert abs(first[-2] - b.x) < 1


@FEW
@given(RANDOMS, st.integers(1, 7), st.integers(0, 80), st.integers(0, 200))
def test_what_was_told_of_changes_adds_up_to_how_the_run_is(random: Random, size: int, steps: int, begun: int) -> None:
    player = Player(graph_of(random_tasks(random, size)), given=INPUT)
    storm = Storm(player, random)
    storm.blow(steps)
    storm.calm(perfect=False)
    if random.random() < 0.5:
        storm.revive()
    placement = mapped(player.graph)
    opened = list(player.graph.order)
    first, *rest = player.events
    run = begin(player.graph, first)  # type: ignore[arg-type]  # the first event starts it
    for event in rest[:begun]:
        run = evolve(run, event)
    shown = run_graph(run, (1, 1), placement, shown_items(run, opened))
    states = {one.task: one for one in shown.states}
    items = {f"{name}[{index}]": phase for name, all_ in shown.items.items() for index, phase in enumerate(all_)}
    changes = Changes(run, opened)
    for number, event in enumerate(rest[begun:]):
        run = evolve(run, event)
        changes.add(run, [event])
        if random.random() < 0.3:
            told = changes.take(number)
            states |= {one.task: one for one in told.states}
            items |= told.items
    last = changes.take(len(rest))
    states |= {one.task: one for one in last.states}
    items |= last.items
    now = run_graph(run, (1, 1), placement, shown_items(run, opened))
    assert (last.state, last.tasks_done, last.tasks_failed) == (now.state, run.tasks_done, run.failed)
    assert states == {one.task: one for one in now.states}
    for name, phases in now.items.items():
        for index, phase in enumerate(phases):
            assert items.get(f"{name}[{index}]", "pending") == phase


def test_a_rollback_is_told_of_every_task_and_item_that_it_undoes() -> None:
    each = {"uses": "test.work@^1", "for_each": "${ input.lists.l2 }"}
    player = Player(graph_of({"many": each, "last": {"uses": "test.work@^1", "needs": ["many"]}}), given=INPUT)
    for task in ("many[0]", "many[1]", "last"):
        player.assign(task)
        player.answer(task, Done(1))
    before = player.run
    changes = Changes(before, ["many"])
    undone = player.do(c.Rollback(to=TaskId("many"), by="ann"))
    finished = next(place for place, event in enumerate(undone) if isinstance(event, e.RollbackFinished))
    run = before
    for event in undone[: finished + 1]:
        run = evolve(run, event)
    changes.add(run, undone[: finished + 1])
    told = changes.take(1)
    assert {one.task: (one.state, one.items) for one in told.states} == {
        "many": ("pending", {}),
        "last": ("pending", {}),
    }
    assert told.items == {"many[0]": "pending", "many[1]": "pending"}
