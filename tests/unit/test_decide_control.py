"""People intervene: pause, resume, cancel, retry, signals, approvals."""

from __future__ import annotations

from typing import Any

import pytest

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.ids import TaskId
from accord.domain.run import evolve
from accord.domain.signal import KEPT_SIGNALS_MAX
from accord.errors import ContractViolation, NotFound, TransitionRefused
from accord.testing.graphs import graph_of
from accord.testing.player import Done, Failed, Player

BAD = Failed(retryable=False)
BY = "tester"


def retry(player: Player, task: str) -> None:
    player.do(c.RetryTask(task=TaskId(task), by=BY))


# -- pause -------------------------------------------------------------------------------------------------------


def test_a_pause_keeps_results_and_assigns_nothing() -> None:
    player = Player(graph_of({"a": {}, "b": {"needs": ["a"]}}))
    player.assign("a")
    player.do(c.Pause(by=BY))
    player.answer("a", Done(1))
    assert player.phase("a") == "completed"
    assert player.phase("b") == "active"
    with pytest.raises(TransitionRefused, match="ACC407"):
        player.assign("b")
    player.do(c.Resume(by=BY))
    assert player.play().phase == "completed"


def test_a_run_is_paused_once_and_resumed_once() -> None:
    player = Player(graph_of({"a": {}}))
    with pytest.raises(TransitionRefused, match="ACC403"):
        player.do(c.Resume(by=BY))
    player.do(c.Pause(by=BY))
    with pytest.raises(TransitionRefused, match="ACC402"):
        player.do(c.Pause(by=BY))


def test_a_parent_resumes_only_what_it_has_paused() -> None:
    player = Player(graph_of({"a": {}}))
    player.do(c.Pause(by="ann"))
    with pytest.raises(TransitionRefused, match="ACC439"):
        player.do(c.Resume(by="parent"))
    player.do(c.Resume(by="bob"))
    player.do(c.Pause(by="parent"))
    player.do(c.Resume(by="parent"))


def test_a_run_that_completes_is_paused_no_longer() -> None:
    player = Player(graph_of({"a": {}}))
    player.assign("a")
    player.do(c.Pause(by=BY))
    player.answer("a", Done())
    assert player.run.phase == "completed"
    assert not player.run.paused


# -- cancel ------------------------------------------------------------------------------------------------------


def test_cancel_takes_everything_back() -> None:
    player = Player(graph_of({"a": {}, "b": {"sleep": "1h"}, "c": {"for_each": "${ input }"}}), given=[1, 2])
    player.assign("a")
    player.do(c.Cancel(by=BY))
    assert player.phases() == {"a": "cancelled", "b": "cancelled", "c": "cancelled"}
    assert player.run.phase == "cancelled"
    with pytest.raises(TransitionRefused, match="ACC408"):
        player.answer("a", Done("late"), attempt=1)
    with pytest.raises(TransitionRefused, match="ACC401"):
        player.do(c.Cancel(by=BY))


# -- retry -------------------------------------------------------------------------------------------------------


def test_a_failed_task_is_done_again_with_what_was_cancelled_because_of_it() -> None:
    player = Player(
        graph_of({"a": {}, "b": {}, "c": {}, "end": {"needs": ["a", "b", "c"]}}), {"b": [BAD, Done("good")]}
    )
    player.assign("a")
    player.answer("a", Done("once"))
    player.assign("b")
    player.assign("c")
    player.answer("b", BAD)
    assert player.run.phase == "failed"
    player.script = {}
    retry(player, "b")
    assert player.play().phase == "completed"
    assert [player.run.state(task).epoch for task in player.graph.order] == [0, 1, 1, 0]
    assert len(player.run.state(TaskId("a")).attempts) == 1


def test_a_failure_is_acknowledged_until_the_run_goes_on() -> None:
    tasks = {"a": {}, "b": {"needs": ["a"]}, "c": {"needs": ["b"]}, "d": {"sleep": "1h"}}
    player = Player(graph_of(tasks), {"b": [BAD]})
    with pytest.raises(TransitionRefused, match="ACC460"):
        player.do(c.Acknowledge(by=BY))
    assert player.play().phase == "failed"
    assert (player.run.tasks_done, player.run.failed, player.run.cancelled) == (1, 1, 1)
    ended_at = player.run.updated_at
    player.do(c.Acknowledge(by=BY, note="known"))
    assert (player.run.updated_at, player.run.rests) == (ended_at, ()), "that somebody knows is no work"
    assert player.run.acknowledged is not None
    assert (player.run.acknowledged.by, player.run.acknowledged.note) == (BY, "known")
    events = len(player.events)
    player.do(c.Acknowledge(by="ann", note="again"))
    assert len(player.events) == events, "once is enough"
    with pytest.raises(TransitionRefused, match="ACC460"):
        evolve(player.run, e.RunAcknowledged(at=player.now, by=BY))
    player.script = {"b": [BAD]}
    retry(player, "b")
    assert player.run.acknowledged is None
    assert player.play().phase == "failed"
    assert player.run.acknowledged is None, "it has failed again, and nobody knows"


