"""Signing and verifying statements, many at a time: those that wait together share one signature (see `merkle`)."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic
from typing import Final, Protocol

import msgspec

from accord.domain.ids import KeyId
from accord.domain.merkle import batch
from accord.domain.message import problem_of
from accord.domain.signature import (
    BATCHED,
    Parsed,
    PublicKey,
    attach,
    is_signature,
    key_problem,
    signing_input,
)
from accord.errors import Problem
from accord.ports import KeyStore
from accord.recent import Recent

BATCH_MAX: Final = 64
"""How many statements share a signature at most: twice as many would make each 43 bytes longer and hardly cheaper."""

BATCHED_CLAIMS_MAX_BYTES: Final = 1180
"""Longer claims are signed alone: beside them there is no room for the proof."""

ROOTS_MAX: Final = 4096
"""How many batches a verifier remembers."""

LOOKED_AT: Final = 8
SLOW_FROM_S: Final = 0.005
"""A key store is slow where a signature has taken longer in each of the last calls: a file's takes a hundredth."""


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A statement that is to be signed."""

    claims: bytes
    alone: bool = False
    """Whether it may share no signature, because its recipient does not verify batches."""
    until_s: int | None = None
    """Until when a delegated key has to stand for it, where one may sign it: seconds since 1970."""


class ShortKey(Protocol):
    """A key in this process's memory."""

    @property
    def public(self) -> PublicKey:
        """Its public half."""
        ...

    def sign(self, inputs: Sequence[bytes]) -> list[bytes]:
        """A raw 64-byte signature for each input, in order."""
        ...


class StandIn(msgspec.Struct, frozen=True, eq=False):
    """A short-lived key that those who verify know to be delegated."""

    key: ShortKey
    until_s: int


class Signer:
    """Signs with one key, in one call of its key store for all that is to be signed together; or with the one that
    stands in for it, what that may sign.
    """

    def __init__(self, keys: KeyStore, key: PublicKey, *, whole: bool = False) -> None:
        """Where statements are `whole`, each is signed alone: the key store wants to see what it signs."""
        self.key = key
        self._whole = whole
        self.stand_in: StandIn | None = None
        self._keys = keys
        self._took_s: deque[float] = deque(maxlen=LOOKED_AT)

    @property
    def is_slow(self) -> bool:
        """Whether the key store has taken long for a signature in each of the last calls."""
        return len(self._took_s) == LOOKED_AT and min(self._took_s) > SLOW_FROM_S

    async def sign(self, drafts: Sequence[Draft]) -> list[bytes]:
        """The statements, in order. Raises MessageRefused for claims that fit into none."""
        if self.stand_in is None:
            return await self._signed(drafts, self.key, self._stored)
        short, until_s = self.stand_in.key, self.stand_in.until_s
        stands = [draft.until_s is not None and draft.until_s <= until_s for draft in drafts]
        by_short = [draft for draft, stood in zip(drafts, stands, strict=True) if stood]
        others = [draft for draft, stood in zip(drafts, stands, strict=True) if not stood]

        async def sign(inputs: Sequence[bytes]) -> list[bytes]:
            return short.sign(inputs)

        quick = iter(await self._signed(by_short, short.public, sign) if by_short else ())
        slow = iter(await self._signed(others, self.key, self._stored) if others else ())
        return [next(quick) if stood else next(slow) for stood in stands]

    async def _stored(self, inputs: Sequence[bytes]) -> list[bytes]:
        """The signatures of the key store, which is looked at for how long it takes."""
        began = monotonic()
        signatures = await self._keys.sign(self.key.kid, inputs)
        self._took_s.append((monotonic() - began) / max(len(inputs), 1))
        return signatures

    async def _signed(
        self, drafts: Sequence[Draft], key: PublicKey, sign: Callable[[Sequence[bytes]], Awaitable[list[bytes]]]
    ) -> list[bytes]:
        groups = [[index] for index in range(len(drafts))] if self._whole else _groups(drafts)
        made = [_prepared(key, [drafts[index].claims for index in group]) for group in groups]
        signatures = await sign([signed for signed, _ in made])
        statements = [b""] * len(drafts)
        for group, (_, parts), signature in zip(groups, made, signatures, strict=True):
            for index, (own_input, proof) in zip(group, parts, strict=True):
                statements[index] = attach(own_input, signature, proof)
        return statements


def _prepared(key: PublicKey, claims: Sequence[bytes]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """What has to be signed for these claims together; signing input and proof of each."""
    if len(claims) == 1:
        alone = signing_input(key.kid, key.algorithm, claims[0])
        return alone, [(alone, b"")]
    inputs = [signing_input(key.kid, BATCHED[key.algorithm], one) for one in claims]
    signed, proofs = batch(inputs)
    return signed, list(zip(inputs, proofs, strict=True))


def _groups(drafts: Sequence[Draft]) -> list[list[int]]:
    """Which drafts are signed together."""
    may_share = [
        index for index, draft in enumerate(drafts) if not draft.alone and len(draft.claims) <= BATCHED_CLAIMS_MAX_BYTES
    ]
    count = -(-len(may_share) // BATCH_MAX)
    shared = [may_share[first::count] for first in range(count)]
    apart = set(range(len(drafts))).difference(may_share)
    return [*([index] for index in sorted(apart)), *shared]


Seal = tuple[KeyId, bytes, bytes]
"""A key, a signature, and what it has to be of."""


class Verifier:
    """Verifies statements, and remembers the batches whose signature was good: each is verified once.

    From `inline_below` signatures on they are verified in threads: that needs no interpreter lock.
    """

    def __init__(self, *, inline_below: int = 8, remember: int = ROOTS_MAX) -> None:
        self._inline_below = inline_below
        self._slices = max(1, min(os.cpu_count() or 1, 4))
        self._roots: Recent[Seal, None] = Recent(remember)

    async def problems(self, claimed: Sequence[tuple[Parsed, PublicKey]]) -> list[Problem | None]:
        """What is wrong with each statement's signature under the key beside it, in order; None where it is good."""
        seals: list[Seal] = [(key.kid, parsed.signature, parsed.signed) for parsed, key in claimed]
        unknown = {seal: key for seal, (_, key) in zip(seals, claimed, strict=True) if seal not in self._roots}
        bad = await self._bad(list(unknown.items()))
        batches = {seal for seal, (parsed, _) in zip(seals, claimed, strict=True) if parsed.batched}
        self._roots.update(dict.fromkeys(batches - bad))
        return [
            key_problem(parsed, key) or (problem_of("ACC311") if seal in bad else None)
            for seal, (parsed, key) in zip(seals, claimed, strict=True)
        ]

    async def _bad(self, unknown: Sequence[tuple[Seal, PublicKey]]) -> set[Seal]:
        if len(unknown) < self._inline_below:
            return _bad_of(unknown)
        slices = (unknown[first :: self._slices] for first in range(self._slices))
        return set().union(*await asyncio.gather(*(asyncio.to_thread(_bad_of, part) for part in slices)))


def _bad_of(claimed: Iterable[tuple[Seal, PublicKey]]) -> set[Seal]:
    return {seal for seal, key in claimed if not is_signature(key, seal[1], seal[2])}
