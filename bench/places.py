"""Where things run that are measured over the network: a server, and crowds of agents, each in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE
from asyncio.subprocess import Process as Child
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec

from accord.app import open_node
from accord.client.client import Client
from accord.domain.access import IssuedApiKey
from accord.engine.node import Node
from accord.engine.parts import Tuning
from accord.gateway.application import create_application
from accord.gateway.server import Address, bound, serving, url_of
from accord.settings import Settings
from bench.measure import Process

LIMITS = {"ACCORD_REQUESTS_PER_SECOND": "1000000", "ACCORD_REQUEST_BURST": "1000000"}
"""The bench asks more often than a principal may."""

LINE_BYTES = 1 << 20


class Server(msgspec.Struct, frozen=True):
    """An `accord serve`."""

    home: Path
    url: str
    key: str
    process: Process
    seconds: float
    """How long it took until it listened."""

    def client(self) -> Client:
        """A client with the rights of an admin."""
        return Client(self.url, self.key)

    @property
    def stored_bytes(self) -> int:
        """What lies in its blob store, drafts included."""
        found = (path for path in (self.home / "blobs").rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in found)


@asynccontextmanager
async def served(home: Path, **settings: str) -> AsyncIterator[Server]:
    """A server of this home, in a process of its own; `settings` are variables of its environment."""
    begun = asyncio.get_running_loop().time()
    command = [sys.executable, "-m", "accord", "serve", "--port", "0", "--json"]
    environment = {**os.environ, **LIMITS, **settings, "ACCORD_HOME": str(home)}
    child = await asyncio.create_subprocess_exec(*command, stdout=PIPE, env=environment, limit=LINE_BYTES)
    try:
        told = await _line(child)
        seconds = asyncio.get_running_loop().time() - begun
        key = (home / "credentials").read_text().strip()
        yield Server(home, told["url"], key, Process(child.pid), seconds)
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


class Site(msgspec.Struct, frozen=True):
    """An orchestrator of this process with its gateway: what is started here and not over HTTP is measured alone."""

    node: Node
    url: str
    key: str


@asynccontextmanager
async def here(home: Path) -> AsyncIterator[Site]:
    """An orchestrator that serves from this process."""
    address, tuning = Address(port=0), Tuning(max_runs=100_000, max_waiting=1_000_000)
    with bound(address) as taken:
        async with (
            open_node(Settings(home=home), tuning) as node,
            create_application(node) as gateway,
            serving(gateway, address, taken, timedelta(seconds=2)),
        ):
            issued: IssuedApiKey = await node.issue_api_key("bench", "admin", by="bench")
            yield Site(node, url_of(address, taken), issued.text)


class Crowd:
    """Agents in a process of their own."""

    def __init__(self, child: Child) -> None:
        if child.stdin is None:
            raise RuntimeError("the process was started without an input")
        self._child = child
        self._input = child.stdin
        self.process = Process(child.pid)

    async def reached(self, state: str) -> float:
        """How long it took them to get as far as that, seconds."""
        told = await _line(self._child)
        if told["state"] != state:
            raise RuntimeError(f"{told}, not {state}")
        return float(told["seconds"])

    async def go_on(self) -> None:
        """Let them do what comes next."""
        await self.tell("go on")

    async def tell(self, line: str) -> None:
        """Give the process a line."""
        self._input.write(f"{line}\n".encode())
        await self._input.drain()

    async def leave(self) -> None:
        """Let them end what they have begun, and go."""
        self._input.close()
        await self._child.wait()

    def kill(self) -> None:
        """End the process at once, without a word to anybody."""
        self._child.kill()


@asynccontextmanager
async def crowd(kind: str, at: Server | Site, folder: Path, count: int = 1, part: int = 0) -> AsyncIterator[Crowd]:
    """So many agents of a kind (`bench.crowd.KINDS`), until they are left; one agent has joined when this returns."""
    command = [sys.executable, "-m", "bench.crowd", kind, str(count), at.url, str(folder / f"{kind}-{part}")]
    child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    try:
        found = Crowd(child)
        await found.tell(at.key)
        if count == 1:
            await found.reached("joined")
        yield found
        await found.leave()
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


@asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


async def _line(child: Child) -> dict[str, str]:
    line = await child.stdout.readline() if child.stdout is not None else b""
    if not line:
        raise RuntimeError(f"process {child.pid} has ended")
    told: dict[str, str] = json.loads(line)
    return told
