"""Uploads that trickle are broken off: whatever comes, and however it comes, each piece has its time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from accord.domain.message import Claims
from accord.domain.run import Run
from accord.errors import Overloaded
from accord.gateway.application import Options
from accord.gateway.resources.uploads import PIECE_BYTES, paced
from accord.sdk import Agent

from .conftest import LOCAL, Places, Site, serving_at

SOON = timedelta(milliseconds=200)
LATER = timedelta(hours=1)

TEMPLATE = """
accord: template/1
name: slow
version: 1.0.0
tasks:
  make: {uses: rows.make@^1, with: {}}
"""


async def silent() -> AsyncIterator[bytes]:
    yield b"["
    await asyncio.Event().wait()


async def trickling() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0)


async def read(chunks: AsyncIterator[bytes], within: timedelta) -> bytes:
    return b"".join([chunk async for chunk in paced(chunks, within)])


@pytest.mark.parametrize("chunks", [silent, trickling])
async def test_what_does_not_come_in_time_is_broken_off(chunks: object) -> None:
    with pytest.raises(Overloaded, match="ACC890"):
        await read(chunks(), SOON)  # type: ignore[operator]  # one of the two above


async def test_what_comes_in_time_comes_whole() -> None:
    async def large() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * PIECE_BYTES

    assert len(await read(large(), LATER)) == 5 * PIECE_BYTES


async def test_what_is_done_with_a_chunk_takes_none_of_its_time() -> None:
    """The time is over before the chunk is dealt with, and the next one is there at once."""

    async def two() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    loop, got = asyncio.get_running_loop(), []
    async for chunk in paced(two(), SOON):
        got.append(chunk)
        over, due = asyncio.Event(), loop.time() + 2 * SOON.total_seconds()
        loop.call_at(due, over.set)
        await over.wait()
    assert got == [b"a", b"b"]


async def uploading(site: Site, run: Run, agent: object) -> bytes:
    """What is sent first: the head, with the statement of the agent about its attempt, and one byte of the body."""
    attempt = (await site.node.run(run.id)).state("make").attempts[-1]  # type: ignore[arg-type]  # a task's id
    now = int(site.node.parts.ports.clock.now().timestamp())
    claims = Claims(
        issuer=attempt.agent,
        audience=site.node.parts.identity.id,
        id="x",
        issued_at=now,
        expires_at=now + 60,
        kind="upload",
        run=run.id,
        task="make",  # type: ignore[arg-type]  # a task's id
        attempt=attempt.number,
        lease=attempt.lease,
        capability=attempt.capability,
        contract=attempt.contract,
    )
    statement = await agent.worker._shift._parts.outbox.signed(claims)  # type: ignore[attr-defined]
    head = b"PUT /v1/uploads HTTP/1.1\r\nHost: accord\r\nTransfer-Encoding: chunked\r\nAccord-Statement: %b\r\n\r\n"
    return head % statement + b"1\r\n[\r\n"


@pytest.mark.abuse(
    "ASI08",
    "ASI10",
    at="gate",
    stride="denial of service",
    case="slow senders: an upload that trickles",
    codes=("ACC890",),
)
async def test_an_agent_that_uploads_nothing_more_is_answered_and_cut_off(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    agent, began, end = Agent("hello"), asyncio.Event(), asyncio.Event()

    @agent.capability("rows.make@1.0.0")
    async def make() -> AsyncIterator[int]:
        began.set()
        await end.wait()
        yield 1

    (template := tmp_path / "slow.yaml").write_text(TEMPLATE)
    options = Options(webhook_networks=LOCAL.webhook_networks, upload_within=SOON)
    site = await stack.enter_async_context(serving_at(tmp_path / "server", options=options))
    places = Places(tmp_path / "agents", stack)
    joined = await places.join(agent, site.url, token=await site.token("hello"))
    run = await site.start(template, {})
    await began.wait()
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(await uploading(site, run, joined))
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert json.loads(body)["problems"][0]["code"] == "ACC890"
    writer.close()
    end.set()
    async with asyncio.timeout(60):
        assert (await site.node.ended(run.id)).phase == "completed"


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack
