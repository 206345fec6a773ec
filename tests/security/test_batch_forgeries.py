"""Statements that share a signature, forged: proofs that lead elsewhere, and algorithms taken for each other."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from accord.bus.memory import MemoryDelivery
from accord.domain.message import Message, encode_claims
from accord.domain.signature import _to_base64url, attach, signing_input
from accord.engine.verdicts import Authentic
from accord.statements import Draft, Signer

SIGNATURE, PLACE, HASH = 64, 4, 32


def raw(part: bytes) -> bytes:
    return binascii.a2b_base64(part.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(part) % 4))


async def batch(scene: Any, *, size: int = 3, index: int = 1, key: Any = None) -> list[Message]:
    """Results of the worker that share a signature; only the one at `index` is what it should be."""
    payloads = [b"8" if number == index else b"1%d" % number for number in range(size)]
    claims = [encode_claims(scene.worker.claims(scene.assignment, payload)) for payload in payloads]
    statements = await Signer(scene.stage.keys, key or scene.worker.key).sign([Draft(one) for one in claims])
    return [Message(one, payload) for one, payload in zip(statements, payloads, strict=True)]


def parts_of(message: Message) -> tuple[dict[str, Any], bytes, bytes]:
    """Header, claims and the third part."""
    header, claims, proof = message.statement.split(b".")
    return orjson.loads(raw(header)), raw(claims), raw(proof)


def joined(header: dict[str, Any], claims: bytes, proof: bytes, payload: bytes = b"8") -> Message:
    return Message(b".".join(map(_to_base64url, (orjson.dumps(header), claims, proof))), payload)


async def refused(scene: Any, code: str, forged: Message) -> None:
    before = await scene.head()
    await scene.stage.deliver(scene.claims.run, forged)
    assert await scene.head() == before
    assert await scene.stage.codes() == [code]
    await scene.finish()


async def authentic(scene: Any, message: Message) -> None:
    """The gate sees it, and remembers its batch."""
    (found,) = await scene.stage.parts.gate.authenticate([MemoryDelivery(message)], scene.stage.clock.now())
    assert isinstance(found, Authentic)


@pytest.mark.parametrize(("size", "index"), [(2, 0), (2, 1), (3, 2), (64, 40)])
async def test_a_statement_of_a_batch_is_accepted(scene: Any, size: int, index: int) -> None:
    messages = await batch(scene, size=size, index=index)
    assert parts_of(messages[index])[0]["alg"] == "ES256-MT"
    await scene.stage.deliver(scene.claims.run, messages[index])
    assert await scene.stage.codes() == []
    run = await scene.stage.run(scene.claims.run)
    assert run.phase == "completed"
    attempt = run.attempt("work", 1)
    assert attempt is not None
    assert attempt.statement == messages[index].statement.decode()


def _place(index: int, size: int) -> Callable[[bytes], bytes]:
    place = index.to_bytes(2, "big") + size.to_bytes(2, "big")
    return lambda proof: proof[:SIGNATURE] + place + proof[SIGNATURE + PLACE :]


PROOFS: list[tuple[str, str, Callable[[bytes], bytes]]] = [
    ("another index", "ACC311", _place(0, 3)),
    ("an index with another length of path", "ACC318", _place(2, 3)),
    ("an index outside of the tree", "ACC318", _place(3, 3)),
    ("another size", "ACC311", _place(1, 4)),
    ("a size with another length of path", "ACC318", _place(1, 5)),
    ("a tree of one", "ACC318", _place(0, 1)),
    ("a tree of none", "ACC318", _place(0, 0)),
    ("a tree without bound", "ACC318", _place(1, 65535)),
    ("a longer path", "ACC318", lambda proof: proof + bytes(HASH)),
    ("a byte behind the path", "ACC318", lambda proof: proof + b"\x00"),
    ("a shorter path", "ACC318", lambda proof: proof[:-HASH]),
    ("no path", "ACC318", lambda proof: proof[: SIGNATURE + PLACE]),
    ("no place", "ACC318", lambda proof: proof[:SIGNATURE]),
    ("half a signature", "ACC318", lambda proof: proof[:32]),
    ("another sibling", "ACC311", lambda proof: proof[:-1] + bytes([proof[-1] ^ 1])),
    ("siblings in another order", "ACC311", lambda proof: proof[:-64] + proof[-32:] + proof[-64:-32]),
    ("another signature", "ACC311", lambda proof: bytes(SIGNATURE) + proof[SIGNATURE:]),
]


@pytest.mark.parametrize(("code", "change"), [one[1:] for one in PROOFS], ids=[one[0] for one in PROOFS])
@pytest.mark.parametrize("remembered", [False, True], ids=["fresh", "remembered"])
@pytest.mark.abuse(
    "ASI07", at="gate", stride="tampering", case="proofs of batches that lead elsewhere", codes=("ACC311", "ACC318")
)
async def test_a_proof_that_leads_elsewhere_is_refused(
    scene: Any, code: str, change: Callable[[bytes], bytes], remembered: bool
) -> None:
    """Whether the gate has verified the batch before makes no difference."""
    message = (await batch(scene))[1]
    if remembered:
        await authentic(scene, message)
    header, claims, proof = parts_of(message)
    await refused(scene, code, joined(header, claims, change(proof)))


async def test_a_proof_is_in_one_spelling(scene: Any) -> None:
    message = (await batch(scene, size=2, index=0))[0]
    assert len(message.statement.rpartition(b".")[2]) % 4 == 2, "the last character has unused bits"
    other = message.statement[:-1] + bytes([message.statement[-1] + 1])
    await refused(scene, "ACC303", Message(other, message.payload))


async def test_a_proof_is_its_own_statements(scene: Any) -> None:
    one, other = (await batch(scene))[:2]
    header, claims, _ = parts_of(other)
    await refused(scene, "ACC311", joined(header, claims, parts_of(one)[2]))


async def test_claims_of_a_batch_cannot_be_changed(scene: Any) -> None:
    header, claims, proof = parts_of((await batch(scene))[1])
    await refused(scene, "ACC311", joined(header, claims.replace(b'"att":1', b'"att":2'), proof))


async def test_a_batch_of_another_agent_is_not_the_workers(scene: Any) -> None:
    header, claims, proof = parts_of((await batch(scene, key=scene.rival.key))[1])
    await refused(scene, "ACC311", joined(header | {"kid": scene.worker.key.kid}, claims, proof))


async def test_a_batch_says_who_signed_it(scene: Any) -> None:
    await refused(scene, "ACC341", (await batch(scene, key=scene.rival.key))[1])


async def test_a_remembered_batch_ends_with_its_key(scene: Any) -> None:
    enrolment, now = scene.stage.parts.enrolment, scene.stage.clock.now()
    key = await scene.stage.keys.create("older")
    await enrolment.enrol(scene.worker.id, key, by="test", now=now)
    first, second, _ = await batch(scene, key=key)
    await authentic(scene, first)
    await enrolment.revoke(key.kid, by="test", reason="lost", now=now)
    await refused(scene, "ACC340", second)


# -- one algorithm for another -----------------------------------------------------------------------------------


async def test_a_batch_under_the_plain_algorithm(scene: Any) -> None:
    header, claims, proof = parts_of((await batch(scene))[1])
    await refused(scene, "ACC308", joined(header | {"alg": "ES256"}, claims, proof))


async def test_the_signature_of_a_batch_is_none_of_a_statement(scene: Any) -> None:
    header, claims, proof = parts_of((await batch(scene))[1])
    await refused(scene, "ACC311", joined(header | {"alg": "ES256"}, claims, proof[:SIGNATURE]))


async def test_a_plain_statement_under_the_algorithm_of_batches(scene: Any) -> None:
    header, claims, signature = parts_of(await scene.honest())
    await refused(scene, "ACC318", joined(header | {"alg": "ES256-MT"}, claims, signature))


async def test_a_signature_of_the_leaf_is_none_of_the_root(scene: Any) -> None:
    """The worker's signature of the signing input, with a proof beside it."""
    _, _, proof = parts_of((await batch(scene))[1])
    key = scene.worker.key
    leaf = signing_input(key.kid, "ES256-MT", scene.encoded())
    (signature,) = await scene.stage.keys.sign(key.kid, [leaf])
    await refused(scene, "ACC311", Message(attach(leaf, signature, proof[SIGNATURE:]), b"8"))


