"""A message is forged for every check of the gate, in the protocol's order. Each is refused with its code and kept as
evidence; the run is unharmed. And each check, taken out of the gate, is missed by one of these forgeries.
"""

from __future__ import annotations

import ast
import asyncio
import hmac
import inspect
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import orjson
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from accord.domain import ingress
from accord.domain.agent import AgentCard, decode_card, encode_card, registry_id
from accord.domain.delegation import LIFETIME, delegation_claims
from accord.domain.event import AttemptDamaged
from accord.domain.ids import AgentId, Digest, InstanceId, LeaseToken, RunId, TaskId, partition_of
from accord.domain.message import PAYLOAD_MAX_BYTES, Grant, Message, PayloadRef, payload_ref
from accord.domain.signature import PublicKey, _to_base64url
from accord.engine import gate, parts, receiver
from accord.engine.incidents import EVIDENCE_MAX_BYTES
from accord.engine.registry import Registry
from accord.sdk import Agent

Forge = Callable[[Any], Awaitable[Message]]
Forgery = tuple[str, str, Forge]
"""A name, the code that it must be refused with, and what makes it."""


# -- the statement -----------------------------------------------------------------------------------------------


def _changed(change: Callable[[bytes], bytes]) -> Forge:
    async def forge(scene: Any) -> Message:
        honest = await scene.honest()
        return Message(change(honest.statement), honest.payload)

    return forge


def _part(number: int, change: Callable[[bytes], bytes]) -> Forge:
    def changed(statement: bytes) -> bytes:
        found = statement.split(b".")
        found[number] = change(found[number])
        return b".".join(found)

    return _changed(changed)


def _next_letter(part: bytes) -> bytes:
    """The last letter replaced by the next one, which only sets bits that encode nothing."""
    return part[:-1] + bytes([part[-1] + 1])


def _header(**members: Any) -> Forge:
    async def forge(scene: Any) -> Message:
        plain = {"alg": "ES256", "kid": scene.worker.key.kid, "typ": "accord+jwt"}
        return await scene.raw(scene.encoded(), orjson.dumps(plain | members))

    return forge


def _claims(change: Callable[[bytes], bytes]) -> Forge:
    async def forge(scene: Any) -> Message:
        return await scene.raw(change(scene.encoded()))

    return forge


def _claimed(**changed: Any) -> Forge:
    async def forge(scene: Any) -> Message:
        return await scene.claimed(**changed)

    return forge


def _timed(**offsets: int) -> Forge:
    async def forge(scene: Any) -> Message:
        now = int(scene.stage.clock.now().timestamp())
        return await scene.claimed(**{name: now + offset for name, offset in offsets.items()})

    return forge


def _replaced(old: bytes, new: bytes) -> Forge:
    def change(claims: bytes) -> bytes:
        assert old in claims
        return claims.replace(old, new, 1)

    return _claims(change)


async def _by_a_stranger(scene: Any) -> Message:
    key = await scene.stage.keys.create("stranger")
    return await scene.worker.sign(scene.worker.claims(scene.assignment, b"8"), b"8", key=key)


async def _by_a_revoked_key(scene: Any) -> Message:
    enrolment, now = scene.stage.parts.enrolment, scene.stage.clock.now()
    agent = scene.worker.agent
    key = await scene.stage.keys.create("older")
    await enrolment.enrol(agent.id, key, by="test", now=now)
    await enrolment.revoke(key.kid, by="test", reason="lost", now=now)
    return await scene.worker.sign(scene.worker.claims(scene.assignment, b"8"), b"8", key=key)


async def _under_another_name(scene: Any) -> Message:
    return await scene.worker.sign(scene.worker.claims(scene.assignment, b"8"), b"8", key=scene.rival.key)


async def _signed_by_the_rival(scene: Any) -> Message:
    """The rival signs a statement that names the worker's key."""
    honest = await scene.honest()
    signed = honest.statement.rpartition(b".")[0]
    (signature,) = await scene.stage.keys.sign(scene.rival.key.kid, [signed])
    return Message(signed + b"." + _to_base64url(signature), honest.payload)


