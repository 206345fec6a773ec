"""Opening a journal's file, whatever it holds; its migrations."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from accord.errors import StoreCorrupt, StoreUnavailable
from accord.ports import Head
from accord.store import sqlite_file
from accord.store.sqlite import SqliteJournal
from accord.store.sqlite_file import Migration, connect, migrate, migrations, prepare_file, statements
from accord.testing.journal_values import SYSTEM, system_append

NOBODY = 65534


def schema(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    return connection.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name"
    ).fetchall()


async def refusal_of(path: Path) -> tuple[type[Exception], str]:
    """How opening the file is refused."""
    with pytest.raises((StoreCorrupt, StoreUnavailable)) as refusal:
        async with SqliteJournal.open(path):
            pass
    problem = refusal.value.problems[0]
    assert problem.hint
    assert str(path) in problem.message
    return type(refusal.value), problem.code


# -- files that are no journal


@pytest.mark.parametrize("content", [b"not a database at all" * 1000, b"SQLite format 3\x00" + bytes(5000)])
async def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    assert (await refusal_of(path))[0] is StoreCorrupt
    assert path.read_bytes() == content, "somebody else's file is left as it was"


async def test_an_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.touch()
    async with SqliteJournal.open(path) as journal:
        await journal.append([system_append(Head(), b"x")])


async def test_another_applications_database(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    content = path.read_bytes()
    assert await refusal_of(path) == (StoreCorrupt, "ACC527")
    assert path.read_bytes() == content


@pytest.mark.parametrize("place", ["missing/journal.db", "."])
async def test_a_path_that_cannot_be_opened(tmp_path: Path, place: str) -> None:
    assert await refusal_of(tmp_path / place) == (StoreUnavailable, "ACC512")


@pytest.fixture
def unprivileged_path() -> Iterator[Path]:
    """A directory in which permissions count: root, who may write everything, becomes nobody for the while."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        if root:
            os.chown(name, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.parametrize("read_only", ["journal.db", "."])
async def test_a_read_only_file_or_directory(unprivileged_path: Path, read_only: str) -> None:
    path = unprivileged_path / "journal.db"
    async with SqliteJournal.open(path):
        pass
    (unprivileged_path / read_only).chmod(0o555)
    kind, code = await refusal_of(path)
    (unprivileged_path / read_only).chmod(0o755)
    assert kind is StoreUnavailable
    assert code in ("ACC512", "ACC513")


async def test_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with SqliteJournal.open(path) as journal:
        await journal.append([system_append(Head(), bytes(100_000))])
    path.write_bytes(path.read_bytes()[:6000])
    assert await refusal_of(path) == (StoreCorrupt, "ACC521")


async def test_an_sqlite_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "OLDEST_SQLITE", (99, 0))
    with pytest.raises(StoreUnavailable) as refusal:
        async with SqliteJournal.open(tmp_path / "journal.db"):
            pass
    assert refusal.value.problems[0].code == "ACC518"


class Busy:
    """A connection whose first attempts to change the journal mode meet another process, and then do not succeed."""

    def __init__(self, attempts: int, mode: str) -> None:
        self.attempts = attempts
        self.mode = mode

    def execute(self, sql: str) -> Busy:
        assert sql == "PRAGMA journal_mode = WAL"
        self.attempts -= 1
        if self.attempts >= 0:
            busy = sqlite3.OperationalError("database is locked")
            busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise busy
        return self

    def fetchone(self) -> tuple[str]:
        return (self.mode,)


def test_the_change_to_wal_waits_for_other_processes() -> None:
    sqlite_file._use_wal(Busy(3, "wal"), Path("journal.db"))  # type: ignore[arg-type]  # all that is used of it


def test_a_place_without_wal() -> None:
    with pytest.raises(StoreUnavailable) as refusal:
        sqlite_file._use_wal(Busy(0, "delete"), Path("journal.db"))  # type: ignore[arg-type]  # as above
    assert refusal.value.problems[0].code == "ACC528"


# -- migrations


def test_migrations_are_numbered_without_gaps() -> None:
    assert [step.number for step in migrations()] == list(range(1, len(migrations()) + 1))


def test_the_schema_is_the_sum_of_the_migrations(tmp_path: Path) -> None:
    """Whichever version a database was made by, it ends up with the documented schema."""
    documented = (files("accord.store") / "migrations" / "sqlite" / "schema.sql").read_text()
    for made_by in range(len(migrations()) + 1):
        connection = connect(tmp_path / f"{made_by}.db", writes=True)
        for steps in (migrations()[:made_by], migrations()):
            migrate(connection, tmp_path, steps)
        assert documented == "".join(f"{sql};\n\n" for _, _, sql in schema(connection))
        connection.close()


def test_migrations_are_applied_once_and_recorded(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    prepare_file(path)
    prepare_file(path)
    connection = connect(path, writes=False)
    recorded = connection.execute("SELECT number, name, sha256 FROM migrations").fetchall()
    assert recorded == [(step.number, step.name, step.sha256) for step in migrations()]
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA application_id").fetchone() == (sqlite_file.APPLICATION_ID,)
    connection.close()


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path) -> None:
    connection = connect(tmp_path / "journal.db", writes=True)
    migrate(connection, tmp_path, migrations())
    before = schema(connection)
    failing = Migration(len(migrations()) + 1, "bad.sql", "CREATE TABLE half (x);\nCREATE TABLE events (x);\n")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, tmp_path, (*migrations(), failing))
    assert schema(connection) == before
    migrate(connection, tmp_path, migrations())
    connection.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE migrations SET sha256 = 'other'", "ACC523"),
        ("INSERT INTO migrations VALUES (999, '999_later.sql', 'x')", "ACC522"),
    ],
)
async def test_a_history_that_is_not_ours(tmp_path: Path, change: str, code: str) -> None:
    path = tmp_path / "journal.db"
    prepare_file(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(change)
    connection.close()
    assert await refusal_of(path) == (StoreCorrupt, code)


def test_a_script_is_split_into_its_statements() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a\nBEGIN\n  SELECT 1;\n  SELECT ';';\nEND;\n"
    script = "-- a; comment\nCREATE TABLE a (x);\n\n" + trigger
    assert [statement.split()[-1] for statement in statements(script)] == ["(x);", "END;"]


OPENER = """
import asyncio, pathlib, sys
from accord.ports import Head
from accord.store.sqlite import SqliteJournal
from accord.testing.journal_values import StreamId, system_append

async def main():
    async with SqliteJournal.open(pathlib.Path(sys.argv[1])) as journal:
        await journal.append([system_append(Head(), b"x", stream=StreamId(f"sys:{sys.argv[2]}"))])

asyncio.run(main())
"""


async def test_processes_may_make_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", OPENER, str(path), str(number))
        for number in range(6)
    ]
    assert await asyncio.gather(*(process.wait() for process in processes)) == [0] * 6
    async with SqliteJournal.open(path) as journal:
        assert await journal.read(SYSTEM) == []


async def test_a_failed_opening_leaves_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: str) -> None:
        raise sqlite3.OperationalError("broken")

    monkeypatch.setattr("accord.store.sqlite_commit.named_queries", broken)
    assert await refusal_of(tmp_path / "journal.db") == (StoreUnavailable, "ACC516")
    assert [thread.name for thread in threading.enumerate() if "journal.db" in thread.name] == []


async def test_a_journal_that_was_closed_leaves_no_thread(tmp_path: Path) -> None:
    async with SqliteJournal.open(tmp_path / "journal.db") as journal:
        await journal.head(SYSTEM)
    assert [thread.name for thread in threading.enumerate() if "journal.db" in thread.name] == []
