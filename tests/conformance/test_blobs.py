"""The suite of the port `BlobStore` on every adapter, and what only files can get wrong."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from accord.blobs import files
from accord.blobs.files import FileBlobStore
from accord.blobs.memory import MemoryBlobStore
from accord.blobs.postgres import CHUNK_BYTES, DRAFTS_LAST, PostgresBlobStore
from accord.domain.ids import Digest
from accord.errors import StoreUnavailable
from accord.ports import BlobStore
from accord.postgres.address import StoreAddress
from accord.postgres.database import Database
from accord.testing.blob_suite import BlobSuite, chunks, sha256
from accord.testing.postgres import PostgresServer


class TestMemoryBlobStore(BlobSuite):
    @pytest.fixture
    async def blobs(self) -> AsyncIterator[BlobStore]:
        async with MemoryBlobStore() as blobs:
            yield blobs

    async def damage(self, blobs: BlobStore, digest: Digest, data: bytes) -> None:
        assert isinstance(blobs, MemoryBlobStore)
        blobs._blobs[digest] = data


class TestFileBlobStore(BlobSuite):
    @pytest.fixture
    async def blobs(self, tmp_path: Path) -> AsyncIterator[BlobStore]:
        async with FileBlobStore.open(tmp_path / "some" / "blobs") as blobs:
            yield blobs
        assert drafts(tmp_path / "some" / "blobs") == []

    async def damage(self, blobs: BlobStore, digest: Digest, data: bytes) -> None:
        assert isinstance(blobs, FileBlobStore)
        place(blobs._root, digest).write_bytes(data)


class TestPostgresBlobStore(BlobSuite):
    @pytest.fixture
    async def blobs(self, store: StoreAddress, postgres: PostgresServer) -> AsyncIterator[BlobStore]:
        async with Database.open(store) as database:
            yield PostgresBlobStore(database)
            left = await database.rows("SELECT blob FROM accord.blobs WHERE digest IS NULL")
            assert left == [], "no draft is left"
            orphans = "SELECT blob FROM accord.blob_chunks WHERE blob NOT IN (SELECT blob FROM accord.blobs)"
            assert await database.rows(orphans) == []

    async def damage(self, blobs: BlobStore, digest: Digest, data: bytes) -> None:
        assert isinstance(blobs, PostgresBlobStore)
        change = """
            UPDATE accord.blob_chunks AS chunk SET data = $2 FROM accord.blobs AS blob
            WHERE blob.blob = chunk.blob AND blob.digest = $1
        """
        await blobs._database.rows(change, digest, data)


async def test_postgres_holds_a_stream_in_chunks_of_its_own_size(store: StoreAddress) -> None:
    parts = [bytes([number % 251]) * 100_000 for number in range(50)]
    async with Database.open(store) as database:
        blobs = PostgresBlobStore(database)
        digest, _ = await blobs.put_stream(chunks(*parts))
        sizes = await database.rows("SELECT length(data) FROM accord.blob_chunks ORDER BY number")
        assert [size for (size,) in sizes] == [CHUNK_BYTES] * 4 + [5_000_000 - 4 * CHUNK_BYTES]
        seen = [len(chunk) async for chunk in blobs.get_stream(digest, chunk_bytes=3_000_000)]
        assert seen == [3_000_000, 2_000_000]


async def test_processes_share_the_blobs_and_the_marks_of_a_database(store: StoreAddress) -> None:
    async with Database.open(store) as first, Database.open(store) as second:
        one, other = PostgresBlobStore(first), PostgresBlobStore(second)
        digest = await one.put(b"data")
        assert await other.get(digest) == b"data"
        mark = await one.mark()
        await other.put(b"data")
        assert await one.remove([digest], before=mark) == []
        assert await one.mark() > mark


async def test_a_draft_of_a_dead_writer_goes_and_a_late_part_of_it_is_refused(store: StoreAddress) -> None:
    async with Database.open(store) as database:
        blobs = PostgresBlobStore(database)
        begun, swept = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield bytes(CHUNK_BYTES)
            begun.set()
            await swept.wait()
            yield bytes(CHUNK_BYTES)

        putting = asyncio.create_task(blobs.put_stream(slow()))
        await begun.wait()
        await blobs.mark()
        assert await database.rows("SELECT 1 FROM accord.blob_chunks"), "it is young, and stays"
        await database.rows("UPDATE accord.blobs SET touched_at = touched_at - $1::interval", DRAFTS_LAST)
        await blobs.mark()
        assert await database.rows("SELECT 1 FROM accord.blob_chunks") == []
        swept.set()
        with pytest.raises(StoreUnavailable, match="waited too long"):
            await putting


def place(root: Path, digest: Digest) -> Path:
    return root / digest[:2] / digest


def drafts(root: Path) -> list[Path]:
    """Everything in the folder of drafts but the lock."""
    return [path for path in (root / "drafts").rglob("*") if path.name != "lock"]


async def test_a_failed_put_leaves_nothing_behind(tmp_path: Path) -> None:
    async with FileBlobStore.open(tmp_path) as blobs:
        with pytest.raises(ConnectionError):
            await blobs.put_stream(chunks(b"half", fail=ConnectionError("cut")))
        assert [path for path in drafts(tmp_path) if path.is_file()] == []


async def test_a_full_disk_is_unavailable_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with FileBlobStore.open(tmp_path) as blobs:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", no_space)
            with pytest.raises(StoreUnavailable, match="No space left") as refusal:
                await blobs.put(b"data")
            assert refusal.value.problems[0].code == "ACC553"
            with pytest.raises(StoreUnavailable):
                await blobs.put_stream(chunks(b"data"))
        assert [path for path in drafts(tmp_path) if path.is_file()] == []
        assert await blobs.get(await blobs.put(b"data")) == b"data"


async def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        async with FileBlobStore.open(tmp_path / "file"):
            pass


async def test_a_truncated_blob_is_repaired_by_putting_it_again(tmp_path: Path) -> None:
    async with FileBlobStore.open(tmp_path) as blobs:
        digest = await blobs.put(b"data")
        place(tmp_path, digest).write_bytes(b"da")
        assert await blobs.put(b"data") == digest
        assert await blobs.get(digest) == b"data"


async def test_a_known_blob_is_not_written_again(tmp_path: Path) -> None:
    async with FileBlobStore.open(tmp_path) as blobs:
        digest = await blobs.put(b"data")
        before = place(tmp_path, digest).stat()
        await blobs.put(b"data")
        after = place(tmp_path, digest).stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_a_mark_holds_for_every_process_and_whatever_the_clock_does(tmp_path: Path) -> None:
    async with FileBlobStore.open(tmp_path) as one, FileBlobStore.open(tmp_path) as other:
        digest = await one.put(b"data")
        ahead = (tmp_path / "mark").stat().st_mtime_ns + 10**12
        os.utime(tmp_path / "mark", ns=(ahead, ahead))  # the clock was ahead, and was set back
        mark = await one.mark()
        assert mark > ahead
        await other.put(b"data")
        await one.remove([digest], before=mark)
        assert await one.get(digest) == b"data"


WRITER = """
import asyncio, pathlib, sys
from accord.blobs import files
from accord.blobs.files import FileBlobStore

