"""A key store in memory, for tests and simulation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count

from accord.domain.ids import KeyId
from accord.domain.signature import Algorithm, PublicKey
from accord.errors import KeyUnusable
from accord.keys.private import PrivateKey, check_name, fault, no_such_key
from accord.ports import DataKey, StoredKey


class MemoryKeyStore:
    """Keys that end with the process; it never waits, so a simulation stays in order."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._keys: dict[str, StoredKey] = {}
        self._by_kid: dict[KeyId, PrivateKey] = {}

    async def create(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Make a new key. Raises KeyUnusable where the name is taken or not allowed."""
        check_name(name)
        if name in self._keys:
            raise KeyUnusable(fault("ACC611", name))
        key = PrivateKey.generate(algorithm)
        self._keys[name] = StoredKey(name, key.public, self._now)
        self._by_kid[key.public.kid] = key
        return key.public

    async def replace(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Make a new key in place of the one that has this name. Raises NotFound."""
        await self.public(name)
        key = PrivateKey.generate(algorithm)
        self._keys[name] = StoredKey(name, key.public, self._now)
        self._by_kid[key.public.kid] = key
        return key.public

    async def stored(self) -> list[StoredKey]:
        """All keys, by name."""
        return [self._keys[name] for name in sorted(self._keys)]

    async def replaced(self) -> list[KeyId]:
        """The kids of the keys that others have taken the place of."""
        current = {key.public.kid for key in self._keys.values()}
        return [kid for kid in self._by_kid if kid not in current]

    async def public(self, name: str) -> PublicKey:
        """The key's public half. Raises NotFound."""
        if name not in self._keys:
            raise no_such_key(name)
        return self._keys[name].public

    async def sign(self, kid: KeyId, inputs: Sequence[bytes]) -> list[bytes]:
        """A raw 64-byte signature for each input, in order. Raises NotFound."""
        if kid not in self._by_kid:
            raise no_such_key(kid)
        return self._by_kid[kid].sign(inputs)


class MemoryKeyWrapper:
    """Data keys that are numbered: the same ones in each simulation, and secret to nobody."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._wrapped: dict[bytes, tuple[bytes, bytes, int]] = {}
        self._generation = 0
        """How many wrapping keys there were before."""

    async def data_key(self, context: bytes) -> DataKey:
        """A new data key."""
        plain = sha256(b"%d" % next(self._numbers)).digest()
        return DataKey(plain, self._wrap(plain, context))

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key. Raises KeyUnusable."""
        return self._unwrapped(wrapped, context)[0]

    async def new_wrapping_key(self) -> None:
        """Make a key that wraps from now on. Raises KeyUnusable."""
        if not self._wrapped:
            raise KeyUnusable(fault("ACC884", "memory"))
        self._generation += 1

    async def rewrap(self, wrapped: bytes, context: bytes) -> bytes | None:
        """The same data key under the key that wraps now; None where it is. Raises KeyUnusable."""
        plain, generation = self._unwrapped(wrapped, context)
        return self._wrap(plain, context) if generation < self._generation else None

    def forget_before(self) -> None:
        """Throw away all wrapping keys but the last one."""
        kept = {wrapped: one for wrapped, one in self._wrapped.items() if one[2] == self._generation}
        self._wrapped = kept

    def _wrap(self, plain: bytes, context: bytes) -> bytes:
        wrapped = sha256(b"%d" % self._generation * (self._generation > 0) + context + plain).digest()
        self._wrapped[wrapped] = (context, plain, self._generation)
        return wrapped

    def _unwrapped(self, wrapped: bytes, context: bytes) -> tuple[bytes, int]:
        found, plain, generation = self._wrapped.get(wrapped, (b"", b"", 0))
        if not plain or found != context:
            raise KeyUnusable(fault("ACC876", "memory"))
        return plain, generation
