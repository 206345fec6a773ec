"""Havoc: three servers on one PostgreSQL and one bus, agents, and people who start runs; everybody is killed, stopped
and started again, as a seed decides, for as long as it is told to last.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Protocol

import httpx
import msgspec

from accord import Client
from accord.app import open_node
from accord.domain.system import INCIDENTS
from accord.postgres.address import StoreAddress
from accord.settings import Settings
from accord.testing.audit import Audit, swept
from accord.testing.postgres import PostgresServer

from .faults import ENDS, Fault, Loss, Owners, Size, faults, now_s, spread, stopped
from .flows import STUBBORN, Deeds, Flow, Standstill, random_flows, told_of
from .processes import ACCORD, HERE, Started, effects_in
from .proxy import Proxy

SERVERS = 3
AGENTS = ("mill", "lathe")
"""Identities, the instances of which take turns."""


STARTS_MAX = 30


class BusServer(Protocol):
    """A real server for messages: NATS or Redis."""

    @property
    def pid(self) -> int: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Place(msgspec.Struct, frozen=True):
    """Where everything is."""

    folder: Path
    postgres: PostgresServer
    store: StoreAddress
    bus: BusServer
    bus_url: str
    serve: tuple[str, ...]
    """The command whose `serve` is started."""


class Havoc:
    """All processes of one seed; what was done to them, and what has come of it."""

    def __init__(self, place: Place, seed: int, size: Size, ways: Sequence[Proxy]) -> None:
        self.place = place
        self.size = size
        self.random = Random(seed)  # noqa: S311 - chance, no secret
        self.faults = list(faults(self.random, size))
        self.flows = random_flows(self.random)
        self.effects = place.folder / "effects"
        self.ways = ways
        """What stands before each server: a load balancer's way, that leads to another one when it is gone."""
        self.servers = [self._server(number) for number in range(SERVERS)]
        self.agents = [self._agent(number) for number in range(size.instances)]
        self.ports: list[int | None] = [None] * SERVERS
        self.owners = Owners()
        self.started: dict[str, Flow] = {}
        self.results: dict[str, Any] = {}
        self.took_s: list[float] = []
        """How long each run took."""
        self.losses: list[Loss] = []
        self.attempts = 0
        self.standstills: list[Standstill] = []
        self.delivered_again = 0
        self.problems: list[str] = []
        self.log: list[str] = []
        self._locks: dict[str, asyncio.Lock] = {}
        self._began_s = now_s()
        self._key = ""
        self._trusted = ""
        """The id of the orchestrator's key."""

    def _server(self, number: int) -> Started:
        environment = {
            "ACCORD_HOME": str(self._home(number)), "ACCORD_DRAIN_WITHIN_S": "1",
            "ACCORD_STORE": self.place.store.url, "ACCORD_BUS": self.place.bus_url,
        }  # fmt: skip
        return Started(self.place.folder, f"server{number}", (*self.place.serve, "serve", "--port", "0"), **environment)

    def _home(self, number: int) -> Path:
        return self.place.folder / f"home{number}"

    def _agent(self, number: int) -> Started:
        name = AGENTS[number % len(AGENTS)]
        environment = {
            "ACCORD_HOME": str(self.place.folder / name), "MILL_EFFECTS": str(self.effects), "MILL_NAME": name,
        }  # fmt: skip
        url = self.place.bus_url if self._is_on_bus(number) else self.ways[number % SERVERS].url
        command = (*ACCORD, "agent", str(HERE / "mill.py"), "--connect", url, "--drain", "1")
        return Started(self.place.folder, f"{name}{number}", command, **environment)

    def _is_on_bus(self, number: int) -> bool:
        """Whether it is connected to the bus itself: half of those that do not enrol anybody."""
        return number % 4 in (2, 3)

    @classmethod
    @asynccontextmanager
    async def open(cls, place: Place, seed: int, size: Size) -> AsyncIterator[Havoc]:
        """Everybody, at work; whatever becomes of it, no process is left."""
        async with AsyncExitStack() as stack:
            ways = [await stack.enter_async_context(Proxy.before("127.0.0.1", None)) for _ in range(SERVERS)]
            for way in ways:
                way.is_raw = True
            havoc = cls(place, seed, size, ways)
            try:
                await havoc._enter()
                yield havoc
            finally:
                for one in (*havoc.servers, *havoc.agents):
                    await one.end(signal.SIGKILL)

    async def _enter(self) -> None:
        await self._serve(0)
        self._key = (self._home(0) / "credentials").read_text().strip()
        for number in range(1, SERVERS):
            home = self._home(number)
            home.mkdir()
            shutil.copytree(self._home(0) / "keys", home / "keys")
            shutil.copy(self._home(0) / "passphrase", home / "passphrase")
        await asyncio.gather(*(self._serve(number) for number in range(1, SERVERS)))
        headers = {"Authorization": f"Bearer {self._key}"}
        async with httpx.AsyncClient(base_url=self.ways[0].url, headers=headers, timeout=60) as http:
            tokens = [(await http.post("/v1/enrolments", json={"name": name})).json()["text"] for name in AGENTS]
        first, others = self.agents[: len(AGENTS)], range(len(AGENTS), len(self.agents))
        await asyncio.gather(*(one.start("--token", token) for one, token in zip(first, tokens, strict=True)))
        await asyncio.gather(*(self._join(number) for number in others))
        async with self._person(0) as client:
            for flow in self.flows:
                await client.publish(flow.template)

    def _person(self, number: int) -> Client:
        """Somebody who asks until there is an answer."""
        return Client(self.ways[number % SERVERS].url, self._key, patience=STUBBORN)

    # -- what people do ------------------------------------------------------------------------------------------

    async def _work(self, number: int, until_s: float) -> None:
        """Start one run after another, and wait for the end of each."""
        random = Random(number)  # noqa: S311 - chance, no secret
        async with self._person(number) as client:
            count = 0
            while now_s() < until_s:
                count += 1
                await self._run(client, random.choice(self.flows), f"{number}-{count}")

    async def _run(self, client: Client, flow: Flow, name: str) -> None:
        began_s, run = now_s(), "a run that nobody has confirmed"
        try:
            async with asyncio.timeout(self.size.ends_within_s):
                run = (await client.start(flow.name, {"items": [0] * flow.items}, once=name)).run
                self.started[run] = flow
                told = await told_of(client, run)
                self.results[run] = await client.result(run)
        except TimeoutError:
            self.problems.append(f"{run} ({name}) is stuck, begun at {began_s - self._began_s:.1f} s")
            return
        if told != list(range(1, len(told) + 1)):
            self.problems.append(f"{run}: the feed told {told}")
        self.took_s.append(now_s() - began_s)

    # -- what is done to processes and servers -------------------------------------------------------------------

    async def play(self) -> None:
        """Let people work while all of it is done; then let everything end."""
        until_s = now_s() + self.size.lasts_s
        self._began_s = now_s()
        watch = asyncio.create_task(self.owners.watch(self.place.store))
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.size.runs_at_once):
                    group.create_task(self._work(number, until_s))
                for fault in self.faults:
                    await asyncio.sleep(self._began_s + fault.at_s - now_s())
                    group.create_task(self._do(fault))
        finally:
            watch.cancel()
            [ended] = await asyncio.gather(watch, return_exceptions=True)
            if not isinstance(ended, asyncio.CancelledError):
                self.problems.append(f"nobody has watched the owners of partitions: {ended!r}")

    async def _do(self, fault: Fault) -> None:
        """Do it, once nothing else is being done to the same one."""
        kind, _, whom = fault.kind.partition("_")
        act: Callable[[str, int, float], Awaitable[None]] = getattr(self, f"_of_{whom}")
        numbers = {"server": SERVERS, "way": SERVERS, "elsewhere": SERVERS, "agent": len(self.agents)}
        number = fault.victim % numbers.get(whom, 1)
        async with self._locks.setdefault(f"{whom}{number}", asyncio.Lock()):
            self._note(f"{fault.kind} {number}, {fault.lasts_s:.1f} s")
            await act(kind, number, fault.lasts_s)
            self._note(f"{fault.kind} {number} is over")

    def _note(self, what: str) -> None:
        self.log.append(f"{now_s() - self._began_s:6.1f} s: {what}")
        with (self.place.folder / "faults.log").open("a") as file:
            file.write(f"{self.log[-1]}\n")

    async def _of_server(self, kind: str, number: int, lasts_s: float) -> None:
        server = self.servers[number]
        pid, since_s, until_s = self._pid(server), now_s(), float("inf")
        if kind == "still":
            with stopped(pid):
                await asyncio.sleep(lasts_s)  # what lasts is what is tested
            until_s = now_s()
        else:
            await server.end(ENDS[kind])
            self._note(f"{server.name} has ended")
            self.ports[number] = None
            self._lead()
            await asyncio.sleep(lasts_s)  # as above
            await self._serve(number)
        self.losses.append(Loss(kind, pid, since_s, until_s))

    async def _serve(self, number: int) -> None:
        told = await self._begun(self.servers[number])
        self.ports[number], self._trusted = int(told["url"].rpartition(":")[2]), told["key"]
        self._lead()

    async def _join(self, number: int) -> None:
        await self._begun(self.agents[number], "--trust", self._trusted)

    async def _begun(self, one: Started, *more: str) -> dict[str, Any]:
        """Start it as often as that takes: who finds no store, or no bus, ends, and has to be started again."""
        for _ in range(STARTS_MAX):
            if told := await one.start(*more):
                return told
            self._note(f"{one.name} has to be started again")
        raise RuntimeError(f"{one.name} does not start: {one.said[-2000:]}")

    def _lead(self, shift: int = 0) -> None:
        """Every way leads to its server, or to the next one that is there."""
        for number, way in enumerate(self.ways):
            order = [self.ports[(number + shift + step) % SERVERS] for step in range(SERVERS)]
            port = next((one for one in order if one is not None), None)
            way.target = ("127.0.0.1", port) if port is not None else None

    async def _of_agent(self, kind: str, number: int, lasts_s: float) -> None:
        agent = self.agents[number]
        pid = self._pid(agent)
        if kind == "still":
            since_s = now_s()
            with stopped(pid):
                await asyncio.sleep(lasts_s)  # as above
            if self._is_on_bus(number):
                self.standstills.append(Standstill(since_s, now_s(), pid))
            return
        await agent.end(ENDS[kind])
        await asyncio.sleep(lasts_s / 4)  # as above
        await self._join(number)

    def _pid(self, one: Started) -> int:
        """The number of its process, which nobody has ended but us."""
        if not one.runs:
            raise RuntimeError(f"{one.name} has ended by itself: {one.said[-2000:]}")
        return one.pid

    async def _of_way(self, kind: str, number: int, lasts_s: float) -> None:
        self.ways[number].cut()

    async def _of_elsewhere(self, kind: str, number: int, lasts_s: float) -> None:
        """All ways lead to other servers, for who connects from now on; and everybody does."""
        self._lead(number)
        for way in self.ways:
            way.cut()

    async def _of_store(self, kind: str, number: int, lasts_s: float) -> None:
        server = self.place.postgres
        if kind == "cut":
            database = self.place.store.url.rpartition("?")[0].rpartition("/")[2]
            cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"  # noqa: S608
            await asyncio.to_thread(server.sql, cut)
            return
        await self._away(server, lasts_s)

    async def _of_bus(self, kind: str, number: int, lasts_s: float) -> None:
        since_s = now_s()
        if kind == "still":
            with stopped(self.place.bus.pid):
                await asyncio.sleep(lasts_s)  # as above
        else:
            await self._away(self.place.bus, lasts_s)
        self.standstills.append(Standstill(since_s, now_s()))

    async def _away(self, server: PostgresServer | BusServer, lasts_s: float) -> None:
        try:
            server.stop()
            await asyncio.sleep(lasts_s / 4)  # as above
        finally:
            await asyncio.to_thread(server.start)

    # -- what came of it -----------------------------------------------------------------------------------------

    async def leave(self) -> None:
        """Everybody goes, as they are told to."""
        for one in (*self.agents, *self.servers):
            self._pid(one)
            await one.end(signal.SIGTERM)

    async def judge(self) -> list[str]:
        """Everything that is not as it must be; nobody is there any more."""
        for one in (*self.servers, *self.agents):
            self.problems.extend(one.complaints())
        async with open_node(Settings(home=self._home(0), store=self.place.store)) as node:
            audit = Audit(node)
            self.problems.extend(await audit.all())
            self.problems.extend(await swept(node))
            if (await node.parts.ports.journal.head(INCIDENTS)).sequence:
                self.problems.extend(f"an honest message is an incident: {one}" for one in await node.incidents(10))
        if set(audit.runs) != set(self.started):
            self.problems.append(f"{len(self.started)} runs were started, the journal has {len(audit.runs)}")
        for run, result in self.results.items():
            self.problems.extend(self.started[run].mistakes(run, result))
        killed = set[int]().union(*(agent.killed for agent in self.agents))
        deeds = Deeds(effects_in(self.effects), killed, self.standstills)
        self.problems.extend(deeds.problems(self.started, audit.attempts))
        self.delivered_again = deeds.delivered_again
        self.attempts = audit.attempts.total()
        return self.problems

    def summary(self) -> dict[str, Any]:
        """What has happened, in numbers; times in seconds."""
        effects = effects_in(self.effects)
        return {
            "lasts": self.size.lasts_s,
            "faults": dict(Counter(fault.kind for fault in self.faults)),
            "runs": len(self.results),
            "effects": len({effect.key for effect in effects}),
            "done more than once": len(effects) - len({effect.key for effect in effects}),
            "made by two instances after a standstill": self.delivered_again,
            "attempts": self.attempts,
            "claims of partitions": self.owners.epochs,
            "taken over": {kind: spread(took) for kind, took in self._taken_over().items()},
            "a run": spread(self.took_s),
            "problems": self.problems,
        }

    def _taken_over(self) -> dict[str, list[float]]:
        """How long it took until nothing was left of a server's share, by what was done to it."""
        found: dict[str, list[float]] = defaultdict(list)
        for loss in self.losses:
            if (took := self.owners.took_s(loss)) is not None:
                found[loss.kind].append(took)
        return found
