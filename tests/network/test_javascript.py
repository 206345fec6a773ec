"""An agent in JavaScript, written from docs/protocol.md alone, does its part of a run."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from accord.domain.command import Cancel
from accord.domain.message import PAYLOAD_MAX_BYTES, decode_claims
from accord.domain.news import Happened
from accord.domain.signature import parse_statement
from accord.domain.trace import traceparent_of

from .conftest import Site
from .needs import program
from .proxy import Proxy

EXAMPLE = Path(__file__).parents[2] / "examples" / "agents" / "javascript"

AGENT = "word-counter"
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

COUNT = """
accord: template/1
name: count
version: 1.0.0
description: Counts words.
input: {type: object, required: [texts], properties: {texts: {type: array, items: {type: string}}}}
tasks:
  count:
    uses: text.count@^1
    for_each: "${input.texts}"
    with: {text: "${item}"}
output: "${tasks.count.output}"
"""


INDEX = """
accord: template/1
name: index
version: 1.0.0
description: Indexes a text, and says how large that is.
input:
  type: object
  required: [text, times]
  properties: {text: {type: string}, times: {type: integer, minimum: 1}}
tasks:
  index:
    uses: text.index@^1
    with: {text: "${input.text}", times: "${input.times}"}
  size:
    uses: index.size@^1
    with: {index: "${tasks.index.output}"}
output: "${tasks.size.output}"
"""


WAIT = """
accord: template/1
name: wait
version: 1.0.0
description: Waits.
input: {type: object, required: [seconds], properties: {seconds: {type: number, minimum: 0, maximum: 60}}}
tasks:
  wait:
    uses: time.wait@^1
    with: {seconds: "${input.seconds}"}
output: "${tasks.wait.output}"
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its packages."""
    program("node")
    folder = tmp_path_factory.mktemp("javascript") / "agent"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run([program("npm"), "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    return folder


@asynccontextmanager
async def running(folder: Path, home: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The agent's process, told to stop at the end."""
    process = await asyncio.create_subprocess_exec(
        program("node"),
        str(folder / "word-counter.js"),
        *arguments,
        env={**os.environ, "AGENT_HOME": str(home)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            await process.communicate()


@pytest.fixture
def count(tmp_path: Path) -> Path:
    path = tmp_path / "count.yaml"
    path.write_text(COUNT)
    return path


async def test_it_joins_a_run(site: Site, installed: Path, tmp_path: Path, count: Path) -> None:
    token = await site.token("word-counter")
    async with running(installed, tmp_path / "js", site.url, token) as process:
        assert process.stdout is not None
        told = json.loads(await process.stdout.readline())
        assert told["agent"] == "spiffe://local/agent/word-counter"
        run = await site.run(count, {"texts": ["a bb ccc", "", "two words"]}, AGENT, CALLER)
    assert run.phase == "completed"
    answers = [parse_statement(one.statement.encode()) for state in run.tasks.values() for one in state.attempts]
    leases = [one.lease for state in run.tasks.values() for one in state.attempts]
    assert [decode_claims(one.claims).trace for one in answers] == [traceparent_of(CALLER, one) for one in leases]
    assert await site.node.parts.documents.fetched(run.output) == [
        {"words": 3, "longest": "ccc"},
        {"words": 0, "longest": ""},
        {"words": 2, "longest": "words"},
    ]
    assert await site.node.incidents(10) == []
    assert process.returncode == 0


async def test_it_goes_on_after_its_connection_was_cut(
    site: Site, proxy: Proxy, installed: Path, tmp_path: Path, count: Path
) -> None:
    token = await site.token("word-counter")
    async with running(installed, tmp_path / "js", proxy.url, token):
        for number in range(3):
            run = await site.start(count, {"texts": [f"text {item}" for item in range(50)]}, AGENT)
            proxy.cut()
            async with asyncio.timeout(60):
                ended = await site.node.ended(run.id)
            assert ended.phase == "completed", number
    assert await site.node.incidents(10) == []


async def test_it_is_told_why_it_is_not_let_in(site: Site, installed: Path, tmp_path: Path) -> None:
    prefix, token, secret, key = (await site.token("word-counter")).split(".")
    process = await asyncio.create_subprocess_exec(
        program("node"),
        str(installed / "word-counter.js"),
        site.url,
        f"{prefix}.{token}.{secret[::-1]}.{key}",
        env={**os.environ, "AGENT_HOME": str(tmp_path / "js")},
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"ACC782" in errors


@pytest.mark.parametrize("times", [3, 3000, 300_000])
async def test_documents_of_any_size(site: Site, installed: Path, tmp_path: Path, times: int) -> None:
    """Inline, uploaded and handed on whole, and uploaded and fetched by reference."""
    template = tmp_path / "index.yaml"
    template.write_text(INDEX)
    token = await site.token("word-counter")
    async with running(installed, tmp_path / "js", site.url, token):
        run = await site.run(template, {"text": "bees dance", "times": times}, AGENT)
    assert run.phase == "completed", run.problem
    index = run.state("index").output
    large = index.length_bytes > PAYLOAD_MAX_BYTES
    assert large == (times == 300_000)
    expected = {"bytes": index.length_bytes, "entries": 2 * times}
    assert await site.node.parts.documents.fetched(run.output) == expected
    (attempt,) = run.state("size").attempts
    assert attempt.cost == Decimal("0.001")
    assert await site.node.incidents(10) == []


async def test_what_is_cancelled_stops(site: Site, installed: Path, tmp_path: Path) -> None:
    template = tmp_path / "wait.yaml"
    template.write_text(WAIT)
    token = await site.token("word-counter")
    async with running(installed, tmp_path / "js", site.url, token) as process:
        run = await site.start(template, {"seconds": 60}, AGENT)
        async with asyncio.timeout(30):
            async for news in site.node.follow(run.id):
                if isinstance(news, Happened) and news.run.state("wait").attempts:
                    break
        await site.node.control(run.id, Cancel(by="test"))
        async with asyncio.timeout(30):
            ended = await site.node.ended(run.id)
        # It has nothing under way any more, so it ends at once, and not after a minute.
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            await process.wait()
    assert ended.phase == "cancelled"
    assert process.returncode == 0
