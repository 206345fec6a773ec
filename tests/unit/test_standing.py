"""How tasks and items stand: who waits, who has an agent, who is at work, who is done, counted once each."""

from __future__ import annotations

from datetime import timedelta

from accord.cli.item_words import items_words
from accord.domain import command as c
from accord.domain.graph import undo_id
from accord.domain.ids import TaskId
from accord.domain.standing import all_items, standing
from accord.testing.graphs import graph_of
from accord.testing.player import Done, Failed, Player
from accord.testing.random_graphs import INPUT
from accord.views.drawing import Changes, Items, drawn_state
from accord.views.tasks import listed_task

MANY = TaskId("many")


def begun() -> Player:
    """Of seven items one is done, one has failed, one is at work, one at an agent, one in its back-off, one waits."""
    retry = {"attempts": 2, "backoff": {"first": "10s", "jitter": 0}}
    many = {"uses": "test.work@^1", "for_each": "${ input.l }", "parallel": 4, "retry": retry, "on_failure": "continue"}
    player = Player(graph_of({"many": many}), given={**INPUT, "l": [0, 1, 2, 3, 4, 5, 6]})
    for item in ("many[0]", "many[1]", "many[2]"):
        player.assign(item)
    player.answer("many[0]", Done(1))
    player.answer("many[1]", Failed(retryable=False))
    player.do(c.Accept(task=TaskId("many[2]"), attempt=1))
    player.assign("many[3]")
    player.assign("many[4]")
    player.answer("many[4]", Failed())
    return player


def test_items_that_wait_are_told_from_those_at_work() -> None:
    player = begun()
    names = ["completed", "failed", "running", "assigned", "queued", "queued", "pending"]
    assert [standing(player.run, TaskId(f"many[{n}]")) for n in range(7)] == names
    found = dict.fromkeys(["completed", "failed", "running", "assigned", "pending"], 1) | {"queued": 2}
    listed = listed_task(player.run, MANY, player.now)
    assert (listed.standing, listed.item_standings, listed.items) == ("running", found, 7)
    assert items_words(listed.item_standings) == "1/7 items, 1 failed, 1 running, 1 assigned, 2 queued, 1 pending"
    drawn = drawn_state(player.run, MANY, Items(player.run).of(MANY))
    assert drawn.items == {name: count for name, count in found.items() if name != "pending"}


def test_a_back_off_is_told_with_its_end() -> None:
    player = begun()
    assert listed_task(player.run, TaskId("many"), player.now).again_at is None
    state = player.run.state(TaskId("many[4]"))
    (want,) = state.wants
    assert want.not_before == player.now + timedelta(seconds=10)


def test_a_group_is_what_the_most_advanced_of_its_items_is() -> None:
    player = Player(graph_of({"many": {"uses": "test.work@^1", "for_each": "${ input.lists.l2 }"}}), given=INPUT)
    seen = [standing(player.run, MANY)]
    changes = Changes(player.run, [])
    events = player.events
    player.assign("many[0]")
    seen.append(standing(player.run, MANY))
    player.do(c.Accept(task=TaskId("many[0]"), attempt=1))
    seen.append(standing(player.run, MANY))
    assert seen == ["queued", "assigned", "running"]
    changes.add(player.run, events)
    (told,) = changes.take(1).states
    assert (told.standing, told.items) == ("running", {"running": 1, "queued": 1})


def test_compensations_are_no_items() -> None:
    work = {"uses": "test.work@^1", "compensate": {"uses": "test.undo@^1"}}
    player = Player(graph_of({"many": {**work, "for_each": "${ input.lists.l2 }"}}), given=INPUT)
    for item in ("many[0]", "many[1]"):
        player.assign(item)
        player.answer(item, Done(1))
    player.do(c.Rollback(to=MANY, by="ann"))
    assert standing(player.run, undo_id(TaskId("many[1]"))) == "queued"
    assert all_items(player.run, MANY) == {"completed": 2}
