"""Signing and verifying many statements at a time."""

import asyncio
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord import statements
from accord.domain.message import CLAIMS_MAX_BYTES, STATEMENT_MAX_BYTES
from accord.domain.signature import Parsed, PublicKey, is_signature, parse_statement, verify
from accord.errors import Problem
from accord.keys.private import PrivateKey
from accord.statements import BATCH_MAX, BATCHED_CLAIMS_MAX_BYTES, Draft, Signer, Verifier
from accord.testing.keys import MemoryKeyStore

ALGORITHMS = ["ES256", "Ed25519"]


class CountingKeys(MemoryKeyStore):
    """A key store that counts what it signs."""

    def __init__(self) -> None:
        super().__init__()
        self.signed = 0

    async def sign(self, kid, inputs):
        self.signed += len(inputs)
        return await super().sign(kid, inputs)


async def signer_with(algorithm="ES256"):
    keys = CountingKeys()
    return Signer(keys, await keys.create("one", algorithm)), keys


def drafts(count, **told):
    return [Draft(b'{"iss":"one","n":%d}' % number, **told) for number in range(count)]


def parsed(tokens) -> list[Parsed]:
    return [parse_statement(token) for token in tokens]


@cache
def stranger() -> PublicKey:
    return PrivateKey.generate("ES256").public


class Counted:
    """Counts how often a signature is really verified."""

    def __init__(self, monkeypatch) -> None:
        self.count = 0
        monkeypatch.setattr(statements, "is_signature", self._is_signature)

    def _is_signature(self, key, signature, data):
        self.count += 1
        return is_signature(key, signature, data)


@pytest.fixture
def counted(monkeypatch):
    return Counted(monkeypatch)


# -- signing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_lone_statement_is_signed_by_itself(algorithm):
    signer, keys = await signer_with(algorithm)
    (one,) = parsed(await signer.sign(drafts(1)))
    assert (one.algorithm, one.batched, keys.signed) == (algorithm, False, 1)
    verify(one, signer.key)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("count", [2, 3, BATCH_MAX, BATCH_MAX + 1, 3 * BATCH_MAX])
