"""A journal that its owner has rewritten: with the database in their hands, and without the orchestrator's key."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from accord.app import host, open_node
from accord.codec import link
from accord.domain.checkpoint import Growth
from accord.domain.command import Pause
from accord.domain.ids import Digest, KeyId, RunId
from accord.domain.system import CHECKPOINTS, IncidentRecorded
from accord.domain.template import Template
from accord.errors import NotFound, Refused, StoreCorrupt
from accord.evidence.witness import Witnessed, witnessed
from accord.ports import GENESIS
from accord.sdk import Agent
from accord.settings import Settings
from accord.views.proof import proof_of

DOCUMENT = {
    "accord": "template/1",
    "name": "play",
    "version": "1.0.0",
    "input": True,
    "tasks": {"work": {"uses": "test.work@^1", "with": {"number": 7}}},
    "output": "${ tasks.work.output }",
}


def working() -> Agent:
    agent = Agent("worker")

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


async def worked(settings: Settings) -> RunId:
    """A run on the files of a home, by an agent in this process."""
    async with open_node(settings) as node, host(node, [working()]):
        template = msgspec.convert(DOCUMENT, Template)
        digest = await node.publish(template, msgspec.json.encode(DOCUMENT))
        run = await node.start_run(digest, None, by="ann")
        assert (await node.ended(run.id)).phase == "completed"
        return run.id


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def rewrite(settings: Settings, stream: str, events: Sequence[bytes]) -> None:
    """Put other events into a stream, with a chain that holds, as whoever owns the file can."""
    digest, rows = GENESIS, []
    for sequence, data in enumerate(events, 1):
        digest = link(digest, data)
        rows.append((stream, sequence, digest, data))
    with closing(sqlite3.connect(settings.journal)) as journal, journal:
        for (trigger,) in journal.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            journal.execute(f"DROP TRIGGER {trigger}")
        journal.execute("DELETE FROM events WHERE stream = ?", (stream,))
        journal.execute("DELETE FROM snapshots WHERE stream = ?", (stream,))
        journal.executemany("INSERT INTO events (stream, sequence, digest, data) VALUES (?, ?, ?, ?)", rows)
        journal.execute("UPDATE streams SET sequence = ?, digest = ? WHERE stream = ?", (len(rows), digest, stream))


def events_of(settings: Settings, stream: str) -> list[bytes]:
    with closing(sqlite3.connect(settings.journal)) as journal:
        rows = journal.execute("SELECT data FROM events WHERE stream = ? ORDER BY sequence", (stream,))
        return [bytes(data) for (data,) in rows]


@pytest.mark.abuse(
    "ASI06", at="store", stride="repudiation", case="a run that the database's owner has rewritten whole"
)
async def test_a_run_that_was_rewritten_does_not_verify(settings: Settings) -> None:
    run = await worked(settings)
    async with open_node(settings) as node:
        assert (await proof_of(node, run)).ok
    forged = [event.replace(b'"by":"ann"', b'"by":"bob"') for event in events_of(settings, run)]
    rewrite(settings, run, forged)
    async with open_node(settings) as node:
        assert (await node.run(run)).started.by == "bob", "its chain holds"
        with pytest.raises(StoreCorrupt, match="ACC852"):
            await proof_of(node, run)
        with pytest.raises(StoreCorrupt, match="ACC852"):
            await node.anchor(run)


async def test_checkpoints_that_were_rewritten_are_not_gone_on_with(settings: Settings) -> None:
    run = await worked(settings)
    first = msgspec.json.decode(events_of(settings, CHECKPOINTS)[0])
    first["anchors"] = [one for one in first["anchors"] if one[0] != run]
    rewrite(settings, CHECKPOINTS, [msgspec.json.encode(first)])
    async with open_node(settings) as node:
        with pytest.raises(StoreCorrupt, match="ACC852"):
            await node.growth(0)


@pytest.mark.abuse("ASI06", at="store", stride="repudiation", case="a journal whose end was cut off")
async def test_a_journal_that_was_cut_off_is_refused_by_a_witness(settings: Settings) -> None:
    await worked(settings)
    short = events_of(settings, CHECKPOINTS)
    async with open_node(settings) as node:
        before = witnessed(None, await node.growth(0), [])
    await worked(settings)
    async with open_node(settings) as node:
        after = witnessed(before, await node.growth(before.size), [])
    assert after.size > before.size
    rewrite(settings, CHECKPOINTS, short)
    async with open_node(settings) as node:
        with pytest.raises(NotFound, match="ACC853"):
            await node.growth(after.size)


async def test_a_log_that_is_cut_off_under_a_process_is_found(settings: Settings) -> None:
    run = await worked(settings)
    short = events_of(settings, CHECKPOINTS)
    await worked(settings)
    async with open_node(settings) as node:
        await node.growth(0)
        rewrite(settings, CHECKPOINTS, short)
        for ask in (node.growth(0), node.anchor(run), node.growth(1)):
            with pytest.raises(StoreCorrupt, match="ACC852"):
                await ask
        async with host(node, [working()]):
            pass
        with pytest.raises(StoreCorrupt, match="ACC852"):
            await node.parts.checkpoints._add([])


# -- the witness -------------------------------------------------------------------------------------------------


async def grown(settings: Settings) -> tuple[Witnessed, Growth]:
    await worked(settings)
    async with open_node(settings) as node:
        seen = witnessed(None, await node.growth(0), [])
    await worked(settings)
    async with open_node(settings) as node:
        return seen, await node.growth(seen.size)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Witnessed, Growth]:
    return asyncio.run(grown(Settings(home=tmp_path_factory.mktemp("log") / "home")))


def test_a_log_that_goes_on_is_seen(log: tuple[Witnessed, Growth]) -> None:
    seen, growth = log
    now = witnessed(seen, growth, [])
    assert (now.size, now.root) == (growth.checkpoint.size, growth.checkpoint.root)
    assert witnessed(seen, growth, [seen.key]) == now


def test_another_log_is_refused(log: tuple[Witnessed, Growth]) -> None:
    seen, growth = log
    for changed in (
        {"root": Digest("0" * 64)},
        {"root": Digest("x")},
        {"size": seen.size - 1},
        {"origin": "spiffe://x"},
    ):
        with pytest.raises(Refused, match="ACC853"):
            witnessed(msgspec.structs.replace(seen, **changed), growth, [])


def test_another_key_is_refused_unless_it_is_trusted(log: tuple[Witnessed, Growth]) -> None:
    seen, growth = log
    other = msgspec.structs.replace(seen, key=KeyId("x" * 43))
    with pytest.raises(Refused, match="ACC854"):
        witnessed(other, growth, [])
    assert witnessed(other, growth, [seen.key]).key == seen.key
    with pytest.raises(Refused, match="ACC854"):
        witnessed(None, growth, [KeyId("x" * 43)])


def test_a_statement_about_another_checkpoint_is_refused(log: tuple[Witnessed, Growth]) -> None:
    seen, growth = log
    longer = msgspec.structs.replace(growth.checkpoint, size=growth.checkpoint.size + 1)
    with pytest.raises(Refused, match="ACC854"):
        witnessed(seen, msgspec.structs.replace(growth, checkpoint=longer), [])


@pytest.mark.abuse("ASI06", at="store", stride="tampering", case="a run under way that gets another graph")
async def test_a_run_that_gets_another_graph_is_not_gone_on_with(settings: Settings) -> None:
    asked = {
        "accord": "template/1",
        "name": "ask",
        "version": "1.0.0",
        "tasks": {"ask": {"approval": {"title": "Go?"}}},
    }
    async with open_node(settings) as node:
        graphs = [
            await node.publish(msgspec.convert(document, Template), msgspec.json.encode(document))
            for document in (asked, {**asked, "version": "2.0.0", "description": "another"})
        ]
        run = (await node.start_run(graphs[0], {}, by="ann")).id
    events = events_of(settings, run)
    rewrite(settings, run, [events[0].replace(graphs[0].encode(), graphs[1].encode(), 1), *events[1:]])
    async with open_node(settings) as node:
        with pytest.raises(StoreCorrupt, match="ACC837"):
            await node.control(run, Pause(by="ann", reason=""))
        assert not (await node.run(run)).paused
        filed = await node.incidents(5)
        assert [one.event.problem.code for one in filed if isinstance(one.event, IncidentRecorded)] == ["ACC837"]
