"""The simulation: a whole orchestrator, its bus, journal and agents on simulated time. A seed decides everything that
chance decides elsewhere: order, delay, loss, duplication, failed commits, crashes. The same seed gives the same history.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from asyncio import events
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from accord.blobs.memory import MemoryBlobStore
from accord.bus.memory import MemoryBus
from accord.domain.agent import agent_id
from accord.domain.ids import PARTITIONS, AgentId
from accord.engine.node import Node
from accord.engine.parts import Identity, Parts, Ports, Tuning
from accord.ports import Parcel
from accord.sdk import Agent
from accord.sdk.worker import AgentKey, Worker, WorkerOptions
from accord.store.memory import Fault, MemoryJournal
from accord.testing.invariants import Watch, WatchedJournal
from accord.testing.keys import MemoryKeyStore
from accord.verifier.compatibility import compatible_version

T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class _NoSelector:
    """Stands where a loop waits for the world: there is no world, so time jumps to the next timer."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Let time pass."""
        if timeout is None:
            raise RuntimeError("deadlock: nothing is ready and no timer is set")
        self._loop.pass_time(timeout)
        return []

    def close(self) -> None:
        """Nothing is open."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop whose time is simulated and whose ready callbacks run in an order that the seed decides."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._now_s = 0.0
        self._rng = rng
        self._selector = _NoSelector(self)

    def time(self) -> float:
        """Simulated seconds."""
        return self._now_s

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass."""
        self._now_s += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Runs at once: a thread would be an order that no seed decides."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]  # the queue of BaseEventLoop
        if len(ready) > 1 and self._rng.random() < 0.2:
            shuffled = list(ready)
            self._rng.shuffle(shuffled)
            ready.clear()
            ready.extend(shuffled)
        super()._run_once()  # type: ignore[misc]  # the step of BaseEventLoop

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no events of a world."""

    def _write_to_self(self) -> None:
        """Nothing to wake: there are no threads."""


def simulated(seed: int, scenario: Callable[[World], Coroutine[Any, Any, T]]) -> T:
    """What the scenario gives in the world of this seed."""
    rng = random.Random(seed)  # noqa: S311 - a simulation, not a secret
    loop = SimulatedLoop(rng)
    try:
        events._set_running_loop(None)
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(_in_world(rng, loop, scenario))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _in_world(rng: random.Random, loop: SimulatedLoop, scenario: Callable[[World], Coroutine[Any, Any, T]]) -> T:
    async with World.open(rng, loop) as world:
        result = await scenario(world)
        world.watch.check()
        return result


class SimulatedClock:
    """Simulated wall-clock time, which may be set."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop
        self.offset = timedelta(0)

    def now(self) -> datetime:
        """The present."""
        return EPOCH + timedelta(seconds=self._loop.time()) + self.offset


