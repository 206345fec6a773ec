"""Blobs: documents and payloads by their digests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from accord.domain.ids import Digest
from accord.domain.large import Blob


class StoredBlob(msgspec.Struct, frozen=True):
    """A blob that is there, and how long it is."""

    digest: Digest
    size_bytes: int


class BlobStore(Protocol):
    """Payloads above the threshold, by the digest of their bytes. What `put` returned is durable."""

    async def put(self, data: bytes) -> Digest:
        """Keep these bytes; keeping them again only renews them, see `mark`."""
        ...

    async def put_stream(self, chunks: AsyncIterator[bytes]) -> tuple[Digest, int]:
        """Keep what the chunks make together; returns digest and length in bytes. When the chunks raise, nothing is
        kept.
        """
        ...

    async def get(self, digest: Digest) -> bytes:
        """The bytes. Raises NotFound, and StoreCorrupt where they no longer have this digest."""
        ...

    def get_stream(self, digest: Digest, *, chunk_bytes: int = 1 << 20) -> AsyncIterator[bytes]:
        """The bytes in chunks, checked like `get`: a corrupt blob raises StoreCorrupt before its last chunk is
        given.
        """
        ...

    async def renew(self, digest: Digest) -> bool:
        """Count this blob as put now; False where it is not there."""
        ...

    async def mark(self) -> int:
        """A point between what was put before and what is put from now on, by whichever process."""
        ...

    async def stored(self, *, after: Digest | None = None, before: int | None = None, limit: int) -> list[StoredBlob]:
        """The blobs behind `after`, by digest, of which nobody has put any since the mark `before`."""
        ...

    async def remove(self, digests: Sequence[Digest], *, before: int) -> list[StoredBlob]:
        """Drop those of these blobs that nobody has put since this mark, and return them; one that is not there is no
        error.
        """
        ...


class Payloads(Protocol):
    """How an agent's process brings and fetches documents that are too large for a message.

    `statement` is a signed one about the attempt, of kind `upload` or `fetch`: what allows it.
    """

    async def bring(self, statement: bytes, chunks: AsyncIterator[bytes]) -> Blob:
        """Hand over the output that the chunks make together; when they raise, nothing is kept.

        Raises:
            ContractViolation: it breaks the attempt's contract; with what is wrong with it.
            MessageRefused: the statement does not allow it.
            StoreUnavailable: it cannot be handed over now.
        """
        ...

    def open(self, statement: bytes, blob: Blob) -> AsyncIterator[bytes]:
        """The document's bytes. Raises NotFound, MessageRefused, StoreUnavailable."""
        ...
