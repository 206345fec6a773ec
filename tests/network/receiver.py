"""An endpoint of webhooks that answers as it is told, and keeps what it has taken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class Receiver:
    """An endpoint that answers as it is told, and keeps what it has taken."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        """What it answers next; then 204. With 0 it breaks off, and has taken nothing; with 1 it has."""
        self.asked = 0
        self.changed = asyncio.Event()
        self.url = ""
        self.tasks: set[asyncio.Task[Any]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Receiver]:
        """An endpoint at `url`."""
        receiver = cls()
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        async with server:
            yield receiver
            for task in list(receiver.tasks):
                task.cancel()
            await asyncio.gather(*receiver.tasks, return_exceptions=True)
            await asyncio.sleep(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; whoever asks may go away before."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()
            self.tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        self.asked += 1
        status = self.statuses.pop(0) if self.statuses else 204
        if 0 < status < 300:
            self.taken.append((headers, body))
            self.changed.set()
        if status < 200:
            return
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.write_eof()
        await reader.read()
        self.changed.set()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.taken]

    async def until(self, true: Any) -> None:
        async with asyncio.timeout(40):
            while not true():
                self.changed.clear()
                await self.changed.wait()

    async def told(self, kind: str) -> None:
        """Until it was told of such an event."""
        await self.until(lambda: any(event["type"] == f"accord.{kind}" for event in self.events()))
