"""A blob store in the database of the journal: replicas share payloads with nothing more than PostgreSQL.

A blob is rows of chunks under a number, and one row that gives the number its digest. It is written as a draft, which
has no digest yet, so that it is whole or absent. A draft that nothing was added to for a while is of a process that
has ended: it goes with the next mark. Who puts, holds the row with the newest mark shared; who marks waits for them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from accord.blobs.refusals import blobs_unavailable, corrupt_blob, no_such_blob
from accord.domain.ids import Digest
from accord.errors import StoreUnavailable
from accord.ports import StoredBlob
from accord.postgres.database import Database
from accord.queries import named_queries

CHUNK_BYTES = 1 << 20
"""How long a row's chunk is at most: what is held of a stream at a time, on either side."""

DRAFTS_LAST = timedelta(hours=1)
"""How long a draft waits for its next chunk."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


class PostgresBlobStore:
    """Blobs in an open database; any number of processes may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = named_queries("accord.blobs", "postgres.sql")

    async def put(self, data: bytes) -> Digest:
        digest = Digest(hashlib.sha256(data).hexdigest())
        if not await self._rows("renew", digest):
            await self._rows("put", digest, len(data), _pieces(data, CHUNK_BYTES))
        return digest

    async def put_stream(self, chunks: AsyncIterator[bytes]) -> tuple[Digest, int]:
        draft = Draft(self._database)
        published = False
        try:
            async for chunk in chunks:
                await draft.write(chunk)
            digest = await draft.publish()
            published = True
            return digest, draft.size
        finally:
            if not published:
                with suppress(StoreUnavailable):  # then it is swept later; what went wrong first is what counts
                    await draft.discard()

    async def get(self, digest: Digest) -> bytes:
        return b"".join([chunk async for chunk in self.get_stream(digest)])

    async def get_stream(self, digest: Digest, *, chunk_bytes: int = 1 << 20) -> AsyncIterator[bytes]:
        found = await self._rows("find", digest) if _DIGEST.fullmatch(digest) else []
        if not found:
            raise no_such_blob(digest)
        ((blob, size),) = found
        hashed, held = hashlib.sha256(), b""
        for number in range(-(-size // CHUNK_BYTES)):
            data = await self._chunk(blob, number, digest)
            hashed.update(data)
            *whole, rest = _pieces(held + data, chunk_bytes) or [b""]
            for piece in whole:
                yield piece
            held = rest
        if hashed.hexdigest() != digest:
            raise corrupt_blob(digest)
        if held:
            yield held

    async def renew(self, digest: Digest) -> bool:
        return bool(_DIGEST.fullmatch(digest)) and bool(await self._rows("renew", digest))

    async def mark(self) -> int:
        await self._rows("sweep", DRAFTS_LAST)
        ((mark,),) = await self._rows("mark")
        return int(mark)

    async def stored(self, *, after: Digest | None = None, before: int | None = None, limit: int) -> list[StoredBlob]:
        return [StoredBlob(*row) for row in await self._rows("stored", after or "", before, limit)]

    async def remove(self, digests: Sequence[Digest], *, before: int) -> list[StoredBlob]:
        asked = [digest for digest in dict.fromkeys(digests) if _DIGEST.fullmatch(digest)]
        sizes = dict(await self._rows("remove", asked, before))
        return [StoredBlob(digest, sizes[digest]) for digest in asked if digest in sizes]

    async def _chunk(self, blob: int, number: int, digest: Digest) -> bytes:
        rows = await self._rows("chunk", blob, number)
        if rows:
            return bytes(rows[0][0])
        if await self._rows("find", digest):
            raise corrupt_blob(digest)
        raise no_such_blob(digest)  # removed while it was read

    async def _rows(self, query: str, *given: object) -> list[Any]:
        return await self._database.rows(self._queries[query], *given)


class Draft:
    """A blob while it is written, in rows that nobody else sees. No connection is held between two chunks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = named_queries("accord.blobs", "postgres.sql")
        self._hashed = hashlib.sha256()
        self._blob: int | None = None
        self._gathered = bytearray()
        self._written = 0
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._hashed.update(data)
        self.size += len(data)
        self._gathered += data
        while len(self._gathered) >= CHUNK_BYTES:
            await self._flush(CHUNK_BYTES)

    async def publish(self) -> Digest:
        """Make it the blob of its digest, durably."""
        if self._gathered:
            await self._flush(len(self._gathered))
        digest = Digest(self._hashed.hexdigest())
        ((whole,),) = await self._database.rows(self._queries["publish"], await self._number(), digest, self.size)
        if not whole:
            raise self._swept()
        return digest

    async def discard(self) -> None:
        """Remove what was written."""
        if self._blob is not None:
            await self._database.rows(self._queries["discard"], self._blob)

    async def _flush(self, length_bytes: int) -> None:
        chunk = bytes(self._gathered[:length_bytes])
        del self._gathered[:length_bytes]
        if not await self._database.rows(self._queries["add"], await self._number(), self._written, chunk):
            raise self._swept()
        self._written += 1

    async def _number(self) -> int:
        if self._blob is None:
            ((self._blob,),) = await self._database.rows(self._queries["draft"])
        assert self._blob is not None, "the server gives every draft a number"  # noqa: S101
        return self._blob

    def _swept(self) -> Exception:
        return blobs_unavailable(str(self._database.address), "the upload waited too long for its next part")


def _pieces(data: bytes, length_bytes: int) -> list[bytes]:
    """The bytes in pieces of this length, the last one of at most it."""
    return [data[start : start + length_bytes] for start in range(0, len(data), length_bytes)]
