"""Cost: told by agents as decimals, bounded by contracts, counted in the run, and limited by its budget."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.budget import BUDGET
from accord.domain.compile import compile_graph
from accord.domain.cost import cost_text, total
from accord.domain.ids import Digest, RunId, TaskId
from accord.domain.message import Claims, decode_claims, encode_claims
from accord.domain.template import Template
from accord.errors import BadInput, MessageRefused, TemplateInvalid, TransitionRefused
from accord.sdk import Agent, Failure, Result
from accord.sdk.declared import declared_agent
from accord.sdk.outcome import read_cost
from accord.testing.graphs import graph_of
from accord.testing.player import Broken, Done, Failed, Player
from accord.testing.stage import ScriptedAgent, Stage

A, WORK = TaskId("a"), TaskId("work")
COSTS = st.decimals(min_value=0, max_value=Decimal(999999999999), places=9, allow_nan=False)


# -- as it is written --------------------------------------------------------------------------------------------


@given(st.lists(COSTS, max_size=30))
def test_costs_are_exact_however_many(costs: list[Decimal]) -> None:
    texts = [cost_text(cost) for cost in costs]
    assert [Decimal(text or "x") for text in texts] == costs
    scaled = sum(int(cost * 10**9) for cost in costs)
    assert int(total(costs) * 10**9) == scaled


@pytest.mark.parametrize(
    ("cost", "text"), [("0", "0"), ("0.50", "0.5"), ("1E+2", "100"), ("12.000000001", "12.000000001"), ("100", "100")]
)
def test_the_shortest_form(cost: str, text: str) -> None:
    assert cost_text(Decimal(cost)) == text
    assert read_cost(cost) == text


@pytest.mark.parametrize(
    "cost", ["-1", "NaN", "Infinity", "1000000000000", "0.0000000001", "1,5", "", "free", 0.5, True]
)
def test_what_is_no_cost(cost: Any) -> None:
    with pytest.raises(BadInput, match="ACC720"):
        Result(1, cost=cost)
    with pytest.raises(BadInput, match="ACC720"):
        Failure("no", "no", cost=cost)
    with pytest.raises(BadInput, match="ACC720"):
        Agent("x").capability("test.work@1.0.0", max_cost=cost)(lambda: None)


def claims(**changed: Any) -> Claims:
    fields: dict[str, Any] = {"issuer": "a", "audience": "b", "id": "c", "issued_at": 1, "expires_at": 2}
    return Claims(**fields, kind="result", **changed)


@pytest.mark.parametrize("text", ["0", "0.5", "12", "999999999999.999999999"])
def test_a_claim_of_cost(text: str) -> None:
    assert decode_claims(encode_claims(claims(cost=text))).cost == text


@pytest.mark.parametrize(
    "text", ["", "00", "01", "0.50", ".5", "1.", "-1", "1e2", "NaN", "1000000000000", "0.0000000001"]
)
def test_a_claim_that_is_no_cost(text: str) -> None:
    with pytest.raises(MessageRefused, match="ACC319"):
        decode_claims(encode_claims(claims(cost=text)))


# -- templates ---------------------------------------------------------------------------------------------------


def limited(**limits: Any) -> Template:
    document = {"accord": "template/1", "name": "x", "version": "1.0.0", "tasks": {"a": {"uses": "test.work"}}}
    return msgspec.convert({**document, "limits": limits}, Template)


def test_a_budget_in_a_template() -> None:
    graph = compile_graph(limited(max_cost="2.50", when_spent="pause"), Digest(""))
    assert (graph.max_cost, graph.when_spent) == (Decimal("2.5"), "pause")
    assert compile_graph(limited(), Digest("")).max_cost is None
    with pytest.raises(TemplateInvalid, match="/limits/when_spent: ACC121"):
        compile_graph(limited(when_spent="fail"), Digest(""))
    with pytest.raises(TemplateInvalid, match="/limits/max_cost: ACC122"):
        compile_graph(limited(max_cost="0.0"), Digest(""))
    for wrong in (2.5, 3, "-1", "1e3", "", "x"):
        with pytest.raises(msgspec.ValidationError):
            limited(max_cost=wrong)


def test_a_program_cannot_say_what_it_costs_so_its_contract_cannot_limit_it() -> None:
    run = {"command": ["cat"]}
    capability = {"input": True, "output": True, "max_cost": "1", "run": run}
    with pytest.raises(BadInput) as refused:
        declared_agent({"accord": "agent/1", "name": "x", "capabilities": {"test.work@1.0.0": capability}})
    assert [one.place.pointer for one in refused.value.problems] == ["/capabilities/test.work@1.0.0/max_cost"]


# -- what a run has spent ----------------------------------------------------------------------------------------


def player_of(script: Any, tasks: dict[str, Any] | None = None, **limits: Any) -> Player:
    return Player(graph_of(tasks or {"a": {}, "b": {"needs": ["a"]}}, limits=limits), script)


def cost(text: str) -> Decimal:
    return Decimal(text)


def test_everything_that_was_tried_is_counted() -> None:
    script = {"a": [Failed(cost=cost("0.1")), Broken(cost=cost("0.2")), Done(1, cost=cost("0.3"))], "b": Done(2)}
    player = player_of(script, {"a": {"diagnose": False, "retry": {"attempts": 3}}, "b": {"needs": ["a"]}})
    player.play()
    assert player.run.phase == "completed"
    assert player.run.spent == cost("0.6")
    assert [one.cost for one in player.run.state(A).attempts] == [cost("0.1"), cost("0.2"), cost("0.3")]


def test_a_sub_workflow_s_cost_is_its_parent_s() -> None:
    player = player_of({}, {"a": {"workflow": "other@^1"}})
    (subrun,) = player.subruns
    player.do(c.SubrunEnded(task=A, run=subrun, output=player.values.of(1), cost=cost("2.5")))
    assert player.run.spent == cost("2.5")


def test_a_rollback_gives_nothing_back() -> None:
    player = player_of({"a": Done(1, cost=cost("1"))}, {"a": {}})
    player.play()
    player.do(c.Rollback(to=A, by="test"))
    player.play()
    assert player.run.spent == cost("2")


# -- the budget --------------------------------------------------------------------------------------------------

DEAR = {"a": Done(1, cost=Decimal("0.7")), "b": Done(2, cost=Decimal("0.7"))}


def test_a_run_within_its_budget_is_as_any_other() -> None:
    player = player_of(DEAR, max_cost="1.5")
    player.play()
    assert (player.run.phase, player.run.spent) == ("completed", cost("1.4"))


def test_the_last_task_may_spend_the_rest() -> None:
    player = player_of(DEAR, max_cost="1.4")
    player.play()
    assert player.run.phase == "completed", "nothing is to be assigned any more"


@pytest.mark.parametrize("most", ["0.5", "0.7"])
def test_when_it_is_spent_nothing_more_is_assigned_and_the_run_fails(most: str) -> None:
    player = player_of(DEAR, max_cost=most)
    player.play()
    assert player.run.phase == "failed"
    assert player.run.problem is not None
    assert player.run.problem.code == "ACC426"
    assert f"0.7 of {most}" in player.run.problem.message
    assert player.order_of(e.AttemptAssigned) == ["a"]


def test_a_failed_attempt_that_spends_the_rest_is_not_tried_again() -> None:
    player = player_of({"a": Failed(cost=cost("1"))}, {"a": {}}, max_cost="1")
    player.play()
    assert player.run.problem is not None
    assert player.run.problem.code == "ACC426"
    assert len(player.run.state(A).attempts) == 1


def test_what_is_under_way_may_end_and_what_waits_is_not_begun() -> None:
    many = {"a": {"for_each": "${ input }"}}
    player = Player(graph_of(many, limits={"max_cost": "1"}), given=[1, 2, 3])
    player.assign("a[0]")
    player.assign("a[1]")
    player.answer("a[0]", Done(1, cost=cost("1")))
    assert player.run.phase == "failed"
    player = Player(graph_of(many, limits={"max_cost": "1", "when_spent": "pause"}), given=[1, 2, 3])
    player.assign("a[0]")
    player.assign("a[1]")
    player.answer("a[0]", Done(1, cost=cost("1")))
    assert player.run.paused
    player.answer("a[1]", Done(2, cost=cost("1")))
    assert player.run.spent == cost("2")
    assert player.phase("a[1]") == "completed"


def test_a_run_that_pauses_goes_on_with_more() -> None:
    player = player_of(DEAR, max_cost="0.5", when_spent="pause")
    player.settle()
    assert (player.run.paused, player.run.paused_by) == (True, BUDGET)
    with pytest.raises(TransitionRefused, match="ACC429"):
        player.do(c.Resume(by="ann"))
    with pytest.raises(TransitionRefused, match="ACC428"):
        player.do(c.SetBudget(max_cost=cost("0.7"), by="ann"))
    player.do(c.SetBudget(max_cost=cost("5"), by="ann"))
    assert player.run.paused, "somebody else may have to look first"
    player.crash()
    player.do(c.Resume(by="ann"))
    player.play()
    assert (player.run.phase, player.run.budget) == ("completed", cost("5"))


def test_a_run_that_failed_goes_on_with_more() -> None:
    player = player_of(DEAR, max_cost="0.5")
    player.play()
    ended = player.now
    player.now += timedelta(seconds=11)
    player.do(c.SetBudget(max_cost=cost("5"), by="ann"))
    player.now += timedelta(seconds=5)
    player.do(c.RetryTask(task=TaskId("b"), by="ann"))
    assert player.run.rest(player.now) == player.now - ended
    player.play()
    assert player.run.phase == "completed"


def test_a_pause_does_not_lift_the_budget() -> None:
    player = player_of(DEAR, max_cost="0.5")
    player.assign("a")
    player.do(c.Pause(by="ann"))
    player.answer("a", DEAR["a"])
    assert player.run.phase == "running"
    player.do(c.Resume(by="ann"))
    assert player.run.phase == "failed"


def test_while_a_rollback_goes_on_nothing_else_is_assigned_either() -> None:
    undone = {"compensate": {"uses": "test.undo@^1", "with": {"made": "${ task.output }"}}}
    player = player_of({}, {"a": undone, "b": {}}, max_cost="1")
    player.assign("a")
    player.answer("a", Done(1))
    player.do(c.Rollback(to=A, by="ann"))
    player.assign("undo:a")
    player.answer("undo:a", Failed(cost=cost("2")))
    assert player.run.phase == "rolling_back"
    with pytest.raises(TransitionRefused, match="ACC426"):
        player.assign("b")
    player.wake()
    player.assign("undo:a")
    player.answer("undo:a", Done())
    assert player.run.phase == "failed"


def test_a_run_without_a_budget_can_be_given_one() -> None:
    player = player_of(DEAR)
    player.do(c.SetBudget(max_cost=cost("0.5"), by="ann"))
    player.play()
    assert player.run.phase == "failed"


def test_what_undoes_is_done_all_the_same() -> None:
    undone = {"compensate": {"uses": "test.undo@^1", "with": {"made": "${ task.output }"}}}
    tasks = {"a": undone, "b": {"needs": ["a"]}}
    player = Player(graph_of(tasks, limits={"max_cost": "0.5"}, on_failure="compensate"), DEAR)
    player.play()
    assert player.run.phase == "failed"
    assert player.phase("undo:a") == "completed"


# -- in the engine -----------------------------------------------------------------------------------------------

ONE = {"work": {"uses": "test.work@^1", "with": {"number": 4}}}


def working(name: str = "worker") -> Agent:
    agent = Agent(name)

    @agent.capability("test.work@1.0.0", max_cost="0.5")
    async def work(number: int) -> int:
        return number

    return agent


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


async def answered(stage: Stage, agent: ScriptedAgent, value: Any = 8, **changed: Any) -> Any:
    run = await stage.start(ONE)
    await agent.answer(await agent.assigned(), value, **changed)
    return await stage.run(run)


def test_a_limit_is_part_of_the_contract() -> None:
    (capability,) = working().capabilities.values()
    assert capability.contract.document()["limits"] == {"max_cost": "0.5"}


async def test_a_result_within_the_contract_is_counted(stage: Stage) -> None:
    run = await answered(stage, await stage.enlist(working()), cost="0.5")
    assert (run.phase, run.spent) == ("completed", Decimal("0.5"))


@pytest.mark.parametrize(("told", "words"), [("0.500000001", "cost 0.500000001"), (None, "does not say what it cost")])
@pytest.mark.abuse(
    "ASI08", at="gate", stride="denial of service", case="a result that costs more than its contract allows"
)
async def test_a_result_beyond_the_contract_is_the_producers_fault(stage: Stage, told: str | None, words: str) -> None:
    doctor = Agent("doctor")
    doctor.capability("accord.diagnose@1.0.0", input={}, output={"type": "object"})(lambda case: case)
    agent, _ = await stage.enlist(working()), await stage.enlist(doctor)
    run = await answered(stage, agent, **({} if told is None else {"cost": told}))
    (attempt,) = run.state(WORK).attempts
    assert (attempt.phase, attempt.fault, attempt.problems[0].code) == ("rejected", "producer", "ACC427")
    assert words in attempt.problems[0].message
    (want,) = run.state(WORK).wants
    assert (want.purpose, want.avoid) == ("work", (agent.id,)), "no diagnosis makes it cheaper"
    assert run.spent == Decimal(told or 0), "it was spent all the same"


async def test_all_that_is_wrong_is_told(stage: Stage) -> None:
    run = await answered(stage, await stage.enlist(working()), b'"x"', cost="3")
    (attempt,) = run.state(WORK).attempts
    assert [one.code for one in attempt.problems] == ["ACC427", "ACC251"]


async def test_a_failure_costs_too(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await answered(stage, agent, {"code": "no", "message": "no"}, kind="failure", cost="0.25")
    assert (run.phase, run.spent) == ("failed", Decimal("0.25"))


async def test_a_cost_is_journalled_as_a_decimal(stage: Stage) -> None:
    run = await answered(stage, await stage.enlist(working()), cost="0.1")
    (record,) = [one for one in await stage.node.records(RunId(run.id)) if b"attempt.succeeded" in one.data]
    assert msgspec.json.decode(record.data)["cost"] == "0.1"
