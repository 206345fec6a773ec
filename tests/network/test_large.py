"""Large payloads: streamed from agent to agent, checked while they pass, never held whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from accord.app import host
from accord.domain.message import PAYLOAD_MAX_BYTES, Claims
from accord.errors import AccordError
from accord.sdk import Agent, Stream

from .conftest import Places, Site
from .proxy import Proxy


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int
    text: str


PIPE = """
accord: template/1
name: pipe
version: 1.0.0
description: Makes rows, and counts them.
input:
  type: object
  required: [count]
  properties: {count: {type: integer}}
tasks:
  make:
    uses: rows.make@^1
    with: {count: "${input.count}"}
    retry: {attempts: 2, backoff: {first: 10ms}}
  sum:
    uses: rows.sum@^1
    with: {rows: "${tasks.make.output}"}
output: "${tasks.sum.output}"
"""

TEXT = "x" * 1000


LARGE = PAYLOAD_MAX_BYTES // len(TEXT) + 2000
"""So many rows do not fit into a message."""


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe.yaml"
    path.write_text(PIPE)
    return path


def maker(name: str = "hello") -> tuple[Agent, list[int]]:
    """An agent that makes rows, and what it was asked for."""
    agent, asked = Agent(name), []

    @agent.capability("rows.make@1.0.0")
    async def make(count: int) -> AsyncIterator[Row]:
        asked.append(count)
        for number in range(count):
            yield Row(number=number, text=TEXT)

    return agent, asked


def summer(name: str = "summer") -> Agent:
    """An agent that reads rows as they come."""
    agent = Agent(name)

    @agent.capability("rows.sum@1.0.0")
    async def sum_(rows: Stream[Row]) -> dict[str, int]:
        count = total = 0
        async for row in rows:
            count += 1
            total += row.number
        return {"count": count, "total": total}

    return agent


async def joined(site: Site, places: Places, url: str | None = None) -> list[int]:
    agent, asked = maker()
    await places.join(agent, url or site.url, token=await site.token("hello"))
    await places.join(summer(), url or site.url, token=await site.token("summer"))
    await site.node.present(summer().id)
    return asked


def summed(count: int) -> dict[str, int]:
    return {"count": count, "total": count * (count - 1) // 2}


@pytest.mark.parametrize("count", [0, 3, 2000, LARGE])
async def test_of_any_size_it_is_the_same(site: Site, places: Places, pipe: Path, count: int) -> None:
    await joined(site, places)
    run = await site.run(pipe, {"count": count})
    assert run.phase == "completed", run.problem
    assert await site.node.parts.documents.fetched(run.output) == summed(count)
    output = run.state("make").output
    assert (output.length_bytes > PAYLOAD_MAX_BYTES) == (count == LARGE)


async def test_the_same_in_one_process(site: Site, pipe: Path) -> None:
    async with host(site.node, [maker()[0], summer()]):
        run = await site.run(pipe, {"count": LARGE})
    assert run.phase == "completed", run.problem
    assert await site.node.parts.documents.fetched(run.output) == summed(LARGE)


async def test_an_upload_that_dies_leaves_nothing_behind(site: Site, proxy: Proxy, places: Places, pipe: Path) -> None:
    agent, asked = Agent("hello"), []
    half = asyncio.Event()

    @agent.capability("rows.make@1.0.0")
    async def make(count: int) -> AsyncIterator[Row]:
        asked.append(count)
        for number in range(count):
            if number == count // 2 and len(asked) == 1:
                half.set()
                proxy.cut()
            yield Row(number=number, text=TEXT)

    await places.join(agent, proxy.url, token=await site.token("hello"))
    await places.join(summer(), site.url, token=await site.token("summer"))
    await site.node.present(summer().id)
    run = await site.run(pipe, {"count": LARGE})
    assert half.is_set()
    assert run.phase == "completed", run.problem
    assert len(asked) == 2, "the first attempt failed, the second one was accepted"
    drafts = site.node.parts.ports.blobs._drafts  # type: ignore[attr-defined]
    assert not list(drafts.iterdir())


async def test_an_item_that_breaks_the_contract_is_named(site: Site, places: Places, pipe: Path) -> None:
    agent = Agent("hello")

    @agent.capability("rows.make@1.0.0")
    async def make(count: int) -> AsyncIterator[Row]:
        for number in range(count):
            yield Row.model_construct(number=number if number != LARGE - 10 else "ten", text=TEXT)

    await places.join(agent, site.url, token=await site.token("hello"))
    await places.join(summer(), site.url, token=await site.token("summer"))
    await site.node.present(summer().id)
    run = await site.run(pipe, {"count": LARGE})
    assert run.phase == "failed"
    told: list[Any] = [attempt.problems for attempt in run.state("make").attempts]
    assert f"/{LARGE - 10}/number" in str(told) + str(run.state("make").problem)


@pytest.mark.abuse(
    "ASI03",
    "ASI06",
    at="gate",
    stride="information disclosure",
    case="a large document is fetched by nobody but who was given it",
)
async def test_nobody_else_may_fetch(site: Site, places: Places, pipe: Path) -> None:
    await joined(site, places)
    run = await site.run(pipe, {"count": LARGE})
    digest = run.state("make").output.sha256
    stranger = await places.join(Agent("stranger"), site.url, token=await site.token("stranger"), home="stranger")
    parts = stranger.worker._shift._parts  # type: ignore[union-attr]
    attempt = run.state("sum").attempts[0]
    now = int(site.node.parts.ports.clock.now().timestamp())
    claims = Claims(
        issuer=stranger.worker.agent.id,
        audience=site.node.parts.identity.id,
        id="x",
        issued_at=now,
        expires_at=now + 60,
        kind="fetch",
        run=run.id,
        task="sum",  # type: ignore[arg-type]
        attempt=attempt.number,
        lease=attempt.lease,
        capability=attempt.capability,
        contract=attempt.contract,
    )
    statement = await parts.outbox.signed(claims)
    with pytest.raises(AccordError) as refused:
        await site.node.parts.permits.take(statement, digest, site.node.parts.ports.clock.now())
    assert refused.value.problems[0].code == "ACC348"
