"""Enrolled agents that misbehave: what they sign is authentic, and still does no harm."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from accord.codec import follow
from accord.domain import command as c
from accord.domain.ids import TaskId
from accord.engine.incidents import FULL_PER_MINUTE
from accord.ports import Head
from accord.sdk import Agent
from accord.testing.stage import Assignment, Stage, attempts_of

WORK = {"work": {"uses": "test.work@^1", "with": {"number": 4}}}


def working(name: str, **capacity: Any) -> Agent:
    agent = Agent(name, **capacity)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


def diagnosing(output: dict[str, Any] | bool) -> Agent:
    """An agent that offers diagnoses under a contract of its own."""
    agent = Agent("quack")

    @agent.capability("accord.diagnose@1.0.0", input={}, output={"type": "object"} if output is True else output)
    async def diagnose(case: Any) -> Any:
        return case

    return agent


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def problem_codes(run: Any, number: int) -> list[str]:
    return [problem.code for problem in run.attempt(TaskId("work"), number).problems]


# -- broken results ----------------------------------------------------------------------------------------------

BROKEN = {
    "not the type": (b'"eight"', "ACC251"),
    "not the integer": (b"8.5", "ACC251"),
    "null": (b"null", "ACC251"),
    "nothing": (b"", "ACC321"),
    "no JSON": (b"{", "ACC321"),
    "something behind": (b"8 8", "ACC321"),
    "no number": (b"NaN", "ACC321"),
    "infinity": (b"Infinity", "ACC321"),
    "a huge integer": (b"9" * 400, "ACC324"),
    "a huge exponent": (b"1e999", "ACC324"),
    "a member twice": (b'{"a":1,"a":2}', "ACC322"),
    "a depth bomb": (b"[" * 100_000 + b"]" * 100_000, "ACC323"),
    "an open depth bomb": (b"[" * 100_000, "ACC32"),
    "objects in objects": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "ACC323"),
    "no UTF-8": (b'"\xff"', "ACC325"),
    "half a character": (rb'"\ud800"', "ACC32"),
    "a byte order mark": (b"\xef\xbb\xbf8", "ACC321"),
    "UTF-16": ("8".encode("utf-16"), "ACC32"),
    "zeros": (bytes(1000), "ACC321"),
}


@pytest.mark.parametrize(("payload", "code"), BROKEN.values(), ids=list(BROKEN))
@pytest.mark.abuse(
    "ASI06",
    "ASI08",
    at="gate",
    stride="tampering",
    case="a result that breaks its contract, in every way that JSON has",
    codes=("ACC251", "ACC321", "ACC322", "ACC323", "ACC324"),
)
async def test_a_broken_result_is_rejected_and_the_task_done_again(stage: Stage, payload: bytes, code: str) -> None:
    agent = await stage.enlist(working("worker"))
    run = await stage.start(WORK)
    first = await agent.assigned()
    await agent.answer(first, payload)
    rejection = await agent.told()
    assert rejection.claims.kind == "reject"
    assert orjson.loads(rejection.message.payload)["violations"][0]["code"].startswith(code)
    state = await stage.run(run)
    assert list(attempts_of(state)) == ["work/1 rejected"]
    assert problem_codes(state, 1)[0].startswith(code)
    stage.clock.forward(5)
    await stage.node.orchestrator.submit(run.id, c.Tick())
    second = await agent.assigned()
    assert second.context["errors"]
    await agent.answer(second, 8)
    assert (await stage.run(run)).phase == "completed"
    assert await stage.codes() == []


@pytest.mark.abuse(
    "ASI08", at="gate", stride="denial of service", case="an agent that always fails ends its run and no other"
)
async def test_an_agent_that_breaks_every_contract_fails_the_run_and_no_more(stage: Stage) -> None:
    agent = await stage.enlist(working("worker"))
    run = await stage.start(WORK)
    for _ in range(3):
        await agent.answer(await agent.assigned(), b"{}")
        stage.clock.forward(60)
        await stage.node.orchestrator.submit(run.id, c.Tick())
    state = await stage.run(run)
    assert state.phase == "failed"
    assert state.problem is not None
    assert state.problem.code == "ACC251"
    follow(await stage.node.records(run.id), Head())


@pytest.mark.abuse("ASI09", at="gate", stride="tampering", case="a result that its own agent doubts", codes=("ACC421",))
async def test_a_confidence_below_the_contracts_is_a_broken_result(stage: Stage) -> None:
    sure = Agent("sure")

    @sure.capability("test.work@1.0.0", confidence=0.8)
    async def work(number: int) -> int:
        return number

    agent = await stage.enlist(sure)
    run = await stage.start(WORK)
    await agent.answer(await agent.assigned(), 8, confidence="0.79")
    assert problem_codes(await stage.run(run), 1) == ["ACC421"]


# -- a diagnostic agent of somebody ------------------------------------------------------------------------------


async def broken(stage: Stage, quack: Any) -> tuple[Any, Assignment]:
    """A run whose task broke its contract, and the diagnosis that is asked for."""
    agent = await stage.enlist(working("worker"))
    doctor = await stage.enlist(quack)
    run = await stage.start(WORK)
    await agent.answer(await agent.assigned(), b'"eight"')
    return run, await doctor.assigned()


@pytest.mark.parametrize(
    ("diagnosis", "code"),
    [
        (b'{"verdict":"hm","explanation":""}', "ACC330"),
        (b"{}", "ACC330"),
        (b'{"verdict":"repaired","explanation":"","output":"eight"}', "ACC251"),
        (b'{"verdict":"repaired","explanation":""}', "ACC330"),
        (b'{"verdict":"retry","verdict":"fail","explanation":""}', "ACC322"),
    ],
)
@pytest.mark.abuse(
    "ASI09",
    at="gate",
    stride="tampering",
    case="a diagnostic agent that lies about a repair",
    codes=("ACC330", "ACC251"),
)
async def test_a_diagnosis_that_is_none_is_rejected(stage: Stage, diagnosis: bytes, code: str) -> None:
    run, case = await broken(stage, diagnosing(output=True))
    quack = next(one for one in stage.parts.registry.agents() if one.agent.endswith("quack"))
    doctor = case.claims.audience
    assert quack.agent == doctor
    message = await stage_agent(stage, doctor).result(case, diagnosis)
    await stage.deliver(run.id, message)
    state = await stage.run(run)
    assert list(attempts_of(state)) == ["work/1 rejected", "work/2 rejected"]
    assert problem_codes(state, 2) == [code]
    assert state.phase == "running"


def stage_agent(stage: Stage, agent: Any) -> Any:
    return stage.agents[agent]


# -- floods ------------------------------------------------------------------------------------------------------


@pytest.mark.abuse("ASI08", at="gate", stride="denial of service", case="a flood of forgeries", codes=("ACC349",))
async def test_a_flood_of_forgeries_does_not_keep_others_from_working(stage: Stage) -> None:
    agent = await stage.enlist(working("worker"))
    runs = [await stage.start(WORK) for _ in range(5)]
    assignments = [await agent.assigned() for _ in runs]
    forged = [await agent.result(assignments[n % 5], n, lease=f"{n:026d}") for n in range(300)]
    honest = [await agent.result(one, 8) for one in assignments]
    for number, (run, message) in enumerate(zip(runs, honest, strict=True)):
        await stage.deliver(run.id, *forged[number * 60 : number * 60 + 60], message)
    assert {(await stage.run(run)).phase for run in runs} == {"completed"}
    assert await stage.codes() == ["ACC349"] * FULL_PER_MINUTE
    stage.clock.forward(60)
    await stage.parts.incidents.record_all([])
    (_, counted), *_ = await stage.parts.incidents.newest()
    assert (counted.claimed_agent, counted.code, counted.count) == (agent.id, "ACC349", 300 - FULL_PER_MINUTE)


async def test_progress_that_makes_no_sense_is_passed_over(stage: Stage) -> None:
    agent = await stage.enlist(working("worker"))
    run = await stage.start(WORK)
    assignment = await agent.assigned()
    with stage.parts.feed.subscribe(run.id) as news:
        for payload in (b"{}", b'{"fraction":7}', b"x", b'{"fraction":0.5}'):
            await agent.answer(assignment, payload, kind="progress")
        told = await anext(aiter(news))
    assert told.fraction == 0.5
    await agent.answer(assignment, 8)
    assert (await stage.run(run)).phase == "completed"


async def test_an_agent_gets_no_more_than_it_says(stage: Stage) -> None:
    await stage.enlist(working("worker", concurrency=1, queue=1))
    runs = [await stage.start(WORK) for _ in range(5)]
    states = [await stage.run(run) for run in runs]
    assert sum(state.live for state in states) == 1
    assert stage.parts.dispatcher.waiting == 4


# -- names of others ---------------------------------------------------------------------------------------------


@pytest.mark.abuse(
    "ASI03", at="gate", stride="spoofing", case="an enrolled key taken for another agent", codes=("ACC712",)
)
async def test_an_enrolled_key_cannot_be_taken_over(stage: Stage) -> None:
    worker = await stage.enlist(working("worker"))
    thief = working("thief")
    with pytest.raises(Exception, match="ACC712"):
        await stage.parts.enrolment.enrol(thief.id, worker.key, by="test", now=stage.clock.now())


@pytest.mark.abuse("ASI03", "ASI10", at="gate", stride="spoofing", case="a revoked key", codes=("ACC340",))
async def test_a_revoked_agent_says_nothing_more(stage: Stage) -> None:
    worker = await stage.enlist(working("worker"))
    run = await stage.start(WORK)
    assignment = await worker.assigned()
    await stage.parts.enrolment.revoke(worker.key.kid, by="test", reason="lost", now=stage.clock.now())
    await worker.answer(assignment, 8)
    await worker.heartbeat(assignment.claims.lease)
    assert await stage.codes() == ["ACC340", "ACC340"]
    assert (await stage.run(run)).phase == "running"
    with pytest.raises(Exception, match="ACC712"):
        await stage.parts.enrolment.enrol(worker.id, worker.key, by="test", now=stage.clock.now())
