"""The store of an exhibit: everything can be read, and no run of it is ever owned, changed or retired."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from accord.blobs.exhibit import ExhibitBlobStore
from accord.domain.ids import PARTITIONS, Digest, StreamId
from accord.errors import NotFound, Refused
from accord.ports import Append, Fence, Head, Letter
from accord.store.sqlite import SqliteJournal
from accord.store.sqlite_exhibit import SqliteExhibit
from accord.testing.stage import NOON

TTL = timedelta(seconds=10)


async def test_nobody_owns_an_exhibit(tmp_path: Path) -> None:
    async with SqliteExhibit.open(tmp_path / "journal.db") as journal:
        assert await journal.claim("anybody", partition=None, now=NOON, ttl=TTL) is None
        assert [await journal.claim("anybody", partition=one, now=NOON, ttl=TTL) for one in range(PARTITIONS)] == [
            None
        ] * PARTITIONS
        append = Append(stream=StreamId("run_1"), expected=Head(), records=(), fence=Fence(1, 1))
        for forbidden in (
            journal.append([append]),
            journal.post(Letter(id="1", partition=1, data=b"{}", posted_at=NOON)),
        ):
            with pytest.raises(Refused, match="ACC592"):
                await forbidden
        assert await journal.retire(ended_before=NOON) == []


async def test_what_was_owned_elsewhere_is_not_owned_here(tmp_path: Path) -> None:
    async with SqliteJournal.open(tmp_path / "journal.db") as journal:
        fence = await journal.claim("import", partition=1, now=NOON, ttl=TTL)
        assert fence is not None
    async with SqliteExhibit.open(tmp_path / "journal.db") as journal:
        assert await journal.claim("anybody", partition=1, now=NOON + 2 * TTL, ttl=TTL) is None


async def test_blobs_stay_and_what_is_missing_was_left_out(tmp_path: Path) -> None:
    async with ExhibitBlobStore.open(tmp_path) as blobs:
        digest = await blobs.put(b"kept")
        assert await blobs.remove([digest], before=await blobs.mark()) == []
        assert await blobs.get(digest) == b"kept"
        with pytest.raises(NotFound, match="ACC594"):
            await blobs.get(Digest("0" * 64))
        with pytest.raises(NotFound, match="ACC594"):
            [chunk async for chunk in blobs.get_stream(Digest("0" * 64))]