def _mac_with_the_public_key(alg: str) -> Forge:
    """The key that everybody knows, taken for a secret that only the worker has (RFC 8725, 2.1)."""

    async def forge(scene: Any) -> Message:
        key = scene.worker.key
        header = orjson.dumps({"alg": alg, "kid": key.kid, "typ": "accord+jwt"})
        signed = _to_base64url(header) + b"." + _to_base64url(scene.encoded())
        pem = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        mac = hmac.digest(pem, signed, "sha256")
        return Message(signed + b"." + _to_base64url(mac if alg == "HS256" else mac * 2), b"8")

    return forge


async def _by_the_orchestrator(scene: Any) -> Message:
    """The orchestrator's own assignment, sent back to it."""
    return scene.assignment.message


STATEMENTS: list[Forgery] = [
    ("no statement", "ACC302", _changed(lambda statement: b"")),
    ("text", "ACC302", _changed(lambda statement: b"not a token")),
    ("not even text", "ACC302", _changed(lambda statement: b"\xff\xfe\x00")),
    ("a long statement", "ACC301", _changed(lambda statement: statement + b"A" * 2048)),
    ("no signature", "ACC302", _changed(lambda statement: statement.rpartition(b".")[0])),
    ("an empty signature", "ACC302", _part(2, lambda part: b"")),
    ("a fourth part", "ACC302", _changed(lambda statement: statement + b".AAAA")),
    ("padding", "ACC303", _part(2, lambda part: part + b"==")),
    ("another alphabet", "ACC303", _part(2, lambda part: b"+/" + part[2:])),
    ("white space in it", "ACC303", _part(1, lambda part: part[:8] + b"\n" + part[8:])),
    ("unused bits", "ACC303", _part(2, _next_letter)),
    ("a critical extension", "ACC304", _header(crit=["exp"])),
    ("a key inside", "ACC304", _header(jwk={"kty": "EC"})),
    ("a key elsewhere", "ACC304", _header(jku="https://example.org/keys")),
    ("a certificate elsewhere", "ACC304", _header(x5u="https://example.org/cert")),
    ("another type", "ACC305", _header(typ="JWT")),
    ("no algorithm", "ACC306", _header(alg="none")),
    ("a shared secret", "ACC306", _header(alg="HS256")),
    ("the public key as a secret", "ACC306", _mac_with_the_public_key("HS256")),
    ("the public key as a secret, under the key's algorithm", "ACC311", _mac_with_the_public_key("ES256")),
    ("a key id that is none", "ACC307", _header(kid="../../key")),
    ("another algorithm than the key's", "ACC310", _header(alg="Ed25519")),
    ("a short signature", "ACC308", _part(2, lambda part: _to_base64url(b"\1" * 63))),
    ("a signature of zeros", "ACC311", _part(2, lambda part: _to_base64url(bytes(64)))),
    ("a random signature", "ACC311", _part(2, lambda part: _to_base64url(b"\1" * 64))),
    ("claims changed after signing", "ACC311", _part(1, lambda part: _to_base64url(b'{"iss":"x"}'))),
    ("signed by another agent", "ACC311", _signed_by_the_rival),
    ("a key that nobody knows", "ACC340", _by_a_stranger),
    ("a revoked key", "ACC340", _by_a_revoked_key),
    ("the orchestrator's own", "ACC340", _by_the_orchestrator),
]

