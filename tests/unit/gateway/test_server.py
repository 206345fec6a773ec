"""The server on a real socket: what becomes of requests and streams when it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from starlette.responses import StreamingResponse

from accord.gateway.application import Gateway
from accord.gateway.entrance import is_among
from accord.gateway.problems import ProblemDetails
from accord.gateway.server import Address, bound, serving, url_of

ANY = Address(port=0)


@pytest.fixture
async def gateway(opened: Any) -> Gateway:
    gateway: Gateway = (await opened()).gateway
    return gateway


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60) as http:
        yield http


async def test_a_request_under_way_ends_and_no_new_one_is_taken(gateway: Gateway, http: httpx.AsyncClient) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @gateway.api.get("/test/slow")
    async def slow() -> str:
        begun.set()
        await go_on.wait()
        return "done"

    with bound(ANY) as taken:
        stack = AsyncExitStack()
        await stack.enter_async_context(serving(gateway, ANY, taken, timedelta(seconds=60)))
        url = url_of(ANY, taken)
        asked = asyncio.create_task(http.get(f"{url}/test/slow"))
        await begun.wait()
        leaving = asyncio.create_task(stack.aclose())
        await gateway.readiness.draining.wait()
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{url}/v1/health/live")
        go_on.set()
        response = await asked
        assert (response.status_code, response.json()) == (200, "done")
        await leaving


async def test_a_stream_ends_when_it_hears_of_it_and_is_cut_when_it_does_not(
    gateway: Gateway, http: httpx.AsyncClient
) -> None:
    async def until(event: asyncio.Event) -> AsyncIterator[bytes]:
        yield b"begun"
        await event.wait()
        yield b"ended"

    @gateway.api.get("/test/stream/{kind}")
    async def stream(kind: str) -> StreamingResponse:
        return StreamingResponse(until(gateway.readiness.draining if kind == "good" else asyncio.Event()))

    async def read(url: str, begun: asyncio.Event) -> bytes:
        data = b""
        async with http.stream("GET", url) as response:
            async for chunk in response.aiter_bytes():
                data += chunk
                begun.set()
        return data

    with bound(ANY) as taken:
        async with serving(gateway, ANY, taken, timedelta(seconds=1)):
            url = f"{url_of(ANY, taken)}/test/stream"
            begun = [asyncio.Event(), asyncio.Event()]
            good = asyncio.create_task(read(f"{url}/good", begun[0]))
            bad = asyncio.create_task(read(f"{url}/bad", begun[1]))
            for event in begun:
                await event.wait()
        assert await good == b"begunended"
        with pytest.raises(httpx.RemoteProtocolError):
            await bad


async def test_an_idle_connection_holds_nothing_up(gateway: Gateway, http: httpx.AsyncClient) -> None:
    with bound(ANY) as taken:
        async with serving(gateway, ANY, taken, timedelta(seconds=60)):
            assert (await http.get(f"{url_of(ANY, taken)}/v1/health/ready")).status_code == 200


async def test_a_server_that_cannot_listen_says_so(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise OSError("cannot listen")

    monkeypatch.setattr("uvicorn.Server.startup", fail)
    with bound(ANY) as taken, pytest.raises(OSError, match="cannot listen"):
        async with serving(gateway, ANY, taken, timedelta(seconds=1)):
            raise AssertionError("it does not listen")


@pytest.mark.parametrize("sent", [b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"nonsense\r\n\r\n"])
async def test_what_is_no_http_is_told_as_a_problem(gateway: Gateway, sent: bytes) -> None:
    with bound(ANY) as taken:
        async with serving(gateway, ANY, taken, timedelta(seconds=1)):
            reader, writer = await asyncio.open_connection("127.0.0.1", taken.getsockname()[1])
            writer.write(sent)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head
    assert f"content-length: {len(body)}".encode() in head
    assert msgspec.json.decode(body, type=ProblemDetails).code == "ACC957"


@pytest.mark.parametrize(
    ("host", "counts"),
    [
        ("10.0.0.5", True),
        ("10.0.0.6", False),
        ("172.28.3.4", True),
        ("172.29.0.1", False),
        ("::1", True),
        (None, False),
    ],
)
def test_proxies_are_trusted_by_address_or_network(host: str | None, counts: bool) -> None:
    assert is_among(host, ["10.0.0.5", "172.28.0.0/16", "::1", "balancer"]) == counts