async def endless():
    yield b"half"
    print("writing", flush=True)
    await asyncio.Event().wait()

async def main():
    async with FileBlobStore.open(pathlib.Path(sys.argv[1])) as blobs:
        await blobs.put_stream(endless())

asyncio.run(main())
"""


async def test_drafts_of_dead_writers_are_swept_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    async with FileBlobStore.open(tmp_path) as living:
        release = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"one"
            await release.wait()
            yield b"two"

        putting = asyncio.create_task(living.put_stream(slow()))
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        assert writer.stdout is not None
        assert await writer.stdout.readline() == b"writing\n"
        assert len([path for path in drafts(tmp_path) if path.is_file()]) == 2
        writer.kill()
        await writer.wait()
        async with FileBlobStore.open(tmp_path):
            assert len([path for path in drafts(tmp_path) if path.is_file()]) == 1
        release.set()
        assert await putting == (sha256(b"onetwo"), 6)


async def test_who_leaves_while_a_blob_is_opened_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_go_on, done = threading.Event(), threading.Event(), threading.Event()
    open_ = files._Reading.open

    def late(reading: files._Reading, root: Path, digest: Digest) -> None:
        begun.set()
        may_go_on.wait()
        open_(reading, root, digest)
        readings.append(reading)
        done.set()

    readings: list[files._Reading] = []
    monkeypatch.setattr(files._Reading, "open", late)
    async with FileBlobStore.open(tmp_path / "blobs") as blobs:
        getting = asyncio.create_task(blobs.get(await blobs.put(b"a blob")))
        await asyncio.to_thread(begun.wait)
        getting.cancel()
        await asyncio.wait([getting])
        may_go_on.set()
        await asyncio.to_thread(done.wait)
    assert readings[0]._file is None