CLAIMS: list[Forgery] = [
    ("claims that are no JSON", "ACC321", _claims(lambda claims: claims[:-1])),
    ("claims with something behind", "ACC321", _claims(lambda claims: claims + b"{}")),
    ("claims that are a list", "ACC314", _claims(lambda claims: b"[]")),
    ("no number", "ACC321", _replaced(b'"att":1', b'"att":NaN')),
    ("an infinite number", "ACC324", _replaced(b'"att":1', b'"att":1e400')),
    ("a negative zero", "ACC314", _replaced(b'"att":1', b'"att":-0.0')),
    ("one more than a double can count", "ACC314", _replaced(b'"att":1', b'"att":9007199254740993')),
    ("an integer as a double", "ACC314", _replaced(b'"att":1', b'"att":1.0')),
    ("a huge number", "ACC324", _replaced(b'"att":1', b'"att":99999999999999999999999999')),
    ("a deep claim", "ACC323", _replaced(b'"att":1', b'"att":' + b"[" * 80 + b"]" * 80)),
    ("a claim twice", "ACC322", _replaced(b'"att":1', b'"att":2,"att":1')),
    ("a claim twice, once escaped", "ACC322", _replaced(b'"att":1', rb'"\u0061tt":2,"att":1')),
    ("a claim that nobody knows", "ACC312", _replaced(b'"att":1', b'"att":1,"adm":true')),
    ("a claim that is null", "ACC315", _replaced(b'"att":1', b'"att":null')),
    ("no issuer", "ACC313", _claims(lambda claims: msgspec.json.encode({"aud": "x"}))),
    ("an attempt below zero", "ACC314", _replaced(b'"att":1', b'"att":-1')),
    ("a confidence over one", "ACC316", _replaced(b'"att":1', b'"att":1,"cnf":"1.5"')),
]

INGRESS: list[Forgery] = [
    ("another agent's name", "ACC341", _under_another_name),
    ("for another orchestrator", "ACC342", _claimed(audience=AgentId("spiffe://local/orchestrator/other"))),
    ("for another organisation's registry", "ACC342", _claimed(audience=AgentId("spiffe://other/registry"))),
    ("expired", "ACC343", _timed(expires_at=0)),
    ("long expired", "ACC343", _timed(issued_at=-100_000, expires_at=-90_000)),
    ("from the future", "ACC344", _timed(issued_at=61)),
    *((f"an agent that says {kind}", "ACC345", _claimed(kind=kind)) for kind in ("assign", "cancel", "ack", "reject")),
    ("a bid", "ACC345", _claimed(kind="bid")),
    *((f"without {name}", "ACC346", _claimed(**{name: None})) for name in ("task", "attempt", "lease")),
]


async def _delegate(scene: Any, *kinds: str) -> PublicKey:
    """A key that the worker lets sign these kinds for ten minutes."""
    stage, worker = scene.stage, scene.worker
    key = await stage.keys.create("short")
    registry = registry_id("local")
    claims = delegation_claims(worker.id, registry, key, frozenset(kinds), "1", stage.clock.now(), LIFETIME)
    await worker.tell(await worker.sign(claims))
    assert stage.parts.registry.key(key.kid, stage.clock.now()) is not None
    return key


async def _by_a_delegated_key_that_has_ended(scene: Any) -> Message:
    key = await _delegate(scene, "result")
    scene.stage.clock.forward(LIFETIME.total_seconds())
    return await scene.worker.sign(scene.worker.claims(scene.assignment, b"8"), b"8", key=key)


async def _beyond_a_delegation(scene: Any) -> Message:
    key = await _delegate(scene, "progress")
    return await scene.worker.sign(scene.worker.claims(scene.assignment, b"8"), b"8", key=key)


DELEGATED: list[Forgery] = [
    ("a delegated key that has ended", "ACC358", _by_a_delegated_key_that_has_ended),
    ("beyond a delegation", "ACC357", _beyond_a_delegation),
    ("a result that delegates", "ACC355", _claimed(grant=Grant({"kty": "OKP"}, ("result",)))),
]


# -- the attempt -------------------------------------------------------------------------------------------------


async def _about_another_run(scene: Any) -> Message:
    partition = partition_of(scene.claims.run)
    runs = (RunId(f"run_{number:026d}") for number in range(10_000))
    return await scene.claimed(run=next(run for run in runs if partition_of(run) == partition))


async def _with_a_stolen_lease(scene: Any) -> Message:
    return await scene.rival.result(scene.assignment, 9)


async def _without_an_offer(scene: Any) -> Message:
    scene.stage.parts.registry._offered[scene.worker.id].clear()
    return await scene.honest()


