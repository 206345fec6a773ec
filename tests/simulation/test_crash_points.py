"""A run survives a crash at each named point of its commits, and a stopped owner that wakes up writes nothing."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import orjson
import pytest

from accord.domain import command as c
from accord.domain.document import document_of
from accord.domain.ids import Digest
from accord.errors import AccordError
from accord.templates.reading import read_source
from accord.testing.cast import Cast
from accord.testing.outcome import Told, mistakes
from accord.testing.workflows import Maker, Workflow
from accord.testing.world import World, simulated

POINTS = ("before_append", "after_append", "before_ack")
COMMITS = range(1, 8)


@pytest.fixture(autouse=True)
def _quiet() -> object:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def _prepared(world: World, cast: Cast) -> tuple[Workflow, Digest]:
    flow = Maker(world.rng).workflow("main", 4)
    source = read_source(orjson.dumps(flow.source).decode())
    await world.start()
    agent = cast.adder("ada")
    await world.hire(agent)
    await world.node.present(agent.id)
    return flow, await world.node.publish(source.template, source.data)


async def _answers(world: World, flow: Workflow) -> None:
    for run in list(world.watch.runs.values()):
        for task, state in sorted(run.tasks.items()):
            if state.waiting is None or state.waiting.for_ == "time" or run.ended:
                continue
            payload = flow.signals().get(state.waiting.signal or "")
            if state.waiting.signal is None:
                command = c.Signal(payload=document_of(b'{"approved":true}'), by="test", task=task)
            elif payload is not None:
                command = c.Signal(payload=document_of(b"%d" % payload), by="test", name=state.waiting.signal)
            else:
                continue
            try:
                await world.node.control(run.id, command)
            except AccordError:
                continue


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_each_named_point(point: str) -> None:
    async def scenario(world: World, crash_at: int) -> None:
        cast = Cast(world.rng, world.weather)
        flow, digest = await _prepared(world, cast)
        host, seen = world.hosts["main"], [0]

        def reached(name: str) -> None:
            seen[0] += name == point
            if seen[0] == crash_at and name == point:
                host.cut()

        try:
            run = await world.node.start_run(digest, {"n": 3})
        except AccordError:
            pytest.fail("nothing is wrong yet")
        host.parts.reached = reached
        for _ in range(200):
            if host.crashed.is_set() and world.hosts.get("main") is host:
                await world.crash()
                await asyncio.sleep(1)
                await world.start(claims=False)
                await world.own_all()
            await _answers(world, flow)
            if world.watch.runs[run.id].ended:
                break
            await asyncio.sleep(1)
        world.watch.broken.extend(await mistakes(world.watch, world.node, {run.id: Told(flow, 3)}, cast.traces))

    for crash_at in COMMITS:
        simulated(crash_at, partial(scenario, crash_at=crash_at))


def test_a_stopped_owner_that_wakes_up_writes_nothing() -> None:
    async def scenario(world: World) -> None:
        cast = Cast(world.rng, world.weather)
        flow, digest = await _prepared(world, cast)
        run = await world.node.start_run(digest, {"n": 3})
        sleeper = world.hosts["main"]
        sleeper.freeze()
        await world.start("second", claims=False)
        await asyncio.sleep(world.tuning.partition_ttl.total_seconds() * 2)
        second = world.hosts["second"]
        await second.parts.partitions.claim_all()
        assert len(second.parts.partitions.fences) == 64
        await asyncio.sleep(5)
        sleeper.thaw()
        await asyncio.sleep(30)
        assert not sleeper.parts.partitions.fences, "it has noticed that it owns nothing any more"
        for _ in range(100):
            await _answers(world, flow)
            await asyncio.sleep(1)
        assert world.watch.runs[run.id].phase == "completed"
        world.watch.broken.extend(await mistakes(world.watch, second.node, {run.id: Told(flow, 3)}, cast.traces))
        world.watch.broken.extend(world.leaks())

    for seed in range(10):
        simulated(seed, scenario)
