"""A process is killed in the midst of an upload: the run ends right, and nothing of the upload is left."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from accord import Client
from accord.app import open_node
from accord.domain.message import PAYLOAD_MAX_BYTES
from accord.settings import Settings
from accord.testing.audit import Audit, swept

from .processes import ACCORD, HERE, SHORT, Started

COUNT = PAYLOAD_MAX_BYTES // 1000 + 2000
TEMPLATE = {
    "accord": "template/1", "name": "pipe", "version": "1.0.0", "input": True,
    "tasks": {
        "make": {
            "uses": "rows.make@^1", "with": {"count": COUNT},
            "retry": {"attempts": 20, "backoff": {"first": "50ms"}},
        },
        "sum": {"uses": "rows.sum@^1", "with": {"rows": "${ tasks.make.output }"}, "retry": {"attempts": 20}},
    },
    "output": "${ tasks.sum.output }",
}  # fmt: skip


class Pipe:
    """A server and an agent, in processes of their own."""

    def __init__(self, folder: Path, encrypts: str) -> None:
        self.folder = folder
        self.home = folder / "home"
        settings = {"ACCORD_HOME": str(self.home), "ACCORD_ENCRYPT_PAYLOADS": encrypts}
        self.server = Started(folder, "server", (*SHORT, "serve"), **settings)
        self.agent = self.server
        self.port = 0

    async def start(self) -> None:
        """Start both."""
        await self.serve()
        command = (*ACCORD, "agent", str(HERE / "rows.py"), "--connect", self.url, "--drain", "1")
        self.agent = Started(self.folder, "agent", command, ACCORD_HOME=str(self.home))
        await self.agent.start()
        async with self.client() as client:
            while not any(one.instances for one in await client.agents("rows.make")):  # noqa: ASYNC110 - it is elsewhere
                await asyncio.sleep(0.02)

    async def serve(self) -> None:
        """Start the server, where it was before."""
        told = await self.server.start("--port", str(self.port))
        self.url = told["url"]
        self.port = int(self.url.rpartition(":")[2])

    async def until(self, name: str) -> None:
        """Wait for a file that an agent makes."""
        while not (self.folder / name).exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)

    def client(self) -> Client:
        """Somebody with the server's key."""
        return Client(self.url, (self.home / "credentials").read_text().strip())

    def drafts(self) -> list[Path]:
        """What is being uploaded."""
        return [path for path in (self.home / "blobs" / "drafts").rglob("*") if path.is_file() and path.name != "lock"]


@pytest.fixture
async def pipe(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Pipe]:
    pipe = Pipe(tmp_path, request.param)
    try:
        await pipe.start()
        yield pipe
    finally:
        for one in (pipe.agent, pipe.server):
            await one.end(signal.SIGKILL)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("killed", "pipe"), [("agent", "true"), ("server", "true"), ("both", "false")], indirect=["pipe"]
)
async def test_killed_in_the_midst_of_an_upload(pipe: Pipe, killed: str) -> None:
    async with pipe.client() as client:
        await client.publish(TEMPLATE)
        run = (await client.start("pipe")).run
    await pipe.until("half")
    assert pipe.drafts(), "half of it is there"
    victims = [getattr(pipe, name) for name in (("server", "agent") if killed == "both" else (killed,))]
    await asyncio.gather(*(victim.end(signal.SIGKILL) for victim in victims))
    (pipe.folder / "go-on").touch()
    if pipe.server in victims:
        await pipe.serve()
    if pipe.agent in victims:
        await pipe.agent.start()
    async with asyncio.timeout(90), pipe.client() as client:
        result = await client.result(run)
    assert (result.state, result.output) == ("completed", COUNT * (COUNT - 1) // 2)
    assert pipe.drafts() == [], "nothing of the upload that died is left"
    for one in (pipe.agent, pipe.server):
        assert await one.end(signal.SIGTERM) == 0
        assert one.complaints() == []
    async with open_node(Settings(home=pipe.home)) as node:
        assert await Audit(node).all() == []
        assert await swept(node) == []
        large = [blob for blob in await node.parts.ports.blobs.stored(limit=100) if blob.size_bytes > PAYLOAD_MAX_BYTES]
        assert len(large) == 1, "what was uploaded is there once"