ATTEMPTS: list[Forgery] = [
    ("about no run", "ACC347", _about_another_run),
    ("about a task that there is not", "ACC347", _claimed(task=TaskId("other"))),
    ("about an item that there is not", "ACC347", _claimed(task=TaskId("work[0]"))),
    ("about attempt 0", "ACC347", _claimed(attempt=0)),
    ("about the next attempt", "ACC347", _claimed(attempt=2)),
    ("about an attempt far away", "ACC347", _claimed(attempt=(1 << 31) - 1)),
    ("another agent with a stolen lease", "ACC348", _with_a_stolen_lease),
    ("another lease", "ACC349", _claimed(lease=LeaseToken("0" * 26))),
    ("another capability", "ACC350", _claimed(capability="test.work@1.0.1")),
    ("no capability", "ACC350", _claimed(capability=None)),
    ("another contract", "ACC350", _claimed(contract=Digest("0" * 64))),
    ("no contract", "ACC350", _claimed(contract=None)),
    ("to no assignment", "ACC881", _claimed(inputs=())),
    ("a failure to no assignment", "ACC881", _claimed(kind="failure", inputs=())),
    ("to another assignment", "ACC881", _claimed(inputs=(Digest("0" * 64),))),
    ("of what the agent does not offer", "ACC353", _without_an_offer),
]


# -- the payload -------------------------------------------------------------------------------------------------


def _carrying(change: Callable[[bytes], bytes]) -> Forge:
    async def forge(scene: Any) -> Message:
        honest = await scene.honest()
        return Message(honest.statement, change(honest.payload))

    return forge


async def _with_another_length(scene: Any) -> Message:
    return await scene.claimed(payload=PayloadRef(payload_ref(b"8").sha256, 2, "application/json"))


async def _of_nothing(scene: Any) -> Message:
    return await scene.claimed(payload=None)


async def _too_large(scene: Any) -> Message:
    return await scene.worker.result(scene.assignment, b'"' + b" " * PAYLOAD_MAX_BYTES + b'"')


def _failing(payload: bytes) -> Forge:
    async def forge(scene: Any) -> Message:
        return await scene.worker.result(scene.assignment, payload, kind="failure")

    return forge


PAYLOADS: list[Forgery] = [
    ("another payload", "ACC352", _carrying(lambda payload: b"9")),
    ("a longer payload", "ACC352", _carrying(lambda payload: payload + b" ")),
    ("no payload", "ACC352", _carrying(lambda payload: b"")),
    ("another length", "ACC352", _with_another_length),
    ("a payload that is not signed", "ACC352", _of_nothing),
    ("a large payload", "ACC320", _too_large),
    ("a failure without words", "ACC330", _failing(b'{"code":"x"}')),
    ("a failure that says more", "ACC330", _failing(b'{"code":"x","message":"","also":1}')),
    ("a failure twice over", "ACC322", _failing(b'{"code":"x","message":"","message":""}')),
    ("a failure that is no JSON", "ACC321", _failing(b"oh no")),
]

FORGERIES = [*STATEMENTS, *CLAIMS, *INGRESS, *DELEGATED, *ATTEMPTS, *PAYLOADS]


async def refused(scene: Any, code: str, forge: Forge) -> None:
    """The forged message changes nothing of the run but for a note that an answer was damaged, and is kept."""
    forged = await forge(scene)
    before = await scene.head()
    await scene.stage.deliver(scene.claims.run, forged)
    noted = await scene.stage.node.events(scene.claims.run, after=before.sequence)
    assert [type(event) for _, event in noted] == ([AttemptDamaged] if code == "ACC352" else [])
    assert await scene.stage.codes() == [code]
    (incident,) = await scene.stage.incidents()
    assert incident.statement == forged.statement.decode("ascii", "backslashreplace")[:4096]
    kept = await scene.stage.parts.incidents.evidence(incident)
    assert kept == forged.payload[:EVIDENCE_MAX_BYTES]


