"""Keys that a service holds: an HSM, a cloud, Vault. What all of these have in common is here, once.

A driver (`KeyService`) speaks with its service and waits for it, in threads; it knows nothing of asyncio. What it is
asked for is checked before, and what it has found is remembered: who the keys are, by name and by kid.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

import msgspec

from accord.domain.ids import KeyId
from accord.domain.signature import SIGNATURE_BYTES, Algorithm, PublicKey
from accord.errors import KeysUnavailable, KeyUnusable
from accord.keys.private import NAME, check_name, fault, no_such_key
from accord.keys.threads import CallThreads
from accord.ports import DataKey, StoredKey

T = TypeVar("T")

logger = logging.getLogger("accord.keys")

DATA_KEY_BYTES: Final = 32

INPUT_MAX_BYTES: Final = 4096
"""AWS KMS takes no longer ones, and statements are shorter."""

ANSWERS_WITHIN_S: Final = 15.0
"""So long a service may take for an answer, the driver's own attempts to reach it included."""


CLOSED_WITHIN_S: Final = 1.0
"""So long a service may take to let go of everything."""


class HeldKey(msgspec.Struct, frozen=True):
    """A key of a service."""

    stored: StoredKey
    handle: Any
    """By what the driver finds it; nobody else looks into it."""
    current: bool = True
    """Whether no other key has taken its place."""


class KeyService(Protocol):
    """Speaks with whatever holds the keys. Every method may wait, and may be called from several threads at once.

    All raise KeysUnavailable where there is no answer, and KeyUnusable where it is no.
    """

    place: str
    """How the service is called where something is wrong with it."""
    at_once: int
    """How many calls it deals with at once."""
    in_one_call: int
    """How many inputs are signed in one call."""

    def held(self, name: str | None = None) -> list[HeldKey]:
        """The keys; of this name, where one is given. Some that others have taken the place of may be among them."""
        ...

    def replaced(self) -> list[KeyId]:
        """The kids of the keys that others have taken the place of."""
        ...

    def make(self, name: str, algorithm: Algorithm) -> HeldKey:
        """Make a new key. Raises KeyUnusable ACC611 where the name is taken, by whomever and however lately."""
        ...

    def succeed(self, old: HeldKey, algorithm: Algorithm) -> HeldKey:
        """Make a new key in place of this one, which stays."""
        ...

    def sign(self, key: HeldKey, inputs: Sequence[bytes]) -> list[bytes]:
        """The raw signatures of `in_one_call` inputs at most."""
        ...

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """The data key, encrypted under a key that is made where there is none, and that signs nothing."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key. Raises KeyUnusable ACC875 where it was wrapped elsewhere, ACC876 where it was changed, or is
        of another context; a service that cannot tell these apart says the second.
        """
        ...

    def new_wrapping_key(self) -> None:
        """Make a key that wraps from now on; those before it stay. Raises KeyUnusable ACC884 where there is none."""
        ...

    def rewrap(self, wrapped: bytes, context: bytes) -> bytes | None:
        """The same data key under the key that wraps now; None where it is. Raises as `unwrap`."""
        ...

    def close(self) -> None:
        """Let go of everything; again is no change."""
        ...


@asynccontextmanager
async def opened(connect: Callable[[], KeyService]) -> AsyncIterator[ServiceKeyStore]:
    """The store of the service that is connected to. Raises what `connect` raises."""
    store = ServiceKeyStore(await asyncio.to_thread(connect))
    try:
        yield store
    finally:
        await store.close()


def wrapped_elsewhere(place: str) -> KeyUnusable:
    """The error that a data key was wrapped under a key that this service has not."""
    return KeyUnusable(fault("ACC875", place, hint="name the key store of the other servers: the setting `keys`"))


def not_unwrapped(place: str, detail: str) -> KeyUnusable:
    """The error that the service does not decrypt a wrapped data key."""
    hint = "name the key store that it was wrapped in; if it is this one, restore the store from a backup"
    return KeyUnusable(fault("ACC876", place, detail=detail, hint=hint))


def wraps_nothing(place: str) -> KeyUnusable:
    """The error that there is no wrapping key which another one could take the place of."""
    return KeyUnusable(fault("ACC884", place))


