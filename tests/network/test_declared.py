"""Agents that are declared in a document, each kind in a process of its own, do their part of a real server's run."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from accord.domain.log import LogQuery

from .conftest import Site

SOURCES = Path(__file__).parents[2] / "src"

COUNT = """
import json, sys
text = json.load(sys.stdin)["text"]
print(json.dumps({"level": "warn", "msg": "few words", "words": 3}), file=sys.stderr)
print("plainly said", file=sys.stderr)
print(len(text.split()))
"""

TOLD = """
import json, sys
text = json.load(sys.stdin)["text"]
if not text:
    print(json.dumps({"failure": {"code": "empty", "message": "no words"}, "cost": "0.01"}))
else:
    print(json.dumps({"output": len(text.split()), "confidence": 0.75, "cost": "0.25"}))
"""

LINES = """
import json, sys
for line in sys.stdin:
    task = json.loads(line)
    if "cancel" in task:
        continue
    text = task["input"]["text"]
    print(json.dumps({"id": task["id"], "level": "warn", "msg": "few words", "words": 3}), file=sys.stderr)
    print("plainly said", file=sys.stderr, flush=True)
    if text:
        told = {"output": len(text.split()), "confidence": 0.75, "cost": "0.25"}
    else:
        told = {"failure": {"code": "empty", "message": "no words"}, "cost": "0.01"}
    print(json.dumps({"id": task["id"], **told}), flush=True)
"""

ENDPOINT = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Counter(BaseHTTPRequestHandler):
    def do_POST(self):
        text = json.loads(self.rfile.read(int(self.headers["content-length"])))["text"]
        told = bool(self.headers.get("x-told"))
        self.send_response(200 if text else 422)
        if told:
            self.send_header("Accord-Confidence", "0.75")
            self.send_header("Accord-Cost", "0.25" if text else "0.01")
        body = str(len(text.split())).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Counter)
print(server.server_port, flush=True)
server.serve_forever()
"""

WORK = """
accord: template/1
name: count
version: 1.0.0
input: {type: object, required: [text], properties: {text: {type: string}}}
tasks:
  count:
    uses: text.count@^1
    with: {text: "${input.text}"}
    retry: {attempts: 1}
output: "${tasks.count.output}"
"""


@pytest.fixture
def count(tmp_path: Path) -> Path:
    path = tmp_path / "count.yaml"
    path.write_text(WORK)
    return path


@asynccontextmanager
async def running(*command: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process, told to stop at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            await process.communicate()


@pytest.fixture
async def endpoint() -> AsyncIterator[str]:
    """An endpoint in a process of its own; its address."""
    async with running("-c", ENDPOINT) as process:
        assert process.stdout
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}/count"


KINDS: dict[str, dict[str, Any]] = {
    "command": {"command": [sys.executable, "-c", COUNT]},
    "envelope": {"command": [sys.executable, "-c", TOLD], "envelope": True},
    "lines": {"command": [sys.executable, "-c", LINES], "lines": True},
    "http": {"http": {"url": ""}},
    "http-told": {"http": {"url": "", "headers": {"X-Told": "yes"}}},
}
TELLING = {"envelope", "lines", "http-told"}
CODES = {"envelope": "empty", "lines": "empty", "http": "http-status", "http-told": "http-status"}


@asynccontextmanager
async def declared(site: Site, home: Path, kind: str, address: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`accord agent counter.yaml --connect URL`, until the block ends."""
    run = KINDS[kind]
    if "http" in run:
        run = {"http": {**run["http"], "url": address}}
    offered = {
        "description": "Counts words.",
        "input": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
        "output": {"type": "integer"},
        "run": run,
    }
    path = home / "counter.yaml"
    told = {"max_cost": "1"} if kind in TELLING else {}
    document = {"accord": "agent/1", "name": "counter", "capabilities": {"text.count@1.0.0": offered | told}}
    path.write_text(json.dumps(document))
    token = await site.token("counter")
    ours = ("-m", "accord", "agent", str(path), "--connect", site.url, "--token", token)
    async with running(*ours, ACCORD_HOME=str(home / "agent"), PYTHONPATH=str(SOURCES)) as process:
        yield process


@pytest.mark.parametrize("kind", KINDS)
async def test_it_does_its_part_of_a_run(site: Site, tmp_path: Path, count: Path, endpoint: str, kind: str) -> None:
    async with declared(site, tmp_path, kind, endpoint) as process:
        run = await site.run(count, {"text": "a bb ccc"}, "counter")
    assert run.phase == "completed", run.problem
    assert await site.node.parts.documents.fetched(run.output) == 3
    (attempt,) = run.state("count").attempts
    assert (attempt.confidence, attempt.cost) == ((0.75, Decimal("0.25")) if kind in TELLING else (None, None))
    assert await site.node.incidents(10) == []
    if kind in ("command", "lines"):
        lines = [one async for page in site.node.follow_logs(run.id, LogQuery()) for one in page.lines]
        assert [(one.level, one.message) for one in lines] == [("warning", "few words"), ("info", "plainly said")]
        assert lines[0].fields["words"] == 3
    assert process.returncode == 0


@pytest.mark.parametrize("kind", CODES)
async def test_it_says_why_it_has_no_result(site: Site, tmp_path: Path, count: Path, endpoint: str, kind: str) -> None:
    async with declared(site, tmp_path, kind, endpoint):
        run = await site.run(count, {"text": ""}, "counter")
    assert run.phase == "failed"
    attempt = run.state("count").attempts[0]
    assert CODES[kind] in str(attempt.problems) + str(run.problem)
    assert attempt.cost == (Decimal("0.01") if kind in TELLING else None)