@pytest.mark.parametrize(("code", "forge"), [one[1:] for one in FORGERIES], ids=[one[0] for one in FORGERIES])
@pytest.mark.abuse(
    "ASI07",
    at="gate",
    stride="tampering",
    case="no algorithm, a shared secret, the public key as the secret of HS256",
    codes=("ACC306",),
)
@pytest.mark.abuse("ASI07", at="gate", stride="tampering", case="another algorithm than the key's", codes=("ACC310",))
@pytest.mark.abuse("ASI07", at="gate", stride="tampering", case="a downgraded type of token", codes=("ACC305",))
@pytest.mark.abuse(
    "ASI07", at="gate", stride="tampering", case="a key or a critical extension inside the header", codes=("ACC304",)
)
@pytest.mark.abuse(
    "ASI07", at="gate", stride="tampering", case="other spellings of the same statement", codes=("ACC303",)
)
@pytest.mark.abuse("ASI07", at="gate", stride="tampering", case="claims changed after signing", codes=("ACC311",))
@pytest.mark.abuse(
    "ASI03",
    "ASI07",
    at="gate",
    stride="spoofing",
    case="signed with one agent's key under another one's key id",
    codes=("ACC311",),
)
@pytest.mark.abuse(
    "ASI03", "ASI07", at="gate", stride="spoofing", case="an unknown or a revoked key", codes=("ACC340",)
)
@pytest.mark.abuse(
    "ASI03", "ASI07", at="gate", stride="spoofing", case="a statement in another agent's name", codes=("ACC341",)
)
@pytest.mark.abuse("ASI07", at="gate", stride="tampering", case="unknown members of claims", codes=("ACC312",))
@pytest.mark.abuse("ASI07", at="gate", stride="tampering", case="members that occur twice", codes=("ACC322",))
@pytest.mark.abuse(
    "ASI08", at="gate", stride="denial of service", case="a depth bomb inside of claims", codes=("ACC323",)
)
@pytest.mark.abuse(
    "ASI07", at="gate", stride="tampering", case="numbers that are none, or out of range", codes=("ACC321", "ACC324")
)
@pytest.mark.abuse(
    "ASI08",
    at="gate",
    stride="denial of service",
    case="a statement or a payload that is too large",
    codes=("ACC301", "ACC320"),
)
@pytest.mark.abuse(
    "ASI07", at="gate", stride="spoofing", case="a message for another orchestrator or organisation", codes=("ACC342",)
)
@pytest.mark.abuse(
    "ASI07", at="gate", stride="spoofing", case="time travel: expired, or from the future", codes=("ACC343", "ACC344")
)
@pytest.mark.abuse(
    "ASI03",
    "ASI10",
    at="gate",
    stride="elevation of privilege",
    case="an agent that speaks as an orchestrator",
    codes=("ACC345",),
)
@pytest.mark.abuse(
    "ASI03",
    "ASI10",
    at="gate",
    stride="elevation of privilege",
    case="a stolen lease, a result for another one's task",
    codes=("ACC348", "ACC349"),
)
@pytest.mark.abuse(
    "ASI01", "ASI07", at="gate", stride="repudiation", case="an answer to another assignment", codes=("ACC881",)
)
@pytest.mark.abuse(
    "ASI02",
    at="gate",
    stride="elevation of privilege",
    case="an answer under another capability or contract",
    codes=("ACC350",),
)
@pytest.mark.abuse(
    "ASI02",
    "ASI10",
    at="gate",
    stride="elevation of privilege",
    case="a capability that the agent does not offer",
    codes=("ACC353",),
)
@pytest.mark.abuse("ASI07", at="gate", stride="tampering", case="another payload than was signed", codes=("ACC352",))
@pytest.mark.abuse(
    "ASI10",
    at="gate",
    stride="repudiation",
    case="whatever is refused is kept, statement and payload",
    codes=("ACC352",),
)
async def test_a_forged_message_is_refused_and_kept(scene: Any, code: str, forge: Forge) -> None:
    await refused(scene, code, forge)
    offered = scene.stage.parts.registry._offered[scene.worker.id]
    offered.add(scene.claims.contract)
    await scene.finish()


