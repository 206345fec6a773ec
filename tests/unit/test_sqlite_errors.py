"""Every failure of SQLite comes out as a StoreError with a code and a way out."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from accord.domain.ids import AgentId, RunId
from accord.errors import StoreCorrupt, StoreUnavailable
from accord.ports import Answer, Fence, Head, Journal, Letter, RunQuery, Snapshot
from accord.store.sqlite import SqliteJournal
from accord.store.sqlite_errors import as_store_error
from accord.store.sqlite_file import connect
from accord.testing.journal_values import SYSTEM, end, run_id, summary_of, system_append

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TTL = timedelta(seconds=15)

ERROR_CLASSES = [
    sqlite3.Error, sqlite3.InterfaceError, sqlite3.DatabaseError, sqlite3.DataError, sqlite3.OperationalError,
    sqlite3.IntegrityError, sqlite3.InternalError, sqlite3.ProgrammingError, sqlite3.NotSupportedError,
]  # fmt: skip
RESULT_CODES = sorted(
    {value for name, value in vars(sqlite3).items() if name.startswith("SQLITE_") and isinstance(value, int)}
)

CALLS: dict[str, Callable[[Journal], Awaitable[object]]] = {
    "append": lambda journal: journal.append([system_append(Head(), b"x")]),
    "read": lambda journal: journal.read(SYSTEM),
    "head": lambda journal: journal.head(SYSTEM),
    "run": lambda journal: journal.run(run_id(1)),
    "runs": lambda journal: journal.runs(RunQuery(text="x", parent=RunId("y"))),
    "count_runs": lambda journal: journal.count_runs(RunQuery()),
    "count_kinds": lambda journal: journal.count_kinds(RunQuery()),
    "unlisted": lambda journal: journal.unlisted(),
    "relist": lambda journal: journal.relist(summary_of(1), [AgentId("a")], at=Head(1)),
    "overdue": lambda journal: journal.overdue(NOW, partitions=[1]),
    "save_snapshot": lambda journal: journal.save_snapshot(Snapshot(SYSTEM, 1, b"")),
    "snapshot": lambda journal: journal.snapshot(SYSTEM),
    "retire": lambda journal: journal.retire(ended_before=NOW),
    "claim": lambda journal: journal.claim("one", partition=1, now=NOW, ttl=TTL),
    "claim any": lambda journal: journal.claim("one", partition=None, now=NOW, ttl=TTL),
    "renew": lambda journal: journal.renew([Fence(1, 1)], now=NOW, ttl=TTL),
    "release": lambda journal: journal.release([Fence(1, 1)]),
    "post": lambda journal: journal.post(Letter(id="a", partition=1, data=b"", posted_at=NOW)),
    "letters": lambda journal: journal.letters([1]),
    "answer": lambda journal: journal.answer([Answer("a", b"")]),
    "answered": lambda journal: journal.answered("a"),
    "floor": lambda journal: journal.floor(SYSTEM),
    "owners": lambda journal: journal.owners(),
    "trim": lambda journal: journal.trim(SYSTEM, until=1),
}


def test_every_method_of_the_port_is_called_here() -> None:
    methods = {name for name in vars(Journal) if not name.startswith("_")}
    assert methods == {name.partition(" ")[0] for name in CALLS}


@pytest.mark.parametrize("kind", ERROR_CLASSES)
def test_every_class_of_error_is_translated(kind: type[sqlite3.Error]) -> None:
    error = as_store_error(kind("what happened"), Path("journal.db"))
    assert isinstance(error, StoreUnavailable)
    assert "what happened" in str(error)
    assert error.problems[0].hint


@pytest.mark.parametrize("code", RESULT_CODES)
def test_every_result_code_is_translated(code: int) -> None:
    failure = sqlite3.OperationalError("what happened")
    failure.sqlite_errorcode = code
    error = as_store_error(failure, Path("journal.db"))
    assert type(error) in (StoreUnavailable, StoreCorrupt)
    assert error.problems[0].code.startswith("ACC5")
    assert error.problems[0].hint


@pytest.mark.parametrize("name", CALLS)
async def test_a_damaged_schema(tmp_path: Path, name: str) -> None:
    path = tmp_path / "journal.db"
    async with SqliteJournal.open(path) as journal:
        await journal._commits.submit(drop_everything)
        with pytest.raises(StoreCorrupt) as refusal:
            await CALLS[name](journal)
        assert refusal.value.problems[0].code == "ACC524"


def drop_everything(connection: sqlite3.Connection) -> None:
    for table in ("events", "streams", "runs", "partitions", "snapshots", "letters"):
        connection.execute(f"DROP TABLE {table}")


@pytest.mark.parametrize("name", CALLS)
async def test_a_closed_journal(tmp_path: Path, name: str) -> None:
    async with SqliteJournal.open(tmp_path / "journal.db") as journal:
        pass
    with pytest.raises(StoreUnavailable) as refusal:
        await CALLS[name](journal)
    assert refusal.value.problems[0].code == "ACC517"


async def test_a_full_disk(tmp_path: Path) -> None:
    """Nothing is written, everything that was there stays, and work goes on when there is space again."""
    async with SqliteJournal.open(tmp_path / "journal.db") as journal:
        first = system_append(Head(), b"first")
        await journal.append([first])
        await journal._commits.submit(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchall())
        second = system_append(end(first), bytes(1_000_000))
        with pytest.raises(StoreUnavailable) as refusal:
            await journal.append([second])
        assert refusal.value.problems[0].code == "ACC511"
        with pytest.raises(StoreUnavailable):
            await journal.save_snapshot(Snapshot(SYSTEM, 1, bytes(1_000_000)))
        assert await journal.read(SYSTEM) == list(first.records)
        assert await journal.head(SYSTEM) == end(first)
        await journal._commits.submit(
            lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchall()
        )
        await journal.append([second])
        assert await journal.head(SYSTEM) == end(second)


async def test_a_file_that_is_locked_for_too_long(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with SqliteJournal.open(path) as journal:
        await journal._commits.submit(lambda connection: connection.execute("PRAGMA busy_timeout = 0").fetchall())
        other = connect(path, writes=True)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable) as refusal:
            await journal.append([system_append(Head(), b"x")])
        assert refusal.value.problems[0].code == "ACC510"
        other.execute("ROLLBACK")
        other.close()
        await journal.append([system_append(Head(), b"x")])


def test_a_read_only_database(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    sqlite3.connect(path).close()
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as refusal:
        connection.execute("CREATE TABLE x (y)")
    connection.close()
    error = as_store_error(refusal.value, path)
    assert error.problems[0].code == "ACC513"


async def test_damaged_pages(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with SqliteJournal.open(path) as journal:
        append = system_append(Head(), *(bytes(2000) for _ in range(200)))
        await journal.append([append])
    data = bytearray(path.read_bytes())
    data[8 * 4096 :] = b"\xff" * (len(data) - 8 * 4096)
    path.write_bytes(data)
    with pytest.raises(StoreCorrupt) as refusal:
        async with SqliteJournal.open(path) as journal:
            await journal.read(SYSTEM)
    assert refusal.value.problems[0].code == "ACC521"
