"""Forks: a new run takes over what it can of another one."""

from __future__ import annotations

from typing import Any

import pytest

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.fork import adoptable
from accord.domain.ids import TaskId
from accord.testing.graphs import graph_of
from accord.testing.player import Done, Failed, Player

UNDO = {"compensate": {"uses": "test.undo@^1"}}


def fork(player: Player, changed: str | None, given: Any) -> Player:
    name = TaskId(changed) if changed is not None else None
    adopted = adoptable(player.run, name, given, player.values)
    return Player(player.graph, given=given, adopted=adopted, values=player.values)


def adopted(player: Player, changed: str | None, given: Any) -> list[str]:
    name = TaskId(changed) if changed is not None else None
    return [str(one.task) for one in adoptable(player.run, name, given, player.values)]


def played(tasks: dict[str, Any], given: Any = None, script: Any = None, **fields: Any) -> Player:
    player = Player(graph_of(tasks, **fields), script, given=given)
    player.play()
    return player


READS = {
    "a": {"with": {"x": "${ input.x }"}},
    "b": {"with": {"y": "${ input.y }"}},
    "c": {"with": {"a": "${ tasks.a.output }"}},
    "d": {"needs": ["b"]},
}


@pytest.mark.parametrize(
    ("changed", "given", "kept"),
    [
        (None, {"x": 1, "y": 1}, "abcd"),
        ("c", {"x": 1, "y": 1}, "abd"),
        ("a", {"x": 1, "y": 1}, "bd"),
        (None, {"x": 2, "y": 1}, "bd"),
        (None, {"x": True, "y": 1.0}, ""),
        (None, {"x": 1}, "ac"),
        ("b", {"x": 2, "y": 1}, ""),
    ],
)
def test_what_neither_the_change_nor_the_input_touches_is_taken_over(changed: Any, given: Any, kept: str) -> None:
    player = played(READS, {"x": 1, "y": 1})
    assert "".join(sorted(adopted(player, changed, given))) == kept


def test_a_fork_does_only_the_rest() -> None:
    player = played(READS, {"x": 1, "y": 1}, {"a": Done("kept")})
    other = fork(player, "c", {"x": 1, "y": 1})
    assert [task for task, _ in other.wanted()] == ["c"]
    assert other.values.value(other.run.state(TaskId("c")).wants[0].input) == {"a": "kept"}
    assert other.play().phase == "completed"


def test_a_fork_that_takes_over_everything_is_complete() -> None:
    other = fork(played(READS, {"x": 1, "y": 1}), None, {"x": 1, "y": 1})
    assert other.run.phase == "completed"


def test_a_group_is_taken_over_as_a_whole() -> None:
    player = played(
        {"a": {"for_each": "${ input.list }"}, "b": {"with": {"a": "${ tasks.a.output }"}}}, {"list": [1, 2]}
    )
    other = fork(player, "b", {"list": [1, 2]})
    assert other.output("a") == ["a[0] done", "a[1] done"]
    assert other.play().phase == "completed"
    other.do(c.Rollback(to=TaskId("a"), by="tester"))
    assert other.play().phase == "completed"
    assert len(other.run.state(TaskId("a[1]")).attempts) == 1
    assert adopted(player, "a[1]", {"list": [1, 2]}) == []


def test_what_was_taken_over_is_not_undone() -> None:
    other = fork(played({"a": UNDO, "b": {"needs": ["a"], **UNDO}}), "b", None)
    other.play()
    other.do(c.Rollback(to=TaskId("a"), by="tester"))
    assert other.play().phase == "completed"
    assert other.order_of(e.TaskCompleted, "undo:") == ["undo:b"]


def test_what_was_undone_is_not_taken_over() -> None:
    script = {"b": Failed(retryable=False)}
    player = played({"a": UNDO, "side": {}, "b": {"needs": ["a", "side"]}}, script=script, on_failure="compensate")
    assert player.run.phase == "failed"
    assert adopted(player, None, None) == ["side"]


def test_an_agent_that_sees_the_input_is_touched_by_all_of_it() -> None:
    player = played({"a": {"context": "upstream"}, "b": {}}, {"x": 1})
    assert adopted(player, None, {"x": 2}) == ["b"]
