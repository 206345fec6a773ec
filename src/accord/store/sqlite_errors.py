"""What a failure of SQLite means: every `sqlite3.Error` becomes a StoreError with a code and a way out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accord.errors import StoreCorrupt, StoreError, StoreUnavailable

UNAVAILABLE: dict[int, tuple[str, str, str]] = {
    sqlite3.SQLITE_BUSY: ("ACC510", "is locked by another process", "find what holds it, then try again"),
    sqlite3.SQLITE_LOCKED: ("ACC510", "is locked", "find what holds it, then try again"),
    sqlite3.SQLITE_FULL: ("ACC511", "cannot grow: the disk is full", "make space, then try again"),
    sqlite3.SQLITE_CANTOPEN: ("ACC512", "cannot be opened", "its directory must exist and be writable"),
    sqlite3.SQLITE_READONLY: ("ACC513", "is read-only", "file and directory must be writable"),
    sqlite3.SQLITE_PERM: ("ACC513", "may not be written", "file and directory must be writable"),
    sqlite3.SQLITE_AUTH: ("ACC513", "may not be written", "file and directory must be writable"),
    sqlite3.SQLITE_IOERR: ("ACC514", "cannot be read or written", "check the disk and the system's log"),
    sqlite3.SQLITE_PROTOCOL: ("ACC514", "cannot be locked", "WAL needs a local disk, no network share"),
    sqlite3.SQLITE_NOMEM: ("ACC515", "needs more memory than there is", "free memory, then try again"),
}
"""By primary result code: code, what is wrong, and the way out."""

CORRUPT: dict[int, tuple[str, str, str]] = {
    sqlite3.SQLITE_NOTADB: ("ACC520", "is not a SQLite database", "name another file, or restore this one"),
    sqlite3.SQLITE_CORRUPT: ("ACC521", "is damaged", "restore it from a copy"),
    sqlite3.SQLITE_ERROR: ("ACC524", "has not the expected tables", "restore it from a copy"),
    sqlite3.SQLITE_SCHEMA: ("ACC524", "has not the expected tables", "restore it from a copy"),
    sqlite3.SQLITE_CONSTRAINT: ("ACC525", "refuses this change", "the journal's own rules were about to break"),
    sqlite3.SQLITE_MISMATCH: ("ACC525", "refuses this change", "the journal's own rules were about to break"),
    sqlite3.SQLITE_TOOBIG: ("ACC525", "refuses this change", "an event must be smaller than 1 GB"),
}

OTHERWISE = ("ACC516", "failed", "try again; if it fails again, check the file with `accord doctor`")


def as_store_error(error: sqlite3.Error, path: Path) -> StoreError:
    """The StoreError for a failure of the database at `path`."""
    # An extended result code has the primary one in its low byte (sqlite.org/rescode.html).
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    kind = StoreCorrupt if primary in CORRUPT else StoreUnavailable
    code, what, hint = CORRUPT.get(primary) or UNAVAILABLE.get(primary) or OTHERWISE
    return kind.of(code, f"the journal {path} {what}: {error}", hint=hint)


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Raises what `as_store_error` says instead of any `sqlite3.Error`."""
    try:
        yield
    except sqlite3.Error as error:
        raise as_store_error(error, path) from error


def closed(path: Path) -> StoreUnavailable:
    """The error of whoever uses a journal that was closed."""
    return StoreUnavailable.of("ACC517", f"the journal {path} was closed")
