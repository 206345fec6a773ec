"""A real nginx with the configuration of `deploy/` in front of two servers: people, agents, feeds and uploads do not
notice that they are two, nor that one dies.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import socketio

from accord import Client
from accord.client.events import RunEvent
from accord.domain.message import PAYLOAD_MAX_BYTES
from accord.postgres.address import StoreAddress
from accord.testing.nats import NatsServer

from .flows import STUBBORN
from .needs import program
from .pair import LENGTH, Pair
from .pair import TEMPLATE as CHAIN
from .processes import ACCORD, HERE, Started, effects_in
from .rows import TEXT

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx" / "nginx.conf"
ROWS = PAYLOAD_MAX_BYTES // len(TEXT) + 2000
WITHIN_S = 60.0

PIPE: dict[str, Any] = {
    "accord": "template/1",
    "name": "pipe",
    "version": "1.0.0",
    "tasks": {
        "make": {"uses": "rows.make@^1", "with": {"count": ROWS}},
        "sum": {"uses": "rows.sum@^1", "with": {"rows": "${ tasks.make.output }"}},
    },
    "output": "${ tasks.sum.output }",
}


def configuration(folder: Path, port: int, servers: list[str]) -> str:
    """What `deploy/` has, for servers and folders of this test."""
    text = CONFIGURATION.read_text()
    changes = {f"orchestrator-{number}:8421": url.removeprefix("http://") for number, url in enumerate(servers, 1)}
    changes |= {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        " /tmp/": f" {folder}/",
        "/dev/stderr": f"{folder}/nginx.log",
    }
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    return text


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


class Balanced(Pair):
    """Both servers behind one address."""

    def __init__(self, folder: Path, store: StoreAddress, bus: str) -> None:
        super().__init__(folder, store, bus)
        self.url = ""

    def _server(self, name: str, store: StoreAddress, bus: str) -> Started:
        return super()._server(name, store, bus).knowing(ACCORD_TRUSTED_PROXIES='["127.0.0.0/8"]')

    def joining(self, name: str, program: str, *more: str) -> Started:
        """An agent that knows nothing but the address of both."""
        given = {"ACCORD_HOME": str(self.folder / name), "MILL_EFFECTS": str(self.effects), "MILL_NAME": "mill"}
        command = (*ACCORD, "agent", str(HERE / program), "--connect", self.url, "--drain", "1", *more)
        return Started(self.folder, name, command, **given)

    def person(self) -> Client:
        """Somebody who knows nothing else, either."""
        return Client(self.url, self.key, patience=STUBBORN)

    def http(self) -> httpx.AsyncClient:
        """The same, by hand."""
        return httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"})

    async def enrolment(self, name: str) -> str:
        """A token with which an agent may join."""
        async with self.http() as http:
            return str((await http.post("/v1/enrolments", json={"name": name})).json()["text"])

    async def known(self, template: dict[str, Any], capability: str) -> None:
        """Return when both servers know somebody for it, and the template."""
        for server in range(2):
            async with self.client(server) as client:
                while not await client.agents(capability):  # noqa: ASYNC110 - the server is another process
                    await asyncio.sleep(0.02)
        async with self.person() as client:
            await client.publish(template)
        for server in range(2):
            async with self.client(server) as client:
                while not any(one.name == template["name"] for one in await client.templates()):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.02)

    async def output(self, template: str) -> Any:
        """The output of a run that somebody has started, and watched to its end: each event once, in order."""
        async with self.person() as client, asyncio.timeout(WITHIN_S):
            run = (await client.start(template, {})).run
            told = [event.sequence async for event in client.watch(run) if isinstance(event, RunEvent)]
            assert told == list(range(1, len(told) + 1))
            return (await client.result(run)).output

    async def requests(self, server: int) -> int:
        """How many requests a server has answered."""
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {self.key}"}) as http:
            lines = (await http.get(f"{self.urls[server]}/metrics")).text.splitlines()
        return sum(int(float(line.split()[-1])) for line in lines if line.startswith("accord_http_requests_total"))


@asynccontextmanager
async def nginx(folder: Path, servers: list[str]) -> AsyncIterator[str]:
    """The address of an nginx in front of them."""
    port = free_port()
    path = folder / "nginx.conf"
    path.write_text(configuration(folder, port, servers))
    user = "user root; " if os.geteuid() == 0 else ""  # whose folder it is
    command = (program("nginx"), "-c", str(path), "-p", str(folder), "-g", f"{user}daemon off;")
    running = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    try:
        await _listens(port, running)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            running.terminate()
        await running.wait()


async def _listens(port: int, running: Process) -> None:
    while running.returncode is None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)
    pytest.fail("nginx does not start: nginx.log says why")


async def test_two_servers_behind_nginx_are_one_for_everybody(
    tmp_path: Path, store: StoreAddress, nats: NatsServer
) -> None:
    """Calls, feeds, agents on WebSockets, long polling, and an upload; then one server is killed in the midst."""
    program("nginx")
    both = Balanced(tmp_path, store, nats.url)
    (tmp_path / "go-on").touch()
    agents: list[Started] = []
    try:
        await both.start()
        async with nginx(tmp_path, both.urls) as both.url:
            agents += [both.joining("mill", "mill.py"), both.joining("rows", "rows.py")]
            for agent in agents:
                await agent.start("--token", await both.enrolment(agent.name))
            await both.known(CHAIN, "mill.add@^1")
            await both.known(PIPE, "rows.sum@^1")
            assert await asyncio.gather(*(both.output("chain") for _ in range(4))) == [LENGTH] * 4
            assert await both.output("pipe") == ROWS * (ROWS - 1) // 2
            await _polls(both)
            assert min([await both.requests(server) for server in range(2)]) > 0
            async with both.http() as http:
                assert (await http.get("/metrics")).status_code == 404
            before = len(effects_in(both.effects))
            runs = [asyncio.create_task(both.output("chain")) for _ in range(4)]
            while len(effects_in(both.effects)) < before + 3:  # noqa: ASYNC110 - another process writes them
                await asyncio.sleep(0.02)
            await both.servers[0].end(signal.SIGKILL)
            assert await asyncio.gather(*runs) == [LENGTH] * 4
            assert await both.output("chain") == LENGTH
            for one in (*agents, both.servers[1]):
                await one.end(signal.SIGTERM)
                assert one.complaints() == []
    finally:
        for one in (*agents, *both.servers):
            await one.end(signal.SIGKILL)


async def _polls(both: Balanced) -> None:
    """A feed of somebody whose connection begins with long polling, and never goes over to a WebSocket."""
    told: asyncio.Queue[Any] = asyncio.Queue()
    client = socketio.AsyncClient()
    client.on("agents", told.put, namespace="/registry")
    async with asyncio.timeout(WITHIN_S):
        await client.connect(both.url, namespaces=["/registry"], auth={"token": both.key}, transports=["polling"])
        names = {row["agent"] for row in (await told.get())["agents"]}
        await client.disconnect()
    assert "spiffe://local/agent/mill" in names
