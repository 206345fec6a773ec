"""The world around simulated orchestrators: a bus, a journal, blobs, keys and agents that survive their crashes, and
the weather that they live in.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

from accord.blobs.memory import MemoryBlobStore
from accord.domain.agent import agent_id
from accord.domain.diagnosis import DIAGNOSTICIAN
from accord.domain.ids import PARTITIONS, AgentId, Digest, LeaseToken
from accord.domain.shares import SHARED
from accord.domain.signature import Algorithm, PublicKey
from accord.engine.calls import Planner
from accord.engine.node import Node
from accord.engine.parts import Identity, Parts, Point, Ports, Tuning
from accord.errors import StoreUnavailable
from accord.keys.private import PrivateKey
from accord.policy.live import shipped
from accord.ports import Clock, StoredKey
from accord.sdk import Agent
from accord.sdk.worker import AgentKey, Worker, WorkerOptions
from accord.store.memory import Fault, MemoryJournal
from accord.testing.keys import MemoryKeyStore, MemoryKeyWrapper
from accord.testing.leaks import leaks_of
from accord.testing.simulation import EPOCH, SeededIds, SimulatedClock, SimulatedLoop, run_simulated
from accord.testing.stormy_bus import Line, StormyBus
from accord.testing.watch import Watch, WatchedJournal
from accord.testing.weather import STALL_S, Weather
from accord.verifier.compatibility import compatible_version

T = TypeVar("T")

FAULTY = frozenset(
    ("append", "read", "overdue", "renew", "claim", "letters", "answer", "post", "owners", "attend", "replicas")
)
"""What the journal refuses in bad weather."""

ORCHESTRATOR = AgentId("spiffe://local/orchestrator/main")

_ORDER = int("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", 16)
"""Of the group of P-256."""


def simulated(
    seed: int, scenario: Callable[[World], Coroutine[Any, Any, T]], watch: Callable[[Clock], Watch] = Watch
) -> T:
    """What the scenario gives in the world of this seed. Raises Broken, Deadlock, LeftOver, and what it does."""
    rng = random.Random(seed)  # noqa: S311 - a simulation, not a secret

    async def play(loop: SimulatedLoop) -> T:
        async with World.open(rng, loop, watch) as world:
            result = await scenario(world)
            world.watch.check()
        world.watch.check()
        return result

    return run_simulated(rng, play)


class SeededKeyStore(MemoryKeyStore):
    """A key store whose keys are the seed's: the same seed signs the same."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(EPOCH)
        self._rng = rng

    async def create(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Make the next key of the seed."""
        secret = derive_private_key(1 + self._rng.getrandbits(256) % (_ORDER - 1), SECP256R1())
        key = PrivateKey(PublicKey.of(secret.public_key()), secret)
        self._keys[name] = StoredKey(name, key.public, EPOCH)
        self._by_kid[key.public.kid] = key
        return key.public


class StormyBlobs(MemoryBlobStore):
    """A blob store that is away now and then."""

    def __init__(self, rng: random.Random, weather: Weather) -> None:
        super().__init__()
        self._rng = rng
        self._weather = weather

    async def put(self, data: bytes) -> Digest:
        """Keep, or not; the answer to what was kept may be lost."""
        self._maybe_refuse()
        digest = await super().put(data)
        self._maybe_refuse()
        return digest

    async def get(self, digest: Digest) -> bytes:
        """Fetch, or not."""
        self._maybe_refuse()
        return await super().get(digest)

    def _maybe_refuse(self) -> None:
        if self._weather.refuse_blob and self._rng.random() < self._weather.refuse_blob:
            raise StoreUnavailable.of("ACC501", "the blob store is away")


class Host:
    """A process in which an orchestrator runs; it may crash, and it may stand still for a while."""

    def __init__(self, node: Node, journal: WatchedJournal, line: Line) -> None:
        self.node = node
        self.journal = journal
        self.line = line
        self.crashed = asyncio.Event()

    @property
    def parts(self) -> Parts:
        """The orchestrator's parts."""
        return self.node.parts

    def cut(self) -> None:
        """The process is gone at once: nothing that it still tries has an effect."""
        self.journal.passage.cut()
        self.line.passage.cut()
        self.crashed.set()

    def freeze(self) -> None:
        """The process stands still: whatever it does outside of itself waits."""
        self.journal.passage.freeze()
        self.line.passage.freeze()

    def thaw(self) -> None:
        """The process goes on."""
        self.journal.passage.thaw()
        self.line.passage.thaw()

    async def bury(self) -> None:
        """End what is left of a process that is gone."""
        self.cut()
        await self.node.vanish()


Seat = tuple[AgentId, int]
"""An agent, and which of its instances."""


class Instance:
    """A running instance of an agent; it may be killed, and it may stand still for a while."""

    def __init__(self, agent: Agent, worker: Worker, line: Line) -> None:
        self.agent = agent
        self.line = line
        self._worker = worker

    @property
    def leases(self) -> tuple[LeaseToken, ...]:
        """The leases of what it does."""
        return self._worker.leases

    async def leave(self) -> None:
        """Stop in good order."""
        self.line.passage.thaw()
        await self._worker.stop()

    async def kill(self) -> None:
        """Be gone at once: nothing more is said, what was taken goes back to the bus."""
        self.line.passage.cut()
        await self._worker.stop()


class World:
    """Everything outside of the orchestrators."""

    def __init__(self, rng: random.Random, loop: SimulatedLoop, watch: Callable[[Clock], Watch] = Watch) -> None:
        self.rng = rng
        self.clock = SimulatedClock(loop)
        self.ids = SeededIds(rng)
        self.weather = Weather()
        self.bus = StormyBus(rng, self.weather)
        self.blobs = StormyBlobs(rng, self.weather)
        self.keys = SeededKeyStore(rng)
        self.wrapper = MemoryKeyWrapper()
        self.watch = watch(self.clock)
        self.disk = MemoryJournal(self._fault)
        self.tuning = Tuning(
            lease=timedelta(seconds=10),
            absent_after=timedelta(seconds=8),
            partition_ttl=timedelta(seconds=5),
            system_agents=frozenset((DIAGNOSTICIAN, agent_id("local", "quack"))),
        )
        self.planner: Planner | None = None
        """Of every orchestrator that is started."""
        self.heartbeat = timedelta(seconds=2)
        """How often an instance says that it is there."""
        self.hosts: dict[str, Host] = {}
        self.instances: dict[Seat, Instance] = {}
        self._started = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, rng: random.Random, loop: SimulatedLoop, watch: Callable[[Clock], Watch] = Watch
    ) -> AsyncIterator[World]:
        """A world without an orchestrator yet."""
        world = cls(rng, loop, watch)
        await world.keys.create("orchestrator")
        try:
            yield world
        finally:
            world.weather.clear_up()
            for name in list(world.hosts):
                await world.crash(name)
            for instance in list(world.instances.values()):
                await instance.kill()
            await world.bus.settle()

    @property
    def node(self) -> Node:
        """The orchestrator that was started last."""
        return list(self.hosts.values())[-1].node

    def _fault(self, operation: str) -> Fault | None:
        if operation not in FAULTY:
            return None
        chance, weather = self.rng.random(), self.weather
        if operation != "append":
            return "refused" if chance < weather.refuse_other else None
        if chance < weather.refuse_commit:
            return "refused"
        return "lost_answer" if chance < weather.refuse_commit + weather.lose_answer else None

    # -- orchestrators -------------------------------------------------------------------------------------------

    async def start(self, name: str = "main", *, claims: bool = True) -> Node:
        """Start an orchestrator on what the ones before have left, and let it own what is free, all where it can."""
        self._started += 1
        owner = f"{name}-{self._started}"
        line = Line(self.bus, self.rng, self.weather)
        journal = WatchedJournal(self.disk, self.watch, owner, self._commit_delay, self._answer_delay)
        public = await self.keys.public("orchestrator")
        ports = Ports(journal, self.blobs, line, self.keys, self.clock, self.ids, shipped(), self.wrapper)
        identity = Identity(id=ORCHESTRATOR, organisation="local", key=public, owner=owner)
        parts = Parts(ports, identity, compatible_version, self.tuning)
        self.watch.parts[owner] = parts
        line.acknowledged = lambda message: self.watch.acknowledged(message, parts)
        host = Host(Node(parts), journal, line)
        parts.reached = self._reached(host)
        host.node.orchestrator.calls.planner = self.planner
        self.hosts[name] = host
        await self._persist(host.node.__aenter__)
        if claims:
            await self._persist(parts.partitions.claim_all)
        return host.node

    def _reached(self, host: Host) -> Callable[[Point], None]:
        def reached(point: Point) -> None:
            if point == "turn_over" and not host.crashed.is_set():
                self.watch.turn_over(host.parts)
            if self.weather.crash_at_point and self.rng.random() < self.weather.crash_at_point:
                host.cut()

        return reached

    async def _persist(self, step: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Do what a store that is away now and then may refuse, as an operator would."""
        while True:
            try:
                await step()
            except StoreUnavailable:
                await asyncio.sleep(0.2)
            else:
                return

    async def own_all(self, name: str = "main", within_s: float = 60) -> None:
        """Wait until this orchestrator owns every partition that others do not own."""
        for _ in range(int(within_s)):
            owned = sum(len(host.parts.partitions.fences) for host in self.hosts.values())
            if owned >= PARTITIONS:
                return
            host = self.hosts.get(name)  # another one, where it has crashed meanwhile
            if host is not None:
                with suppress(StoreUnavailable):
                    await host.parts.partitions.claim_all()
            await asyncio.sleep(1)
        raise AssertionError("there are partitions that nobody can own")

    async def come_out_even(self, within_s: float = 60) -> None:
        """Wait until the replicas have their shares."""
        counts = Counter[str]()
        for _ in range(int(within_s)):
            counts = Counter(one.name for one in await self.disk.owners() if one.partition in SHARED)
            running = {host.parts.identity.owner for host in self.hosts.values()}
            complete = counts.total() == len(SHARED) and counts.keys() == running
            if complete and max(counts.values()) - min(counts.values()) <= 1:
                return
            await asyncio.sleep(1)
        raise AssertionError(f"the replicas do not come out even: {counts}")

    async def stop(self, name: str) -> None:
        """The orchestrator ends in good order; when it is not waited for until then, it is killed."""
        host = self.hosts.pop(name)
        try:
            await host.node.__aexit__(None, None, None)
        finally:
            await host.bury()
            self.watch.parts.pop(host.parts.identity.owner, None)

    async def crash(self, name: str = "main") -> None:
        """The orchestrator is gone at once; nothing that it still tries has an effect."""
        host = self.hosts.pop(name, None)
        if host is not None:
            await host.bury()
            self.watch.parts.pop(host.parts.identity.owner, None)

    # -- agents --------------------------------------------------------------------------------------------------

    async def enrol(self, agent: Agent) -> str:
        """Let the agent's key sign; returns the key's name."""
        name = f"agent.{agent.name}"
        if not any(one.name == name for one in await self.keys.stored()):
            await self.keys.create(name)
        public = await self.keys.public(name)
        for host in self.hosts.values():
            await host.parts.registry_stream.refresh()
            await host.parts.enrolment.enrol(agent.id, public, by="simulation", now=self.clock.now())
        return name

    async def hire(self, agent: Agent, *, seat: int = 1, enrolled: bool = False) -> Instance:
        """Start an instance of an agent, in place of the one that has this seat."""
        await self.dismiss(agent, seat=seat)
        name = f"agent.{agent.name}" if enrolled else await self.enrol(agent)
        public = await self.keys.public("orchestrator")
        line = Line(self.bus, self.rng, self.weather)
        self._started += 1
        options = WorkerOptions(
            heartbeat=self.heartbeat,
            drain_within=timedelta(milliseconds=500),
            instance=f"{self._started:016x}",
            refused=lambda refusal: None,
        )
        worker = Worker(agent, AgentKey(self.keys, name), line, self.clock, {public.kid: public}, options)
        instance = self.instances[agent.id, seat] = Instance(agent, worker, line)
        await worker.start()
        return instance

    async def dismiss(self, agent: Agent, *, seat: int = 1, killed: bool = False) -> None:
        """End the agent's instance that has this seat, if there is one."""
        instance = self.instances.pop((agent.id, seat), None)
        if instance is not None:
            await (instance.kill() if killed else instance.leave())

    async def _commit_delay(self) -> None:
        stalls = self.rng.random() < self.weather.stall / 2
        await asyncio.sleep(self.rng.random() * (STALL_S if stalls else self.weather.commit_s))

    async def _answer_delay(self) -> None:
        if self.weather.stall and self.rng.random() < self.weather.stall / 2:
            await asyncio.sleep(self.rng.random() * STALL_S)

    # -- looking -------------------------------------------------------------------------------------------------

    def leaks(self) -> list[str]:
        """What orchestrators and agents still hold although every run has ended."""
        found = [leak for name, host in self.hosts.items() for leak in leaks_of(name, host.node)]
        unnoticed = [f"{one.agent.id} works on under {one.leases}" for one in self.instances.values() if one.leases]
        return [*found, *self.bus.left(), *unnoticed]
