"""Large payloads of agents in the orchestrator's own process: the blob store is at hand."""

from __future__ import annotations

from collections.abc import AsyncIterator

from accord.domain.large import Blob
from accord.ports import BlobStore


class BlobPayloads:
    """Brings to a blob store, and fetches from it; the gate looks at what was brought when its result comes."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def bring(self, statement: bytes, chunks: AsyncIterator[bytes]) -> Blob:
        return Blob(*await self._blobs.put_stream(chunks))

    async def open(self, statement: bytes, blob: Blob) -> AsyncIterator[bytes]:
        async for chunk in self._blobs.get_stream(blob.sha256):
            yield chunk
