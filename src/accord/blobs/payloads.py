"""Large payloads of agents in the orchestrator's own process: the blob store is at hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from accord.domain.large import Blob
from accord.ports import BlobStore


class BlobPayloads:
    """Brings to a blob store, and fetches from it; the gate looks at what was brought when its result comes."""

    def __init__(self, blobs: BlobStore, check: Callable[[bytes], Awaitable[None]] | None = None) -> None:
        """`check` is given each statement that something is brought on, and raises where that is not to be."""
        self._blobs = blobs
        self._check = check

    async def bring(self, statement: bytes, chunks: AsyncIterator[bytes]) -> Blob:
        if self._check is not None:
            await self._check(statement)
        return Blob(*await self._blobs.put_stream(chunks))

    async def open(self, statement: bytes, blob: Blob) -> AsyncIterator[bytes]:
        async for chunk in self._blobs.get_stream(blob.sha256):
            yield chunk