@pytest.mark.abuse(
    "ASI07", at="gate", stride="tampering", case="a signature that was given for another protocol", codes=("ACC311",)
)
async def test_a_root_is_signed_with_its_prefix(scene: Any) -> None:
    """A signature of the bare root, as another protocol with the same key might give, is none of a batch."""
    messages = await batch(scene, size=2, index=0)
    header, claims, proof = parts_of(messages[0])
    leaves = [hashlib.sha256(b"\x00" + one.statement.rpartition(b".")[0]).digest() for one in messages]
    root = hashlib.sha256(b"\x01" + b"".join(leaves)).digest()
    (signature,) = await scene.stage.keys.sign(scene.worker.key.kid, [root])
    await refused(scene, "ACC311", joined(header, claims, signature + proof[SIGNATURE:]))


@pytest.mark.parametrize("algorithm", ["Ed25519", "Ed25519-MT"])
@pytest.mark.abuse(
    "ASI07",
    at="gate",
    stride="tampering",
    case="algorithm confusion between ES256 and Ed25519, alone and in batches",
    codes=("ACC310",),
)
async def test_another_keys_algorithm(scene: Any, algorithm: str) -> None:
    message = (await batch(scene))[1] if algorithm.endswith("-MT") else await scene.honest()
    header, claims, proof = parts_of(message)
    await refused(scene, "ACC310", joined(header | {"alg": algorithm}, claims, proof))


@pytest.mark.parametrize("algorithm", ["ES256-mt", "ES384-MT", "MT", "ES256-MT ", "none-MT", ["ES256-MT"], None])
@pytest.mark.abuse("ASI07", at="gate", stride="tampering", case="algorithms that there are not", codes=("ACC306",))
async def test_algorithms_that_there_are_not(scene: Any, algorithm: object) -> None:
    header, claims, proof = parts_of((await batch(scene))[1])
    await refused(scene, "ACC306", joined(header | {"alg": algorithm}, claims, proof))
