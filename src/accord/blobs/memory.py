"""A blob store in memory: for the simulation and for tests."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Self

from accord.blobs.refusals import corrupt_blob, no_such_blob
from accord.domain.ids import Digest
from accord.ports import StoredBlob


class MemoryBlobStore:
    """The blobs of one process; they live as long as the object, whoever opens and closes it."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, bytes] = {}
        self._put_at: dict[Digest, int] = {}
        self._marks = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def put(self, data: bytes) -> Digest:
        digest = Digest(hashlib.sha256(data).hexdigest())
        self._blobs.setdefault(digest, bytes(data))
        self._put_at[digest] = self._marks
        return digest

    async def put_stream(self, chunks: AsyncIterator[bytes]) -> tuple[Digest, int]:
        data = b"".join([chunk async for chunk in chunks])
        return await self.put(data), len(data)

    async def get(self, digest: Digest) -> bytes:
        data = self._blobs.get(digest)
        if data is None:
            raise no_such_blob(digest)
        if hashlib.sha256(data).hexdigest() != digest:
            raise corrupt_blob(digest)
        return data

    async def get_stream(self, digest: Digest, *, chunk_bytes: int = 1 << 20) -> AsyncIterator[bytes]:
        data = await self.get(digest)
        for start in range(0, len(data), chunk_bytes):
            yield data[start : start + chunk_bytes]

    async def renew(self, digest: Digest) -> bool:
        if digest not in self._blobs:
            return False
        self._put_at[digest] = self._marks
        return True

    async def mark(self) -> int:
        self._marks += 1
        return self._marks

    async def stored(self, *, after: Digest | None = None, before: int | None = None, limit: int) -> list[StoredBlob]:
        behind = sorted(digest for digest in self._blobs if digest > (after or ""))
        old = (digest for digest in behind if before is None or self._put_at[digest] < before)
        return [StoredBlob(digest, len(self._blobs[digest])) for digest in islice(old, limit)]

    async def remove(self, digests: Sequence[Digest], *, before: int) -> list[StoredBlob]:
        old = [digest for digest in dict.fromkeys(digests) if self._put_at.get(digest, before) < before]
        for digest in old:
            del self._put_at[digest]
        return [StoredBlob(digest, len(self._blobs.pop(digest))) for digest in old]
