"""Copies of the embedded store: whole, of one moment, and never a damaged one in the place of a good one."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from accord.blobs.copying import copied
from accord.blobs.files import FileBlobStore, nothing_removed
from accord.errors import StoreCorrupt
from accord.store.sqlite import SqliteJournal
from accord.store.sqlite_copy import copy_journal


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_copy_has_what_is_in_the_log_and_opens_as_a_journal(tmp_path: Path) -> None:
    source, to = tmp_path / "journal.db", tmp_path / "copy.db"
    async with SqliteJournal.open(source):
        with closing(sqlite3.connect(source)) as writer:
            writer.execute("CREATE TABLE only_in_the_log (value)")
            assert source.with_name("journal.db-wal").stat().st_size
            assert copy_journal(source, to) == to.stat().st_size
    assert to.stat().st_mode & 0o077 == 0
    assert names(tmp_path) == {"copy.db", "journal.db"}, "one file alone"
    with closing(sqlite3.connect(to)) as copy:
        assert copy.execute("SELECT count(*) FROM only_in_the_log").fetchone() == (0,)
    async with SqliteJournal.open(to) as journal:
        assert await journal.owners() == []


async def test_a_damaged_journal_takes_no_good_copys_place(tmp_path: Path) -> None:
    source, to = tmp_path / "journal.db", tmp_path / "copy.db"
    async with SqliteJournal.open(source):
        pass
    copy_journal(source, to)
    good = to.read_bytes()
    with source.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    with pytest.raises(StoreCorrupt) as refused:
        copy_journal(source, to)
    assert refused.value.problems[0].code == "ACC521"
    assert to.read_bytes() == good
    assert "copy.db.draft" not in names(tmp_path)


async def test_blobs_are_copied_once_and_damaged_ones_are_not(tmp_path: Path) -> None:
    async with FileBlobStore.open(tmp_path / "a") as source, FileBlobStore.open(tmp_path / "b") as target:
        digests = [await source.put(f"blob {number}".encode()) for number in range(5)]
        first = await copied(source, target)
        assert (first.blobs, first.blobs_bytes, first.known) == (5, 30, 0)
        assert [await target.get(digest) for digest in digests] == [b"blob %d" % number for number in range(5)]
        digests.append(await source.put(b"one more"))
        again = await copied(source, target)
        assert (again.blobs, again.known) == (1, 5)
        bad = await source.put(b"to be damaged")
        (tmp_path / "a" / bad[:2] / bad).write_bytes(b"damaged")
        with pytest.raises(StoreCorrupt):
            await copied(source, target)
        assert not await target.renew(bad)


async def test_nothing_is_removed_while_a_copy_is_made_and_putting_goes_on(tmp_path: Path) -> None:
    async with FileBlobStore.open(tmp_path) as blobs:
        digest = await blobs.put(b"old")
        mark = await blobs.mark()
        with nothing_removed(tmp_path):
            removing = asyncio.create_task(blobs.remove([digest], before=mark))
            await blobs.put(b"new")
            number = os.open(tmp_path / "mark", os.O_RDONLY)
            with pytest.raises(BlockingIOError):
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(number)
            assert await blobs.get(digest) == b"old"
        assert [one.digest for one in await removing] == [digest]


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.db")):
        (tmp_path / "journal.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreCorrupt):
        copy_journal(tmp_path / "journal.db", tmp_path / "copy.db")
