"""Documents: JSON values as bytes, named by their digest; large ones are in the blob store."""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec import UNSET, Raw, UnsetType

from accord.domain.ids import Digest, RunId

INLINE_BYTES = 16 * 1024
"""Documents up to this length are carried in events; longer ones live in the blob store."""


class Encrypted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A document's bytes, under the data key of a run: AES-256-GCM, which only that run's key opens."""

    key: RunId
    """The run whose data key it is."""
    data: str = ""
    """What the key opens, in base64; empty where it is in the blob store."""
    digest: Digest | None = None
    """Names it in the blob store."""
    in_segments: bool = False
    """Whether it is encrypted piece by piece, as what is uploaded is."""


class Document(msgspec.Struct, frozen=True, omit_defaults=True, eq=False, gc=False):
    """A JSON value as its exact bytes; equal to another one where their digests are."""

    sha256: Digest
    length_bytes: int = msgspec.field(name="len")
    inline: Raw | UnsetType = UNSET
    """The bytes as JSON inside of the event's JSON; unset where they are in the blob store, or encrypted."""
    encrypted: Encrypted | None = None

    @property
    def data(self) -> bytes | None:
        """The bytes, None where they are in the blob store, or encrypted."""
        inline = self.inline
        return None if inline is UNSET else bytes(inline)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and self.sha256 == other.sha256

    def __ne__(self, other: object) -> bool:
        return not self == other  # msgspec's own comparison would compare the fields

    def __hash__(self) -> int:
        return hash(self.sha256)


def document_of(data: bytes, *, inline_bytes: int = INLINE_BYTES) -> Document:
    """The document with these bytes; carried along when they are few and hold no white space around the value.

    JSON inside JSON keeps its bytes but for such white space, so a document with some goes to the blob store.
    """
    digest = Digest(sha256(data).hexdigest())
    small = len(data) <= inline_bytes and len(data) == len(data.strip())
    return Document(digest, len(data), Raw(data) if small else UNSET)
