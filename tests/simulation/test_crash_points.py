"""A run survives a crash at each named point of its commits, and a stopped owner that wakes up writes nothing.

`ACCORD_TEST_CRASHES` sets at how many moments of each point it crashes.
"""

from __future__ import annotations

import asyncio
import logging
import os
from functools import partial
from typing import get_args

import orjson
import pytest

from accord.domain import command as c
from accord.domain.document import document_of
from accord.domain.ids import PARTITIONS, Digest
from accord.domain.run import Run
from accord.engine.parts import Point
from accord.errors import AccordError, StoreUnavailable
from accord.templates.reading import read_source
from accord.testing.cast import Cast
from accord.testing.outcome import Told, mistakes
from accord.testing.workflows import Maker, Workflow
from accord.testing.world import World, simulated

MOMENTS = int(os.environ.get("ACCORD_TEST_CRASHES", "6"))


@pytest.fixture(autouse=True)
def _quiet() -> object:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Mortal:
    """A process that dies at its `moment`th passing of a point, and is started again as often as that takes."""

    def __init__(self, world: World, point: Point, moment: int) -> None:
        self.world = world
        self.point = point
        self.left = moment

    @property
    def has_died(self) -> bool:
        """Whether the point was passed so often."""
        return self.left <= 0

    async def live(self) -> None:
        """Come to own everything."""
        while True:
            host = self.world.hosts.get("main")
            if host is None or host.crashed.is_set():
                await self.world.crash()
                await asyncio.sleep(1)
                await self.world.start(claims=False)
                self._watch()
                continue
            try:
                await host.parts.partitions.claim_all()
            except StoreUnavailable:
                continue
            if len(host.parts.partitions.fences) == PARTITIONS:
                return
            await asyncio.sleep(1)

    def _watch(self) -> None:
        host = self.world.hosts["main"]
        tell = host.parts.reached

        def reached(point: Point) -> None:
            tell(point)
            if point == self.point:
                self.left -= 1
                if self.left == 0:
                    host.cut()

        host.parts.reached = reached


async def _prepared(world: World, cast: Cast) -> tuple[Workflow, Digest]:
    flow = Maker(world.rng).workflow("main", 4)
    await world.start()
    await _hired(world, cast)
    return flow, await _published(world, flow)


async def _hired(world: World, cast: Cast) -> None:
    agent = cast.adder("ada")
    await world.hire(agent)
    await world.node.present(agent.id)


async def _published(world: World, flow: Workflow) -> Digest:
    source = read_source(orjson.dumps(flow.source).decode())
    return await world.node.publish(source.template, source.data)


async def _answers(world: World, *flows: Workflow) -> None:
    for run in list(world.watch.runs.values()):
        flow = next(one for one in flows if one.name == run.started.template.partition("@")[0])
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


async def _die_once(world: World, point: Point, moment: int) -> bool:
    """A run from its start to its end, with a crash; whether there was one."""
    cast = Cast(world.rng, world.weather)
    child = Maker(world.rng).workflow("child", 2)
    flow = Maker(world.rng).workflow("main", 5, child=child)
    await world.start(claims=False)
    await _hired(world, cast)
    await _published(world, child)
    digest = await _published(world, flow)
    await world.crash()
    mortal = Mortal(world, point, moment)
    started: Run | None = None
    for _ in range(300):
        await mortal.live()
        try:
            started = started or await world.node.start_run(digest, {"n": 3}, once="the only one")
            await _answers(world, flow, child)
        except AccordError:
            continue
        if all(run.ended for run in world.watch.runs.values()):
            break
        await asyncio.sleep(1)
    await asyncio.sleep(12)  # heartbeats, and what they bring about
    assert started is not None
    await mortal.live()
    roots = [run.id for run in world.watch.runs.values() if run.started.parent is None]
    assert roots == [started.id], "asked for again under the same name, it is started once"
    world.watch.broken.extend(await mistakes(world.watch, world.node, {started.id: Told(flow, 3)}, cast.traces))
    world.watch.broken.extend(world.leaks())
    return mortal.has_died


@pytest.mark.parametrize("point", get_args(Point))
def test_a_crash_at_each_named_point(point: Point) -> None:
    died = [simulated(moment, partial(_die_once, point=point, moment=moment)) for moment in range(1, MOMENTS + 1)]
    assert died[0], f"{point} is never reached"


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
