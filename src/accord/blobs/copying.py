"""Copies of all blobs, from one store to another one."""

from __future__ import annotations

import msgspec

from accord.ports import BlobStore

PAGE = 1000


class Copied(msgspec.Struct):
    """How much was copied."""

    blobs: int = 0
    blobs_bytes: int = 0
    known: int = 0
    """Blobs that the other store had already."""


async def copied(source: BlobStore, target: BlobStore) -> Copied:
    """Put all blobs into the other store that it does not have.

    Raises:
        StoreCorrupt: ACC552, a blob is damaged; those before it were copied.
        StoreUnavailable: one of the two cannot be used.
    """
    told = Copied()
    page = await source.stored(limit=PAGE)
    while page:
        for blob in page:
            if await target.renew(blob.digest):
                told.known += 1
                continue
            _, length_bytes = await target.put_stream(source.get_stream(blob.digest))
            told.blobs += 1
            told.blobs_bytes += length_bytes
        page = await source.stored(after=page[-1].digest, limit=PAGE)
    return told
