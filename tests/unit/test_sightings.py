"""Who is present, told across processes: at once when somebody comes or goes, the load every few seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from accord.engine.sighting import Sighted
from accord.sdk import Agent
from accord.testing.stage import QUIET, Stage, node_on


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def working(name: str) -> Agent:
    agent = Agent(name, concurrency=2, queue=3)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


async def test_an_instance_is_seen_by_every_process_until_it_is_gone(stage: Stage) -> None:
    async with await node_on(stage.ports) as other:
        sighted = Sighted(stage.parts)
        await sighted.go()
        assert await other.sightings() == []
        worker = await stage.enlist(working("worker"))
        await sighted.go()
        [seen] = await other.sightings()
        assert (seen.agent, seen.process) == (worker.id, stage.parts.identity.owner)
        assert (seen.concurrency, seen.queue, seen.load) == (2, 3, 0.0)
        await stage.node.revoke_key(worker.key.kid, by="test")
        await sighted.go()
        assert [one.draining for one in await other.sightings()] == [True]
        stage.parts.registry.expire(stage.clock.now())
        await sighted.go()
        assert await other.sightings() == []


async def test_the_load_is_told_every_few_seconds(stage: Stage) -> None:
    sighted, worker = Sighted(stage.parts), await stage.enlist(working("worker"))
    await sighted.go()
    await worker.heartbeat(load=0.6, queued=1)
    for passed, load in ((0.0, 0.0), (4.9, 0.0), (0.1, 0.6)):
        stage.clock.forward(passed)
        await sighted.go()
        assert [one.load for one in await stage.node.sightings()] == [load]


async def test_a_process_that_leaves_says_so_and_one_that_dies_is_forgotten(stage: Stage) -> None:
    await stage.enlist(working("worker"))
    sighted = Sighted(stage.parts)
    await sighted.go()
    await sighted.leave()
    assert await stage.node.sightings() == []
    dead = Sighted(stage.parts)
    await dead.go()
    assert len(await stage.node.sightings()) == 1
    stage.clock.forward(20)
    assert await stage.node.sightings() == []
    assert QUIET.absent_after.total_seconds() > 20, "the instance itself would still be here"


async def test_who_is_heard_by_several_processes_is_present_once(stage: Stage) -> None:
    worker = await stage.enlist(working("worker"))
    await Sighted(stage.parts).go()
    [ours] = await stage.node.sightings()
    stage.clock.forward(1)
    now = stage.clock.now()
    theirs = msgspec.structs.replace(ours, process="another", seen_at=now, load=0.5)
    await stage.ports.journal.report("another", [theirs], now=now, ttl=timedelta(seconds=20))
    assert await stage.node.sightings() == [theirs]
    assert theirs.agent == worker.id