def test_one_item_of_many_is_done_again_and_the_others_are_kept() -> None:
    graph = graph_of({"a": {"for_each": "${ input }", "parallel": 3}, "end": {"with": {"all": "${ tasks.a.output }"}}})
    player = Player(graph, given=list(range(20)), script={"a[7]": BAD})
    player.play()
    assert player.run.phase == "failed"
    done = {task for task, state in player.run.tasks.items() if state.phase == "completed"}
    player.script = {}
    retry(player, "a[7]")
    assert player.play().phase == "completed"
    assert all(len(player.run.state(task).attempts) == 1 for task in done)
    wanted = [event.input for event in player.events if isinstance(event, e.AttemptWanted)][-1]
    assert player.values.value(wanted)["all"] == [f"a[{index}] done" for index in range(20)]


def test_retry_of_the_whole_group_keeps_what_completed() -> None:
    graph = graph_of({"a": {"for_each": "${ input }", "parallel": 2, "on_failure": "continue"}, "b": {"needs": ["a"]}})
    player = Player(graph, given=list(range(6)), script={"a[1]": BAD, "a[4]": BAD})
    player.play()
    assert player.values.value(player.run.output) == {"b": "b done"}
    player.script = {}
    with pytest.raises(TransitionRefused, match="ACC431"):
        retry(player, "a")
    retry(player, "a[1]")
    assert player.play().phase == "completed"
    assert [player.phase(f"a[{index}]") for index in range(6)].count("failed") == 1
    assert [len(player.run.state(TaskId(f"a[{index}]")).attempts) for index in range(6)] == [1, 2, 1, 1, 1, 1]
    assert len(player.run.state(TaskId("b")).attempts) == 2


def test_items_done_again_keep_to_the_window() -> None:
    graph = graph_of({"a": {"for_each": "${ input }", "parallel": 2}, "z": {}})
    player = Player(graph, given=list(range(6)))
    player.assign("a[0]")
    player.assign("a[1]")
    player.assign("z")
    player.answer("z", BAD)
    assert player.run.phase == "failed"
    retry(player, "z")
    assert [task for task, _ in player.wanted()] == ["a[0]", "a[1]", "z"]
    assert player.play().phase == "completed"


def test_the_output_of_a_group_is_made_anew_after_a_retry() -> None:
    graph = graph_of({"a": {"for_each": "${ input }", "on_failure": "continue"}}, output={"all": "${ tasks.a.output }"})
    player = Player(graph, {"a[1]": [BAD, Done("at last")]}, given=[1, 2])
    player.play()
    assert player.output() == {"all": ["a[0] done", None]}
    retry(player, "a[1]")
    player.play()
    assert player.output() == {"all": ["a[0] done", "at last"]}


def test_only_what_failed_is_retried() -> None:
    player = Player(graph_of({"a": {}, "b": {"needs": ["a"]}}))
    player.play()
    for task in ("a", "b"):
        with pytest.raises(TransitionRefused, match="rollback"):
            retry(player, task)
    for task in ("nothing", "a[0]", "a[x]", "a]", "undo:a", "a[-1]", "a[01]", ""):
        with pytest.raises(NotFound, match="ACC434"):
            retry(player, task)


# -- signals -----------------------------------------------------------------------------------------------------

GO = {"signal": {"name": "go", "schema": {"type": "integer"}}}


def test_a_signal_ends_the_wait_for_it() -> None:
    player = Player(graph_of({"a": GO}))
    player.signal("go", 7)
    assert player.output("a") == 7


def test_a_signal_before_the_wait_is_kept_in_order() -> None:
    player = Player(graph_of({"a": {}, "b": {**GO, "needs": ["a"]}, "c": {**GO, "needs": ["b"]}}))
    player.signal("go", 1)
    player.signal("go", 2)
    assert player.play().phase == "completed"
    assert [player.output(task) for task in ("b", "c")] == [1, 2]
    assert player.run.signals == ()


def test_of_several_that_wait_the_first_by_name_takes_it() -> None:
    player = Player(graph_of({"b": GO, "a": GO}))
    player.signal("go", 1)
    assert player.phases() == {"b": "waiting", "a": "completed"}