@pytest.mark.abuse(
    "ASI10", at="gate", stride="repudiation", case="evidence says what is proven and what is only claimed"
)
async def test_evidence_says_whether_it_is_authentic(scene: Any) -> None:
    await scene.stage.deliver(scene.claims.run, await _signed_by_the_rival(scene), await _with_a_stolen_lease(scene))
    forged, stolen = await scene.stage.incidents()
    assert (forged.authentic, forged.claimed_agent, forged.signer, forged.run) == (False, scene.worker.id, None, None)
    assert (stolen.authentic, stolen.claimed_agent) == (True, scene.rival.id)
    assert (stolen.run, stolen.task) == (scene.claims.run, "work")


@pytest.mark.parametrize("offsets", [{"expires_at": 1}, {"issued_at": 60}])
async def test_at_the_edges_of_time_a_message_is_good(scene: Any, offsets: dict[str, int]) -> None:
    await scene.stage.deliver(scene.claims.run, await _timed(**offsets)(scene))
    assert await scene.stage.codes() == []
    assert (await scene.stage.run(scene.claims.run)).phase == "completed"


async def test_many_forgeries_at_once_are_each_kept(scene: Any) -> None:
    """A large batch is checked in threads: there, too, one bad message takes nothing with it."""
    chosen = [one for one in FORGERIES if one[1] not in ("ACC353", "ACC320", "ACC358")]  # for that, time has to pass
    forged = {await forge(scene): code for _, code, forge in chosen}
    await scene.stage.deliver(scene.claims.run, *forged)
    assert sorted(await scene.stage.codes()) == sorted(forged.values())
    await scene.finish()


# -- cards and heartbeats ----------------------------------------------------------------------------------------


async def _card(scene: Any, change: Callable[[AgentCard], AgentCard] | None = None) -> bytes:
    card = decode_card(scene.rival.card())
    return encode_card(change(card) if change else card)


async def _swapped_card(scene: Any) -> Message:
    """A true statement about the card, with the card of somebody who offers more."""
    more = Agent("rival")

    @more.capability("bank.transfer@1.0.0")
    async def transfer(amount: int) -> int:
        return amount

    honest = await scene.rival.news("card", scene.rival.card())
    return Message(honest.statement, scene.rival.card(more))


async def _swapped_heartbeat(scene: Any) -> Message:
    honest = await scene.rival.news("heartbeat", scene.rival.beat())
    return Message(honest.statement, scene.rival.beat(draining=True))


async def _reserved_name(scene: Any) -> Message:
    """An enrolled agent offers itself as the one that is asked about broken results."""
    squatter = Agent("rival")

    @squatter.capability("accord.diagnose@1.0.0", input={}, output={"type": "object"})
    async def diagnose(case: Any) -> Any:
        return case

    return await scene.rival.news("card", scene.rival.card(squatter))


async def _card_of_another(scene: Any) -> Message:
    return await scene.rival.news("card", scene.worker.card())


async def _changed_contract(scene: Any) -> Message:
    changed = Agent("rival")

    @changed.capability("test.work@1.0.0")
    async def work(number: int, also: int) -> str:
        return f"{number} {also}"

    return await scene.rival.news("card", scene.rival.card(changed))


async def _instance_of_another(scene: Any) -> Message:
    return await scene.rival.news("heartbeat", scene.rival.beat(instance=scene.worker.instance))


async def _lease_of_another(scene: Any) -> Message:
    return await scene.rival.news("heartbeat", scene.rival.beat(scene.claims.lease))


def _news(kind: str, payload: bytes) -> Forge:
    async def forge(scene: Any) -> Message:
        return await scene.rival.news(kind, payload)

    return forge


async def _foreign_instance(scene: Any) -> Message:
    card = await _card(scene, lambda card: msgspec.structs.replace(card, instance=InstanceId("somebody#1")))
    return await scene.rival.news("card", card)


async def _foreign_organisation(scene: Any) -> Message:
    card = await _card(scene, lambda card: msgspec.structs.replace(card, organisation="acme"))
    return await scene.rival.news("card", card)


