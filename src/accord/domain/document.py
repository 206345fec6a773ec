"""Documents: JSON values as bytes, named by their digest, small ones carried along and large ones in the blob store."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from accord.domain.ids import Digest

INLINE_BYTES = 16 * 1024
"""Documents up to this length are carried in events; longer ones live in the blob store."""


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """A JSON value as its exact bytes. `inline` is None where the bytes are in the blob store."""

    sha256: Digest
    length_bytes: int = msgspec.field(name="len")
    inline: msgspec.Raw | None = None

    @property
    def data(self) -> bytes | None:
        """The bytes, None where they are in the blob store."""
        return None if self.inline is None else bytes(self.inline)


def document_of(data: bytes, *, inline_bytes: int = INLINE_BYTES) -> Document:
    """The document with these bytes; carried along when they are few and hold no white space around the value.

    JSON inside JSON keeps its bytes but for such white space, so a document with some goes to the blob store.
    """
    digest = Digest(sha256(data).hexdigest())
    small = len(data) <= inline_bytes and len(data) == len(data.strip())
    return Document(digest, len(data), msgspec.Raw(data) if small else None)
