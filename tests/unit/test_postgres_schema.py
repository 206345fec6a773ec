"""The schema on PostgreSQL: made and brought on by whoever may, in two phases; who works with it cannot change what is
written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from accord.domain.ids import StreamId
from accord.errors import BadInput, Fenced, StoreCorrupt, StoreUnavailable
from accord.ports import Head, Snapshot
from accord.postgres import database as database_module
from accord.postgres.address import StoreAddress
from accord.postgres.database import Database, opened_once
from accord.postgres.schema import Step, grant, history, in_order, migrate, steps
from accord.store.postgres import PostgresJournal
from accord.testing.journal_values import (
    NOON,
    SYSTEM,
    TTL,
    claimed,
    end,
    letter_to,
    run_append,
    run_id,
    start,
    summary_of,
    system_append,
)
from accord.testing.postgres import PostgresServer

PRE = Step(901, "pre", "901_column", "ALTER TABLE accord.runs ADD COLUMN colour text NOT NULL DEFAULT 'grey'")
POST = Step(901, "post", "901_column", "ALTER TABLE accord.runs DROP COLUMN title")
NEWER = in_order((*steps(), POST, PRE))
"""A version after ours."""


@asynccontextmanager
async def opened(store: StoreAddress) -> AsyncIterator[PostgresJournal]:
    async with Database.open(store) as database, PostgresJournal.open(database) as journal:
        yield journal


@pytest.fixture
def empty(postgres: PostgresServer) -> AsyncIterator[StoreAddress]:
    """The address of a database without a schema of ours."""
    address = postgres.create()
    yield address
    postgres.drop(address)


@pytest.fixture
def worker(postgres: PostgresServer, store: StoreAddress) -> AsyncIterator[StoreAddress]:
    """The store as a role without rights of its own sees it."""
    postgres.sql("DROP ROLE IF EXISTS worker")
    postgres.sql("CREATE ROLE worker LOGIN")
    yield StoreAddress(store.url.replace("postgres@", "worker@"))
    postgres.sql("DROP OWNED BY worker", on=store)
    postgres.sql("DROP ROLE worker")


async def migrated(store: StoreAddress, known: Sequence[Step], *, finish: bool = False) -> list[str]:
    async with opened_once(store) as connection:
        return [f"{step.name}.{step.phase}" for step in await migrate(connection, store, known, finish=finish)]


# -- phases


def test_steps_are_numbered_without_gaps() -> None:
    numbers = sorted({step.number for step in steps()})
    assert numbers == list(range(1, len(numbers) + 1))
    assert [step.phase for step in NEWER] == ["pre"] * len(steps()) + ["pre", "post"]


async def test_a_new_database_gets_everything_once(empty: StoreAddress) -> None:
    assert await migrated(empty, NEWER) == [f"{step.name}.{step.phase}" for step in NEWER]
    assert await migrated(empty, NEWER, finish=True) == []
    async with opened_once(empty) as connection:
        recorded = (await history(connection, empty, NEWER)).applied
    assert sorted((one.number, one.phase, one.sha256) for one in recorded) == sorted(
        (step.number, step.phase, step.sha256) for step in NEWER
    )


async def test_processes_may_make_the_schema_at_once(empty: StoreAddress) -> None:
    async def one(number: int) -> None:
        async with opened(empty) as journal:
            await journal.append([system_append(Head(), b"x", stream=StreamId(f"sys:{number}"))])

    await asyncio.gather(*(one(number) for number in range(6)))
    assert await migrated(empty, steps()) == []


async def test_old_code_goes_on_after_the_first_phase_and_stops_after_the_second(store: StoreAddress) -> None:
    async with opened(store) as old:
        await start(old, summary_of(1))
        assert await migrated(store, NEWER) == ["901_column.pre"]
        await start(old, summary_of(2))
        async with opened(store) as old_again:
            assert await old_again.run(run_id(2)) == summary_of(2)
    assert await migrated(store, NEWER) == [], "the second phase is asked for"
    assert await migrated(store, NEWER, finish=True) == ["901_column.post"]
    with pytest.raises(StoreCorrupt, match="ACC577"):
        async with opened(store):
            pass


async def test_a_step_that_was_changed_is_told(store: StoreAddress, postgres: PostgresServer) -> None:
    postgres.sql("UPDATE accord.migrations SET sha256 = 'other'", on=store)
    with pytest.raises(StoreCorrupt, match="ACC576"):
        async with opened(store):
            pass


async def test_a_step_that_fails_leaves_nothing(store: StoreAddress) -> None:
    bad = Step(902, "pre", "902_bad", "CREATE TABLE accord.half (x integer); CREATE TABLE accord.events (x integer)")
    with pytest.raises(StoreCorrupt, match="ACC573"):
        await migrated(store, (*NEWER, bad))
    async with opened_once(store) as connection:
        assert await connection.fetchval("SELECT to_regclass('accord.half')") is None
    assert await migrated(store, NEWER) == ["901_column.pre"]


async def test_who_may_not_migrate_says_so(
    worker: StoreAddress, store: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened_once(store) as connection:
        await grant(connection, "worker")
    monkeypatch.setattr(database_module, "steps", lambda: NEWER)
    with pytest.raises(StoreUnavailable, match=r"ACC578.*901_column"):
        async with opened(worker):
            pass
    async with opened(store):
        pass
    async with opened(worker):
        pass


# -- roles


async def test_a_role_that_was_granted_can_do_everything_that_a_journal_does(
    worker: StoreAddress, store: StoreAddress
) -> None:
    with pytest.raises(StoreUnavailable, match="ACC565"):
        async with opened(worker):
            pass
    async with opened_once(store) as connection:
        await grant(connection, "worker")
        await grant(connection, "worker")
    async with opened(worker) as journal:
        await start(journal, summary_of(1, state="completed", wake_at=None))
        fence = await claimed(journal)
        assert await journal.renew([fence], now=NOON, ttl=TTL) == [fence]
        await journal.release([fence])
        await journal.save_snapshot(Snapshot(SYSTEM, 1, b"x"))
        await journal.save_snapshot(Snapshot(SYSTEM, 2, b"x"))
        await journal.post(letter_to(1, "a"))
        await journal.report("one", [], now=NOON, ttl=TTL)
        await journal.append([system_append(Head(), b"x")])
        assert await journal.trim(SYSTEM, until=1) == 1
        assert await journal.retire(ended_before=NOON + TTL) == [run_id(1)]


async def test_later_migrations_are_granted_as_well(worker: StoreAddress, store: StoreAddress) -> None:
    async with opened_once(store) as connection:
        await grant(connection, "worker")
    await migrated(store, (*steps(), Step(901, "pre", "901_table", "CREATE TABLE accord.later (x integer)")))
    async with opened_once(worker) as connection:
        assert await connection.fetch("SELECT x FROM accord.later") == []


async def test_a_role_that_is_not_there_cannot_be_granted(store: StoreAddress) -> None:
    async with opened_once(store) as connection:
        with pytest.raises(BadInput, match="ACC581"):
            await grant(connection, "nobody; DROP TABLE accord.events")


CHANGES = [
    "UPDATE accord.events SET data = '\\x00'",
    "UPDATE accord.events SET sequence = sequence + 1",
    "DELETE FROM accord.events",
    "DELETE FROM accord.events WHERE sequence = 2",
    "TRUNCATE accord.events",
    "TRUNCATE accord.streams, accord.events",
    "INSERT INTO accord.events VALUES ('sys:registry', 1, '\\x00', '\\x00')",
    "INSERT INTO accord.events VALUES ('sys:registry', 1, '\\x00', '\\x00') ON CONFLICT (stream, sequence) "
    "DO UPDATE SET data = excluded.data",
    "DELETE FROM accord.streams",
    "UPDATE accord.streams SET sequence = 1",
    "UPDATE accord.streams SET stream = 'sys:other'",
    "UPDATE accord.streams SET floor = 9",
    "UPDATE accord.partitions SET epoch = 0",
]
"""What would change or remove something that was written."""


@pytest.mark.parametrize("statement", CHANGES)
async def test_the_server_refuses_to_change_what_was_written(
    store: StoreAddress, worker: StoreAddress, statement: str
) -> None:
    async with opened_once(store) as owner, opened(store) as journal:
        await grant(owner, "worker")
        await claimed(journal)
        await journal.append([system_append(Head(), b"one", b"two")])
        before = await journal.read(SYSTEM)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await owner.execute(statement)  # its triggers refuse it even to the owner
        with pytest.raises(StoreUnavailable, match="ACC565"):
            async with opened_once(worker) as connection:
                await connection.execute(statement)
        assert await journal.read(SYSTEM) == before


async def test_a_run_goes_only_whole_and_ended(store: StoreAddress, worker: StoreAddress) -> None:
    async with opened_once(store) as owner, opened(store) as journal:
        await grant(owner, "worker")
        await start(journal, summary_of(1), summary_of(2, state="completed", wake_at=None))
        async with opened_once(worker) as connection:
            with pytest.raises(asyncpg.RestrictViolationError):
                await connection.fetch("SELECT accord.trim_1($1, 1)", run_id(2))
            gone = await connection.fetch("SELECT accord.retire_1($1, 100)", NOON + TTL)
        assert [run for (run,) in gone] == [run_id(2)]
        assert len(await journal.read(StreamId(run_id(1)))) == 1


async def test_who_works_cannot_write_past_the_checks(store: StoreAddress, worker: StoreAddress) -> None:
    async with opened_once(store) as owner:
        await grant(owner, "worker")
    for change in (
        "INSERT INTO accord.events VALUES ('sys:new', 1, '', '')",
        "INSERT INTO accord.streams VALUES ('sys:new', 1, '')",
        "UPDATE accord.runs SET state = 'completed'",
        "INSERT INTO accord.partitions VALUES (1, 7, 'me', now())",
        "UPDATE accord.partitions SET epoch = 7",
        "UPDATE accord.migrations SET sha256 = ''",
    ):
        with pytest.raises(StoreUnavailable, match="ACC565"):
            async with opened_once(worker) as connection:
                await connection.execute(change)


async def test_a_process_that_was_taken_over_cannot_write(store: StoreAddress) -> None:
    """However long it stood still: it has a connection, and an epoch that is over."""
    async with opened(store) as first, opened(store) as second:
        append = (await start(first, summary_of(1)))[0]
        old = await claimed(first)
        await claimed(second, owner="one")
        with pytest.raises(Fenced):
            await first.append([run_append(old, summary_of(1), end(append), b"late")])
        assert len(await second.read(StreamId(run_id(1)))) == 1
