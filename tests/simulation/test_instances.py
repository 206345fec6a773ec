"""Several instances of an agent: whoever works on an attempt that has ended is told, and stops, whatever is lost."""

from __future__ import annotations

import asyncio
import logging

import orjson
import pytest

from accord.domain import command as c
from accord.domain.ids import LeaseToken, RunId
from accord.sdk import Agent, Context
from accord.sdk.agent import Bound, Terms
from accord.sdk.outcome import Output
from accord.templates.reading import read_source
from accord.testing.cast import INTEGER, PAIR, Cast
from accord.testing.world import Instance, World, simulated

HANGS = {
    "accord": "template/1",
    "name": "hangs",
    "version": "1.0.0",
    "input": {"type": "object"},
    "tasks": {"hang": {"uses": "math.hang@^1", "with": {"a": 1, "b": 2}}},
}
SEEDS = range(10)


@pytest.fixture(autouse=True)
def _quiet() -> object:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def _at_work(world: World, runs: int) -> tuple[list[RunId], list[Instance]]:
    """Runs whose only task never ends, and the two instances of the agent that do all of them."""
    await world.start()
    agent = Cast(world.rng, world.weather).adder("ada")
    instances = [await world.hire(agent, seat=seat) for seat in (1, 2)]
    await world.node.present(agent.id)
    source = read_source(orjson.dumps(HANGS).decode())
    digest = await world.node.publish(source.template, source.data)
    started = [(await world.node.start_run(digest, {})).id for _ in range(runs)]
    while len(_leases(*instances)) < runs:  # noqa: ASYNC110 - simulated time
        await asyncio.sleep(0.1)
    return started, instances


def _leases(*instances: Instance) -> set[LeaseToken]:
    return {lease for instance in instances for lease in instance.leases}


def test_the_instance_that_works_is_cancelled_and_no_other() -> None:
    async def scenario(world: World) -> None:
        runs, instances = await _at_work(world, 2)
        before = _leases(*instances)
        await world.node.control(runs[0], c.Cancel(by="test"))
        await asyncio.sleep(0.5)
        assert _leases(*instances) == {lease for lease in before if lease.startswith(runs[1])}
        await world.node.control(runs[1], c.Cancel(by="test"))
        await asyncio.sleep(0.5)
        assert _leases(*instances) == set()

    for seed in SEEDS:
        simulated(seed, scenario)


def test_a_cancellation_that_is_lost_is_made_good_by_the_next_heartbeat() -> None:
    async def scenario(world: World) -> None:
        runs, instances = await _at_work(world, 2)
        world.weather.lose = 1.0
        await world.node.control(runs[0], c.Cancel(by="test"))
        await asyncio.sleep(0.5)
        assert len(_leases(*instances)) == 2
        world.weather.lose = 0.0
        await asyncio.sleep(5)
        assert all(lease.startswith(runs[1]) for lease in _leases(*instances))

    for seed in SEEDS:
        simulated(seed, scenario)


def test_a_cancellation_that_a_crash_has_swallowed_is_made_good() -> None:
    async def scenario(world: World) -> None:
        runs, instances = await _at_work(world, 1)
        host = world.hosts["main"]
        host.parts.reached = lambda name: host.cut() if name == "after_append" else None
        cancelling = asyncio.create_task(world.node.control(runs[0], c.Cancel(by="test")))
        await host.crashed.wait()
        await world.crash()
        cancelling.cancel()
        await asyncio.gather(cancelling, return_exceptions=True)
        await asyncio.sleep(1)
        assert len(_leases(*instances)) == 1
        await world.start(claims=False)
        await world.own_all()
        await asyncio.sleep(5)
        assert world.watch.runs[runs[0]].phase == "cancelled"
        assert _leases(*instances) == set()

    for seed in SEEDS:
        simulated(seed, scenario)


def test_what_was_taken_over_goes_on_until_it_is_cancelled() -> None:
    async def scenario(world: World) -> None:
        runs, instances = await _at_work(world, 2)
        held = _leases(*instances)
        await world.crash()
        await world.start(claims=False)
        await world.own_all()
        await asyncio.sleep(20)
        assert _leases(*instances) == held
        world.weather.lose = 1.0
        await world.node.control(runs[0], c.Cancel(by="test"))
        await asyncio.sleep(0.5)
        assert _leases(*instances) == held
        world.weather.lose = 0.0
        await asyncio.sleep(5)
        assert _leases(*instances) == {lease for lease in held if lease.startswith(runs[1])}

    for seed in SEEDS:
        simulated(seed, scenario)


def test_a_rollback_leaves_no_attempt_of_the_old_epoch_running() -> None:
    async def scenario(world: World) -> None:
        runs, instances = await _at_work(world, 1)
        before = _leases(*instances)
        world.weather.lose = 1.0
        await world.node.control(runs[0], c.Rollback(to="hang", by="test"))  # type: ignore[arg-type]  # a task's id
        await asyncio.sleep(0.5)
        world.weather.lose = 0.0
        await asyncio.sleep(60)
        after = _leases(*instances)
        assert len(after) == 1
        assert not after & before
        await world.node.control(runs[0], c.Cancel(by="test"))

    for seed in SEEDS:
        simulated(seed, scenario)


def test_a_result_that_the_bus_has_lost_is_sent_again() -> None:
    async def scenario(world: World) -> None:
        at_work, may_end = asyncio.Event(), asyncio.Event()

        async def add(document: bytes, context: Context) -> Output:
            at_work.set()
            await may_end.wait()
            return Output(b"3")

        await world.start()
        agent = Agent("ada")
        agent.offer("math.add@1.0.0", Terms(), lambda: Bound(add, PAIR, INTEGER))
        await world.hire(agent)
        await world.node.present(agent.id)
        template = HANGS | {"tasks": {"add": {"uses": "math.add@^1", "with": {"a": 1, "b": 2}}}}
        source = read_source(orjson.dumps(template).decode())
        digest = await world.node.publish(source.template, source.data)
        run = await world.node.start_run(digest, {})
        await at_work.wait()
        world.weather.lose = 1.0
        may_end.set()
        await asyncio.sleep(1)
        assert not world.watch.runs[run.id].ended
        world.weather.lose = 0.0
        await asyncio.sleep(5)
        ended = world.watch.runs[run.id]
        assert ended.phase == "completed"
        (attempt,) = ended.state(next(iter(ended.graph.order))).attempts
        assert attempt.number == 1

    for seed in SEEDS:
        simulated(seed, scenario)
