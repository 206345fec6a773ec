"""Faults: whose doing a broken contract is, and that each class of them goes its own way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from accord.codec import chained, decode_event, upcast
from accord.domain import command as c
from accord.domain import event as e
from accord.domain.fault import RESENDS, SUSPECT_AGENTS, classify
from accord.domain.ids import AgentId, StreamId, TaskId
from accord.domain.message import Message
from accord.ports import Head
from accord.sdk import Agent
from accord.testing.graphs import graph_of
from accord.testing.player import Broken, Done, Failed, Player, Refuses, Verdict
from accord.testing.stage import ScriptedAgent, Stage

A = TaskId("a")
AGENTS = [AgentId(name) for name in ("ann", "bob", "cyd", "dot")]


def player_of(script: Any = None, **task: Any) -> Player:
    return Player(graph_of({"a": task}), {"a": script} if script is not None else None)


def faults(player: Player) -> list[str | None]:
    return [attempt.fault for attempt in player.run.state(A).attempts]


# -- the rule ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", range(1, len(AGENTS) + 1))
def test_an_output_is_the_producers_fault_until_too_many_agents_break_the_contract(count: int) -> None:
    broken = set(AGENTS[:count])
    assert classify("output", broken) == ("contract" if count >= SUSPECT_AGENTS else "producer")
    assert classify("refusal", broken) == ("contract" if count >= SUSPECT_AGENTS else "consumer")
    assert classify("input", broken) == "mapping"
    assert classify("payload", broken) == "transport"


# -- producer ----------------------------------------------------------------------------------------------------


def test_a_producer_that_is_at_fault_is_asked_again() -> None:
    player = player_of([Broken(), Done(1)], diagnose=False)
    player.play()
    assert faults(player) == ["producer", None]
    assert player.run.phase == "completed"
    assert player.run.state(A).fault is None


def test_a_task_that_fails_so_says_whose_fault_it_is() -> None:
    player = player_of(Broken(), diagnose=False, retry={"attempts": 2})
    player.play()
    assert (player.run.state(A).fault, player.run.fault) == ("producer", "producer")


def test_a_failure_that_breaks_no_contract_is_nobodys_fault() -> None:
    player = player_of(Failed(retryable=False))
    player.play()
    assert (player.run.phase, player.run.fault) == ("failed", None)


# -- consumer ----------------------------------------------------------------------------------------------------


def test_what_one_agent_refuses_another_takes_at_once() -> None:
    player = player_of([Refuses(), Done(1)], retry={"attempts": 3, "backoff": {"first": "1h", "cap": "1h"}})
    player.settle()
    first, second = player.run.state(A).attempts
    assert (first.fault, second.fault) == ("consumer", None)
    assert first.agent != second.agent
    assert second.want.avoid == (first.agent,)
    assert player.run.phase == "completed", "nobody waited for a back-off"


def test_where_nobody_else_is_it_is_not_tried_again() -> None:
    player = player_of(Refuses(peers=0), retry={"attempts": 5})
    player.play()
    assert len(player.run.state(A).attempts) == 1
    assert player.run.problem is not None
    assert "nobody else offers it" in player.run.problem.message
    assert player.run.fault == "consumer"


# -- contract ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "one"), [(Broken(), "producer"), (Refuses(), "consumer")])
def test_when_all_agents_break_it_the_contract_is_at_fault_and_nobody_is_asked_any_more(given: Any, one: str) -> None:
    player = player_of(given, diagnose=False, retry={"attempts": 10})
    player.play()
    assert faults(player) == [one, one, "contract"]
    assert player.run.problem is not None
    assert "suspect" in player.run.problem.message
    assert player.run.problem.hint == "check the schemas of test.work@1.0.0"
    assert player.run.fault == "contract"


@pytest.mark.parametrize("verdict", ["retry", "reassign", "fail"])
def test_a_diagnosis_of_a_suspect_contract_asks_nobody_again(verdict: str) -> None:
    script = [Broken(), Verdict("reassign"), Broken(), Verdict("reassign"), Broken(), Verdict(verdict), Done("never")]
    player = player_of(script, retry={"attempts": 10})
    # The router takes the one that is used least; diagnoses are done by the same agents here.
    agents = iter(["ann", "x", "bob", "x", "cyd", "x"])
    player._choose = lambda state, want: AgentId(next(agents))  # type: ignore[method-assign]  # in this order
    player.play()
    assert [one for one in faults(player) if one] == ["producer", "producer", "contract"]
    assert player.run.phase == "failed"
    assert player.run.fault == "contract"
    assert player.run.problem is not None
    assert "diagnosis" in player.run.problem.message


@pytest.mark.parametrize("lost", [Failed(), Broken("no diagnosis")])
def test_a_diagnosis_that_does_not_come_changes_nothing_of_it(lost: Any) -> None:
    script = [Broken(), Verdict("reassign"), Broken(), Verdict("reassign"), Broken(), lost, Done("never")]
    player = player_of(script, retry={"attempts": 10})
    agents = iter(["ann", "x", "bob", "x", "cyd", "x"])
    player._choose = lambda state, want: AgentId(next(agents))  # type: ignore[method-assign]  # in this order
    player.play()
    assert (player.run.phase, player.run.fault) == ("failed", "contract")


def test_a_repair_is_taken_even_then() -> None:
    script = [Broken(), Verdict("reassign"), Broken(), Verdict("reassign"), Broken(), Verdict("repaired", 7)]
    player = player_of(script, retry={"attempts": 10})
    agents = iter(["ann", "x", "bob", "x", "cyd", "x"])
    player._choose = lambda state, want: AgentId(next(agents))  # type: ignore[method-assign]  # in this order
    player.play()
    assert player.output("a") == 7


def test_one_agent_alone_cannot_make_a_contract_suspect() -> None:
    player = Player(graph_of({"a": {"diagnose": False, "retry": {"attempts": 4}}}), {"a": Broken()}, agents=("ann",))
    player.play()
    assert faults(player) == ["producer"] * 4


# -- mapping -----------------------------------------------------------------------------------------------------

MAPPED = {
    "from": {},
    "a": {
        "with": {"number": "${ tasks.from.output }", "fixed": {"deep": [1, 2]}, "list": [1, "${ input }"]},
        "fallback": [{"uses": "test.other@^1", "with": {"n": "${ error.code }"}}, {"value": 0}],
        "compensate": {"uses": "test.undo@^1", "with": {"made": "${ task.output }"}},
    },
}


@pytest.mark.parametrize(
    ("pointer", "place", "source"),
    [
        ("/number", "/tasks/a/with/number", "${ tasks.from.output }"),
        ("/number/deeper/0", "/tasks/a/with/number", "${ tasks.from.output }"),
        ("/fixed/deep/1", "/tasks/a/with/fixed/deep/1", "a literal"),
        ("/list/1", "/tasks/a/with/list/1", "${ input }"),
        ("/more", "/tasks/a/with", "${ tasks.from.output }, ${ input }"),
        ("", "/tasks/a/with", "${ tasks.from.output }, ${ input }"),
    ],
)
def test_a_mapping_at_fault_is_placed_in_the_template(pointer: str, place: str, source: str) -> None:
    player = Player(graph_of(MAPPED), given=1)
    player.assign("from")
    player.answer("from", Done("text"))
    events = player.refuse_input("a", pointer)
    refused = events[0]
    assert isinstance(refused, e.InputRefused)
    (problem,) = refused.problems
    assert (problem.place.pointer, refused.fault) == (place, "mapping")
    assert problem.hint == f"the value comes from {source}"
    assert player.run.state(A).misfits == (problem,)


def test_after_a_mapping_at_fault_the_next_option_is_tried_and_no_agent_was_asked() -> None:
    player = Player(graph_of(MAPPED), given=1)
    player.assign("from")
    player.answer("from", Done("text"))
    player.refuse_input("a", "/number")
    assert player.run.state(A).attempts == ()
    assert [want.option for want in player.run.state(A).wants] == [1]
    (refused, *_) = player.refuse_input("a", "/n")
    assert isinstance(refused, e.InputRefused)
    assert refused.problems[0].place.pointer == "/tasks/a/fallback/0/with/n"
    assert player.phase("a") == "completed", "the value stands for it"
    assert player.run.state(A).fault is None
    assert len(player.run.state(A).misfits) == 2


def test_a_compensation_s_mapping_has_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    player = Player(graph_of({"a": MAPPED["a"] | {"with": {}}}), given=1)
    player.settle()
    player.do(c.Rollback(to=A, by="test"))
    (refused, *_) = player.refuse_input("undo:a", "/made")
    assert isinstance(refused, e.InputRefused)
    assert refused.problems[0].place.pointer == "/tasks/a/compensate/with/made"


def test_expressions_without_a_value_are_the_mappings_fault() -> None:
    player = Player(graph_of({"a": {"with": {"n": "${ input.none }"}}}), given={})
    assert (player.run.phase, player.run.fault, player.run.state(A).fault) == ("failed", "mapping", "mapping")


def test_an_output_without_a_value_is_the_mappings_fault() -> None:
    player = Player(graph_of({"a": {}}, output="${ input.none }"), given={})
    player.play()
    assert (player.run.phase, player.run.fault) == ("failed", "mapping")


# -- transport ---------------------------------------------------------------------------------------------------


def test_a_damaged_answer_is_asked_for_again_some_times() -> None:
    player = player_of(retry={"attempts": 1})
    player.assign("a")
    sent = len(player.told)
    for _ in range(RESENDS):
        (event,) = player.damage("a", 1)
        assert isinstance(event, e.AttemptDamaged)
        assert event.fault == "transport"
    assert player.damage("a", 1) == (), "the lease decides now"
    assert [type(effect).__name__ for effect in player.told[sent:]] == ["Send"] * RESENDS
    player.answer("a", Done(5))
    assert player.output("a") == 5
    assert faults(player) == [None]
    assert player.run.state(A).attempts[0].damaged == RESENDS


def test_an_attempt_that_the_way_has_lost_is_not_counted_some_times() -> None:
    player = player_of(retry={"attempts": 1, "backoff": {"first": "0s"}})
    for number in range(1, RESENDS + 2):
        player.assign("a")
        player.damage("a", number)
        player.wake()
        player.wake()
    assert player.run.phase == "failed", "the way cannot lose attempts for ever"
    assert len(player.run.state(A).attempts) == RESENDS + 1
    assert player.run.fault == "transport"


def test_what_comes_after_damage_is_judged_as_any_other() -> None:
    player = player_of(diagnose=False, retry={"attempts": 1})
    player.assign("a")
    player.damage("a", 1)
    player.answer("a", Broken())
    assert player.run.fault == "producer"


# -- in the engine -----------------------------------------------------------------------------------------------

ONE = {"work": {"uses": "test.work@^1", "with": {"number": 4}}}


def working(name: str = "worker") -> Agent:
    agent = Agent(name)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


async def refuse(agent: ScriptedAgent, assignment: Any) -> None:
    await agent.answer(assignment, {"code": "input-contract", "message": "not for me"}, kind="failure")


async def test_a_damaged_answer_is_an_incident_and_the_assignment_comes_again(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(ONE, output="${ tasks.work.output }")
    given = await agent.assigned()
    good = await agent.result(given, 8)
    await agent.send(Message(good.statement, b"9"))
    assert await stage.codes() == ["ACC352"]
    again = await agent.assigned()
    assert again.message == given.message, "the same bytes"
    await agent.send(good)
    state = await stage.run(run)
    assert state.phase == "completed"
    attempts = state.state("work").attempts  # type: ignore[arg-type]  # a task's id
    assert [(one.phase, one.damaged, one.fault) for one in attempts] == [("succeeded", 1, None)]


async def test_damaged_progress_is_not_asked_for_again(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(ONE)
    progress = await agent.result(await agent.assigned(), {"fraction": 0.5}, kind="progress")
    await agent.send(Message(progress.statement, b"{}"))
    assert await stage.codes() == ["ACC352"]
    assert (await stage.run(run)).state("work").attempts[0].damaged == 0  # type: ignore[arg-type]  # a task's id


async def test_a_refused_input_goes_to_a_peer_and_with_none_left_the_task_fails(stage: Stage) -> None:
    agents = {one.id: one for one in [await stage.enlist(working(name)) for name in ("one", "two")]}
    run = await stage.start(ONE)
    first = (await stage.run(run)).state("work").attempts[0].agent  # type: ignore[arg-type]  # a task's id
    await refuse(agents[first], await agents[first].assigned())
    second = (await stage.run(run)).state("work").attempts[1].agent  # type: ignore[arg-type]  # a task's id
    assert second != first
    await refuse(agents[second], await agents[second].assigned())
    state = await stage.run(run)
    assert (state.phase, state.fault) == ("failed", "consumer")


async def test_a_mapping_at_fault_asks_no_agent_and_names_the_place(stage: Stage) -> None:
    await stage.enlist(working())
    run = await stage.start({"work": {"uses": "test.work@^1", "with": {"number": "${ input.n }"}}}, {"n": "four"})
    state = await stage.run(run)
    assert (state.phase, state.fault) == ("failed", "mapping")
    assert state.problem is not None
    assert state.problem.place.pointer == "/tasks/work/with/number"
    assert "${ input.n }" in (state.problem.hint or "")
    assert state.state("work").attempts == ()  # type: ignore[arg-type]  # a task's id


# -- older journals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "fault"), [("ACC250", "mapping"), ("ACC211", "mapping"), ("ACC420", None)])
@pytest.mark.parametrize("name", ["task.failed", "run.failing"])
def test_failures_of_the_first_version_are_read(name: str, code: str, fault: str | None) -> None:
    old = {"event": name, "at": "2026-01-01T00:00:00Z", "task": "a", "problem": {"code": code, "message": "no"}}
    (record,) = chained(StreamId("run_1"), Head(), [msgspec.json.encode(old)])
    event = decode_event(record)
    assert isinstance(event, (e.TaskFailed, e.RunFailing))
    assert (event.task, event.problem.code, event.fault) == ("a", code, fault)


def test_what_is_of_the_present_version_is_left_alone() -> None:
    for document in ({"event": "task.failed@2", "task": "a"}, {"event": "run.started"}, [], None, {}):
        assert upcast(document) is document
