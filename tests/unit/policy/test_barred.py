"""A task that the policy bars from everybody says so: to whoever shows the run, and over HTTP, with the way out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from shlex import split
from typing import Any

import httpx
import msgspec
import orjson
import pytest

from accord.app import host, open_node
from accord.cli import main
from accord.client.connection import Connection
from accord.client.remote import Remote
from accord.domain.ids import RunId
from accord.domain.template import Template
from accord.engine.node import Node
from accord.gateway.application import create_application
from accord.sdk import Agent
from accord.service import Barred
from accord.settings import Settings

POLICIES = """
@id("any") permit (principal, action, resource);
@id("worker-rests") forbid (principal == Agent::"spiffe://local/agent/worker", action == Action::"execute", resource);
"""
ITEMS: dict[str, Any] = {
    "accord": "template/1",
    "name": "items",
    "version": "1.0.0",
    "input": True,
    "tasks": {
        "each": {"for_each": "${ input }", "uses": "test.work@^1", "with": {"v": "${ item }"}},
        "free": {"uses": "test.other@^1", "with": {"v": 1}},
        "unknown": {"uses": "test.work@^1", "needs": ["each"], "with": {"v": 1}},
    },
}


def doing(name: str, capability: str) -> Agent:
    agent = Agent(name)

    @agent.capability(f"{capability}@1.0.0", input={}, output={})
    async def work(value: Any) -> Any:
        return value

    return agent


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "p.cedar").write_text(POLICIES)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "settings.toml").write_text(f'policies = "{tmp_path / "p.cedar"}"\n')
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "250")
    return tmp_path


async def begun(node: Node) -> RunId:
    """A run of which two items wait, as nobody may do them."""
    digest = await node.publish(msgspec.convert(ITEMS, Template), orjson.dumps(ITEMS))
    return (await node.start_run(digest, ["Ann", "Bob"], by="ann")).id


async def test_it_says_which_tasks_wait_and_why(home: Path) -> None:
    settings = Settings(home=home / "home", policies=home / "p.cedar")
    async with open_node(settings) as node, host(node, [doing("worker", "test.work"), doing("other", "test.other")]):
        run = await begun(node)
        [one] = await node.barred(await node.run(run))
        since = (await node.run(run)).started.at
        assert one == Barred(
            task=one.task,
            count=2,
            since=one.since,
            capability="test.work@^1",
            labels=(),
            agent=one.agent,
            offers="test.work@1.0.0",
            action="execute",
            why=("execute: forbidden by worker-rests",),
        )
        assert (one.task, one.agent, one.since >= since) == ("each", "spiffe://local/agent/worker", True)
        async with create_application(node) as gateway:
            key = (await node.issue_api_key("eve", "viewer", by="test")).text
            transport = httpx.ASGITransport(app=gateway, client=("192.0.2.1", 1))
            async with Connection("http://127.0.0.1", key, transport=transport) as connection:
                assert await Remote(connection).barred(await node.run(run)) == [one]
            async with httpx.AsyncClient(transport=transport, base_url="http://accord.test") as http:
                shown = await http.get(f"/v1/runs/{run}", headers={"Authorization": f"Bearer {key}"})
        assert [each["task"] for each in shown.json()["barred"]] == ["each"]

        (home / "p.cedar").write_text('@id("any") permit (principal, action, resource);')
        await node.parts.policies.go()
        assert await node.barred(await node.run(run)) == []


async def left_waiting(home: Path) -> RunId:
    settings = Settings(home=home / "home", policies=home / "p.cedar")
    async with open_node(settings) as node, host(node, [doing("worker", "test.work"), doing("other", "test.other")]):
        return await begun(node)


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


def test_people_are_told_and_how_to_find_out_more(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = asyncio.run(left_waiting(home))
    for more in ((), ("--task", "each")):
        code, out, err = called(capsys, "runs", "show", run, *more)
        assert code == 0, err
        assert "each (2 items): no agent may do it, since" in out
        assert "execute: forbidden by worker-rests" in out
    [hint] = [line for line in err.splitlines() if "policy explain" in line]
    code, out, err = called(capsys, *split(hint.partition("accord ")[2]))
    assert (code, "deny: forbidden by worker-rests" in out) == (1, True), err