class ServiceKeyStore:
    """The keys of a service, signed with in threads: as many calls at once as the service deals with. Another key of
    the service wraps data keys: it is a `KeyWrapper` as well.
    """

    def __init__(self, service: KeyService, *, answers_within_s: float = ANSWERS_WITHIN_S) -> None:
        self._service = service
        self._answers_within_s = answers_within_s
        self._threads = CallThreads(service.at_once)
        self._changing = asyncio.Lock()
        self._by_name: dict[str, HeldKey] = {}
        self._by_kid: dict[KeyId, HeldKey] = {}

    async def create(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Make a new key. Raises as the port says."""
        check_name(name)
        async with self._changing:
            return self._keep(await self._asked(lambda: self._service.make(name, algorithm)))

    async def replace(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Make a new key in place of the one that has this name, which stays where it is. Raises as the port says."""
        async with self._changing:
            old = await self._named(name)
            return self._keep(await self._asked(lambda: self._service.succeed(old, algorithm)))

    async def stored(self) -> list[StoredKey]:
        """All keys by name, those included that others have made since."""
        current = [key for key in await self._found() if key.current]
        return sorted((key.stored for key in current), key=lambda stored: stored.name)

    async def replaced(self) -> list[KeyId]:
        """The kids of the keys that others have taken the place of."""
        return await self._asked(self._service.replaced)

    async def public(self, name: str) -> PublicKey:
        """The key's public half. Raises as the port says."""
        return (await self._named(name)).stored.public

    async def sign(self, kid: KeyId, inputs: Sequence[bytes]) -> list[bytes]:
        """A raw 64-byte signature for each input, in order; long lists are split among the threads. Raises as the port
        says.
        """
        key = await self._of_kid(kid)
        if not all(0 < len(data) <= INPUT_MAX_BYTES for data in inputs):
            raise KeyUnusable(fault("ACC637", self._service.place))
        step = self._service.in_one_call
        parts = [inputs[first : first + step] for first in range(0, len(inputs), step)]
        signed = await asyncio.gather(*(self._signed(key, part) for part in parts))
        return [signature for part in signed for signature in part]

    async def data_key(self, context: bytes) -> DataKey:
        """A new data key. Raises as the port `KeyWrapper` says."""
        plain = secrets.token_bytes(DATA_KEY_BYTES)
        return DataKey(plain, await self._asked(lambda: self._service.wrap(plain, context)))

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key. Raises as the port `KeyWrapper` says."""
        plain = await self._asked(lambda: self._service.unwrap(wrapped, context))
        if len(plain) != DATA_KEY_BYTES:
            raise not_unwrapped(self._service.place, f"it has {len(plain)} bytes")
        return plain

    async def new_wrapping_key(self) -> None:
        """Make a key that wraps from now on. Raises as the port `KeyWrapper` says."""
        async with self._changing:
            await self._asked(self._service.new_wrapping_key)

    async def rewrap(self, wrapped: bytes, context: bytes) -> bytes | None:
        """The same data key under the key that wraps now. Raises as the port `KeyWrapper` says."""
        return await self._asked(lambda: self._service.rewrap(wrapped, context))

    async def close(self) -> None:
        """Let go of the service; nobody waits for a call that it never answers."""
        try:
            async with asyncio.timeout(CLOSED_WITHIN_S):
                await self._threads.run(self._service.close)
        except TimeoutError:
            logger.warning("%s does not answer: it is left as it is", self._service.place)
        finally:
            self._threads.end()

    async def _signed(self, key: HeldKey, inputs: Sequence[bytes]) -> list[bytes]:
        signatures = await self._asked(lambda: self._service.sign(key, inputs))
        if [len(signature) for signature in signatures] != [SIGNATURE_BYTES] * len(inputs):
            raise KeyUnusable(fault("ACC635", self._service.place))
        return signatures

    async def _named(self, name: str) -> HeldKey:
        if name not in self._by_name and NAME.fullmatch(name) is not None:
            self._remember(await self._asked(lambda: self._service.held(name)))
        if name not in self._by_name:
            raise no_such_key(name)
        return self._by_name[name]

    async def _of_kid(self, kid: KeyId) -> HeldKey:
        if kid not in self._by_kid:
            await self._found()
        if kid not in self._by_kid:
            raise no_such_key(kid)
        return self._by_kid[kid]

    async def _found(self) -> list[HeldKey]:
        found = await self._asked(self._service.held)
        self._remember(found)
        return found

    def _remember(self, found: Sequence[HeldKey]) -> None:
        """Who is known stays: a process goes on with the keys that it has begun with."""
        for key in found:
            if key.current:
                self._by_name.setdefault(key.stored.name, key)
                self._by_kid.setdefault(key.stored.public.kid, key)

    def _keep(self, key: HeldKey) -> PublicKey:
        self._by_name[key.stored.name] = self._by_kid[key.stored.public.kid] = key
        return key.stored.public

    async def _asked(self, call: Callable[[], T]) -> T:
        """What the service answers, in a thread. Raises KeysUnavailable ACC631 where it takes too long."""
        try:
            async with asyncio.timeout(self._answers_within_s):
                return await self._threads.run(call)
        except TimeoutError:
            raise KeysUnavailable(fault("ACC631", self._service.place)) from None