async def test_many_share_signatures(algorithm, count):
    signer, keys = await signer_with(algorithm)
    made = drafts(count)
    found = parsed(await signer.sign(made))
    assert {one.algorithm for one in found} == {f"{algorithm}-MT"}
    assert [one.claims for one in found] == [draft.claims for draft in made]
    assert keys.signed == -(-count // BATCH_MAX)
    for one in found:
        verify(one, signer.key)


async def test_who_verifies_no_batches_gets_none():
    signer, keys = await signer_with()
    mixed = [*drafts(3, alone=True), *drafts(4)]
    found = parsed(await signer.sign(mixed))
    assert [one.batched for one in found] == [False] * 3 + [True] * 4
    assert [one.claims for one in found] == [draft.claims for draft in mixed]
    assert keys.signed == 4


async def test_one_that_may_share_with_nobody_is_signed_by_itself():
    signer, _ = await signer_with()
    assert not any(one.batched for one in parsed(await signer.sign([*drafts(3, alone=True), *drafts(1)])))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_claims_without_room_for_a_proof_are_signed_by_themselves(algorithm):
    signer, _ = await signer_with(algorithm)
    claims = [b"x" * BATCHED_CLAIMS_MAX_BYTES] * BATCH_MAX + [b"x" * (BATCHED_CLAIMS_MAX_BYTES + 1)]
    tokens = await signer.sign([Draft(one) for one in [*claims, b"x" * CLAIMS_MAX_BYTES]])
    assert all(len(token) <= STATEMENT_MAX_BYTES for token in tokens)
    assert [one.batched for one in parsed(tokens)] == [True] * BATCH_MAX + [False] * 2


async def test_nothing_is_signed_for_nothing():
    signer, keys = await signer_with()
    assert await signer.sign([]) == []
    assert keys.signed == 0


async def test_the_same_batch_is_the_same_bytes():
    signer, _ = await signer_with()
    assert await signer.sign(drafts(9)) == await signer.sign(drafts(9))


# -- verifying -----------------------------------------------------------------------------------


def codes(problems: list[Problem | None]) -> list[str | None]:
    return [problem and problem.code for problem in problems]


async def test_a_batch_costs_one_verification(counted):
    signer, _ = await signer_with()
    verifier = Verifier()
    for one in parsed(await signer.sign(drafts(BATCH_MAX))):
        assert await verifier.problems([(one, signer.key)]) == [None]
    assert counted.count == 1


@pytest.mark.parametrize("inline_below", [1, 1000])
async def test_each_signature_is_verified_once_in_a_call(counted, inline_below):
    signer, _ = await signer_with()
    singles = parsed(await signer.sign(drafts(20, alone=True)))
    batched = parsed(await signer.sign(drafts(3 * BATCH_MAX)))
    claimed = [(one, signer.key) for one in [*singles, *batched, *singles]]
    assert await Verifier(inline_below=inline_below).problems(claimed) == [None] * len(claimed)
    assert counted.count == 20 + 3


async def test_singles_are_not_remembered(counted):
    signer, _ = await signer_with()
    verifier = Verifier()
    (one,) = parsed(await signer.sign(drafts(1)))
    for _ in range(3):
        assert await verifier.problems([(one, signer.key)]) == [None]
    assert counted.count == 3


async def test_what_is_remembered_is_bounded(counted):
    signer, _ = await signer_with()
    verifier = Verifier(remember=2)
    batches = [parsed(await signer.sign(drafts(size)))[0] for size in (2, 3, 4)]
    for one in (*batches, batches[2], batches[1], batches[0]):
        assert await verifier.problems([(one, signer.key)]) == [None]
    assert counted.count == 4, "only the oldest was verified again"


async def test_a_bad_batch_is_never_remembered(counted):
    signer, _ = await signer_with()
    verifier = Verifier()
    (one, *_) = parsed(await signer.sign(drafts(2)))
    forged = Parsed(one.algorithm, one.kid, one.signed, bytes(64), one.claims)
    for _ in range(2):
        assert codes(await verifier.problems([(forged, signer.key)])) == ["ACC311"]
    assert counted.count == 2
    assert await verifier.problems([(one, signer.key)]) == [None]


async def test_a_remembered_batch_says_nothing_of_another_key():
    """Who repeats somebody's root under another key, or under an algorithm that is not the key's, is refused."""
    signer, _ = await signer_with()
    verifier = Verifier()
    (one, *_) = parsed(await signer.sign(drafts(2)))
    assert await verifier.problems([(one, signer.key)]) == [None]
    theirs = Parsed(one.algorithm, stranger().kid, one.signed, one.signature, one.claims)
    other = Parsed("Ed25519-MT", one.kid, one.signed, one.signature, one.claims)
    found = await verifier.problems([(theirs, stranger()), (one, stranger()), (other, signer.key), (one, signer.key)])
    assert codes(found) == ["ACC311", "ACC309", "ACC310", None]


@given(st.data())
@settings(max_examples=25)
def test_each_verdict_is_its_own_statements(data):
    signer = PrivateKey.generate("ES256")
    good = data.draw(st.lists(st.booleans(), max_size=40))
    inputs = [b"%d" % number for number in range(len(good))]
    signatures = [signer.sign([one])[0] if is_good else b"\x01" * 64 for one, is_good in zip(inputs, good, strict=True)]
    claimed = [
        (Parsed("ES256", signer.public.kid, one, signature, b"{}"), signer.public)
        for one, signature in zip(inputs, signatures, strict=True)
    ]
    found = asyncio.run(Verifier(inline_below=data.draw(st.sampled_from([1, 8, 1000]))).problems(claimed))
    assert [problem is None for problem in found] == good
