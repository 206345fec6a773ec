"""`accord agent --instances N`: processes of one agent that begin, are replaced and end together."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.network.conftest import Site

from accord.domain.agent import agent_id
from accord.domain.ids import InstanceId

HELLO = agent_id("local", "hello")
SOURCE = """
import os
from accord import Agent

agent = Agent("hello")

@agent.capability("text.greet@1.0.0")
async def greet(name: str) -> dict[str, str]:
    if not name:
        raise LookupError("a name with no letters")
    return {"greeting": f"Hello {name}", "process": str(os.getpid())}
"""


@pytest.fixture
async def pair(site: Site, tmp_path: Path) -> AsyncIterator[Process]:
    """The process that keeps two instances running; both are there."""
    (tmp_path / "hello.py").write_text(SOURCE)
    with (tmp_path / "stderr").open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "accord", "agent", "hello.py", "--connect", site.url, "--instances", "2",
            "--token", await site.token("hello"), "--home", str(tmp_path / "agent"),
            stdin=DEVNULL, stdout=DEVNULL, stderr=stderr,
            cwd=tmp_path, env={**os.environ, "ACCORD_HOME": str(tmp_path / "agent")},
        )  # fmt: skip
    try:
        await instances(site, lambda found: len(found) == 2)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await instances(site, lambda found: not found)


async def instances(site: Site, wanted: Callable[[set[InstanceId]], bool]) -> set[InstanceId]:
    """The instances of the agent, once they are as wanted."""
    registry = site.node.parts.registry
    changed = asyncio.Event()
    registry.changed.append(changed.set)
    try:
        while not wanted(found := set(registry.instances(HELLO))):
            await changed.wait()
            changed.clear()
    finally:
        registry.changed.remove(changed.set)
    return found


async def test_they_end_together_and_in_order(site: Site, pair: Process) -> None:
    pair.terminate()
    assert await pair.wait() == 0
    await instances(site, lambda found: not found)


async def test_none_outlives_who_has_started_them(site: Site, pair: Process) -> None:
    pair.kill()
    await pair.wait()
    await instances(site, lambda found: not found)


async def test_one_that_dies_is_replaced(site: Site, pair: Process, greet: Path) -> None:
    before = await instances(site, lambda found: len(found) == 2)
    run = await site.run(greet, {"name": "Ada"})
    assert run.output is not None
    assert run.output.data is not None
    os.kill(int(json.loads(run.output.data)["process"]), signal.SIGKILL)
    await instances(site, lambda found: len(found - before) == 1)


async def test_what_it_raises_is_told_at_its_own_terminal_and_stays_there(
    site: Site, pair: Process, greet: Path, tmp_path: Path
) -> None:
    run = await site.run(greet, {"name": ""})
    told = (tmp_path / "stderr").read_text()
    assert f"text.greet@1.0.0 raised in attempt 1 of task greet of {run.id}:" in told
    assert 'hello.py", line 10, in greet\n' in told
    assert "  LookupError: a name with no letters\n" in told
    assert "accord/sdk" not in told
    problem = str(run.problem)
    assert "a name with no letters" in problem
    assert "hello.py" not in problem