class SeededIds:
    """Tokens and numbers of the seed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def token(self) -> str:
        """26 characters."""
        return "".join(self._rng.choices("0123456789abcdefghijklmnopqrstuv", k=26))

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return self._rng.random()


class Weather(msgspec.Struct):
    """How bad things are: probabilities per message or commit, and delays in seconds."""

    lose: float = 0.0
    duplicate: float = 0.0
    delay_s: float = 0.0
    refuse_commit: float = 0.0
    lose_answer: float = 0.0
    commit_s: float = 0.002


class StormyBus(MemoryBus):
    """The in-process bus, with the losses, repetitions and delays of a network."""

    def __init__(self, rng: random.Random, weather: Weather) -> None:
        super().__init__()
        self._rng = rng
        self._weather = weather
        self._under_way: set[asyncio.Task[None]] = set()

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        """Hand over, lose, repeat or delay."""
        at_once = []
        for parcel in parcels:
            chance = self._rng.random()
            if chance < self._weather.lose:
                continue
            copies = 2 if chance < self._weather.lose + self._weather.duplicate else 1
            for _ in range(copies):
                delay_s = self._rng.random() * self._weather.delay_s
                if delay_s > 0:
                    self._later(parcel, delay_s)
                else:
                    at_once.append(parcel)
        if at_once:
            await super().publish(at_once)

    def _later(self, parcel: Parcel, delay_s: float) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(parcel, delay_s))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def settle(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _deliver(self, parcel: Parcel, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await super().publish([parcel])


class World:
    """Everything outside of the orchestrators: it survives their crashes."""

    def __init__(self, rng: random.Random, loop: SimulatedLoop) -> None:
        self.rng = rng
        self.clock = SimulatedClock(loop)
        self.ids = SeededIds(rng)
        self.weather = Weather()
        self.bus = StormyBus(rng, self.weather)
        self.blobs = MemoryBlobStore()
        self.keys = MemoryKeyStore(EPOCH)
        self.watch = Watch()
        self.disk = MemoryJournal(self._fault)
        self.tuning = Tuning(
            lease=timedelta(seconds=10), absent_after=timedelta(seconds=8), partition_ttl=timedelta(seconds=5)
        )
        self._stack = AsyncExitStack()
        self._workers: dict[AgentId, tuple[Agent, AsyncExitStack]] = {}
        self._life: AsyncExitStack | None = None
        self.node: Node

    @classmethod
    @asynccontextmanager
    async def open(cls, rng: random.Random, loop: SimulatedLoop) -> AsyncIterator[World]:
        """A world without an orchestrator yet."""
        world = cls(rng, loop)
        await world.keys.create("orchestrator")
        try:
            yield world
        finally:
            world.weather.refuse_commit = world.weather.lose_answer = 0.0
            await world.crash()
            for _, life in world._workers.values():
                with contextlib.suppress(asyncio.CancelledError):
                    await life.aclose()
            await world.bus.settle()

    def _fault(self, operation: str) -> Fault | None:
        if operation != "append":
            return None
        chance = self.rng.random()
        if chance < self.weather.refuse_commit:
            return "refused"
        return "lost_answer" if chance < self.weather.refuse_commit + self.weather.lose_answer else None

    async def start(self) -> Node:
        """Start an orchestrator on what the one before has left."""
        journal = WatchedJournal(self.disk, self.watch, self._commit_delay)
        public = await self.keys.public("orchestrator")
        ports = Ports(journal, self.blobs, self.bus, self.keys, self.clock, self.ids)
        identity = Identity(
            id=AgentId("spiffe://local/orchestrator/main"), organisation="local", key=public, owner=self.ids.token()
        )
        parts = Parts(ports, identity, compatible_version, self.tuning)
        self.watch.parts = parts
        self.node = Node(parts)
        self._life = AsyncExitStack()
        await self._life.enter_async_context(self.node)
        self._journal = journal
        while len(parts.partitions.fences) < PARTITIONS:
            await parts.partitions.claim_all()
            await asyncio.sleep(1)
        return self.node

    async def crash(self) -> None:
        """The orchestrator is gone at once; nothing that it still tries has an effect."""
        if self._life is not None:
            self._journal.cut()
            await self.node.vanish()
            self._life = None

    async def hire(self, agent: Agent) -> None:
        """Start an instance of an agent, enrolled; in place of the one that ran before."""
        await self.dismiss(agent)
        name = f"agent.{agent.name}"
        if not any(one.name == name for one in await self.keys.stored()):
            await self.keys.create(name)
        public = await self.keys.public(name)
        await self.node.parts.enrolment.enrol(agent.id, public, by="simulation", now=self.clock.now())
        trust = {self.node.parts.identity.key.kid: self.node.parts.identity.key}
        options = WorkerOptions(heartbeat=timedelta(seconds=2), refused=lambda refusal: None)
        life = AsyncExitStack()
        await life.enter_async_context(Worker(agent, AgentKey(self.keys, name), self.bus, self.clock, trust, options))
        self._workers[agent.id] = (agent, life)

    async def dismiss(self, agent: Agent) -> None:
        """Stop the agent's instance, if there is one."""
        known = self._workers.pop(agent_id(agent.organisation, agent.name), None)
        if known is not None:
            await known[1].aclose()

    async def _commit_delay(self) -> None:
        await asyncio.sleep(self.rng.random() * self.weather.commit_s)
