"""Webhooks while servers are killed and endpoints are slow, refuse, and break off: every event is told at least once,
in the order of its run, and always under the same id with the same bytes.
"""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import httpx
import pytest

from accord import Client
from accord.app import open_node
from accord.ports import RunQuery
from accord.settings import Settings
from accord.testing.audit import Audit

from .flows import Flow, random_dag
from .processes import HERE, SHORT, Started
from .receiver import Receiver


class Servers:
    """Servers that share one home, each with an instance of the same agent in its own process."""

    def __init__(self, folder: Path, count: int) -> None:
        self.home = folder / "home"
        self.flow = Flow("dag", random_dag(Random(5), 5), 3)  # noqa: S311 - chance, no secret
        command = (*SHORT, "serve", "--port", "0", "--agents", str(HERE / "mill.py"))
        known = {"ACCORD_HOME": str(self.home), "MILL_NAME": "mill", "MILL_EFFECTS": str(folder / "effects")}
        self.all = [Started(folder, f"server{index}", command, **known) for index in range(count)]
        self.urls: dict[str, str] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, count: int) -> AsyncIterator[Servers]:
        """Servers that listen."""
        servers = cls(folder, count)
        try:
            for one in servers.all:
                await servers.start(one)
            yield servers
        finally:
            for one in servers.all:
                await one.end(signal.SIGKILL)

    async def start(self, server: Started) -> None:
        """Start this one, again."""
        self.urls[server.name] = (await server.start())["url"]

    async def killed(self, server: Started) -> None:
        """Kill this one, and start it again."""
        await server.end(signal.SIGKILL)
        await self.start(server)

    def client(self, server: Started) -> Client:
        """Somebody who asks this one."""
        return Client(self.urls[server.name], self.key)

    @property
    def key(self) -> str:
        """The admin key."""
        return (self.home / "credentials").read_text().strip()

    async def told_of_all(self, url: str) -> None:
        """Add a webhook at this URL."""
        first = self.all[0]
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(base_url=self.urls[first.name], headers=headers, timeout=60) as http:
            (await http.post("/v1/webhooks", json={"url": url})).raise_for_status()

    async def run(self, index: int) -> str:
        """A run that was started at one of them."""
        async with self.client(self.all[index % len(self.all)]) as client:
            return (await client.start("dag", {"items": [0] * self.flow.items}, once=f"run-{index}")).run

    async def records(self) -> dict[str, list[str]]:
        """The digests of all events of all runs, in order; every run has ended well, and holds."""
        async with open_node(Settings(home=self.home)) as node:
            audit = Audit(node)
            assert await audit.all() == []
            assert {run.phase for run in audit.runs.values()} == {"completed"}
            runs = [summary.run for summary in await node.runs(RunQuery(limit=100))]
            return {run: [record.digest for record in await node.records(run)] for run in runs}


def by_run(receiver: Receiver) -> dict[str, list[tuple[int, str, str]]]:
    """What was taken of each run, in order: number, id, digest."""
    told: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for headers, event in zip((headers for headers, _ in receiver.taken), receiver.events(), strict=True):
        assert headers["webhook-id"] == event["id"]
        told[event["subject"]].append((event["data"]["sequence"], event["id"], event["data"]["digest"]))
    return told


def mistakes(receiver: Receiver, records: dict[str, list[str]]) -> list[str]:
    """Where something was left out, came before what is before it, or came again as something else."""
    found = []
    told = by_run(receiver)
    for run, digests in records.items():
        newest = 0
        for sequence, name, digest in told.get(run, []):
            if name != f"{run}.{sequence}" or digest != digests[sequence - 1]:
                found.append(f"{name} tells of another event")
            if sequence > newest + 1:
                found.append(f"{run}: {sequence} came after {newest}")
            newest = max(newest, sequence)
        if newest != len(digests):
            found.append(f"{run}: {newest} of {len(digests)} events were told")
    return found


def ended(receiver: Receiver, runs: set[str]) -> bool:
    """Whether the ends of all runs were told."""
    return runs <= {one["subject"] for one in receiver.events() if one["type"] == "accord.run.completed"}


async def settle(receiver: Receiver, runs: set[str]) -> None:
    """Until the ends of all runs are told."""
    receiver.statuses.clear()
    async with asyncio.timeout(90):
        while not ended(receiver, runs):
            receiver.changed.clear()
            await receiver.changed.wait()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("count", [1, 2])
async def test_killed_while_it_tells(tmp_path: Path, count: int) -> None:
    rng = Random(count)  # noqa: S311 - chance, no secret
    async with Receiver.open() as receiver, Servers.open(tmp_path, count) as servers:
        await servers.told_of_all(receiver.url)
        async with servers.client(servers.all[0]) as client:
            await client.publish(servers.flow.template)
        runs: set[str] = set()
        for index in range(6):
            receiver.statuses += rng.choices([204, 204, 204, 500, 0, 1], k=6)
            runs.add(await servers.run(index))
            seen = len(receiver.taken)
            await receiver.until(lambda seen=seen: len(receiver.taken) > seen + rng.randint(0, 6))
            if index % 2:
                await servers.killed(rng.choice(servers.all))
        await settle(receiver, runs)
        for server in servers.all:
            assert await server.end(signal.SIGTERM) == 0
            assert server.complaints() == []
        records = await servers.records()
        assert set(records) == runs
        assert mistakes(receiver, records) == []
        assert any(len(told) > len(records[run]) for run, told in by_run(receiver).items()), "something came again"
