"""A TCP proxy between two parties that can cut, hold up, delay, swallow and repeat what passes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

from .frames import Splitter


class Proxy:
    """Passes bytes on, both ways, while it is open; `cut` ends what there is, at once and without a word."""

    def __init__(self, host: str, port: int | None) -> None:
        self.target: tuple[str, int] | Path | None = (host, port) if port is not None else None
        """Where whoever connects is brought, a socket's path perhaps; None turns them away."""
        self.links: set[Link] = set()
        """The connections that there are."""
        self.random = Random(0)  # noqa: S311 - chance, no secret
        self.delay_s = 0.0
        """Each piece that passes waits up to so long, and what is behind it as well."""
        self.repeats = 0.0
        """How probable it is that a message passes twice: an event of Socket.IO, or a POST of HTTP."""
        self.repeated = 0
        self.refuses = False
        """Whether whoever connects is turned away."""
        self.is_raw = False
        """Whether what passes is no HTTP: then no message is told from another."""
        self.connections = 0
        self.passed_bytes = 0
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._server: asyncio.Server | None = None
        self._again: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where the proxy listens."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @classmethod
    @asynccontextmanager
    async def before(cls, host: str, port: int | None) -> AsyncIterator[Proxy]:
        """A proxy in front of this address."""
        proxy = cls(host, port)
        proxy._server = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        try:
            yield proxy
        finally:
            proxy._server.close()
            proxy.cut()
            for task in (*(link.task for link in proxy.links), *proxy._again):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def cut(self) -> None:
        """Break all connections off."""
        for link in list(self.links):
            link.cut()

    def hold(self) -> None:
        """Let nothing through, and lose nothing."""
        self.flowing.clear()

    def go_on(self) -> None:
        """Let through again."""
        self.flowing.set()

    def calm(self) -> None:
        """From now on nothing goes wrong; whom something has gone wrong for connects anew."""
        self.delay_s = self.repeats = 0.0
        self.go_on()
        for link in list(self.links):
            if link.is_damaged:
                link.cut()

    def repeat_request(self, request: bytes) -> None:
        """Send a request a second time, over a connection of its own; nobody gets the answer."""
        self.repeated += 1
        task = asyncio.create_task(self._send_again(request))
        self._again.add(task)
        task.add_done_callback(self._again.discard)

    async def _send_again(self, request: bytes) -> None:
        if not isinstance(self.target, tuple):
            return
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(*self.target)
            writer.write(request)
            await reader.read(1)  # it was carried out, or refused
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self.refuses or self.target is None:
            writer.transport.abort()
            return
        self.connections += 1
        with suppress(OSError, asyncio.CancelledError):
            if isinstance(self.target, Path):
                there_reader, there_writer = await asyncio.open_unix_connection(self.target)
            else:
                there_reader, there_writer = await asyncio.open_connection(*self.target)
            link = Link(self, task, writer, there_writer)
            self.links.add(link)
            try:
                await link.run(reader, there_reader)
            finally:
                self.links.discard(link)
                there_writer.transport.abort()
        writer.transport.abort()


class Link:
    """One connection through the proxy: `near` to who has connected, `far` to the target."""

    def __init__(
        self, proxy: Proxy, task: asyncio.Task[None], near: asyncio.StreamWriter, far: asyncio.StreamWriter
    ) -> None:
        self.task = task
        self._proxy = proxy
        self._near = near
        self._far = far
        self._swallows = False
        self._half_open = False
        self._left: dict[asyncio.StreamWriter, int] = {}
        """How many bytes more pass in a direction before the connection is cut."""

    @property
    def is_damaged(self) -> bool:
        """Whether something has gone wrong on it that it does not recover from."""
        return self._swallows or self._half_open or bool(self._left)

    def cut(self) -> None:
        """Break it off."""
        self.task.cancel()

    def cut_after(self, size: int, *, up: bool) -> None:
        """Break it off when so many more bytes have passed up to the target, or down from it: in the midst of
        whatever that is.
        """
        self._left[self._far if up else self._near] = size

    def swallow(self) -> None:
        """Let both sides believe in a connection on which nothing arrives any more."""
        self._swallows = True

    def half_open(self, *, near: bool) -> None:
        """Break it off on one side; the other one is told nothing."""
        self._swallows = self._half_open = True
        (self._near if near else self._far).transport.abort()

    async def run(self, near: asyncio.StreamReader, far: asyncio.StreamReader) -> None:
        """Pass on until one side ends, or it is cut."""
        up, down = Splitter("raw" if self._proxy.is_raw else "http"), Splitter("raw")
        passing = [
            asyncio.create_task(self._pass_up(near, up, down)),
            asyncio.create_task(self._pass(far, self._near, down)),
        ]
        try:
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)

    async def _pass_up(self, reader: asyncio.StreamReader, up: Splitter, down: Splitter) -> None:
        while data := await reader.read(1 << 16):
            for piece, kind in up.feed(data):
                if up.upgrades and down.state == "raw":
                    down.state = "http"
                await self._write(self._far, piece, kind)
                if kind == "post" and self._proxy.random.random() < self._proxy.repeats:
                    self._proxy.repeat_request(piece)
        await self._end_of_side(self._far, up)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, down: Splitter) -> None:
        while data := await reader.read(1 << 16):
            for piece, kind in down.feed(data):
                await self._write(writer, piece, kind)
        await self._end_of_side(writer, down)

    async def _end_of_side(self, writer: asyncio.StreamWriter, splitter: Splitter) -> None:
        if self._half_open:
            await asyncio.Event().wait()  # the other side may end it
        await self._write(writer, splitter.rest(), "")

    async def _write(self, writer: asyncio.StreamWriter, piece: bytes, kind: str) -> None:
        proxy = self._proxy
        await proxy.flowing.wait()
        if proxy.delay_s:
            await asyncio.sleep(proxy.random.random() * proxy.delay_s)  # it is the delay that is tested
        if self._swallows:
            return
        if kind == "event" and proxy.random.random() < proxy.repeats:
            proxy.repeated += 1
            piece += piece
        left = self._left.get(writer, len(piece) + 1)
        writer.write(piece[:left])
        await writer.drain()
        proxy.passed_bytes += len(piece)
        if left <= len(piece):
            raise ConnectionResetError
        if writer in self._left:
            self._left[writer] -= len(piece)
