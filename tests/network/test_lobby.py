"""Connections that say nothing, say it byte by byte, or are too many: on raw sockets."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import socketio
import websockets
from websockets.asyncio.server import ServerConnection

from accord.bus.socketio import _Connection
from accord.domain.message import Message
from accord.gateway.application import Options

from .conftest import LOCAL, Site, serving_at

SOON = timedelta(milliseconds=300)
IN_TIME = timedelta(seconds=2)
"""Enough to say what a connection is for, on a busy machine as well."""
LATER = timedelta(hours=1)

Opens = Callable[..., Any]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Opens]:
    """Starts an orchestrator whose gateway has these options."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Site:
            merged = Options(**{"webhook_networks": LOCAL.webhook_networks, **options})
            return await stack.enter_async_context(serving_at(tmp_path / "server", options=merged))

        yield start


class Raw:
    """A connection on which bytes are sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, site: Site) -> Raw:
        return cls(*await asyncio.open_connection("127.0.0.1", site.port))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def rest(self) -> bytes:
        """All that comes until the server closes the connection."""
        try:
            return await self._reader.read()
        except ConnectionResetError:
            return b""
        finally:
            self._writer.close()

    async def head(self) -> bytes:
        """The head of an answer."""
        return await self._reader.readuntil(b"\r\n\r\n")

    def close(self) -> None:
        self._writer.close()


LIVE = b"GET /v1/health/live HTTP/1.1\r\nHost: accord\r\n"


# -- the head of a request -------------------------------------------------------------------------------------------


async def test_whoever_sends_nothing_is_shown_out(serve: Opens) -> None:
    site = await serve(handshake_within=SOON)
    assert await (await Raw.open(site)).rest() == b""


async def test_a_head_that_does_not_end_is_answered_and_closed(serve: Opens) -> None:
    site = await serve(handshake_within=SOON)
    raw = await Raw.open(site)
    await raw.send(LIVE + b"X-Slow: ")
    head, _, body = (await raw.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head
    assert json.loads(body)["problems"][0]["code"] == "ACC968"


@pytest.mark.abuse(
    "ASI08", at="gateway", stride="denial of service", case="slow senders: the head of a request that trickles"
)
async def test_bytes_that_trickle_do_not_help(serve: Opens) -> None:
    site = await serve(handshake_within=SOON)
    raw = await Raw.open(site)
    closed = asyncio.create_task(raw.rest())
    await raw.send(LIVE)
    while not closed.done():
        with_more = b"X-More: 1\r\n"
        try:
            await raw.send(with_more)
        except ConnectionError:
            break
        await asyncio.sleep(0)
    assert (await closed)[:12] in (b"HTTP/1.1 408", b"")  # a reset may overtake the answer


async def test_the_second_head_has_no_more_time_than_the_first(serve: Opens) -> None:
    site = await serve(handshake_within=IN_TIME)
    raw = await Raw.open(site)
    await raw.send(LIVE + b"\r\n")
    assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
    await raw.send(b"\r\nGET /v1/health")
    assert b"HTTP/1.1 408 " in await raw.rest()


async def test_a_slow_answer_is_none_of_the_lobbys_business(serve: Opens) -> None:
    site = await serve(handshake_within=IN_TIME)
    begun, go_on = asyncio.Event(), asyncio.Event()

    @site.gateway.api.get("/test/slow")
    async def slow() -> str:
        begun.set()
        await go_on.wait()
        return "done"

    asked = await Raw.open(site)
    await asked.send(b"GET /test/slow HTTP/1.1\r\nHost: accord\r\nConnection: close\r\n\r\n")
    await begun.wait()
    assert await (await Raw.open(site)).rest() == b""  # one that came later is shown out
    go_on.set()
    assert (await asked.rest()).endswith(b'"done"')


async def test_of_one_address_only_so_many_wait(serve: Opens) -> None:
    site = await serve(handshake_within=LATER, guests_per_address=2)
    one, two = await Raw.open(site), await Raw.open(site)
    await one.send(b"GET")
    await two.send(b"GET")
    while site.gateway.lobby.waiting("127.0.0.1") < 2:  # noqa: ASYNC110 - the lobby tells nobody
        await asyncio.sleep(0)
    assert await (await Raw.open(site)).rest() == b""
    await one.send(LIVE[3:] + b"\r\n")
    assert (await one.head()).startswith(b"HTTP/1.1 200 ")
    three = await Raw.open(site)
    await three.send(LIVE + b"Connection: close\r\n\r\n")
    assert (await three.rest()).startswith(b"HTTP/1.1 200 ")
    two.close()
    one.close()
    while site.gateway.lobby.waiting("127.0.0.1"):  # noqa: ASYNC110 - the lobby tells nobody
        await asyncio.sleep(0)


# -- Socket.IO -------------------------------------------------------------------------------------------------------


def socket_of(site: Site) -> Any:
    return websockets.connect(f"ws://127.0.0.1:{site.port}/socket.io/?EIO=4&transport=websocket", compression=None)


async def closes(socket: Any) -> None:
    """Read until the server has closed it."""
    with suppress(websockets.ConnectionClosed):
        async for _ in socket:
            pass


async def test_a_connection_that_joins_no_namespace_is_closed(serve: Opens) -> None:
    site = await serve(handshake_within=SOON)
    async with socket_of(site) as socket:
        await closes(socket)
    assert site.gateway.lobby.waiting("127.0.0.1") == 0


async def test_one_that_joins_a_namespace_that_it_may_not_join_is_closed(serve: Opens) -> None:
    site = await serve(handshake_within=SOON)
    async with socket_of(site) as socket:
        await socket.recv()
        await socket.send('40/runs,{"token":"none"}')
        assert "44/runs" in await socket.recv()
        await closes(socket)


@pytest.mark.abuse(
    "ASI08", at="gateway", stride="denial of service", case="slow senders: a connection that proves nothing"
)
async def test_an_agent_that_proves_nothing_is_closed(serve: Opens) -> None:
    site = await serve(handshake_within=SOON)
    async with socket_of(site) as socket:
        await socket.recv()
        await socket.send("40/agents,")
        await closes(socket)


async def test_one_that_has_joined_stays_until_it_leaves(serve: Opens) -> None:
    site = await serve(handshake_within=IN_TIME)
    key = (await site.node.parts.access.issue("watcher", "viewer", by="test")).text
    async with socket_of(site) as joined:
        await joined.recv()
        await joined.send(f'40/runs,{{"token":"{key}"}}')
        assert "40/runs" in await joined.recv()
        async with socket_of(site) as later:
            await closes(later)
        await joined.send('42/runs,1["unwatch"]')
        assert (await joined.recv()).startswith("43/runs,1")
        await joined.send("41/runs,")
        await closes(joined)


async def test_one_that_began_with_long_polling_is_closed_as_well(serve: Opens) -> None:
    site = await serve(handshake_within=SOON)
    raw = await Raw.open(site)
    ask = "GET /socket.io/?EIO=4&transport=polling{} HTTP/1.1\r\nHost: accord\r\nConnection: close\r\n\r\n"
    await raw.send(ask.format("").encode())
    opened = (await raw.rest()).partition(b"\r\n\r\n")[2].decode()
    sid = json.loads(opened[opened.index("{") : opened.rindex("}") + 1])["sid"]
    again = await Raw.open(site)
    await again.send(ask.format(f"&sid={sid}").encode())
    await again.rest()  # ends when the conversation does
    assert sid not in site.gateway.sockets.eio.sockets


async def test_a_joined_conversation_that_is_upgraded_stays(serve: Opens) -> None:
    site = await serve(handshake_within=IN_TIME)
    key = (await site.node.parts.access.issue("watcher", "viewer", by="test")).text
    async with AsyncExitStack() as stack:
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        stack.push_async_callback(client.disconnect)
        await client.connect(site.url, auth={"token": key}, namespaces=["/runs"], transports=["polling", "websocket"])
        assert client.transport() == "websocket"
        async with socket_of(site) as later:
            await closes(later)
        assert await client.call("unwatch", namespace="/runs") is not None


async def test_who_gives_up_while_the_server_says_nothing_leaves_no_connection_open() -> None:
    connected = asyncio.Event()

    async def say_nothing(socket: ServerConnection) -> None:
        connected.set()
        await socket.wait_closed()

    async with websockets.serve(say_nothing, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        connecting = asyncio.create_task(_Connection(f"http://127.0.0.1:{port}", True, take_nothing).__aenter__())
        await connected.wait()
        connecting.cancel()
        await asyncio.wait([connecting])
    del connecting
    gc.collect()  # what is left open says so when it goes


async def take_nothing(scope: str, message: Message) -> None:
    raise AssertionError(scope)
