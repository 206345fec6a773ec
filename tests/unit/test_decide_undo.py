"""Undoing: rollback in every state, compensations on failure and on cancelling."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.ids import TaskId
from accord.errors import TransitionRefused
from accord.testing.graphs import graph_of
from accord.testing.player import Broken, Done, Failed, Player, Verdict

BAD = Failed(retryable=False)
BY = "tester"
UNDO = {"compensate": {"uses": "test.undo@^1", "with": {"was": "${ task.output }", "given": "${ task.input }"}}}
CHAIN = {"a": UNDO, "b": {"needs": ["a"], **UNDO}, "c": {"needs": ["b"], **UNDO}}
FORK = {"a": UNDO, "b": {"needs": ["a"], **UNDO}, "side": {"needs": ["a"], **UNDO}, "end": {"needs": ["b", "side"]}}


def roll_back(player: Player, to: str) -> None:
    player.do(c.Rollback(to=TaskId(to), by=BY))


def undone(player: Player) -> list[str]:
    return [task[5:] for task in player.order_of(e.TaskCompleted, "undo:")]


# -- rollback ----------------------------------------------------------------------------------------------------


def test_a_completed_run_is_undone_in_reverse_and_done_again() -> None:
    player = Player(graph_of(CHAIN))
    player.play()
    roll_back(player, "b")
    assert player.run.phase == "rolling_back"
    assert player.play().phase == "completed"
    assert undone(player) == ["c", "b"]
    assert [len(player.run.state(task).attempts) for task in player.graph.order] == [1, 2, 2]
    assert player.run.epoch == 1


def test_a_compensation_knows_what_was_given_and_made() -> None:
    player = Player(graph_of({"a": {"with": {"n": 1}, **UNDO}}), {"a": Done("made")})
    player.play()
    roll_back(player, "a")
    assert player.values.value(player.run.state(TaskId("undo:a")).wants[0].input) == {
        "was": "made",
        "given": {"n": 1},
    }


def test_parallel_branches_go_on_during_a_rollback() -> None:
    player = Player(graph_of(FORK))
    player.assign("a")
    player.answer("a", Done())
    player.assign("b")
    player.assign("side")
    player.answer("b", Done())
    roll_back(player, "b")
    assert player.phase("side") == "active"
    player.answer("side", Done())
    assert player.phase("side") == "completed"
    assert player.play().phase == "completed"
    assert len(player.run.state(TaskId("side")).attempts) == 1
    assert undone(player) == ["b"]


def test_what_is_under_way_behind_the_task_is_taken_back() -> None:
    player = Player(graph_of(CHAIN))
    for task in "ab":
        player.assign(task)
        player.answer(task, Done())
    player.assign("c")
    roll_back(player, "b")
    assert player.run.state(TaskId("c")).attempts[0].phase == "cancelled"
    assert player.play().phase == "completed"
    assert undone(player) == ["b"]


def test_a_second_rollback_widens_the_first_and_undoes_nothing_twice() -> None:
    player = Player(graph_of(CHAIN))
    player.play()
    roll_back(player, "b")
    player.assign("undo:c")
    roll_back(player, "a")
    player.answer("undo:c", Done())
    assert player.play().phase == "completed"
    assert undone(player) == ["c", "b", "a"]
    assert [len(player.run.state(task).attempts) for task in player.graph.order] == [2, 2, 2]


def test_a_rollback_while_paused_waits() -> None:
    player = Player(graph_of(CHAIN))
    player.assign("a")
    player.answer("a", Done())
    player.do(c.Pause(by=BY))
    roll_back(player, "a")
    assert player.wanted() == []
    player.do(c.Resume(by=BY))
    assert player.play().phase == "completed"
    assert undone(player) == ["a"]


def test_a_wait_is_waited_for_again() -> None:
    player = Player(graph_of({"a": {}, "b": {"needs": ["a"], "signal": {"name": "go"}}}))
    player.play()
    player.signal("go", 1)
    assert player.run.phase == "completed"
    roll_back(player, "a")
    player.play()
    assert player.phase("b") == "waiting"
    player.signal("go", 2)
    assert player.output("b") == 2


def test_nothing_is_rolled_back_that_has_not_begun() -> None:
    player = Player(graph_of(CHAIN))
    with pytest.raises(TransitionRefused, match="ACC430"):
        roll_back(player, "c")


def test_items_are_undone_each_by_itself() -> None:
    graph = graph_of({"a": {"for_each": "${ input }", **UNDO}, "b": {"needs": ["a"], **UNDO}})
    player = Player(graph, given=[1, 2, 3])
    player.play()
    roll_back(player, "a[1]")
    assert player.play().phase == "completed"
    assert undone(player) == ["b", "a[1]"]
    roll_back(player, "a")
    assert player.play().phase == "completed"
    assert undone(player)[2:] == ["b", "a[0]", "a[1]", "a[2]"]
    assert player.run.items == 3


def test_a_rollback_of_a_failed_run_does_again_what_was_cancelled_elsewhere() -> None:
    player = Player(graph_of(FORK), {"side": [BAD, Done()]})
    player.assign("a")
    player.answer("a", Done())
    player.assign("b")
    player.assign("side")
    player.answer("side", BAD)
    assert player.phase("b") == "cancelled"
    player.script = {}
    roll_back(player, "side")
    assert player.play().phase == "completed"


def test_a_parallel_failure_during_a_rollback_fails_the_run_afterwards() -> None:
    player = Player(graph_of({"a": UNDO, "b": {}, "c": {"for_each": "${ input }"}}), given=[1, 2])
    player.assign("a")
    player.answer("a", Done())
    player.assign("c[0]")
    roll_back(player, "a")
    player.answer("c[0]", BAD)
    assert player.run.phase == "rolling_back"
    player.play()
    assert player.run.phase == "failed"
    assert player.run.problem is not None
    assert player.run.problem.message == "no"


def test_a_rollback_gives_a_run_a_new_deadline_whose_old_one_has_passed() -> None:
    player = Player(graph_of({"a": {"sleep": "1h"}}, limits={"deadline": "1m"}))
    player.play()
    assert player.run.problem is not None
    assert player.run.problem.code == "ACC440"
    roll_back(player, "a")
    assert player.run.phase == "running"
    assert player.run.deadline_at == player.now + timedelta(minutes=1)


# -- failure and cancelling --------------------------------------------------------------------------------------


def failing(script: Any = None, tasks: Any = None) -> Player:
    return Player(graph_of(tasks or CHAIN, on_failure="compensate"), script or {"c": BAD})


def test_a_failed_run_is_undone() -> None:
    player = failing()
    assert player.play().phase == "failed"
    assert undone(player) == ["b", "a"]


def test_without_the_template_s_word_nothing_is_undone() -> None:
    player = Player(graph_of(CHAIN), {"c": BAD})
    assert player.play().phase == "failed"
    assert undone(player) == []


def test_retry_of_an_undone_run_does_again_what_was_undone() -> None:
    player = failing({"c": [BAD, Done()]})
    player.play()
    player.do(c.RetryTask(task=TaskId("c"), by=BY))
    assert player.play().phase == "completed"
    assert undone(player) == ["b", "a"]
    assert [len(player.run.state(task).attempts) for task in player.graph.order] == [2, 2, 2]


def test_a_cancelled_run_is_undone_and_a_second_cancel_may_give_up() -> None:
    player = failing({"undo:b": Done()})
    player.play()
    roll_back(player, "a")
    player.settle()
    assert player.run.phase == "completed"
    roll_back(player, "c")
    player.assign("undo:c")
    player.do(c.Cancel(by=BY))
    assert player.run.phase == "cancelling"
    with pytest.raises(TransitionRefused, match="ACC436"):
        player.do(c.Cancel(by=BY))
    player.do(c.Cancel(by=BY, gives_up=True))
    assert player.run.phase == "cancelled"
    assert player.phase("undo:c") == "cancelled"


def test_cancel_lets_a_rollback_finish_its_undoing() -> None:
    player = Player(graph_of(CHAIN))
    player.play()
    roll_back(player, "b")
    player.assign("undo:c")
    player.do(c.Cancel(by=BY))
    assert player.run.phase == "cancelling"
    assert player.play().phase == "cancelled"
    assert undone(player) == ["c", "b"]
    assert player.phase("a") == "completed"


def test_a_compensation_that_fails_ends_the_run_and_is_tried_again_by_the_next_rollback() -> None:
    player = Player(graph_of(CHAIN), {"undo:b": [BAD, Done()]})
    player.play()
    roll_back(player, "a")
    player.play()
    assert player.run.phase == "failed"
    assert player.run.problem is not None
    assert player.run.problem.code == "ACC411"
    roll_back(player, "a")
    assert player.play().phase == "completed"
    assert undone(player) == ["c", "b", "a"]


def test_a_compensation_whose_input_cannot_be_made_fails() -> None:
    bad = {"compensate": {"uses": "test.undo@^1", "with": {"x": "${ task.output.none }"}}}
    player = Player(graph_of({"a": bad}), {"a": Done({})})
    player.play()
    roll_back(player, "a")
    assert player.run.phase == "failed"


def test_a_rollback_while_the_run_fails_keeps_what_is_being_undone() -> None:
    player = failing({"c": [BAD, Done()]})
    for task in "ab":
        player.assign(task)
        player.answer(task, Done())
    player.assign("c")
    player.answer("c", BAD)
    assert player.run.phase == "failing"
    player.assign("undo:b")
    player.script = {}
    roll_back(player, "c")
    assert player.run.state(TaskId("undo:b")).phase == "active"
    player.answer("undo:b", Done())
    assert player.play().phase == "completed"
    assert undone(player) == ["b"]
    assert [len(player.run.state(task).attempts) for task in player.graph.order] == [1, 2, 2]


def test_no_rollback_while_a_run_is_cancelled() -> None:
    player = failing({})
    for task in "ab":
        player.assign(task)
        player.answer(task, Done())
    player.do(c.Cancel(by=BY))
    with pytest.raises(TransitionRefused, match="ACC401"):
        roll_back(player, "a")
    assert player.play().phase == "cancelled"
    assert undone(player) == ["b", "a"]


# -- corners that the storms have found --------------------------------------------------------------------------


def group_stopped_by_its_deadline() -> Player:
    group = {"for_each": "${ input }", "deadline": "10s", "on_failure": "continue"}
    player = Player(graph_of({"a": group, "z": {"signal": {"name": "go"}}}), given=[1, 2, 3])
    player.assign("a[0]")
    player.answer("a[0]", Done())
    player.assign("a[1]")
    player.wake()
    assert player.phases() == {"a": "failed", "z": "waiting"}
    return player


def test_a_group_that_is_opened_again_does_all_that_was_stopped() -> None:
    player = group_stopped_by_its_deadline()
    roll_back(player, "a[0]")
    player.settle()
    assert player.phase("a") == "completed"
    assert [player.phase(f"a[{index}]") for index in range(3)] == ["completed"] * 3


def test_the_deadline_of_a_group_rests_while_its_item_is_undone() -> None:
    group = {"for_each": "${ input }", "deadline": "10s", **UNDO}
    player = Player(graph_of({"a": group}), given=[1, 2])
    player.assign("a[0]")
    player.answer("a[0]", Done())
    player.assign("a[1]")
    roll_back(player, "a[0]")
    player.now += timedelta(seconds=20)
    player.do(c.Tick())
    assert player.run.phase == "rolling_back"
    assert player.play().phase == "completed"
    assert undone(player) == ["a[0]"]


def test_a_group_that_was_stopped_with_nothing_lost_is_only_opened_again() -> None:
    player = Player(graph_of({"a": {"for_each": "${ input }", "parallel": 2}, "b": UNDO}), given=[1, 2])
    player.assign("b")
    player.answer("b", Done())
    roll_back(player, "b")
    for task in ("a[0]", "a[1]"):
        player.assign(task)
        player.answer(task, Done())
    assert player.phase("a") == "expanded"
    player.do(c.Cancel(by=BY))
    assert player.play().phase == "cancelled"
    roll_back(player, "b")
    assert player.play().phase == "completed"
    assert [len(player.run.state(TaskId(task)).attempts) for task in ("a[0]", "a[1]", "b")] == [1, 1, 2]


def test_what_was_given_up_is_not_taken_up_by_a_cancel() -> None:
    tasks = {"a": UNDO, "sub": {"workflow": "other@^1"}, "b": {"needs": ["a"]}}
    player = Player(graph_of(tasks, on_failure="compensate"), given=None)
    player.assign("a")
    player.answer("a", Done())
    player.do(c.Cancel(by=BY, gives_up=True))
    assert player.run.phase == "cancelling"
    player.end_subrun(next(iter(player.subruns)))
    assert player.run.phase == "cancelled"
    assert undone(player) == []


def test_a_failed_compensation_is_final_also_when_the_run_is_cancelled_then() -> None:
    tasks = {"a": UNDO, "b": {"needs": ["a"], **UNDO}, "sub": {"workflow": "other@^1", "needs": ["a"]}}
    player = Player(graph_of(tasks, on_failure="compensate"), {"undo:b": BAD})
    for task in "ab":
        player.assign(task)
        player.answer(task, Done())
    roll_back(player, "b")
    player.assign("undo:b")
    player.answer("undo:b", BAD)
    assert player.run.phase == "failing"
    player.do(c.Cancel(by=BY))
    assert player.run.to_undo == ()
    player.end_subrun(next(iter(player.subruns)))
    assert player.run.phase == "cancelled"


def test_the_compensation_of_a_repaired_task_gets_the_task_s_input() -> None:
    player = Player(graph_of({"a": {"with": {"n": 1}, **UNDO}}), {"a": [Broken("bad"), Verdict("repaired", "mended")]})
    player.play()
    roll_back(player, "a")
    given = player.values.value(player.run.state(TaskId("undo:a")).wants[0].input)
    assert given == {"was": "mended", "given": {"n": 1}}
