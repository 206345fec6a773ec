"""Breakers: who fails again and again is taken out, tried with one attempt at a time, and comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest

from accord.domain import command as c
from accord.domain.event import AttemptAssigned, Event
from accord.domain.grounds import Grounds
from accord.domain.run import Run
from accord.domain.system import AgentTakenOut
from accord.engine.breakers import CAP_ALONE, FAULTS, FIRST
from accord.sdk import Agent
from accord.testing.stage import ScriptedAgent, Stage

ONE = {"work": {"uses": "test.work@^1", "with": {"number": 1}}}
CRASH = b'{"code":"exception","message":"it broke","retryable":true}'


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def working(name: str, **capacity: int) -> Agent:
    agent = Agent(name, **{"concurrency": 1, "queue": 0, **capacity})

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


async def started(stage: Stage) -> Run:
    return await stage.start(ONE, defaults={"attempts": 1})


async def broken(stage: Stage, agent: ScriptedAgent, times: int = FAULTS) -> None:
    """It fails at so many tasks."""
    for _ in range(times):
        await started(stage)
        await agent.answer(await agent.assigned(), CRASH, kind="failure")


def is_out(stage: Stage, agent: ScriptedAgent) -> bool:
    return agent.id in stage.parts.router.breakers.out("test.work")


@pytest.mark.abuse(
    "ASI08", at="gate", stride="denial of service", case="an agent that fails again and again is taken out"
)
async def test_who_fails_again_and_again_gets_nothing_and_a_peer_does_it(stage: Stage) -> None:
    bad = await stage.enlist(working("bad"))
    await broken(stage, bad)
    assert is_out(stage, bad)
    good = await stage.enlist(working("good"))
    for _ in range(3):
        await started(stage)
        await good.answer(await good.assigned(), 1)


async def test_it_is_told_once(stage: Stage) -> None:
    bad = await stage.enlist(working("bad"))
    await broken(stage, bad)
    for _ in range(3):  # it fails on trial as well
        stage.clock.forward(60)
        stage.parts.dispatcher.unblock()
        await started(stage)
        await bad.answer(await bad.assigned(), CRASH, kind="failure")
    told = [one.event for one in await stage.node.incidents(10) if isinstance(one.event, AgentTakenOut)]
    assert [(event.agent, event.capability, event.problem.code) for event in told] == [(bad.id, "test.work", "ACC359")]
    assert "ACC420 exception: it broke" in told[0].problem.message
    (known,) = [one for one in await stage.node.agents() if one.card.agent == bad.id]
    assert [one.capability for one in known.taken_out] == ["test.work"]


async def test_alone_it_is_tried_after_a_while_with_one_attempt_and_comes_back(stage: Stage) -> None:
    bad = await stage.enlist(working("bad", concurrency=8))
    await broken(stage, bad)
    for _ in range(2):
        await started(stage)
    assert stage.parts.dispatcher.waiting == 2
    stage.clock.forward(FIRST.total_seconds())
    stage.parts.dispatcher.unblock()
    await started(stage)
    assignment = await bad.assigned()
    assert stage.parts.dispatcher.waiting == 2, "one at a time"
    await bad.answer(assignment, 1)
    assert not is_out(stage, bad)
    await bad.assigned()
    assert stage.parts.dispatcher.waiting == 0


async def test_the_back_off_grows_and_is_short_where_nobody_else_is_left(stage: Stage) -> None:
    bad = await stage.enlist(working("bad"))
    await broken(stage, bad)
    breakers = stage.parts.router.breakers
    backoffs = []
    for _ in range(8):
        now = stage.clock.now()
        until = breakers.shut_until(bad.id, "test.work", now, alone=False)
        alone = breakers.shut_until(bad.id, "test.work", now, alone=True)
        assert until is not None
        assert alone is not None
        backoffs.append((until - now, alone - now))
        stage.clock.forward(60)
        stage.parts.dispatcher.unblock()
        await started(stage)
        await bad.answer(await bad.assigned(), CRASH, kind="failure")
    assert [whole.total_seconds() for whole, _ in backoffs] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert max(alone for _, alone in backoffs) == CAP_ALONE


async def test_a_success_between_faults_blames_nobody(stage: Stage) -> None:
    agent = await stage.enlist(working("worker"))
    for _ in range(3):
        await broken(stage, agent, FAULTS - 1)
        await started(stage)
        await agent.answer(await agent.assigned(), 1)
    assert not is_out(stage, agent)


async def test_one_task_that_nobody_can_do_blames_nobody(stage: Stage) -> None:
    agent = await stage.enlist(working("worker"))
    await stage.start(ONE, defaults={"attempts": 9, "backoff": {"first": "1s", "jitter": 0}})
    for _ in range(FAULTS + 2):
        await agent.answer(await agent.assigned(), CRASH, kind="failure")
        stage.clock.forward(600)
        stage.node.orchestrator.kick()
    assert not is_out(stage, agent)


@pytest.mark.parametrize(
    "failure",
    [
        b'{"code":"not-found","message":"there is none","retryable":false}',
        b'{"code":"input-contract","message":"I do not take this","retryable":true}',
    ],
)
async def test_who_says_that_it_cannot_be_done_or_refuses_the_input_is_not_to_blame(
    stage: Stage, failure: bytes
) -> None:
    agent = await stage.enlist(working("worker"))
    for _ in range(FAULTS + 1):
        await started(stage)
        await agent.answer(await agent.assigned(), failure, kind="failure")
    assert not is_out(stage, agent)


async def test_results_that_break_the_contract_count(stage: Stage) -> None:
    agent = await stage.enlist(working("worker"))
    for _ in range(FAULTS):
        await started(stage)
        await agent.answer(await agent.assigned(), b'"x"')
    assert is_out(stage, agent)


async def test_another_capability_goes_on(stage: Stage) -> None:
    agent = working("skilled", concurrency=2)

    @agent.capability("test.other@1.0.0")
    async def other(number: int) -> int:
        return number

    skilled = await stage.enlist(agent)
    await broken(stage, skilled)
    await stage.start({"work": {"uses": "test.other@^1", "with": {"number": 1}}}, version="1.0.1")
    await skilled.answer(await skilled.assigned(), 1)
    assert is_out(stage, skilled)


def grounds_of(events: Iterable[Event]) -> Grounds:
    """Why the agent of the only attempt was chosen."""
    (assigned,) = (event for event in events if isinstance(event, AttemptAssigned))
    assert assigned.grounds is not None
    return assigned.grounds


async def test_the_choice_says_who_is_out_and_who_is_on_trial(stage: Stage) -> None:
    bad = await stage.enlist(working("bad"))
    await broken(stage, bad)
    good = await stage.enlist(working("good"))
    run = await started(stage)
    await good.assigned()
    events = [event for _, event in await stage.node.events(run.id)]
    (passed,) = grounds_of(events).passed
    assert (passed.why, passed.agents) == ("out", (bad.id,))
    stage.clock.forward(FIRST.total_seconds())
    stage.parts.dispatcher.unblock()
    other = await started(stage)
    await bad.assigned()
    events = [event for _, event in await stage.node.events(other.id)]
    assert grounds_of(events).figures.on_trial


async def test_leases_that_run_out_together_are_one_fault(stage: Stage) -> None:
    agent = await stage.enlist(working("worker", concurrency=8))
    for _ in range(8):
        await started(stage)
        await agent.assigned()
    stage.clock.forward(31)
    await _sweep(stage)
    assert not is_out(stage, agent)


async def _sweep(stage: Stage) -> None:
    for slot in list(stage.parts.ledger.slots()):
        await stage.node.orchestrator.submit(slot.run.id, c.Tick())
