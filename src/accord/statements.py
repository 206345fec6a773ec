"""Signing and verifying statements, many at a time: those that wait together share one signature (see `merkle`)."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from accord.domain.ids import KeyId
from accord.domain.merkle import batch
from accord.domain.message import problem_of
from accord.domain.signature import BATCHED, Parsed, PublicKey, attach, is_signature, key_problem, signing_input
from accord.errors import Problem
from accord.ports import KeyStore

BATCH_MAX: Final = 64
"""How many statements share a signature at most: twice as many would make each 43 bytes longer and hardly cheaper."""

BATCHED_CLAIMS_MAX_BYTES: Final = 1180
"""Longer claims are signed alone: beside them there is no room for the proof."""

ROOTS_MAX: Final = 4096
"""How many batches a verifier remembers."""


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A statement that is to be signed."""

    claims: bytes
    alone: bool = False
    """Whether it may share no signature, because its recipient does not verify batches."""


class Signer:
    """Signs with one key, in one call of its key store for all that is to be signed together."""

    def __init__(self, keys: KeyStore, key: PublicKey) -> None:
        self.key = key
        self._keys = keys

    async def sign(self, drafts: Sequence[Draft]) -> list[bytes]:
        """The statements, in order. Raises MessageRefused for claims that fit into none."""
        groups = _groups(drafts)
        made = [self._prepared([drafts[index].claims for index in group]) for group in groups]
        signatures = await self._keys.sign(self.key.kid, [signed for signed, _ in made])
        statements = [b""] * len(drafts)
        for group, (_, parts), signature in zip(groups, made, signatures, strict=True):
            for index, (own_input, proof) in zip(group, parts, strict=True):
                statements[index] = attach(own_input, signature, proof)
        return statements

    def _prepared(self, claims: Sequence[bytes]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """What has to be signed for these claims together; signing input and proof of each."""
        kid, algorithm = self.key.kid, self.key.algorithm
        if len(claims) == 1:
            alone = signing_input(kid, algorithm, claims[0])
            return alone, [(alone, b"")]
        inputs = [signing_input(kid, BATCHED[algorithm], one) for one in claims]
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
        self._remember = remember
        self._slices = max(1, min(os.cpu_count() or 1, 4))
        self._roots: OrderedDict[Seal, None] = OrderedDict()

    async def problems(self, claimed: Sequence[tuple[Parsed, PublicKey]]) -> list[Problem | None]:
        """What is wrong with each statement's signature under the key beside it, in order; None where it is good."""
        seals: list[Seal] = [(key.kid, parsed.signature, parsed.signed) for parsed, key in claimed]
        unknown = {seal: key for seal, (_, key) in zip(seals, claimed, strict=True) if seal not in self._roots}
        bad = await self._bad(list(unknown.items()))
        batches = {seal for seal, (parsed, _) in zip(seals, claimed, strict=True) if parsed.batched}
        self._keep(batches - bad)
        return [
            key_problem(parsed, key) or (problem_of("ACC311") if seal in bad else None)
            for seal, (parsed, key) in zip(seals, claimed, strict=True)
        ]

    async def _bad(self, unknown: Sequence[tuple[Seal, PublicKey]]) -> set[Seal]:
        if len(unknown) < self._inline_below:
            return _bad_of(unknown)
        slices = (unknown[first :: self._slices] for first in range(self._slices))
        return set().union(*await asyncio.gather(*(asyncio.to_thread(_bad_of, part) for part in slices)))

    def _keep(self, seals: Iterable[Seal]) -> None:
        for seal in seals:
            self._roots[seal] = None
            self._roots.move_to_end(seal)
        while len(self._roots) > self._remember:
            self._roots.popitem(last=False)


def _bad_of(claimed: Iterable[tuple[Seal, PublicKey]]) -> set[Seal]:
    return {seal for seal, key in claimed if not is_signature(key, seal[1], seal[2])}
