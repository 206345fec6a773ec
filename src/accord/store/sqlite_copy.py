"""A copy of the journal as it is at one moment, made while processes write to it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from accord.errors import StoreCorrupt
from accord.store.sqlite_errors import store_errors


def copy_journal(journal: Path, to: Path) -> int:
    """Copy it with SQLite's online backup, durably; gives the length in bytes. An older copy there is replaced once the
    new one is whole.

    Raises:
        StoreCorrupt: ACC521, it is damaged; the older copy stays.
        StoreUnavailable: it cannot be read, or the copy not be written.
    """
    draft = to.with_name(f"{to.name}.draft")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    try:
        with store_errors(journal):
            _copy(journal, draft)
        draft.replace(to)
    finally:
        draft.unlink(missing_ok=True)
    _sync(to.parent)
    return to.stat().st_size


def _copy(journal: Path, draft: Path) -> None:
    address = f"{journal.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(draft)) as target:
        source.backup(target)
        # One file alone, without a log beside it; whoever opens it as a journal turns the log on again.
        target.execute("PRAGMA journal_mode = DELETE")
        (found,) = target.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        hint = "keep the older copies: accord doctor tells more, docs/how-to/backup.md how to restore one"
        raise StoreCorrupt.of("ACC521", f"the journal {journal} is damaged: {' '.join(found.split())}", hint=hint)
    _sync(draft)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
