"""A real nginx with the configuration of `deploy/` in front of two servers: people, agents, feeds and uploads do not
notice that they are two, nor that one dies.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
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
from accord.nats.access import CONFIGURATION
from accord.postgres.address import StoreAddress
from accord.testing.nats import nats_server
from accord.testing.postgres import PostgresServer

from .flows import STUBBORN
from .needs import program
from .pair import LENGTH, Pair
from .pair import TEMPLATE as CHAIN
from .processes import ACCORD, HERE, Started, effects_in
from .rows import TEXT

DEPLOY = Path(__file__).parents[2] / "deploy"
ROLE = "deployed_app"
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
    text = (DEPLOY / "nginx" / "nginx.conf").read_text()
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
    """Both servers behind one address, with one home, as `deploy/prepare.sh` has made it."""

    def __init__(self, folder: Path, postgres: PostgresServer) -> None:
        self.home = folder / "home"
        self.owner = postgres.create()
        self.url = ""
        database = self.owner.url.partition("@")[2]
        super().__init__(folder, StoreAddress(f"postgresql://{ROLE}@{database}"), "")

    def _environment(self) -> dict[str, str]:
        return {
            "ACCORD_HOME": str(self.home), "ACCORD_STORE": self.store.url, "ACCORD_BUS": self.bus,
            "ACCORD_BUS_PASSWORD_FILE": str(self.folder / "users" / "orchestrator.seed"),
            "ACCORD_TRUSTED_PROXIES": '["127.0.0.0/8"]', "ACCORD_DRAIN_WITHIN_S": "1",
        }  # fmt: skip

    async def prepare(self, what: str) -> None:
        """Do what is done before an installation starts."""
        (self.folder / "password").write_text("nobody asks for it\n")
        given = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "BUS_USERS": str(self.folder / "users"), "OWNER_STORE": self.owner.url, "APP_ROLE": ROLE,
            "OWNER_PASSWORD_FILE": str(self.folder / "password"), "METRICS_KEY_FILE": str(self.folder / "metrics-key"),
        }  # fmt: skip
        given |= self._environment() if what == "store" else {"ACCORD_HOME": str(self.home)}
        done = await asyncio.create_subprocess_exec("sh", str(DEPLOY / "prepare.sh"), what, env=given, stdout=DEVNULL)
        assert await done.wait() == 0

    async def start(self) -> None:
        """Start both."""
        self.key = (self.home / "credentials").read_text().strip()
        told = await asyncio.gather(*(one.knowing(**self._environment()).start() for one in self.servers))
        self.urls = [one["url"] for one in told]

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
        return httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=WITHIN_S)

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
        """How many requests a server has answered, as Prometheus reads it."""
        key = (self.folder / "metrics-key").read_text().strip()
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=WITHIN_S) as http:
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


@pytest.fixture
async def both(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[Balanced]:
    """Two servers that are prepared and have not been started, on a bus that tells its users apart."""
    program("nginx")
    postgres.sql(f"CREATE ROLE {ROLE} LOGIN")
    both = Balanced(tmp_path, postgres)
    await both.prepare("bus")
    with nats_server((tmp_path / "users" / CONFIGURATION).read_text()) as server:
        both.bus = server.url
        for _ in range(2):
            await both.prepare("store")
        yield both
        for one in both.servers:
            await one.end(signal.SIGKILL)
    postgres.drop(both.owner)
    postgres.sql(f"DROP ROLE {ROLE}")


@pytest.mark.timeout(300)  # it starts a dozen processes
async def test_two_servers_behind_nginx_are_one_for_everybody(tmp_path: Path, both: Balanced) -> None:
    """Calls, feeds, agents on WebSockets, long polling, and an upload; then one server is killed in the midst."""
    (tmp_path / "go-on").touch()
    agents: list[Started] = []
    await both.start()
    async with nginx(tmp_path, both.urls) as both.url:
        try:
            agents += [both.joining("mill", "mill.py"), both.joining("rows", "rows.py")]
            tokens = [await both.enrolment(agent.name) for agent in agents]
            await asyncio.gather(*(one.start("--token", token) for one, token in zip(agents, tokens, strict=True)))
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
            for one in agents:
                await one.end(signal.SIGKILL)


async def _polls(both: Balanced) -> None:
    """A feed of somebody whose connection begins with long polling, and never goes over to a WebSocket."""
    told: asyncio.Queue[Any] = asyncio.Queue()
    client = socketio.AsyncClient()
    client.on("agents", told.put, namespace="/registry")
    async with asyncio.timeout(WITHIN_S):
        await client.connect(both.url, namespaces=["/registry"], auth={"token": both.key}, transports=["polling"])
        names = {row["agent"] for row in (await told.get())["agents"]}
        await client.eio.disconnect(abort=True)  # it would wait for its last poll
    assert "spiffe://local/agent/mill" in names
