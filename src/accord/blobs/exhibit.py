"""The blobs of an exhibit: what a bundle had. Nothing of it is ever taken away, whoever refers to it.

ACC594  a payload is not in the bundle, or its key is not
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from accord.blobs.files import FileBlobStore
from accord.domain.ids import Digest
from accord.errors import UNREADABLE, NotFound
from accord.ports import StoredBlob


class ExhibitBlobStore(FileBlobStore):
    """Reads as any blob store. What is not there was left out of the bundle, or was encrypted, and says so (ACC594)."""

    async def get(self, digest: Digest) -> bytes:
        try:
            return await super().get(digest)
        except NotFound as error:
            raise left_out(digest) from error

    async def get_stream(self, digest: Digest, *, chunk_bytes: int = 1 << 20) -> AsyncIterator[bytes]:
        try:
            async for chunk in super().get_stream(digest, chunk_bytes=chunk_bytes):
                yield chunk
        except NotFound as error:
            raise left_out(digest) from error

    async def remove(self, digests: Sequence[Digest], *, before: int) -> list[StoredBlob]:
        return []


def left_out(digest: Digest) -> NotFound:
    """The error that a bundle did not have a payload that can be read."""
    text = f"the payload {digest} is not in the bundle, or its key is not: it cannot be read here"
    return NotFound.of(UNREADABLE, text, hint="ask for a bundle that has it: accord journal export --payloads all")
