"""Two replicas on one PostgreSQL and one bus: one of them is killed, stands still for longer than its leases hold, or
is cut off from the store. The other one takes over, every run ends right, and afterwards they share evenly again.

`ACCORD_TEST_REPLICAS` is how often each of these is done.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import httpx
import pytest

from accord.app import open_node
from accord.domain.shares import SHARED
from accord.domain.system import INCIDENTS
from accord.ports import RunQuery
from accord.postgres.address import StoreAddress
from accord.settings import Settings
from accord.testing.audit import Audit
from accord.testing.nats import nats_server
from accord.testing.postgres import PostgresServer

from .pair import LENGTH, Pair
from .processes import Started, effects_in
from .proxy import Proxy

TIMES = int(os.environ.get("ACCORD_TEST_REPLICAS", "1"))
RUNS = 4
"""So many are under way whenever something is done."""
WITHIN_S = 60.0


def database_of(store: StoreAddress) -> str:
    """The name of the database at this address."""
    return store.url.rpartition("?")[0].rpartition("/")[2]


class Replicas(Pair):
    """A pair; the way of each to the store, and that of the agents and people to either, can be cut."""

    def __init__(self, folder: Path, store: StoreAddress, bus: str, proxies: list[Proxy]) -> None:
        self.to_stores, self.to_any = proxies[:2], proxies[2]
        super().__init__(folder, store, bus)
        self.agents: list[Started] = []

    def way_to(self, store: StoreAddress, name: str) -> str:
        """Each server has a proxy of its own before the store."""
        port = self.to_stores[["first", "second"].index(name)].url.rpartition(":")[2]
        return f"postgresql://postgres@127.0.0.1:{port}/{database_of(store)}?sslmode=disable"

    def way(self, server: int) -> str:
        """To whichever server the way leads at present."""
        return self.to_any.url

    async def enter(self) -> None:
        """Start everybody."""
        await self.start()
        self.lead_to(0)
        self.agents = [self.agent(f"mill{number}", 0) for number in range(2)]
        await self.agents[0].start("--token", await self.token())
        await self.agents[1].start()
        await self.publish()
        await self.even()

    def lead_to(self, server: int) -> None:
        """Whoever connects from now on comes to this server, as a load balancer would do."""
        host, port = self.urls[server].removeprefix("http://").split(":")
        self.to_any.target = (host, int(port))
        self.to_any.cut()

    async def owned(self, server: int) -> int:
        """How many partitions it says that it owns; none where it says nothing."""
        headers = {"Authorization": f"Bearer {self.key}"}
        try:
            async with httpx.AsyncClient(base_url=self.urls[server], headers=headers, timeout=2) as http:
                text = (await http.get("/metrics")).text
        except httpx.HTTPError:
            return 0
        [line] = [line for line in text.splitlines() if line.startswith("accord_partitions_owned ")]
        return int(float(line.split()[1]))

    async def even(self) -> None:
        """Wait until both have their half."""
        while [await self.owned(0), await self.owned(1)] != [len(SHARED) // 2] * 2:  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.05)

    async def taken_over(self, by: int) -> None:
        """Wait until it owns everything."""
        while await self.owned(by) < len(SHARED):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)

    # -- what is done --------------------------------------------------------------------------------------------

    async def kill(self, server: int) -> None:
        """It is gone, and started again once the other one has taken over."""
        await self.servers[server].end(signal.SIGKILL)
        self.lead_to(1 - server)
        await self.taken_over(1 - server)
        self.urls[server] = (await self.servers[server].start())["url"]

    async def stop(self, server: int) -> None:
        """It stands still until the other one has taken over; it goes on in the belief that it owns its half."""
        self.servers[server].stand_still()
        self.lead_to(1 - server)
        await self.taken_over(1 - server)
        self.servers[server].go_on()

    async def cut_off(self, server: int) -> None:
        """It does not reach the store until the other one has taken over; agents are still connected to it."""
        self.lead_to(server)
        self.to_stores[server].refuses = True
        self.to_stores[server].cut()
        await self.taken_over(1 - server)
        self.to_stores[server].refuses = False


@asynccontextmanager
async def opened(folder: Path, server: PostgresServer, store: StoreAddress, bus: str) -> AsyncIterator[Replicas]:
    """Everybody, at work; no process is left."""
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(Proxy.before("127.0.0.1", None)) for _ in range(3)]
        for proxy in proxies[:2]:
            proxy.is_raw, proxy.target = True, server.folder / ".s.PGSQL.5432"
        replicas = Replicas(folder, store, bus, proxies)
        everybody = [*replicas.servers]
        try:
            await replicas.enter()
            everybody += replicas.agents
            yield replicas
            for one in reversed(everybody):
                await one.end(signal.SIGTERM)
                assert one.complaints() == []
        finally:
            for one in (*replicas.servers, *replicas.agents):
                await one.end(signal.SIGKILL)


@pytest.mark.timeout(300)
async def test_what_one_leaves_the_other_takes_over(
    tmp_path: Path, postgres: PostgresServer, store: StoreAddress
) -> None:
    random = Random(TIMES)  # noqa: S311 - chance, no secret
    with nats_server() as bus:
        async with opened(tmp_path, postgres, store, bus.url) as replicas:
            await done_to(replicas, random)
    await judged(tmp_path, store, 3 * TIMES * RUNS)


async def done_to(replicas: Replicas, random: Random) -> None:
    """Each of it, while runs are under way."""
    done: list[str] = []
    for act in [replicas.kill, replicas.stop, replicas.cut_off] * TIMES:
        server = random.randrange(2)
        done.append(f"{act.__name__} {server}")
        before = len(effects_in(replicas.effects))
        runs = [asyncio.create_task(replicas.run(number % 2)) for number in range(RUNS)]
        try:
            async with asyncio.timeout(WITHIN_S):
                while len(effects_in(replicas.effects)) < before + RUNS:  # noqa: ASYNC110 - others write them
                    await asyncio.sleep(0.02)
                await act(server)
                await replicas.even()
                assert await asyncio.gather(*runs) == [LENGTH] * RUNS
        except BaseException as error:
            error.add_note(f"what was done: {done}")
            raise
        finally:
            for run in runs:
                run.cancel()


async def judged(folder: Path, store: StoreAddress, runs: int) -> None:
    """Everything that was started is there once and whole, nothing forged was seen, nobody's letter is left."""
    async with open_node(Settings(home=folder / "first", store=store)) as node:
        assert await Audit(node).all() == []
        assert len(await node.runs(RunQuery(limit=1000))) == runs
        assert (await node.parts.ports.journal.head(INCIDENTS)).sequence == 0, await node.incidents(10)
        assert await node.parts.ports.journal.replicas(node.parts.ports.clock.now()) == []
