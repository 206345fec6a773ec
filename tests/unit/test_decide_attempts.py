"""How attempts end, and what follows: retries, fallbacks, votes, doubts, diagnoses, reviews."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.ids import TaskId
from accord.errors import ContractViolation, Problem, TransitionRefused
from accord.testing.graphs import graph_of
from accord.testing.player import Broken, Done, Failed, Player, Silent, Verdict

A = TaskId("a")
ONCE = {"attempts": 1}


def player_of(script: Any = None, **task: Any) -> Player:
    return Player(graph_of({"a": task}), {"a": script} if script is not None else None)


# -- retries -----------------------------------------------------------------------------------------------------


def test_a_failure_is_tried_again_after_a_back_off_that_grows() -> None:
    player = player_of([Failed(), Failed(), Done(1)], retry={"attempts": 3, "backoff": {"first": "2s", "jitter": 0}})
    player.settle()
    assert player.wanted() == []
    began = player.now
    player.wake()
    assert player.now - began == timedelta(seconds=2)
    player.settle()
    began = player.now
    player.wake()
    assert player.now - began == timedelta(seconds=4)
    assert player.settle().phase == "completed"


def test_with_no_attempt_left_the_task_fails_with_the_last_problem() -> None:
    player = player_of([Failed(message="one"), Failed(message="two")], retry={"attempts": 2})
    player.play()
    assert player.run.problem == Problem("ACC420", "two")


def test_nothing_is_assigned_before_its_back_off_is_over() -> None:
    player = player_of([Failed(), Done()])
    player.settle()
    with pytest.raises(TransitionRefused, match="ACC404"):
        player.assign("a")


def test_a_failure_for_good_is_not_tried_again() -> None:
    player = player_of(Failed(retryable=False), retry={"attempts": 5})
    player.play()
    assert len(player.run.state(A).attempts) == 1


def test_a_lease_that_runs_out_costs_an_attempt_and_fences_the_result() -> None:
    player = player_of(Silent())
    player.assign("a")
    player.wake()
    assert player.run.state(A).attempts[0].phase == "expired"
    with pytest.raises(TransitionRefused, match="ACC408"):
        player.answer("a", Done("late"), attempt=1)
    player.script = {}
    player.play()
    assert player.run.state(A).attempt == 2


def test_a_renewed_lease_goes_on() -> None:
    player = player_of()
    lease = player.assign("a").lease
    player.wake(renewed=[lease])
    assert player.run.state(A).attempts[0].live


def test_an_accepted_attempt_is_accepted_once() -> None:
    player = player_of()
    player.assign("a")
    assert [type(event) for event in player.do(c.Accept(task=A, attempt=1))] == [e.AttemptAccepted]
    assert player.do(c.Accept(task=A, attempt=1)) == ()


def test_a_want_is_assigned_once() -> None:
    player = player_of()
    player.assign("a")
    with pytest.raises(IndexError):
        player.assign("a")


# -- fallbacks ---------------------------------------------------------------------------------------------------


def test_fallbacks_one_after_the_other_then_a_value() -> None:
    fallback = [{"uses": "test.other@^1", "with": {"why": "${ error.message }"}}, {"value": "${ error.code }"}]
    player = player_of(Failed(), retry=ONCE, fallback=fallback)
    player.play()
    attempts = player.run.state(A).attempts
    assert [attempt.want.option for attempt in attempts] == [0, 1]
    assert player.values.value(attempts[1].want.input) == {"why": "no"}
    assert player.output("a") == "ACC420"
    assert player.run.phase == "completed"


def test_an_input_that_breaks_the_contract_is_not_tried_again() -> None:
    player = player_of(retry={"attempts": 5})
    player.refuse_input(A)
    assert player.run.phase == "failed"


def test_a_fallback_takes_the_place_of_copies_that_were_not_assigned_yet() -> None:
    player = player_of(redundancy={"copies": 3, "agree": 2}, fallback=[{"uses": "test.other@^1"}])
    player.assign("a")
    player.refuse_input(A)
    assert [want.option for want in player.run.state(A).wants] == [1, 1, 1]


# -- redundancy --------------------------------------------------------------------------------------------------


def copies(player: Player, *answers: Any) -> None:
    for _ in answers:
        player.assign("a")
    for number, given in enumerate(answers, 1):
        player.answer("a", given, attempt=number)


def test_the_majority_wins_and_the_rest_is_stopped() -> None:
    player = player_of(redundancy={"copies": 3, "agree": 2})
    copies_of = [player.assign("a") for _ in range(3)]
    assert len({attempt.agent for attempt in copies_of}) == 3
    player.answer("a", Done({"x": 1, "y": 2}), attempt=1)
    player.answer("a", Done({"y": 2, "x": 1}), attempt=3)
    assert player.run.phase == "completed"
    assert player.run.state(A).attempts[1].phase == "cancelled"


def test_copies_under_way_may_still_agree_when_one_fails_for_good() -> None:
    player = player_of(redundancy={"copies": 3, "agree": 2}, retry=ONCE)
    copies(player, Failed(retryable=False), Done(1), Done(1))
    assert player.output("a") == 1


def test_one_copy_more_when_they_cannot_agree() -> None:
    player = player_of(redundancy={"copies": 2, "agree": 2}, retry={"attempts": 2})
    copies(player, Done(1), Done(2))
    player.wake()
    (_, want), *_ = player.wanted()
    assert len(want.avoid) == 2
    player.assign("a")
    player.answer("a", Done(2))
    assert player.output("a") == 2


def test_copies_that_never_agree_fail() -> None:
    player = player_of([Done(1), Done(2), Done(3)], redundancy={"copies": 2, "agree": 2}, retry={"attempts": 2})
    player.play()
    assert player.run.problem == Problem("ACC423", "3 copies gave 3 different results")


def test_a_fallback_is_voted_on_apart() -> None:
    player = player_of(redundancy={"copies": 2, "agree": 2}, retry=ONCE, fallback=[{"uses": "test.other@^1"}])
    copies(player, Done(1), Done(2))
    assert [want.option for want in player.run.state(A).wants] == [1, 1]
    player.assign("a")
    player.assign("a")
    player.answer("a", Done(2), attempt=3)
    assert player.phase("a") == "active"
    player.answer("a", Done(2), attempt=4)
    assert player.output("a") == 2


def test_copies_that_fail_are_replaced_until_agreement_is_out_of_reach() -> None:
    player = player_of(Failed(), redundancy={"copies": 3, "agree": 2}, retry={"attempts": 3})
    player.play()
    assert len(player.run.state(A).attempts) == 4
    assert player.run.phase == "failed"


# -- confidence --------------------------------------------------------------------------------------------------

UNSURE, SURE = Done("perhaps", 0.2), Done("yes", 0.9)


def doubt(otherwise: str) -> dict[str, Any]:
    return {"confidence": {"at_least": 0.5, "otherwise": otherwise}}


def test_doubt_is_tried_again() -> None:
    player = player_of([UNSURE, SURE], **doubt("retry"))
    player.play()
    assert player.output("a") == "yes"


def test_no_confidence_at_all_is_doubt() -> None:
    player = player_of(Done("what"), **doubt("fail"))
    player.play()
    assert player.run.problem is not None
    assert player.run.problem.code == "ACC421"


def test_doubt_goes_to_another_agent() -> None:
    player = player_of([UNSURE, SURE], **doubt("other_agent"))
    player.play()
    first, second = player.run.state(A).attempts
    assert second.want.avoid == (first.agent,)
    assert first.agent != second.agent


def test_doubt_is_reviewed_and_approved() -> None:
    player = player_of(UNSURE, **doubt("review"))
    player.play()
    assert player.phase("a") == "waiting"
    with pytest.raises(ContractViolation):
        player.decide_on("a", {"approved": "yes"})
    player.decide_on("a", {"approved": True})
    assert player.output("a") == "perhaps"
    assert player.run.state(A).by == "tester"
    assert player.run.phase == "completed"


def test_doubt_is_reviewed_and_not_approved() -> None:
    player = player_of([UNSURE, SURE], **doubt("review"))
    player.play()
    player.decide_on("a", {"approved": False, "comment": "too short"})
    ((_, want),) = player.wanted()
    assert "too short" in want.errors[0].message
    player.play()
    assert player.output("a") == "yes"


def test_an_unsure_copy_is_only_lost() -> None:
    player = player_of(redundancy={"copies": 3, "agree": 2}, **doubt("review"))
    copies(player, UNSURE, SURE, SURE)
    assert player.output("a") == "yes"


# -- diagnosis ---------------------------------------------------------------------------------------------------


def diagnosed(*verdicts: Any, attempts: int = 2, **task: Any) -> Player:
    """The first answer of the agent is broken."""
    player = player_of([Broken("bad"), *verdicts], retry={"attempts": attempts}, **task)
    player.settle()
    return player


def test_a_repaired_result_is_the_task_s() -> None:
    player = diagnosed(Verdict("repaired", "mended"))
    assert player.output("a") == "mended"
    assert player.run.state(A).attempt == 2


def test_a_result_is_sent_back_with_its_errors() -> None:
    player = diagnosed(Verdict("retry"), Done("good"))
    first, _, third = player.run.state(A).attempts
    assert third.agent == first.agent
    assert third.want.errors[0].message == "not as agreed"
    assert player.output("a") == "good"


def test_a_task_is_given_to_somebody_else() -> None:
    player = diagnosed(Verdict("reassign"), Done("good"))
    first, _, third = player.run.state(A).attempts
    assert third.agent != first.agent


def test_a_verdict_to_fail_falls_back() -> None:
    player = diagnosed(Verdict("fail"), fallback=[{"value": "instead"}])
    assert player.output("a") == "instead"


@pytest.mark.parametrize("given", [Broken("what"), Failed(), Failed(retryable=False)])
def test_a_diagnosis_that_fails_costs_nothing_but_time(given: Any) -> None:
    player = diagnosed(given, Done("good"))
    player.play()
    assert player.output("a") == "good"


def test_without_diagnosis_a_broken_result_is_tried_again() -> None:
    player = player_of([Broken(), Done("good")], diagnose=False)
    player.play()
    assert [attempt.want.purpose for attempt in player.run.state(A).attempts] == ["work", "work"]


def test_an_answer_of_the_wrong_kind_is_refused() -> None:
    player = player_of([Broken(), Silent()])
    player.settle()
    with pytest.raises(TransitionRefused, match="ACC415"):
        player.answer("a", Done("no diagnosis"))
    other = player_of()
    other.assign("a")
    with pytest.raises(TransitionRefused, match="ACC416"):
        other.answer("a", Verdict("retry"))


def test_an_agent_that_is_lost_loses_all_its_attempts() -> None:
    player = Player(graph_of({"a": {}, "b": {}}), agents=["ann"])
    player.assign("a")
    player.assign("b")
    player.do(c.AgentLost(attempts=((A, 1), (TaskId("b"), 1), (A, 7))))
    assert [attempt.phase for task in "ab" for attempt in player.run.state(TaskId(task)).attempts] == ["expired"] * 2
    player.play()
    assert player.run.phase == "completed"
