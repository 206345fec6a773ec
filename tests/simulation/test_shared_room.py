"""Several processes of an orchestrator on one bus: together they keep the bounds of agents and capabilities, and each
gets its turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import msgspec
import orjson
import pytest

from accord.domain.event import RunCompleted
from accord.domain.ids import AgentId, Digest
from accord.engine.node import Node
from accord.sdk import Agent
from accord.templates.reading import read_source
from accord.testing.world import World, simulated

TEMPLATE = {
    "accord": "template/1",
    "name": "sleeps",
    "version": "1.0.0",
    "input": {"type": "object"},
    "tasks": {"sleep": {"uses": "test.sleep@^1", "with": {"seconds": "${ input.seconds }"}}},
}
SEEDS = range(2)


@pytest.fixture(autouse=True)
def _quiet() -> object:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def sleeper(concurrency: int, name: str = "sleeper") -> Agent:
    agent = Agent(name, concurrency=concurrency, queue=0)

    @agent.capability("test.sleep@1.0.0")
    async def sleep(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    return agent


class Shared:
    """Two processes, each with half of the partitions, and what they hold together."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.nodes: dict[str, Node] = {}
        self.digest: Digest
        self.most: dict[str, int] = {}
        self._running: list[asyncio.Task[None]] = []

    async def open(self, agent: Agent, names: str = "ab") -> None:
        for number, name in enumerate(names):
            node = self.nodes[name] = await self.world.start(name, claims=False)
            for partition in range(number, 64, len(names)):
                await node.parts.partitions.claim(partition)
        await self.world.hire(agent)
        for node in self.nodes.values():
            await node.present(agent.id)
        source = read_source(orjson.dumps(TEMPLATE).decode())
        first, *others = self.nodes.values()
        self.digest = await first.publish(source.template, source.data)
        for node in others:
            await node.parts.refresh()
        await asyncio.sleep(0.5)  # they have met
        assert all(node.parts.router.commons.processes == len(names) for node in self.nodes.values())

    def starts(self, name: str, runs: int, seconds: float) -> None:
        """The process is asked for so many runs at once."""
        self._running += [asyncio.create_task(self._run(name, seconds)) for _ in range(runs)]

    async def _run(self, name: str, seconds: float) -> None:
        run = await self.nodes[name].start_run(self.digest, {"seconds": seconds}, by=name)
        await self.nodes[name].ended(run.id)

    async def done(self, agent: AgentId) -> None:
        """Everything has ended; meanwhile it is seen how much they hold together."""
        while not all(task.done() for task in self._running):
            self._look(agent)
            await asyncio.sleep(0.005)
        for task in self._running:
            task.result()

    async def stop(self) -> None:
        """Nobody waits for the runs any more."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def held(self, name: str, agent: AgentId) -> int:
        return self.nodes[name].parts.router.load(agent).held

    def ended(self, name: str) -> int:
        """How many of its runs have ended."""
        return self.nodes[name].parts.figures.events[RunCompleted]

    def _look(self, agent: AgentId) -> None:
        held = sum(self.held(name, agent) for name in self.nodes)
        self.most["agent"] = max(self.most.get("agent", 0), held)


def played(scenario: Callable[[Shared], Coroutine[Any, Any, None]], **tuning: Any) -> None:
    async def play(world: World) -> None:
        world.tuning = msgspec.structs.replace(world.tuning, **tuning)
        await scenario(Shared(world))

    for seed in SEEDS:
        simulated(seed, play)


def test_together_they_keep_an_agents_bound() -> None:
    async def scenario(shared: Shared) -> None:
        agent = sleeper(4)
        await shared.open(agent)
        for name in "ab":
            shared.starts(name, 20, 0.3)
        await shared.done(agent.id)
        assert 4 <= shared.most["agent"] <= 4 + 1

    played(scenario)


def test_three_keep_it_as_well() -> None:
    async def scenario(shared: Shared) -> None:
        agent = sleeper(2)
        await shared.open(agent, "abc")
        for name in "abc":
            shared.starts(name, 8, 0.2)
        await shared.done(agent.id)
        assert shared.most["agent"] <= 2 + 2

    played(scenario)


def test_together_they_keep_a_capabilitys_limit() -> None:
    async def scenario(shared: Shared) -> None:
        agent = sleeper(64)
        await shared.open(agent)
        for name in "ab":
            shared.starts(name, 10, 0.3)
        await shared.done(agent.id)
        assert 3 <= shared.most["agent"] <= 3 + 1

    played(scenario, capability_limits={"test.sleep": 3})


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_where_an_agent_has_room_for_one_only_each_process_gets_its_turn(seconds: float) -> None:
    async def scenario(shared: Shared) -> None:
        agent = sleeper(1)
        await shared.open(agent)
        shared.starts("a", round(30 / seconds), seconds)
        await asyncio.sleep(2)
        before = shared.ended("a")
        shared.starts("b", round(12 / seconds), seconds)
        await asyncio.sleep(20)
        await shared.stop()
        done = shared.ended("a") - before, shared.ended("b")
        assert done[1] * seconds >= 5, f"in 20 s, of a and b: {done}"
        assert done[0] * seconds >= 5, f"in 20 s, of a and b: {done}"
        assert sum(done) * seconds >= 0.6 * 20, f"the place is not idle: {done}"

    played(scenario)


def test_one_that_is_gone_leaves_its_room() -> None:
    async def scenario(shared: Shared) -> None:
        agent = sleeper(4)
        await shared.open(agent)
        shared.starts("b", 4, 1000)
        await asyncio.sleep(1)
        assert shared.held("b", agent.id) == 4
        assert shared.nodes["a"].parts.router.commons.held_by_others(agent.id) == 4
        await shared.stop()
        await shared.world.crash("b")
        await asyncio.sleep(shared.world.tuning.partition_ttl.total_seconds() + 1)
        assert shared.nodes["a"].parts.router.commons.alone

    played(scenario)


def test_one_that_leaves_in_good_order_says_so() -> None:
    async def scenario(shared: Shared) -> None:
        await shared.open(sleeper(4))
        host = shared.world.hosts.pop("b")
        await host.node.__aexit__(None, None, None)
        await asyncio.sleep(0.2)
        assert shared.nodes["a"].parts.router.commons.alone
        shared.world.watch.parts.pop(host.parts.identity.owner)

    played(scenario, partition_ttl=timedelta(seconds=60))
