"""A TCP proxy between two parties that can be cut, held up, and let go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Passes bytes on, both ways, while it is open; `cut` ends what there is, at once and without a word."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._links: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self.refuses = False
        """Whether whoever connects is turned away."""
        self.connections = 0
        self.passed_bytes = 0

    @property
    def url(self) -> str:
        """Where the proxy listens."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @classmethod
    @asynccontextmanager
    async def before(cls, host: str, port: int) -> AsyncIterator[Proxy]:
        """A proxy in front of this address."""
        proxy = cls(host, port)
        proxy._server = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        try:
            yield proxy
        finally:
            proxy._server.close()
            proxy.cut()

    def cut(self) -> None:
        """Break all connections off."""
        for link in list(self._links):
            link.cancel()

    def hold(self) -> None:
        """Let nothing through, and lose nothing."""
        self._flowing.clear()

    def go_on(self) -> None:
        """Let through again."""
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self.refuses:
            writer.transport.abort()
            return
        self._links.add(task)
        self.connections += 1
        with suppress(OSError, asyncio.CancelledError):
            there_reader, there_writer = await asyncio.open_connection(*self._target)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass(reader, there_writer))
                    group.create_task(self._pass(there_reader, writer))
            except* OSError:
                pass
            finally:
                there_writer.transport.abort()
        writer.transport.abort()
        self._links.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
            self.passed_bytes += len(data)
        raise ConnectionResetError
