"""The suite that proves an adapter of the port `KeyStore`.

Derive a test class from `KeyStoreSuite` and give it a fixture `keys` with an open, empty store.
"""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta

import pytest

from accord.domain.agent import agent_id, key_name
from accord.domain.ids import KeyId
from accord.domain.signature import (
    Algorithm,
    PublicKey,
    attach,
    is_signature,
    parse_statement,
    signing_input,
    verify,
)
from accord.errors import BadInput, KeyUnusable, NotFound
from accord.ports import KeyStore

ALGORITHMS: tuple[Algorithm, ...] = ("ES256", "Ed25519")
BAD_NAMES = ("", ".", "..", ".hidden", "-x", "Upper", "a/b", "../a", "a b", "a\n", "a\x00", "é", "x" * 134)


class KeyStoreSuite:
    """What every key store does."""

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    async def test_a_created_key_is_found_again(self, keys: KeyStore, algorithm: Algorithm) -> None:
        made = await keys.create("agent.one", algorithm)
        assert made.algorithm == algorithm
        assert await keys.public("agent.one") == made
        (stored,) = await keys.stored()
        assert (stored.name, stored.public) == ("agent.one", made)
        assert stored.created_at.utcoffset() == timedelta(0)
        assert PublicKey.from_jwk(made.to_jwk()) == made

    async def test_es256_is_what_one_gets(self, keys: KeyStore) -> None:
        assert (await keys.create("agent")).algorithm == "ES256"

    async def test_every_agent_can_have_a_key_however_long_its_name_is(self, keys: KeyStore) -> None:
        name = key_name(agent_id("o" * 63, "a" * 63))
        made = await keys.create(name)
        assert await keys.public(name) == made
        assert [key.name for key in await keys.stored()] == [name]

    async def test_keys_are_listed_by_name(self, keys: KeyStore) -> None:
        assert await keys.stored() == []
        for name in ("b", "a-1", "c", "0", "a.b"):
            await keys.create(name)
        listed = await keys.stored()
        assert [key.name for key in listed] == ["0", "a-1", "a.b", "b", "c"]
        assert len({key.public.kid for key in listed}) == 5

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    async def test_signatures_verify_in_the_order_of_the_inputs(self, keys: KeyStore, algorithm: Algorithm) -> None:
        public = await keys.create("agent", algorithm)
        inputs = [b"\x00", b"a", b"b" * 4096, b"a", *(bytes([number]) for number in range(60))]
        signatures = await keys.sign(public.kid, inputs)
        assert [len(signature) for signature in signatures] == [64] * len(inputs)
        assert all(map(is_signature, itertools.repeat(public), signatures, inputs))
        assert not is_signature(public, signatures[1], b"b")
        assert await keys.sign(public.kid, []) == []

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    async def test_what_is_asked_at_once_is_not_mixed_up(self, keys: KeyStore, algorithm: Algorithm) -> None:
        ours, theirs = await keys.create("ours", algorithm), await keys.create("theirs")
        asked = [(key, [f"{key.kid} {number}".encode()] * 3) for number in range(12) for key in (ours, theirs)]
        signed = await asyncio.gather(*(keys.sign(key.kid, inputs) for key, inputs in asked))
        for (key, inputs), signatures in zip(asked, signed, strict=True):
            assert len(signatures) == 3
            assert all(map(is_signature, itertools.repeat(key), signatures, inputs))

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    async def test_a_statement_signed_here_verifies(self, keys: KeyStore, algorithm: Algorithm) -> None:
        public = await keys.create("agent", algorithm)
        signed = signing_input(public.kid, algorithm, b"{}")
        (signature,) = await keys.sign(public.kid, [signed])
        verify(parse_statement(attach(signed, signature)), public)

    async def test_a_name_is_taken_for_ever(self, keys: KeyStore) -> None:
        first = await keys.create("agent")
        with pytest.raises(KeyUnusable, match="ACC611"):
            await keys.create("agent", "Ed25519")
        assert await keys.public("agent") == first

    async def test_a_key_is_replaced_and_who_has_it_signs_on(self, keys: KeyStore) -> None:
        old = await keys.create("agent")
        new = await keys.replace("agent", "Ed25519")
        assert (new.algorithm, new.kid != old.kid) == ("Ed25519", True)
        assert await keys.public("agent") == new
        assert [(key.name, key.public) for key in await keys.stored()] == [("agent", new)]
        (signature,) = await keys.sign(old.kid, [b"data"])
        assert is_signature(old, signature, b"data")
        (signature,) = await keys.sign(new.kid, [b"data"])
        assert is_signature(new, signature, b"data")
        assert await keys.replaced() == [old.kid]
        last = await keys.replace("agent")
        assert await keys.public("agent") == last
        assert sorted(await keys.replaced()) == sorted((old.kid, new.kid))
        (signature,) = await keys.sign(new.kid, [b"data"])
        assert is_signature(new, signature, b"data")

    async def test_only_what_is_there_is_replaced(self, keys: KeyStore) -> None:
        for name in ("agent", "../a"):
            with pytest.raises(NotFound, match="ACC612"):
                await keys.replace(name)
        assert await keys.stored() == []

    async def test_of_two_that_create_one_name_one_wins(self, keys: KeyStore) -> None:
        made = await asyncio.gather(*(keys.create("agent") for _ in range(5)), return_exceptions=True)
        (won,) = [public for public in made if isinstance(public, PublicKey)]
        assert all(isinstance(lost, KeyUnusable) for lost in made if lost is not won)
        assert await keys.public("agent") == won
        assert len(await keys.sign(won.kid, [b"x"])) == 1

    async def test_names_are_checked(self, keys: KeyStore) -> None:
        for name in BAD_NAMES:
            with pytest.raises(BadInput, match="ACC610"):
                await keys.create(name)
            with pytest.raises(NotFound):
                await keys.public(name)
        assert await keys.stored() == []

    async def test_what_is_not_there_is_not_found(self, keys: KeyStore) -> None:
        await keys.create("agent")
        with pytest.raises(NotFound, match="ACC612"):
            await keys.public("other")
        with pytest.raises(NotFound, match="ACC612"):
            await keys.sign(KeyId("A" * 43), [b"x"])
