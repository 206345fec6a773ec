"""The journal's database file: opening it, and bringing its schema to this version."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from accord.errors import StoreCorrupt, StoreUnavailable
from accord.store.sqlite_errors import store_errors

APPLICATION_ID = 0x41434344
"""`ACCD`, in the file's header: tells a journal from any other SQLite database."""

OLDEST_SQLITE = (3, 38)
"""The first one with `->>`."""

BUSY_TIMEOUT_S = 10.0
"""How long a writer waits for a commit of another process."""


_HISTORY = """
CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL) STRICT
"""


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema; its digest is kept in every database that it was applied to."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations of this version, in order."""
    folder = files("accord.store") / "migrations" / "sqlite"
    found = sorted((file.name, file.read_text()) for file in folder.iterdir() if file.name[:3].isdigit())
    return tuple(Migration(int(name[:3]), name, sql) for name, sql in found)


def connect(path: Path, *, writes: bool) -> sqlite3.Connection:
    """A connection of our kind; it begins no transaction of its own accord."""
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    try:
        # A commit is durable only with FULL: with NORMAL the WAL is synced at checkpoints alone.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")
        # What is removed is overwritten: a data key that was erased is in no page of the file.
        connection.execute("PRAGMA secure_delete = ON")
        if not writes:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that may write; committed at the end, rolled back when an error leaves it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise


def prepare_file(path: Path) -> None:
    """Make the database, or bring it to this version; several processes may do so at once."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreUnavailable.of(
            "ACC518",
            f"SQLite {sqlite3.sqlite_version} is too old",
            hint=f"the journal needs {'.'.join(map(str, OLDEST_SQLITE))} or newer: use a newer Python",
        )
    with store_errors(path):
        connection = connect(path, writes=True)
        try:
            _check_owner(connection, path)
            _use_wal(connection, path)
            migrate(connection, path, migrations())
        finally:
            connection.close()


def migrate(connection: sqlite3.Connection, path: Path, steps: tuple[Migration, ...]) -> None:
    """Apply those of `steps` that this database has not seen, all or none.

    Raises:
        StoreCorrupt: the database is of a newer version, or a step was changed after it had been applied.
    """
    with transaction(connection):
        connection.execute(_HISTORY)
        applied = connection.execute("SELECT number, name, sha256 FROM migrations ORDER BY number").fetchall()
        _check_history(applied, path, steps)
        for step in steps[len(applied) :]:
            for statement in statements(step.sql):
                connection.execute(statement)
            connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", (step.number, step.name, step.sha256))
        # Written each time: SQLite opens a file that may not be written for reading, and says so at the first write.
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def statements(sql: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit first."""
    gathered = ""
    for line in sql.splitlines(keepends=True):
        gathered += line
        if sqlite3.complete_statement(gathered):
            yield gathered
            gathered = ""


def _use_wal(connection: sqlite3.Connection, path: Path) -> None:
    # SQLite does not wait by itself when another process makes the same change just now: it asks no busy handler.
    patience = time.monotonic() + BUSY_TIMEOUT_S
    mode = None
    while mode is None:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(0.005)
    if mode != "wal":
        raise StoreUnavailable.of(
            "ACC528", f"the journal {path} cannot use a write-ahead log", hint="put it on a local disk"
        )


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    # In this order: another process may make the journal just now, and tables come together with the id.
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID and tables:
        raise StoreCorrupt.of("ACC527", f"{path} is the database of another application", hint="name another file")


def _check_history(applied: list[tuple[int, str, str]], path: Path, steps: tuple[Migration, ...]) -> None:
    if len(applied) > len(steps):
        raise StoreCorrupt.of(
            "ACC522",
            f"the journal {path} is of a newer version: it has migration {applied[-1][1]}",
            hint="use the newer version of Accord again",
        )
    for (number, name, sha256), step in zip(applied, steps, strict=False):
        if (number, sha256) != (step.number, step.sha256):
            raise StoreCorrupt.of(
                "ACC523",
                f"migration {name} of the journal {path} is not the one of this version ({step.name})",
                hint="use the version of Accord that made this journal; released migrations never change",
            )
