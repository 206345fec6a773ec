"""Group commit on PostgreSQL: what is written together, who is refused alone, and what becomes of it when the server or
the way to it fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from accord.codec import chained, follow
from accord.domain.ids import PARTITIONS, StreamId
from accord.errors import Fenced, SequenceConflict, StoreError, StoreUnavailable
from accord.ports import Append, Fence, Head, RunQuery
from accord.postgres.address import StoreAddress
from accord.postgres.database import Database, opened_once
from accord.queries import named_queries
from accord.store.postgres import PostgresJournal
from accord.store.postgres_commit import GroupCommit
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
from accord.testing.postgres import PostgresServer

OTHER = StreamId("sys:control")


@pytest.fixture
async def database(store: StoreAddress) -> AsyncIterator[Database]:
    async with Database.open(store) as database:
        yield database


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[PostgresJournal]:
    async with PostgresJournal.open(database) as journal:
        yield journal


class Held:
    """Holds the writer before a commit, so that what comes meanwhile gathers; counts the calls in each commit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.gate, self.reached = asyncio.Event(), asyncio.Event()
        plain = GroupCommit.commit

        async def commit(commits: GroupCommit, calls: Sequence[Sequence[Append]]) -> list[Exception | None]:
            self.sizes.append(len(calls))
            self.reached.set()
            await self.gate.wait()
            return await plain(commits, calls)

        monkeypatch.setattr(GroupCommit, "commit", commit)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(monkeypatch)


async def begun(held: Held, journal: PostgresJournal, *appends: Append) -> list[asyncio.Task[None]]:
    """A call whose commit is under way, and calls that wait for the next one."""
    first = asyncio.create_task(journal.append([system_append(Head(), b"first", stream=StreamId("sys:first"))]))
    await held.reached.wait()
    tasks = [asyncio.create_task(journal.append([append])) for append in appends]
    await asyncio.sleep(0)
    held.gate.set()
    return [first, *tasks]


async def test_what_gathers_goes_into_one_commit(held: Held, journal: PostgresJournal) -> None:
    streams = [StreamId(f"sys:{number}") for number in range(100)]
    tasks = await begun(held, journal, *(system_append(Head(), b"x", stream=stream) for stream in streams))
    await asyncio.gather(*tasks)
    assert held.sizes == [1, 100]
    assert all([await journal.head(stream) != Head() for stream in streams])


async def test_each_refused_call_of_a_group_is_refused_alone(held: Held, journal: PostgresJournal) -> None:
    held.gate.set()
    there = system_append(Head(), b"there")
    await journal.append([there])
    held.gate.clear()
    held.reached.clear()
    tasks = await begun(
        held,
        journal,
        system_append(Head(), b"late"),
        system_append(end(there), b"right"),
        system_append(end(there), b"second"),
        system_append(Head(), b"x", stream=OTHER),
    )
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [type(outcome) for outcome in outcomes]
    assert refused == [type(None), SequenceConflict, type(None), SequenceConflict, type(None)]
    assert [record.data for record in await journal.read(SYSTEM)] == [b"there", b"right"]


