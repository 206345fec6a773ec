"""Ten times as much load as agents can take: what still gets through, and whose it is. It is the size of a simulation:
journal and bus are in memory, and agents sleep while they work, so it is not the machine that is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import msgspec

from accord.app import host
from accord.blobs.memory import MemoryBlobStore
from accord.bus.memory import MemoryBus
from accord.domain.agent import HIGH_WATER
from accord.domain.event import AttemptFailed, AttemptSucceeded
from accord.domain.ids import PARTITIONS, AgentId, Digest
from accord.engine.node import Node
from accord.engine.parts import Identity, Parts, Ports, Tuning
from accord.errors import RateLimited
from accord.machine import RandomIds, SystemClock
from accord.policy.live import shipped
from accord.sdk import Agent, Failure
from accord.store.memory import MemoryJournal
from accord.testing.keys import MemoryKeyStore
from accord.verifier.compatibility import compatible_version
from bench.measure import Readings, share
from bench.scenarios import publish, template_of

WORK_S = 0.32
AGENTS, CONCURRENCY = 4, 8
CAPACITY = AGENTS * CONCURRENCY / WORK_S
"""Tasks a second."""

STEP_S = 0.02
"""How often a flood starts runs."""

TUNING = Tuning(max_runs=1_000, partition_ttl=timedelta(seconds=10))


class Load(msgspec.Struct):
    """What came of a load."""

    per_second: float
    """Tasks that were done."""
    refused: float
    """The share of the runs that were refused."""
    failed: int
    """Attempts."""
    most_held: int
    """Attempts that all processes together had given to one agent."""
    latencies_s: list[float]
    """Of the small tenant's runs."""


class Site:
    """Some processes that share journal, bus and agents."""

    def __init__(self, nodes: Sequence[Node], agents: Sequence[Agent], digest: Digest) -> None:
        self._nodes = nodes
        self._agents = agents
        self._digest = digest
        self._asked = self._refused = self._most = 0
        self._latencies_s: list[float] = []

    async def load(self, per_second: float, seconds: float) -> Load:
        """So many runs are started a second, all by one tenant, beside one that has one run at a time."""
        self._asked = self._refused = self._most = 0
        self._latencies_s = []
        async with asyncio.TaskGroup() as group:
            floods = [group.create_task(self._flood(node, per_second / len(self._nodes))) for node in self._nodes]
            small = group.create_task(self._small())
            await asyncio.sleep(1.0)  # until it is full
            before, failed, began = self._count(AttemptSucceeded), self._count(AttemptFailed), time.perf_counter()
            while time.perf_counter() - began < seconds:
                held = [sum(node.parts.router.load(one.id).held for node in self._nodes) for one in self._agents]
                self._most = max(self._most, *held)
                await asyncio.sleep(0.001)
            took_s = time.perf_counter() - began
            done, failures = self._count(AttemptSucceeded) - before, self._count(AttemptFailed) - failed
            for task in (*floods, small):
                task.cancel()
        refused = self._refused / max(self._asked, 1)
        return Load(done / took_s, refused, failures, self._most, self._latencies_s)

    def _count(self, kind: type[AttemptSucceeded | AttemptFailed]) -> int:
        return sum(node.parts.figures.events[kind] for node in self._nodes)

    async def _flood(self, node: Node, per_second: float) -> None:
        async with asyncio.TaskGroup() as group:
            owed = 0.0
            while True:
                owed += per_second * STEP_S
                for _ in range(int(owed)):
                    group.create_task(self._start(node))
                owed -= int(owed)
                await asyncio.sleep(STEP_S)

    async def _start(self, node: Node) -> None:
        self._asked += 1
        try:
            await node.start_run(self._digest, {"n": 1}, by="flood")
        except RateLimited:
            self._refused += 1

    async def _small(self) -> None:
        while True:
            began = time.perf_counter()
            run = await self._nodes[0].start_run(self._digest, {"n": 1}, by="small")
            await self._nodes[0].ended(run.id)
            self._latencies_s.append(time.perf_counter() - began)


async def busy(n: int) -> int:
    """Work that takes its time."""
    await asyncio.sleep(WORK_S)
    return n


async def broken(n: int) -> int:
    """What an agent does that is broken: it is the fastest of all."""
    raise Failure("broken", f"no such table: {n}", retryable=True)


def _agents(*, one_is_broken: bool) -> list[Agent]:
    made = []
    for number in range(AGENTS + one_is_broken):
        agent = Agent(f"busy-{number}", concurrency=CONCURRENCY)
        agent.capability("bench.busy@1.0.0")(busy if number < AGENTS else broken)
        made.append(agent)
    return made


@asynccontextmanager
async def _site(processes: int = 1, *, one_is_broken: bool = False) -> AsyncIterator[Site]:
    clock = SystemClock()
    keys, journal, blobs, bus = MemoryKeyStore(clock.now()), MemoryJournal(), MemoryBlobStore(), MemoryBus()
    key = await keys.create("orchestrator")
    agents = _agents(one_is_broken=one_is_broken)
    async with AsyncExitStack() as stack:
        nodes = []
        for number in range(processes):
            ports = Ports(journal, blobs, bus, keys, clock, RandomIds(), shipped())
            identity = Identity(AgentId("spiffe://local/orchestrator/main"), "local", key, f"process-{number}")
            node = await stack.enter_async_context(Node(Parts(ports, identity, compatible_version, TUNING)))
            for partition in range(number, PARTITIONS, processes):
                await node.parts.partitions.claim(partition)
            nodes.append(node)
        await stack.enter_async_context(host(nodes[0], agents))
        work = {"work": {"uses": "bench.busy@^1", "with": {"n": "${ input.n }"}, "retry": {"attempts": 5}}}
        template = template_of("overload", work, "${ tasks.work.output }", {"n": {"type": "integer"}})
        digest = await publish(nodes[0], template)
        for node in nodes[1:]:
            await node.parts.refresh()
            for agent in agents:
                await node.present(agent.id)
        yield Site(nodes, agents, digest)


async def overload(scale: float) -> Readings:
    """The figures; loads last longer the greater the scale."""
    seconds = max(5 * scale, 1)
    async with _site() as site:
        alone = await site.load(0, seconds)
        even = await site.load(CAPACITY, seconds)
        tenfold = await site.load(10 * CAPACITY, seconds)
    async with _site(2) as site:
        two = await site.load(10 * CAPACITY, seconds)
    async with _site(one_is_broken=True) as site:
        beside_broken = await site.load(10 * CAPACITY, seconds)
    values = {
        "capacity: tasks a second": CAPACITY,
        "load as the capacity: tasks a second": even.per_second,
        "ten times the capacity: tasks a second": tenfold.per_second,
        "ten times: runs refused, %": 100 * tenfold.refused,
        "a small tenant alone: p50 ms": 1e3 * share(alone.latencies_s, 0.5),
        "a small tenant beside the flood: p50 ms": 1e3 * share(tenfold.latencies_s, 0.5),
        "a small tenant beside the flood: p95 ms": 1e3 * share(tenfold.latencies_s, 0.95),
        "two processes, ten times: tasks a second": two.per_second,
        "two processes: most places of an agent taken": two.most_held,
        "two processes: places of an agent": CONCURRENCY + int(HIGH_WATER * CONCURRENCY),
        "a broken agent beside, ten times: tasks a second": beside_broken.per_second,
        "a broken agent beside: attempts that failed": beside_broken.failed,
    }
    return Readings({name: round(value, 2) for name, value in values.items()})
