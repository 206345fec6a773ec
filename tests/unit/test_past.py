"""Runs as they were: told from what is kept of them, and only by a few at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from accord.app import host, open_node
from accord.domain.ids import RunId, StreamId
from accord.engine import past
from accord.engine.node import Node
from accord.engine.past import Room
from accord.errors import NotFound, Overloaded, StoreCorrupt
from accord.ports import Record
from accord.sdk import Agent
from accord.settings import Settings
from accord.templates.reading import read_source

TEMPLATE = """
accord: template/1
name: many
version: 1.0.0
tasks:
  each: {for_each: "${ [1, 2, 3, 4, 5, 6, 7, 8, 9] }", uses: test.work@^1, with: {n: "${ item }"}}
"""


def working() -> Agent:
    agent = Agent("worker")

    @agent.capability("test.work@1.0.0")
    async def work(n: int) -> int:
        return n

    return agent


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with open_node(Settings(home=tmp_path)) as node, host(node, [working()]):
        yield node


async def ended(node: Node) -> RunId:
    source = read_source(TEMPLATE)
    run = await node.start_run(await node.publish(source.template, source.data), {})
    await node.ended(run.id)
    return run.id


class Reads:
    """Counts the events that are read of a run."""

    def __init__(self, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events = 0
        journal = node.parts.ports.journal
        read = journal.read

        async def counted(stream: StreamId, *, after: int = 0, limit: int | None = None) -> list[Record]:
            records = await read(stream, after=after, limit=limit)
            self.events += len(records)
            return records

        monkeypatch.setattr(journal, "read", counted)


async def test_every_state_is_the_fold_whatever_is_kept(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await ended(node)
    records = await node.records(run)
    for kept, apart in ((512, 64), (512, 3), (4, 1)):
        monkeypatch.setattr(past, "KEPT_MOST", kept)
        monkeypatch.setattr(past, "APART", apart)
        for until in (len(records), 5, 17, 16, 1, len(records) - 1, 17, len(records) + 9):
            assert await node.run(run, until=until) == await node.parts.ledger.fold(records[:until])
    with pytest.raises(NotFound):
        await node.run(RunId("run_unknown"), until=1)


async def test_what_is_near_is_not_read_from_the_beginning(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "APART", 5)
    run = await ended(node)
    last = len(await node.records(run))
    await node.run(run, until=last)
    reads = Reads(node, monkeypatch)
    for until in range(6, last):
        await node.run(run, until=until)
    assert reads.events <= 4 * (last - 6), "at most the events since what is kept are read"


async def test_a_changed_event_is_found_behind_what_is_kept(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await ended(node)
    await node.run(run, until=5)
    journal = node.parts.ports.journal
    read = journal.read

    async def forged(stream: StreamId, *, after: int = 0, limit: int | None = None) -> list[Record]:
        found = await read(stream, after=after, limit=limit)
        return [Record(one.stream, one.sequence, one.data + b" ", one.digest) for one in found]

    monkeypatch.setattr(journal, "read", forged)
    with pytest.raises(StoreCorrupt, match="ACC526"):
        await node.run(run, until=7)


async def test_a_few_are_in_at_once_and_a_few_wait() -> None:
    room, leave, inside = Room(at_once=2, waiting=1), asyncio.Event(), asyncio.Semaphore(0)

    async def stay() -> None:
        async with room.entered():
            inside.release()
            await leave.wait()

    staying = [asyncio.create_task(stay()) for _ in range(2)]
    for _ in staying:
        await inside.acquire()
    waits = asyncio.create_task(stay())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="ACC463"):
        async with room.entered():
            pass
    leave.set()
    await asyncio.gather(*staying, waits)
    async with room.entered():
        pass