async def test_what_cannot_be_written_at_all_fails_alone(held: Held, journal: PostgresJournal) -> None:
    bad = [system_append(Head(), b"x", stream=StreamId(f"sys:{wrong}")) for wrong in ("\ud800", "\x00")]
    tasks = await begun(held, journal, *bad, system_append(Head(), b"good"))
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, True, True, False]
    assert all(not isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    assert [record.data for record in await journal.read(SYSTEM)] == [b"good"]


async def test_a_cancelled_call_is_written_and_its_neighbours_hear_of_theirs(
    held: Held, journal: PostgresJournal
) -> None:
    tasks = await begun(held, journal, system_append(Head(), b"x"), system_append(Head(), b"y", stream=OTHER))
    tasks[1].cancel()
    await tasks[2]
    assert tasks[1].cancelled()
    assert len(await journal.read(SYSTEM)) == 1


async def test_what_was_submitted_before_the_end_is_written(database: Database) -> None:
    async with PostgresJournal.open(database) as journal:
        task = asyncio.create_task(journal.append([system_append(Head(), b"x")]))
        await asyncio.sleep(0)
    await task
    with pytest.raises(StoreUnavailable, match="ACC570"):
        await journal.append([system_append(Head(), b"y", stream=OTHER)])
    async with PostgresJournal.open(database) as journal:
        assert len(await journal.read(SYSTEM)) == 1


async def test_a_run_changes_all_that_its_summary_says(journal: PostgresJournal) -> None:
    append = (await start(journal, summary_of(1)))[0]
    fence = await claimed(journal)
    changed = summary_of(
        1, title="Another", template="other@2.0.0", state="paused", wake_at=None, updated_at=NOON + TTL
    )
    for change in ({}, {"parent": run_id(0)}, {"started_at": NOON - TTL}, {"partition": 4}, {"parent": None}):
        changed = msgspec.structs.replace(changed, **change)
        append = run_append(fence, changed, end(append), b"changed")
        await journal.append([append])
        assert await journal.run(run_id(1)) == changed


async def test_what_no_text_can_be_is_found_nowhere(journal: PostgresJournal) -> None:
    await start(journal, summary_of(1))
    for text in ("a\x00b", "\ud800"):
        assert await journal.runs(RunQuery(text=text)) == []
        assert await journal.runs(RunQuery(template=text)) == []


async def test_a_commit_costs_no_index_entry_of_the_list_of_runs(journal: PostgresJournal, database: Database) -> None:
    """Else each commit of a run would write five of them."""
    append = (await start(journal, summary_of(1)))[0]
    fence = await claimed(journal)
    for number in range(50):
        summary = summary_of(1, wake_at=NOON + TTL * number, updated_at=NOON + TTL * number)
        append = run_append(fence, summary, end(append), b"x")
        await journal.append([append])
    await database.commit("SELECT pg_stat_force_next_flush()")
    await database.commit("SELECT 1")
    rows = await database.rows(
        "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname IN ('runs', 'streams')"
    )
    assert {name: changed == hot for name, changed, hot in rows} == {"runs": True, "streams": True}
    assert {name: changed >= 50 for name, changed, _ in rows} == {"runs": True, "streams": True}


# -- many processes


async def test_processes_share_a_store(store: StoreAddress, journal: PostgresJournal) -> None:
    """Two writers with connections of their own on one stream: each sequence number has one winner."""
    async with Database.open(store) as second, PostgresJournal.open(second) as other:

        async def write(journal: PostgresJournal, name: str) -> int:
            won = 0
            for number in range(30):
                head = await journal.head(SYSTEM)
                records = chained(SYSTEM, head, [f"{name} {number}".encode()])
                try:
                    await journal.append([Append(stream=SYSTEM, expected=head, records=records)])
                    won += 1
                except SequenceConflict:
                    continue
            return won

        wins = await asyncio.gather(*(write(one, str(n)) for n, one in enumerate((journal, other, journal, other))))
    records = await journal.read(SYSTEM)
    assert len(records) == sum(wins) > 0
    follow(records, Head())


async def test_claims_from_many_processes(store: StoreAddress, journal: PostgresJournal) -> None:
    async with Database.open(store) as second, PostgresJournal.open(second) as other:
        claims = (
            one.claim(f"owner {number}", partition=None, now=NOON, ttl=TTL)
            for number in range(PARTITIONS)
            for one in (journal, other)
        )
        fences = [fence for fence in await asyncio.gather(*claims) if fence]
    assert sorted(fence.partition for fence in fences) == list(range(PARTITIONS))


async def test_owners_write_renew_and_claim_at_once_without_waiting_for_each_other_for_ever(
    store: StoreAddress, journal: PostgresJournal
) -> None:
    """All lock many partitions in one order; a deadlock would be told as an error, and cost a second."""
    async with Database.open(store) as second, PostgresJournal.open(second) as other:
        fences = [await claimed(journal, partition) for partition in range(20)]
        calls = []
        for number in range(20):
            appends = []
            for fence in fences if number % 2 else reversed(fences):
                summary = summary_of(1000 * number + fence.partition)
                appends.append(run_append(fence, summary, Head(), b"started"))
            calls += [journal.append(appends), other.renew(fences[::-1], now=NOON, ttl=TTL)]
        await asyncio.gather(*calls)
    assert len(await journal.runs(RunQuery(limit=1000))) == 400


async def test_a_claim_waits_for_the_commit_that_is_under_way_and_fences_the_next(
    store: StoreAddress, journal: PostgresJournal
) -> None:
    fence = await claimed(journal)
    async with opened_once(store) as blocker, opened_once(store) as observer:
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("LOCK TABLE accord.events IN ACCESS EXCLUSIVE MODE")  # the commit gets as far as here
        first = run_append(fence, summary_of(1), Head(), b"started")
        writing = asyncio.create_task(journal.append([first]))
        await until_waiting(observer, 1)
        claiming = asyncio.create_task(journal.claim("one", partition=3, now=NOON, ttl=TTL))
        await until_waiting(observer, 2)
        await transaction.rollback()
    await writing
    assert await claiming == Fence(3, fence.epoch + 1)
    with pytest.raises(Fenced):
        await journal.append([run_append(fence, summary_of(1), end(first), b"late")])


async def until_waiting(connection: object, count: int) -> None:
    """Return when so many sessions wait for a lock. Asked inside of a transaction, the answer would never change."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while await connection.fetchval(waiting) < count:  # type: ignore[attr-defined]  # a connection of the driver
        pass


# -- failures


async def test_a_connection_that_is_cut_inside_of_a_commit_writes_nothing(
    store: StoreAddress, journal: PostgresJournal
) -> None:
    async with opened_once(store) as blocker, opened_once(store) as observer:
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("LOCK TABLE accord.events IN ACCESS EXCLUSIVE MODE")
        writing = asyncio.create_task(journal.append([system_append(Head(), b"x")]))
        await until_waiting(observer, 1)
        await observer.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with pytest.raises(StoreUnavailable):
            await writing
        await transaction.rollback()
    assert await journal.head(SYSTEM) == Head()
    await journal.append([system_append(Head(), b"y")])


async def test_a_server_that_takes_no_writes_is_left_for_the_one_that_does(
    store: StoreAddress, postgres: PostgresServer
) -> None:
    name = store.url.rpartition("?")[0].rpartition("/")[2]
    postgres.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with Database.open(store) as database, PostgresJournal.open(database) as journal:
        with pytest.raises(StoreUnavailable, match="ACC564"):
            await journal.append([system_append(Head(), b"x")])
        postgres.sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await journal.append([system_append(Head(), b"x")])


async def test_a_server_that_is_pulled_out_and_comes_back(postgres: PostgresServer, journal: PostgresJournal) -> None:
    """What was acknowledged is there; meanwhile everything is refused as unavailable, and then it goes on by itself."""
    acknowledged = Head()
    try:
        for number in range(20):
            append = system_append(acknowledged, str(number).encode())
            await journal.append([append])
            acknowledged = end(append)
        await asyncio.to_thread(postgres.stop)
        for call in (journal.append([system_append(acknowledged, b"x")]), journal.head(SYSTEM), journal.owners()):
            with pytest.raises(StoreUnavailable) as refused:
                await call
            assert refused.value.problems[0].code in ("ACC561", "ACC568")
    finally:
        if not (postgres.data / "postmaster.pid").exists():
            await asyncio.to_thread(postgres.start)
    assert await again(journal) == acknowledged
    await journal.append([system_append(acknowledged, b"on")])
    assert follow(await journal.read(SYSTEM), Head()).sequence == 21


async def again(journal: PostgresJournal) -> Head:
    """The head, once the connections have found out."""
    while True:
        try:
            return await journal.head(SYSTEM)
        except StoreError:
            await asyncio.sleep(0)


# -- data keys


async def test_a_key_that_somebody_is_about_to_use_stays(store: StoreAddress, journal: PostgresJournal) -> None:
    """Who retires its run waits for the use that is under way, and sees it."""
    use = named_queries("accord.store", "postgres.sql")["use_data_keys"]
    await start(journal, summary_of(1, state="completed", wake_at=None))
    await journal.keep_data_key(run_id(1), b"key")
    async with opened_once(store) as other, opened_once(store) as observer:
        async with other.transaction():
            assert len(await other.fetch(use, run_id(2), [run_id(1)], False, NOON)) == 1
            retiring = asyncio.create_task(journal.retire(ended_before=NOON + TTL))
            await until_waiting(observer, 1)
        assert await retiring == [run_id(1)]
    assert await journal.data_keys([run_id(1)]) == {run_id(1): b"key"}
    assert len(await journal.data_key_uses(run_id(1))) == 1


async def test_nobody_begins_to_use_a_key_that_goes_with_its_run(store: StoreAddress, journal: PostgresJournal) -> None:
    await start(journal, summary_of(1, state="completed", wake_at=None))
    await journal.keep_data_key(run_id(1), b"key")
    async with opened_once(store) as other, opened_once(store) as observer:
        async with other.transaction():
            await other.fetch("SELECT accord.retire_1($1, 10)", NOON + TTL)
            using = asyncio.create_task(journal.use_data_keys(run_id(2), [run_id(1)], part=False, now=NOON))
            await until_waiting(observer, 1)
        assert await using == []
    assert await journal.data_keys([run_id(1)]) == {}
