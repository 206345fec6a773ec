"""Two servers on one PostgreSQL and one bus, as people start them, and an agent that works for both."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import httpx

from accord import Client
from accord.postgres.address import StoreAddress

from .flows import RETRIES, STUBBORN
from .processes import ACCORD, HERE, SHORT, Started

LENGTH = 6
WITHIN_S = 60.0

TEMPLATE: dict[str, Any] = {
    "accord": "template/1",
    "name": "chain",
    "version": "1.0.0",
    "input": True,
    "tasks": {
        f"t{index}": {
            "uses": "mill.add@^1",
            "with": {"parts": [f"${{ tasks.t{index - 1}.output }}"] if index else []},
            "retry": RETRIES,
        }
        for index in range(LENGTH)
    },
    "output": f"${{ tasks.t{LENGTH - 1}.output.sum }}",
}


class Pair:
    """Two servers, and an agent at the first one."""

    def __init__(self, folder: Path, store: StoreAddress, bus: str) -> None:
        self.folder = folder
        self.effects = folder / "effects"
        self.store = store
        self.bus = bus
        self.servers = [self._server(name) for name in ("first", "second")]
        self.urls: list[str] = []
        self.key = ""

    def _server(self, name: str) -> Started:
        environment = {
            "ACCORD_HOME": str(self.folder / name), "ACCORD_DRAIN_WITHIN_S": "1",
            "ACCORD_STORE": self.way_to(self.store, name), "ACCORD_BUS": self.bus,
        }  # fmt: skip
        return Started(self.folder, name, (*SHORT, "serve", "--port", "0"), **environment)

    def way_to(self, store: StoreAddress, _name: str) -> str:
        """Where the server of this name finds the store."""
        return store.url

    def agent(self, name: str, server: int) -> Started:
        """An instance of the agent `mill`, at this server."""
        environment = {
            "ACCORD_HOME": str(self.folder / "agent"),
            "MILL_EFFECTS": str(self.effects),
            "MILL_NAME": "mill",
        }
        connect = ("--connect", self.way(server), "--drain", "1")
        return Started(self.folder, name, (*ACCORD, "agent", str(HERE / "mill.py"), *connect), **environment)

    async def start(self) -> None:
        """Start both; they share their keys."""
        first, second = self.folder / "first", self.folder / "second"
        self.urls.append((await self.servers[0].start())["url"])
        self.key = (first / "credentials").read_text().strip()
        second.mkdir()
        shutil.copytree(first / "keys", second / "keys")
        shutil.copy(first / "passphrase", second / "passphrase")
        self.urls.append((await self.servers[1].start())["url"])

    async def publish(self) -> None:
        """Publish the template, once both servers know the agent."""
        for server in range(2):
            async with self.client(server) as client:
                while not await client.agents("mill.add@^1"):  # noqa: ASYNC110 - the server is another process
                    await asyncio.sleep(0.02)
        async with self.client(0) as client:
            await client.publish(TEMPLATE)

    def client(self, server: int) -> Client:
        """Somebody who asks this server."""
        return Client(self.way(server), self.key, patience=STUBBORN)

    def way(self, server: int) -> str:
        """Where agents and people find this server."""
        return self.urls[server]

    async def token(self) -> str:
        """An enrolment token for the agent."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(base_url=self.urls[0], headers=headers, timeout=WITHIN_S) as http:
            return str((await http.post("/v1/enrolments", json={"name": "mill"})).json()["text"])

    async def run(self, server: int) -> Any:
        """The output of a run that was started at this server."""
        async with self.client(server) as client, asyncio.timeout(WITHIN_S):
            started = await client.start("chain", {})
            return (await client.result(started.run)).output