NEWS: list[Forgery] = [
    ("a card with a swapped payload", "ACC352", _swapped_card),
    ("a heartbeat with a swapped payload", "ACC352", _swapped_heartbeat),
    ("the card of another agent", "ACC714", _card_of_another),
    ("a card with a changed contract", "ACC710", _changed_contract),
    ("a card with a reserved name", "ACC717", _reserved_name),
    ("a card with the instance of another", "ACC732", _foreign_instance),
    ("a card of another organisation", "ACC732", _foreign_organisation),
    ("a card that is none", "ACC731", _news("card", b"{}")),
    ("a card that is no JSON", "ACC321", _news("card", b"{")),
    ("a heartbeat for an instance of another", "ACC714", _instance_of_another),
    ("a heartbeat that renews a lease of another", "ACC348", _lease_of_another),
    ("a heartbeat that is none", "ACC330", _news("heartbeat", b"{}")),
    ("a heartbeat with a member twice", "ACC322", _news("heartbeat", b'{"queued":1,"queued":1}')),
]


async def news_refused(scene: Any, code: str, forge: Forge) -> None:
    """The forged card or heartbeat changes nothing of what is known, and is kept."""
    registry = scene.stage.parts.registry
    before = registry.agents(), registry.names(), dict(registry.renewed())
    was = {name: one.draining for name, one in registry.instances(scene.rival.id).items()}
    await scene.rival.tell(await forge(scene))
    assert await scene.stage.codes() == [code]
    assert (registry.agents(), registry.names(), dict(registry.renewed())) == before
    assert {name: one.draining for name, one in registry.instances(scene.rival.id).items()} == was


@pytest.mark.parametrize(("code", "forge"), [one[1:] for one in NEWS], ids=[one[0] for one in NEWS])
@pytest.mark.abuse(
    "ASI04",
    "ASI03",
    at="gate",
    stride="spoofing",
    case="registry poisoning: the card of another agent, instance or organisation",
    codes=("ACC714", "ACC732"),
)
@pytest.mark.abuse(
    "ASI04",
    at="gate",
    stride="tampering",
    case="registry poisoning: another contract under the same version",
    codes=("ACC710",),
)
@pytest.mark.abuse(
    "ASI04",
    "ASI09",
    at="gate",
    stride="elevation of privilege",
    case="capability squatting: a reserved name",
    codes=("ACC717",),
)
@pytest.mark.abuse(
    "ASI07", at="gate", stride="tampering", case="a forged card, a forged heartbeat", codes=("ACC352", "ACC731")
)
@pytest.mark.abuse(
    "ASI10",
    at="gate",
    stride="elevation of privilege",
    case="a heartbeat that keeps another one's lease",
    codes=("ACC348",),
)
async def test_forged_news_are_refused_and_kept(scene: Any, code: str, forge: Forge) -> None:
    await news_refused(scene, code, forge)
    await scene.finish()


# -- every check counts ------------------------------------------------------------------------------------------


class Removed(ast.NodeTransformer):
    """Takes the `number`th check out of a module: an `if` that refuses with a code, or what the verifier has found."""

    def __init__(self, number: int = -1) -> None:
        self._number = number
        self.found: list[str] = []

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        codes = [text for statement in node.body for text in _codes(statement)]
        if ast.unparse(node.test) == "forged is not None":
            codes = ["ACC311"]
        if codes and isinstance(node.body[-1], ast.Raise | ast.Return) and self._is_it(codes[0]):
            return ast.copy_location(ast.If(ast.Constant(False), node.body, node.orelse), node)
        return node

    def _is_it(self, code: str) -> bool:
        self.found.append(code)
        return len(self.found) - 1 == self._number


def _codes(statement: ast.AST) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            code = gate.CODES.get(node.value, node.value)  # a flaw has a name, and at the gate this code
            if code.startswith("ACC"):
                yield code


