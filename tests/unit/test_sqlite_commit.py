"""Group commit: what is written together, who is refused alone, and what the file itself refuses."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from accord.codec import chained, follow
from accord.domain.event import Origin
from accord.domain.ids import StreamId
from accord.errors import SequenceConflict, StoreCorrupt
from accord.ports import Append, Head
from accord.store.sqlite import SqliteJournal
from accord.testing.journal_values import (
    NOON,
    SYSTEM,
    TTL,
    claimed,
    end,
    run_append,
    run_id,
    start,
    summary_of,
    system_append,
)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    async with SqliteJournal.open(tmp_path / "journal.db") as journal:
        yield journal


class Hold:
    """Keeps the writer busy, so that what comes meanwhile gathers; counts the calls in each commit after that."""

    def __init__(self, journal: SqliteJournal) -> None:
        self.journal = journal
        self.sizes: list[int] = []
        self.gate = threading.Event()
        self.patch = pytest.MonkeyPatch()

    async def __aenter__(self) -> Hold:
        busy = asyncio.Event()
        loop = asyncio.get_running_loop()

        commits = self.journal._commits
        plain_commit = commits.commit

        def counted(calls: Sequence[Sequence[Append]]) -> list[Exception | None]:
            self.sizes.append(len(calls))
            return plain_commit(calls)

        def occupy(_: sqlite3.Connection) -> None:
            loop.call_soon_threadsafe(busy.set)
            self.gate.wait()

        self.patch.setattr(commits, "commit", counted)

        self.occupied = asyncio.create_task(commits.submit(occupy))
        await busy.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gate.set()
        await self.occupied


async def calls(*coroutines: object) -> list[asyncio.Task[None]]:
    """The calls, begun."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]  # type: ignore[call-overload]
    await asyncio.sleep(0)
    return tasks


async def test_what_gathers_goes_into_one_commit(journal: SqliteJournal) -> None:
    streams = [StreamId(f"sys:{number}") for number in range(100)]
    async with Hold(journal) as held:
        tasks = await calls(*(journal.append([system_append(Head(), b"x", stream=stream)]) for stream in streams))
    await asyncio.gather(*tasks)
    assert held.sizes == [100]
    assert all([await journal.head(stream) != Head() for stream in streams])


async def test_each_refused_call_of_a_group_is_refused_alone(journal: SqliteJournal) -> None:
    there = system_append(Head(), b"there")
    await journal.append([there])
    async with Hold(journal) as held:
        tasks = await calls(
            journal.append([system_append(Head(), b"late")]),
            journal.append([system_append(end(there), b"right")]),
            journal.append([system_append(end(there), b"second")]),
            journal.append([system_append(Head(), b"x", stream=StreamId("sys:control"))]),
        )
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [SequenceConflict, type(None), SequenceConflict, type(None)]
    assert [record.data for record in await journal.read(SYSTEM)] == [b"there", b"right"]
    assert held.sizes == [4]


async def test_what_cannot_be_written_at_all_fails_alone(journal: SqliteJournal) -> None:
    bad = system_append(Head(), b"x", stream=StreamId("sys:\ud800"))
    async with Hold(journal):
        tasks = await calls(journal.append([bad]), journal.append([system_append(Head(), b"good")]))
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[0], UnicodeEncodeError)
    assert outcomes[1] is None
    assert [record.data for record in await journal.read(SYSTEM)] == [b"good"]


async def test_a_cancelled_call_is_written_and_its_neighbours_hear_of_theirs(journal: SqliteJournal) -> None:
    async with Hold(journal):
        tasks = await calls(
            journal.append([system_append(Head(), b"x")]),
            journal.append([system_append(Head(), b"y", stream=StreamId("sys:control"))]),
        )
        tasks[0].cancel()
    await tasks[1]
    assert tasks[0].cancelled()
    assert len(await journal.read(SYSTEM)) == 1


async def test_what_was_submitted_before_the_end_is_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with SqliteJournal.open(path) as journal:
        tasks = await calls(journal.append([system_append(Head(), b"x")]))
    await asyncio.gather(*tasks)
    async with SqliteJournal.open(path) as journal:
        assert len(await journal.read(SYSTEM)) == 1


async def test_a_run_changes_all_that_its_summary_says(journal: SqliteJournal) -> None:
    append = (await start(journal, summary_of(1)))[0]
    fence = await claimed(journal)
    changed = summary_of(
        1, title="Another", template="other@2.0.0", state="paused", wake_at=None, updated_at=NOON + TTL
    )
    append = run_append(fence, changed, end(append), b"changed")
    await journal.append([append])
    assert await journal.run(run_id(1)) == changed
    for change in (
        {"parent": run_id(0)},
        {"started_at": NOON - TTL},
        {"partition": 4},
        {"parent": None},
        {"origin": Origin(run_id(0), 1)},
        {"origin": Origin(run_id(0), 2)},
        {"by": "eve"},
        {"labels": ("public",)},
        {"acknowledged": True},
        {"by": None},
    ):
        changed = msgspec.structs.replace(changed, **change)
        append = run_append(fence, changed, end(append), b"changed")
        await journal.append([append])
        assert await journal.run(run_id(1)) == changed


async def test_processes_share_a_file(tmp_path: Path) -> None:
    """Two writers with connections of their own on one stream: each sequence number has one winner."""
    path = tmp_path / "journal.db"
    async with SqliteJournal.open(path) as one, SqliteJournal.open(path) as two:

        async def write(journal: SqliteJournal, name: str) -> int:
            won = 0
            for number in range(40):
                head = await journal.head(SYSTEM)
                records = chained(SYSTEM, head, [f"{name} {number}".encode()])
                try:
                    await journal.append([Append(stream=SYSTEM, expected=head, records=records)])
                    won += 1
                except SequenceConflict:
                    continue
            return won

        wins = await asyncio.gather(*(write(journal, str(id(journal))) for journal in (one, two, one, two)))
        records = await one.read(SYSTEM)
        assert len(records) == sum(wins)
        follow(records, Head())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET data = x'00'",
        "UPDATE events SET sequence = sequence + 1",
        "DELETE FROM events",
        "DELETE FROM events WHERE sequence = 2",
        "REPLACE INTO events VALUES (1, 'sys:registry', 1, 'other', x'00')",
        "REPLACE INTO events (stream, sequence, digest, data) VALUES ('sys:registry', 1, 'other', x'00')",
        "INSERT INTO events (stream, sequence, digest, data) VALUES ('sys:registry', 1, 'other', x'00')",
        "DELETE FROM streams",
        "UPDATE streams SET sequence = 1",
        "UPDATE streams SET stream = 'sys:other'",
    ],
)
async def test_the_file_refuses_to_change_what_was_written(
    journal: SqliteJournal, tmp_path: Path, statement: str
) -> None:
    await journal.append([system_append(Head(), b"one", b"two")])
    before = await journal.read(SYSTEM)
    connection = sqlite3.connect(tmp_path / "journal.db")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()
    assert await journal.read(SYSTEM) == before


async def test_the_file_refuses_to_remove_a_run_that_is_not_retired(journal: SqliteJournal) -> None:
    await start(journal, summary_of(1, state="completed", wake_at=None))
    with pytest.raises(StoreCorrupt) as refusal:
        await journal._commits.submit(lambda connection: connection.execute("DELETE FROM events"))
    assert refusal.value.problems[0].code == "ACC525"
    assert await journal.retire(ended_before=NOON + TTL) == [run_id(1)]
