"""What an earlier version has written in lists is completed from the events."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from accord.app import host, open_node
from accord.domain.ids import RunId
from accord.engine import relisting
from accord.engine.node import Node
from accord.errors import Overloaded
from accord.ports import RunQuery
from accord.sdk import Agent
from accord.settings import Settings
from accord.templates.reading import read_source

TEMPLATE = """
accord: template/1
name: worked
version: 1.0.0
input: {type: object, properties: {n: {type: integer}}, required: [n]}
tasks:
  work: {uses: test.work@^1, with: {n: "${ input.n }"}}
"""


def working() -> Agent:
    agent = Agent("worker")

    @agent.capability("test.work@1.0.0")
    async def work(n: int) -> int:
        return n

    return agent


async def ended(home: Path) -> RunId:
    """A run that has ended, in the store there."""
    async with open_node(Settings(home=home)) as node, host(node, [working()]):
        source = read_source(TEMPLATE)
        digest = await node.publish(source.template, source.data)
        run = await node.start_run(digest, {"n": 1}, by="ann", labels=["personal"])
        await node.ended(run.id)
        return run.id


def made_old(home: Path) -> None:
    """Leave the lists as the version before has left them."""
    with closing(sqlite3.connect(home / "journal.db", isolation_level=None)) as connection:
        connection.execute("UPDATE runs SET started_by = NULL, labels = '', tasks_done = 99")
        connection.execute("DELETE FROM run_agents")


async def worker(node: Node) -> RunQuery:
    """What asks for the worker's runs."""
    (known,) = [one for one in await node.agents() if one.card.agent.endswith("/worker")]
    return RunQuery(agent=known.card.agent)


async def test_lists_of_an_earlier_version_are_completed(tmp_path: Path) -> None:
    run = await ended(tmp_path)
    async with open_node(Settings(home=tmp_path)) as node:
        told = await node.summary(run)
    made_old(tmp_path)
    async with open_node(Settings(home=tmp_path)) as node:
        assert [one.run for one in await node.runs(await worker(node))] == [run]
        assert [one.run for one in await node.runs(RunQuery(label="personal"))] == [run]
        assert await node.summary(run) == told
        assert told is not None
        assert (told.by, told.labels, told.tasks_done) == ("ann", ("internal", "personal"), 1)


async def test_what_is_damaged_holds_up_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = await ended(tmp_path / "a"), None
    home = tmp_path / "a"
    good = await ended(home)
    made_old(home)
    with closing(sqlite3.connect(home / "journal.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER events_are_never_changed")
        connection.execute("UPDATE events SET data = X'7B7D' WHERE stream = ? AND sequence = 1", (bad,))
    async with open_node(Settings(home=home)) as node:
        assert [one.run for one in await node.runs(await worker(node))] == [good]
    assert f"lists cannot tell more of {bad}" in caplog.text


async def test_who_seeks_waits_no_longer_than_one_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await ended(tmp_path)
    async with open_node(Settings(home=tmp_path)) as node:
        never = asyncio.Event()
        monkeypatch.setattr(relisting.Relisting, "go", lambda _: never.wait())
        monkeypatch.setattr(relisting, "WAITS", relisting.WAITS * 0)
        with pytest.raises(Overloaded, match="ACC462"):
            await node.runs(RunQuery(label="personal"))
        assert len(await node.runs(RunQuery())) == 1, "what needs nothing of it does not wait"