def without(module: Any, number: int) -> dict[str, Any]:
    """The module's names, as they are without one check; its values are the module's own."""
    tree = Removed(number).visit(ast.parse(inspect.getsource(module)))
    names: dict[str, Any] = {"__name__": module.__name__}
    exec(compile(ast.fix_missing_locations(tree), module.__file__, "exec"), names)  # noqa: S102 - our own source
    names.update({name: getattr(module, name) for name in ("Authentic", "Suspect", "Late", "News") if name in names})
    return names


def checks(module: Any) -> list[tuple[int, str]]:
    finder = Removed()
    finder.visit(ast.parse(inspect.getsource(module)))
    return list(enumerate(finder.found))


GATE_CHECKS = [(number, code) for number, code in checks(gate) if code < "ACC400" and code != "ACC351"]
"""ACC351 has tests of its own, about what comes after a result was accepted."""

INGRESS_CHECKS = checks(ingress)

RECEIVER_CHECKS = [(number, code) for number, code in checks(receiver) if code in ("ACC348", "ACC714")]


def _is_missed(code: str) -> list[Callable[[Any], Awaitable[None]]]:
    about_runs = [partial(refused, code=code, forge=one[2]) for one in FORGERIES if one[1] == code]
    return about_runs + [partial(news_refused, code=code, forge=one[2]) for one in NEWS if one[1] == code]


async def killed(code: str, opened: Callable[[], Any]) -> bool:
    """Whether a forgery for this code is not refused as it should be."""
    for attack in _is_missed(code):
        async with opened() as scene:
            try:
                async with asyncio.timeout(5):
                    await attack(scene)
            except (AssertionError, TimeoutError):
                return True
    return False


def test_the_checks_are_all_found() -> None:
    assert {code for _, code in (*checks(gate), *INGRESS_CHECKS)} >= {
        "ACC311",
        *(f"ACC3{number}" for number in range(40, 54)),
    }
    assert [code for _, code in INGRESS_CHECKS] == ["ACC342", "ACC343", "ACC344", "ACC352", "ACC352"]
    assert len(RECEIVER_CHECKS) == 3


@pytest.mark.parametrize(("number", "code"), GATE_CHECKS)
@pytest.mark.abuse(
    "ASI07", at="gate", stride="elevation of privilege", case="each check of the gate, taken out, is missed"
)
async def test_a_check_that_is_removed_is_missed(
    number: int, code: str, monkeypatch: pytest.MonkeyPatch, opened: Any
) -> None:
    monkeypatch.setattr(parts, "Gate", without(gate, number)["Gate"])
    assert await killed(code, opened)


@pytest.mark.parametrize(("number", "code"), INGRESS_CHECKS)
async def test_a_check_of_both_ends_that_is_removed_is_missed(
    number: int, code: str, monkeypatch: pytest.MonkeyPatch, opened: Any
) -> None:
    names = without(ingress, number)
    for name in ("claims_flaw", "payload_flaw"):
        monkeypatch.setattr(gate, name, names[name])
    assert await killed(code, opened)


@pytest.mark.parametrize(("number", "code"), RECEIVER_CHECKS)
async def test_a_check_of_news_that_is_removed_is_missed(
    number: int, code: str, monkeypatch: pytest.MonkeyPatch, opened: Any
) -> None:
    names = without(receiver, number)
    for name in ("_beat", "_register"):
        monkeypatch.setattr(receiver.Receiver, name, getattr(names["Receiver"], name))
    assert await killed(code, opened)


@pytest.mark.parametrize(
    ("name", "instead", "code"),
    [
        ("key", lambda self, kid, now: self.known_key(kid), "ACC340"),
        ("offers", lambda self, agent, contract: True, "ACC353"),
        ("card_problems", lambda self, card: iter(()), "ACC710"),
        ("card_problems", lambda self, card: iter(()), "ACC717"),
    ],
)
async def test_a_check_of_the_registry_that_is_removed_is_missed(
    name: str, instead: Callable[..., Any], code: str, monkeypatch: pytest.MonkeyPatch, opened: Any
) -> None:
    monkeypatch.setattr(Registry, name, instead)
    assert await killed(code, opened)
