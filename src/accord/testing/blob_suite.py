"""What every blob store must do; an adapter is proved by a subclass that says how to open and to damage it."""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

import asyncio
import hashlib
from abc import abstractmethod
from collections.abc import AsyncIterator

import pytest

from accord.domain.ids import Digest
from accord.errors import NotFound, StoreCorrupt
from accord.ports import BlobStore, StoredBlob

SIZES = (0, 1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000)


def sha256(data: bytes) -> Digest:
    """The digest that the bytes must be kept under."""
    return Digest(hashlib.sha256(data).hexdigest())


async def chunks(*parts: bytes, fail: Exception | None = None) -> AsyncIterator[bytes]:
    """The parts one by one, and then perhaps an error."""
    for part in parts:
        yield part
    if fail is not None:
        raise fail


async def read_into(seen: list[bytes], stream: AsyncIterator[bytes]) -> None:
    """Add the chunks of the stream as they come."""
    async for chunk in stream:
        seen.append(chunk)  # noqa: PERF401  # what was seen counts when the stream raises


class BlobSuite:
    """The contract of `BlobStore`, except durability: that is for the adapter's own tests."""

    @pytest.fixture
    @abstractmethod
    def blobs(self) -> AsyncIterator[BlobStore]:
        """An open, empty blob store."""

    @abstractmethod
    async def damage(self, blobs: BlobStore, digest: Digest, data: bytes) -> None:
        """Have the store hold `data` in place of the blob's bytes, as a broken disk would."""

    @pytest.mark.parametrize("size", SIZES)
    async def test_what_was_put_comes_back(self, blobs: BlobStore, size: int) -> None:
        data = bytes(range(256)) * (size // 256 + 1)
        digest = await blobs.put(data[:size])
        assert digest == sha256(data[:size])
        assert await blobs.get(digest) == data[:size]
        streamed = [chunk async for chunk in blobs.get_stream(digest, chunk_bytes=100_000)]
        assert b"".join(streamed) == data[:size]
        assert all(0 < len(chunk) <= 100_000 for chunk in streamed)

    async def test_putting_again_changes_nothing(self, blobs: BlobStore) -> None:
        assert await blobs.put(b"data") == await blobs.put(b"data")
        assert await blobs.put_stream(chunks(b"da", b"", b"ta")) == (sha256(b"data"), 4)
        assert await blobs.get(sha256(b"data")) == b"data"

    async def test_putting_a_stream(self, blobs: BlobStore) -> None:
        parts = [bytes([number]) * 70_000 for number in range(30)]
        digest, size = await blobs.put_stream(chunks(*parts))
        assert (digest, size) == (sha256(b"".join(parts)), 2_100_000)
        assert await blobs.get(digest) == b"".join(parts)
        assert await blobs.put_stream(chunks()) == (sha256(b""), 0)

    async def test_a_stream_that_fails_leaves_nothing(self, blobs: BlobStore) -> None:
        with pytest.raises(ConnectionError):
            await blobs.put_stream(chunks(b"half", fail=ConnectionError("cut")))
        with pytest.raises(NotFound):
            await blobs.get(sha256(b"half"))

    async def test_a_stream_that_is_cancelled_leaves_nothing(self, blobs: BlobStore) -> None:
        asked = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"half"
            asked.set()
            await asyncio.Event().wait()

        putting = asyncio.create_task(blobs.put_stream(endless()))
        await asked.wait()
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        with pytest.raises(NotFound):
            await blobs.get(sha256(b"half"))

    @pytest.mark.parametrize("digest", [sha256(b"absent"), "", "..", "../../etc/passwd", "A" * 64, "a" * 63])
    async def test_a_blob_that_is_not_there(self, blobs: BlobStore, digest: str) -> None:
        with pytest.raises(NotFound):
            await blobs.get(Digest(digest))
        with pytest.raises(NotFound):
            await anext(aiter(blobs.get_stream(Digest(digest))))
        await blobs.remove([Digest(digest)], before=await blobs.mark())

    async def test_removing(self, blobs: BlobStore) -> None:
        kept, dropped = await blobs.put(b"kept"), await blobs.put(b"dropped")
        await blobs.remove([dropped, sha256(b"absent")], before=await blobs.mark())
        assert await blobs.get(kept) == b"kept"
        with pytest.raises(NotFound):
            await blobs.get(dropped)
        assert await blobs.put(b"dropped") == dropped
        assert await blobs.get(dropped) == b"dropped"

    async def test_what_was_put_since_the_mark_stays(self, blobs: BlobStore) -> None:
        names = (b"unused", b"put again", b"streamed again")
        unused, again, streamed = [await blobs.put(name) for name in names]
        mark = await blobs.mark()
        await blobs.put(b"put again")
        await blobs.put_stream(chunks(b"streamed again"))
        new = await blobs.put(b"new")
        await blobs.remove([unused, again, streamed, new], before=mark)
        assert [await blobs.get(digest) for digest in (again, streamed, new)] == [*names[1:], b"new"]
        with pytest.raises(NotFound):
            await blobs.get(unused)
        await blobs.remove([again, streamed, new], before=await blobs.mark())
        for digest in (again, streamed, new):
            with pytest.raises(NotFound):
                await blobs.get(digest)

    async def test_a_blob_is_renewed_where_it_is(self, blobs: BlobStore) -> None:
        digest = await blobs.put(b"data")
        mark = await blobs.mark()
        assert await blobs.renew(digest)
        assert await blobs.remove([digest], before=mark) == []
        assert await blobs.get(digest) == b"data"
        for absent in (sha256(b"absent"), "", "../../etc/passwd"):
            assert not await blobs.renew(Digest(absent))

    async def test_what_is_removed_is_told(self, blobs: BlobStore) -> None:
        old = [await blobs.put(b"x" * size) for size in (7, 70_000)]
        mark = await blobs.mark()
        new = await blobs.put(b"new")
        removed = await blobs.remove([*old, old[0], new, sha256(b"absent")], before=mark)
        assert removed == [StoredBlob(old[0], 7), StoredBlob(old[1], 70_000)]
        assert await blobs.remove(old, before=mark) == []

    async def test_blobs_are_listed_in_pages(self, blobs: BlobStore) -> None:
        assert await blobs.stored(limit=10) == []
        data = [b"x" * number for number in range(40)]
        digests = sorted([await blobs.put(one) for one in data])
        pages: list[StoredBlob] = []
        while page := await blobs.stored(after=pages[-1].digest if pages else None, limit=7):
            assert len(page) <= 7
            pages.extend(page)
        assert [blob.digest for blob in pages] == digests
        assert {blob.digest: blob.size_bytes for blob in pages} == {sha256(one): len(one) for one in data}

    async def test_blobs_put_since_a_mark_are_not_listed_before_it(self, blobs: BlobStore) -> None:
        old, again = await blobs.put(b"old"), await blobs.put(b"again")
        mark = await blobs.mark()
        await blobs.put(b"again")
        new = await blobs.put(b"new")
        assert await blobs.stored(before=mark, limit=10) == [StoredBlob(old, 3)]
        assert {blob.digest for blob in await blobs.stored(limit=10)} == {old, again, new}

    async def test_marks_grow(self, blobs: BlobStore) -> None:
        marks = [await blobs.mark() for _ in range(5)]
        assert marks == sorted(set(marks))

    @pytest.mark.parametrize("damaged", [b"", b"0123456788", b"012345678", b"01234567890"])
    async def test_damage_is_seen_before_the_last_chunk(self, blobs: BlobStore, damaged: bytes) -> None:
        digest = await blobs.put(b"0123456789")
        await self.damage(blobs, digest, damaged)
        with pytest.raises(StoreCorrupt):
            await blobs.get(digest)
        seen: list[bytes] = []
        with pytest.raises(StoreCorrupt):
            await read_into(seen, blobs.get_stream(digest, chunk_bytes=2))
        assert sum(map(len, seen)) < max(len(damaged), 1)

    async def test_many_at_once(self, blobs: BlobStore) -> None:
        data = [f"blob {number % 20}".encode() * 1000 for number in range(100)]
        digests = await asyncio.gather(*(blobs.put(each) for each in data))
        assert await asyncio.gather(*(blobs.get(digest) for digest in digests)) == data
