"""The errors of a blob store, in the same words from every adapter."""

from __future__ import annotations

from accord.domain.ids import Digest
from accord.errors import NotFound, StoreCorrupt, StoreUnavailable


def no_such_blob(digest: Digest) -> NotFound:
    """There is no blob of this digest."""
    return NotFound.of("ACC551", f"there is no blob {digest}")


def corrupt_blob(digest: Digest) -> StoreCorrupt:
    """The bytes that are stored under this digest have another one."""
    return StoreCorrupt.of(
        "ACC552",
        f"the bytes of blob {digest} are not those that were put",
        hint="the storage is damaged or was changed; restore this blob from a copy",
    )


def blobs_unavailable(root: str, reason: str) -> StoreUnavailable:
    """The place where blobs are kept cannot be used."""
    return StoreUnavailable.of(
        "ACC553", f"the blob store at {root} cannot be used: {reason}", hint="check space and permissions"
    )