@pytest.mark.parametrize("waiting", [True, False])
def test_a_signal_that_breaks_the_schema_is_refused_even_early(waiting: bool) -> None:
    tasks = {"b": GO} if waiting else {"a": {}, "b": {**GO, "needs": ["a"]}}
    player = Player(graph_of(tasks))
    with pytest.raises(ContractViolation, match="ACC435"):
        player.signal("go", "seven")
    assert not player.run.signals


def test_signals_that_nobody_waits_for() -> None:
    player = Player(graph_of({"a": {}, "b": {**GO, "needs": ["a"]}}))
    with pytest.raises(NotFound, match="it waits for: go"):
        player.signal("stop")
    for number in range(KEPT_SIGNALS_MAX):
        player.signal("go", number)
    with pytest.raises(TransitionRefused, match="ACC438"):
        player.signal("go", 1)
    player.do(c.Cancel(by=BY))
    with pytest.raises(TransitionRefused, match="ACC432"):
        player.signal("go", 1)


def test_a_task_named_by_a_signal_must_wait_for_one() -> None:
    player = Player(graph_of({"a": {}, "b": {"sleep": "1m"}}))
    for task in ("a", "b"):
        with pytest.raises(TransitionRefused, match="ACC433"):
            player.decide_on(task, {})
    with pytest.raises(NotFound):
        player.decide_on("c", {})


def test_approvals_of_items_are_answered_by_task() -> None:
    asked = {"title": "Publish ${ item }?", "on_reject": "continue"}
    graph = graph_of({"a": {"for_each": "${ input }", "approval": asked}})
    player = Player(graph, given=["x", "y"])
    waiting = player.run.state(TaskId("a[1]")).waiting
    assert waiting is not None
    assert waiting.title == "Publish y?"
    player.decide_on("a[1]", {"approved": False})
    player.decide_on("a[0]", {"approved": True})
    assert player.output() == {"a": [{"approved": True}, {"approved": False}]}


ASKED = {"approval": {"title": "Pay?"}}


def rejected(task: dict[str, Any], **after: Any) -> Player:
    player = Player(graph_of({"agreed": task, "paid": {"needs": ["agreed"], **after}}))
    player.decide_on("agreed", {"approved": False, "comment": "too dear"})
    player.play()
    return player


def test_a_rejection_fails_the_task_and_nothing_behind_it_begins() -> None:
    player = rejected(ASKED)
    assert (player.phase("agreed"), player.run.phase) == ("failed", "failed")
    assert player.phase("paid") == "pending"
    problem = player.run.problem
    assert problem is not None
    assert (problem.code, problem.message) == ("ACC442", "tester rejected agreed: too dear")


def test_a_rejected_run_that_is_retried_asks_again() -> None:
    player = rejected(ASKED)
    player.do(c.RetryTask(task=TaskId("agreed"), by=BY))
    player.decide_on("agreed", {"approved": True})
    player.play()
    assert player.run.phase == "completed"


def test_a_rejection_may_skip_the_task_and_what_needs_it() -> None:
    player = rejected({"approval": {"title": "Pay?", "on_reject": "skip"}})
    assert (player.phase("agreed"), player.phase("paid"), player.run.phase) == ("skipped", "skipped", "completed")


def test_a_rejection_may_be_an_answer_like_any_other() -> None:
    player = rejected({"approval": {"title": "Pay?", "on_reject": "continue"}})
    assert player.output("agreed") == {"approved": False, "comment": "too dear"}
    assert player.phase("paid") == "completed"


def test_a_run_may_go_on_beside_what_was_rejected() -> None:
    player = rejected({**ASKED, "on_failure": "continue"}, join="settled")
    assert (player.phase("agreed"), player.phase("paid"), player.run.phase) == ("failed", "completed", "completed")


def test_an_item_that_is_rejected_fails_its_group() -> None:
    player = Player(graph_of({"a": {"for_each": "${ input }", **ASKED}}), given=["x", "y"])
    player.decide_on("a[0]", {"approved": True})
    player.decide_on("a[1]", {"approved": False})
    assert player.run.phase == "failed"


def test_only_an_approval_s_answer_is_a_rejection() -> None:
    form = {"type": "object", "properties": {"choice": {"type": "string"}}}
    player = Player(graph_of({"a": {"approval": {"title": "Which?", "form": form}}, "b": {"signal": {"name": "go"}}}))
    player.decide_on("a", {"choice": "red"})
    player.signal("go", {"approved": False})
    assert player.run.phase == "completed"
