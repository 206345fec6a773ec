"""Keys: who signs, and who wraps data keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from accord.domain.ids import KeyId
from accord.domain.signature import Algorithm, PublicKey


class StoredKey(msgspec.Struct, frozen=True):
    """One key of a key store; the private half never leaves it."""

    name: str
    public: PublicKey
    created_at: datetime


class KeyStore(Protocol):
    """Holds private keys and signs with them. Whatever cannot be reached raises KeysUnavailable, from every method."""

    async def create(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Make a new key. Raises BadInput where the name is not allowed, KeyUnusable where it is taken."""
        ...

    async def replace(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Make a new key in place of the one that has this name. The old one is put aside: whoever has the store open
        can still sign with it by its kid, nobody else. Raises NotFound.
        """
        ...

    async def stored(self) -> list[StoredKey]:
        """All keys, by name."""
        ...

    async def replaced(self) -> list[KeyId]:
        """The kids of the keys that others have taken the place of."""
        ...

    async def public(self, name: str) -> PublicKey:
        """The key's public half. Raises NotFound."""
        ...

    async def sign(self, kid: KeyId, inputs: Sequence[bytes]) -> list[bytes]:
        """A raw 64-byte signature for each input of 1 to 4096 bytes, in order.

        Nobody may rely on signatures of the same input being the same bytes: HSMs and clouds draw the nonces of ES256.
        What was signed is told from something else by its claims (`statement_digest`). Several calls at once do not
        wait for each other, as far as whatever holds the keys allows it.

        Raises:
            NotFound: no key of this store has this kid, or another one has taken its place.
            KeysUnavailable: whatever holds the keys cannot be reached, or does not answer; safe to try again.
            KeyUnusable: it does not sign with this key, or refuses us.
        """
        ...


class DataKey(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A key that encrypts documents, as it is and as it is kept."""

    plain: bytes
    """32 bytes."""
    wrapped: bytes

    def __repr__(self) -> str:
        return "DataKey(…)"


class KeyWrapper(Protocol):
    """Makes data keys, and wraps them under a key that never leaves it: the wrapping key. Of several the last one
    wraps; those before it unwrap what they have wrapped, as long as they are kept.
    """

    async def data_key(self, context: bytes) -> DataKey:
        """A new data key, which is unwrapped with the same context alone. Raises KeyUnusable."""
        ...

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key. Raises KeyUnusable where it was wrapped elsewhere, for another context, or was changed."""
        ...

    async def new_wrapping_key(self) -> None:
        """Make a key that wraps from now on, here and in every process that is running. Raises KeyUnusable where
        nothing has been wrapped yet.
        """
        ...

    async def rewrap(self, wrapped: bytes, context: bytes) -> bytes | None:
        """The same data key under the key that wraps now; None where it is under that. Raises as `unwrap`."""
        ...
