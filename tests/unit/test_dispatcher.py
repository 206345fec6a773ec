"""The dispatcher: runs take turns, what cannot go on is put aside and comes back, back-offs end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from accord.domain import command as c
from accord.domain.ids import RunId
from accord.domain.run import Run
from accord.engine.dispatcher import BACKOFF_CAP, BACKOFF_FIRST, Lane
from accord.sdk import Agent
from accord.testing.stage import NOON, Assignment, ScriptedAgent, Stage

MANY = {"work": {"uses": "test.work@^1", "for_each": "${ input }", "with": {"number": "${ item }"}}}
ONE = {"work": {"uses": "test.work@^1", "with": {"number": 1}}}


def working(name: str = "worker", capability: str = "test.work@1.0.0", **capacity: int) -> Agent:
    agent = Agent(name, **{"concurrency": 1, "queue": 0, **capacity})

    @agent.capability(capability)
    async def work(number: int) -> int:
        return number

    return agent


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


async def served(agent: ScriptedAgent, count: int) -> list[RunId]:
    """The runs of the next assignments, each answered before the next comes."""
    runs = []
    for _ in range(count):
        assignment = await agent.assigned()
        runs.append(assignment.claims.run or RunId(""))
        await agent.answer(assignment, assignment.input["number"])
    return runs


async def started(stage: Stage, tasks: Any, value: Any = None, **fields: Any) -> Run:
    return await stage.start(tasks, value, **fields)


# -- fairness ----------------------------------------------------------------------------------------------------


async def test_a_small_run_does_not_wait_for_a_large_one(stage: Stage) -> None:
    agent = await stage.enlist(working())
    large = await stage.start(MANY, list(range(50)), version="1.0.1")
    small = await stage.start(MANY, [1, 2], version="1.0.1")
    runs = await served(agent, 8)
    assert runs.count(small.id) == 2
    assert (await stage.run(small)).phase == "completed"
    assert (await stage.run(large)).phase == "running"


async def test_runs_take_turns(stage: Stage) -> None:
    agent = await stage.enlist(working())
    first = await stage.start(MANY, list(range(6)))
    second = await stage.start(MANY, list(range(6)))
    runs = await served(agent, 12)
    assert runs[1:-1] in ([second.id, first.id] * 5, [first.id, second.id] * 5)


async def test_one_capability_does_not_hold_up_another(stage: Stage) -> None:
    await stage.enlist(working("full"))
    other = await stage.enlist(working("other", "test.other@1.0.0"))
    await stage.start(MANY, [1, 2, 3])
    run = await stage.start({"work": {"uses": "test.other@^1", "with": {"number": 1}}}, version="1.0.1")
    await other.answer(await other.assigned(), 1)
    assert (await stage.run(run)).phase == "completed"


async def test_who_must_wait_for_a_certain_agent_lets_others_pass(stage: Stage) -> None:
    """A result was sent back to the agent that made it, which is busy meanwhile; its peer works on."""
    stage.parts.router._ids = stage.ports.ids
    first = await stage.enlist(working("first"))
    doctor = await stage.enlist(diagnosing())
    picky = await stage.start(ONE)
    await first.answer(await first.assigned(), b'"x"')
    case = await doctor.assigned()
    await stage.start(ONE)
    busy = await first.assigned()
    second = await stage.enlist(working("second"))
    await doctor.answer(case, {"verdict": "retry", "explanation": "once more"})
    assert (await stage.run(picky)).state("work").wants[0].agent == first.id  # type: ignore[arg-type]  # a task's id
    other = await stage.start(ONE)
    await second.answer(await second.assigned(), 1)
    assert (await stage.run(other)).phase == "completed"
    await first.answer(busy, 1)
    again = await first.assigned()
    assert again.claims.run == picky.id


def diagnosing() -> Agent:
    agent = Agent("doctor")

    @agent.capability("accord.diagnose@1.0.0", input={}, output={"type": "object"})
    async def diagnose(case: Any) -> Any:
        return case

    return agent


# -- put aside ---------------------------------------------------------------------------------------------------


async def test_a_paused_run_is_put_aside_and_comes_back(stage: Stage) -> None:
    agent = await stage.enlist(working(concurrency=8))
    await agent.heartbeat(draining=True)
    run = await stage.start(MANY, [1, 2, 3])
    await stage.node.control(run.id, c.Pause(by="test"))
    await agent.heartbeat(draining=False)
    assert (await stage.run(run)).live == 0
    other = await stage.start(ONE, version="1.0.1")
    assert (await agent.assigned()).claims.run == other.id
    await stage.node.control(run.id, c.Resume(by="test"))
    assert {(await agent.assigned()).claims.run for _ in range(3)} == {run.id}


async def test_a_run_gets_no_more_than_its_own_limit(stage: Stage) -> None:
    agent = await stage.enlist(working(concurrency=8))
    run = await stage.start(MANY, [1, 2, 3, 4, 5], limits={"parallel": 2})
    first, second = await agent.assigned(), await agent.assigned()
    assert (await stage.run(run)).live == 2
    await agent.answer(first, 1)
    third = await agent.assigned()
    assert (await stage.run(run)).live == 2
    for assignment in (second, third):
        await agent.answer(assignment, 1)
    for _ in range(2):
        await agent.answer(await agent.assigned(), 1)
    assert (await stage.run(run)).phase == "completed"


@pytest.mark.parametrize(("scope", "subject"), [("everything", ""), ("template", "play"), ("template", "play@1.0.0")])
async def test_a_hold_puts_aside_until_it_is_lifted(stage: Stage, scope: Any, subject: str) -> None:
    agent = await stage.enlist(working())
    await stage.node.hold(scope, subject, by="test")
    run = await stage.start(ONE)
    assert (await stage.run(run)).live == 0
    await stage.node.lift(scope, subject, by="test")
    await agent.answer(await agent.assigned(), 1)
    assert (await stage.run(run)).phase == "completed"


async def test_a_task_whose_run_was_cancelled_is_dropped(stage: Stage) -> None:
    agent = await stage.enlist(working(concurrency=8))
    await agent.heartbeat(draining=True)
    run = await stage.start(MANY, [1, 2, 3])
    await stage.node.control(run.id, c.Cancel(by="test"))
    await agent.heartbeat(draining=False)
    other = await stage.start(ONE, version="1.0.1")
    assert stage.parts.dispatcher.waiting == 0
    assert (await stage.run(other)).live == 1


# -- time --------------------------------------------------------------------------------------------------------


def test_a_lanes_back_off_doubles_up_to_its_bound() -> None:
    lane = Lane(None)  # type: ignore[arg-type]  # not looked at
    waits = []
    for _ in range(10):
        lane.block(NOON)
        assert lane.blocked_until is not None
        waits.append(lane.blocked_until - NOON)
    assert waits[:3] == [BACKOFF_FIRST, 2 * BACKOFF_FIRST, 4 * BACKOFF_FIRST]
    assert waits[-1] == BACKOFF_CAP
    lane.unblock()
    assert lane.blocked_until is None


async def test_a_retry_waits_for_its_back_off(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(ONE)
    failure = b'{"code":"x","message":"no","retryable":true}'
    await agent.answer(await agent.assigned(), failure, kind="failure")
    assert stage.parts.dispatcher.next_due() == NOON.replace(second=1)
    await stage.node.orchestrator.submit(run.id, c.Tick())
    assert (await stage.run(run)).live == 0
    stage.clock.forward(1)
    stage.node.orchestrator.kick()
    again: Assignment = await agent.assigned()
    assert again.claims.attempt == 2


async def test_who_comes_later_gets_what_waits(stage: Stage) -> None:
    early = await stage.enlist(working("early"))
    await stage.start(ONE)
    waiting = [await stage.start(ONE) for _ in range(3)]
    assert stage.parts.dispatcher.waiting == 3
    late = await stage.enlist(working("late"))
    runs = await served(late, 3)
    assert runs == [run.id for run in waiting]
    assert (await early.assigned()).claims.attempt == 1
