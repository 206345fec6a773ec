"""Instances whose connection has closed: who comes back keeps its work, who does not has lost it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from accord.domain.event import AttemptExpired
from accord.domain.ids import InstanceId, LeaseToken
from accord.domain.message import Message
from accord.domain.news import Happened
from accord.domain.run import Run
from accord.engine.absence import Departed
from accord.engine.departures import Belongings
from accord.sdk import Agent
from accord.testing.stage import Assignment, ScriptedAgent, Stage, attempts_of

TASKS = {"a": {"uses": "test.work@^1"}}
AT_ONCE = {"defaults": {"attempts": 3, "backoff": {"first": "0s", "jitter": 0}}}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def working() -> Agent:
    agent = Agent("worker")

    @agent.capability("test.work@1.0.0")
    async def work() -> int:
        return 1

    return agent


class Scene:
    """A run whose only task is with an instance whose connection has closed just now."""

    def __init__(self, stage: Stage, agent: ScriptedAgent, run: Run, assignment: Assignment) -> None:
        self.stage = stage
        self.agent = agent
        self.run = run
        self.assignment = assignment

    @property
    def lease(self) -> LeaseToken:
        lease = self.assignment.claims.lease
        assert lease is not None
        return lease

    async def attempts(self) -> list[str]:
        return list(attempts_of(await self.stage.run(self.run)))

    async def pass_by(self, seconds: float) -> None:
        """Let time pass, and the round come."""
        self.stage.clock.forward(seconds)
        await Departed(self.stage.node.orchestrator).go()


async def departed(stage: Stage, *, others: int = 1) -> Scene:
    """The scene, with so many other instances of the agent."""
    agent = await stage.enlist(working())
    for number in range(others):
        other = InstanceId(f"{agent.id}#other{number}")
        await agent.tell(await agent.news("card", agent.card(instance=other)))
    run = await stage.start(TASKS, **AT_ONCE)
    scene = Scene(stage, agent, run, await agent.assigned())
    had = Belongings(frozenset((scene.lease,)))
    stage.parts.departures.left(agent.instance, had, stage.clock.now())
    return scene


async def test_who_does_not_come_back_has_lost_its_attempts_though_others_are_there(stage: Stage) -> None:
    scene = await departed(stage)
    await scene.pass_by(8)
    again = await scene.agent.assigned()
    assert await scene.attempts() == ["a/1 expired", "a/2 assigned"]
    assert scene.agent.instance not in stage.parts.registry.instances(scene.agent.id)
    await scene.agent.answer(scene.assignment, 1)  # it has done it, and comes back too late
    assert await scene.attempts() == ["a/1 expired", "a/2 assigned"]
    await scene.agent.answer(again, 1)
    assert await scene.attempts() == ["a/1 expired", "a/2 succeeded"]
    assert (await stage.run(scene.run)).phase == "completed"


async def test_before_its_time_is_over_nothing_happens(stage: Stage) -> None:
    scene = await departed(stage)
    await scene.pass_by(7)
    assert await scene.attempts() == ["a/1 assigned"]
    assert scene.agent.instance in stage.parts.registry.instances(scene.agent.id)


async def test_who_comes_back_goes_on(stage: Stage) -> None:
    scene = await departed(stage)
    await scene.pass_by(7)
    assert stage.parts.departures.returned(scene.agent.instance).leases == {scene.lease}
    await scene.pass_by(7)
    await scene.agent.answer(scene.assignment, 1)
    assert await scene.attempts() == ["a/1 succeeded"]


async def test_it_is_given_what_may_not_have_arrived_once(stage: Stage) -> None:
    message = Message(b"an assignment", b"")
    instance = InstanceId("spiffe://local/agent/worker#1")
    stage.parts.departures.left(instance, Belongings(doubtful=(message,)), stage.clock.now())
    assert stage.parts.departures.returned(instance).doubtful == (message,)
    assert stage.parts.departures.returned(instance) == Belongings()


async def test_who_is_heard_by_another_way_has_lost_nothing(stage: Stage) -> None:
    scene = await departed(stage)
    stage.clock.forward(3)
    await scene.agent.heartbeat(scene.lease)
    await scene.pass_by(5)
    assert await scene.attempts() == ["a/1 assigned"]
    assert scene.agent.instance in stage.parts.registry.instances(scene.agent.id)


async def test_a_heartbeat_that_was_under_way_when_it_closed_says_nothing(stage: Stage) -> None:
    scene = await departed(stage)
    stage.clock.forward(0.5)
    await scene.agent.heartbeat(scene.lease)
    await scene.pass_by(8)
    await scene.agent.assigned()
    assert await scene.attempts() == ["a/1 expired", "a/2 assigned"]


async def test_a_lease_that_another_instance_keeps_is_not_lost(stage: Stage) -> None:
    scene = await departed(stage)
    stage.clock.forward(3)
    other = InstanceId(f"{scene.agent.id}#other0")
    await scene.agent.tell(await scene.agent.news("heartbeat", scene.agent.beat(scene.lease, instance=other)))
    await scene.pass_by(5)
    assert await scene.attempts() == ["a/1 assigned"]
    assert scene.agent.instance not in stage.parts.registry.instances(scene.agent.id)


async def test_what_waits_for_the_only_instance_is_lost_as_well(stage: Stage) -> None:
    scene = await departed(stage, others=0)
    waiting = await stage.start(TASKS, **AT_ONCE)  # it is assigned, and nobody takes it from the queue
    await scene.pass_by(8)
    assert stage.parts.registry.serving(scene.agent.id) == ()
    for run in (scene.run, waiting):
        async for news in stage.node.follow(run.id):
            if isinstance(news, Happened) and any(isinstance(one, AttemptExpired) for one in news.events):
                break
    await scene.agent.announce()
    assert {(await scene.agent.assigned()).claims.attempt for _ in range(3)} == {1, 2}


async def test_an_answered_lease_is_nobodys(stage: Stage) -> None:
    scene = await departed(stage)
    await scene.agent.answer(scene.assignment, 1)
    await scene.pass_by(8)
    assert await scene.attempts() == ["a/1 succeeded"]
