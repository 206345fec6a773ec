"""The signer signs what fits, and nothing else; and only for those who may ask."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from accord.domain.agent import agent_id, registry_id
from accord.domain.delegation import LIFETIME, OF_AGENTS, OF_ORCHESTRATORS, delegation_claims
from accord.domain.ids import AgentId, Digest, LeaseToken, RunId, TaskId
from accord.domain.message import Claims, Kind, encode_claims, payload_ref, statement_id
from accord.domain.signable import Signable
from accord.domain.signature import (
    PublicKey,
    attach,
    parse_statement,
    signing_input,
    statement_digest,
    verify,
)
from accord.errors import AccordError, KeysUnavailable, KeyUnusable, MessageRefused, NotFound
from accord.keys import signer as wire
from accord.keys.private import PrivateKey, fault
from accord.keys.signer import SignerKeys
from accord.signer import LINGERS, Charge, Door, Holder, Peer, _Desk, peer_of, signer
from accord.statements import Draft, Signer
from accord.testing.keys import MemoryKeyStore
from accord.testing.stage import NOON, SetClock

AGENT, OTHER, REGISTRY = agent_id("local", "writer"), agent_id("local", "other"), registry_id("local")
ORCHESTRATOR = AgentId("spiffe://local/orchestrator/main")
RUN, LEASE, CONTRACT = RunId("run"), LeaseToken("lease"), Digest("c" * 64)
KNOWN = {"run": RUN, "task": TaskId("task"), "attempt": 1, "lease": LEASE}
NOW_S = int(NOON.timestamp())


def assigned(**changed: Any) -> Claims:
    honest = {
        "issuer": ORCHESTRATOR,
        "audience": AGENT,
        "id": statement_id(RUN, TaskId("task"), 1, "assign"),
        "issued_at": NOW_S,
        "expires_at": NOW_S + 3600,
        "kind": "assign",
        **KNOWN,
        "capability": "test.work@1.0.0",
        "contract": CONTRACT,
        "payload": payload_ref(b"{}"),
    }
    return Claims(**(honest | changed))


def answered(kind: Kind = "result", **changed: Any) -> Claims:
    honest = {
        "issuer": AGENT,
        "audience": ORCHESTRATOR,
        "id": statement_id(RUN, TaskId("task"), 1, kind) + ("/1" if kind == "progress" else ""),
        "issued_at": NOW_S,
        "expires_at": NOW_S + 300,
        "kind": kind,
        **KNOWN,
        "capability": "test.work@1.0.0",
        "contract": CONTRACT,
        "payload": None if kind in ("accept", "upload", "fetch") else payload_ref(b"1"),
        "inputs": (statement_digest(encode_claims(assigned())),),
    }
    return Claims(**(honest | changed))


def news(kind: Kind = "heartbeat", **changed: Any) -> Claims:
    honest = {
        "issuer": AGENT,
        "audience": REGISTRY,
        "id": "1",
        "issued_at": NOW_S,
        "expires_at": NOW_S + 300,
        "kind": kind,
        "payload": payload_ref(b"{}"),
    }
    return Claims(**(honest | changed))


# -- what fits ---------------------------------------------------------------------------------------------------


def codes(claims: Claims, *, held: bool = True, after_s: float = 0) -> list[str]:
    clock, signable = SetClock(), Signable(AGENT, "local", LINGERS)
    if held:
        signable.hold(assigned(), statement_digest(encode_claims(assigned())), clock.now())
    clock.forward(after_s)
    return [f"{one.code} {one.place.pointer}" for one in signable.problems(claims, clock.now())]


@pytest.mark.parametrize("kind", ["accept", "progress", "result", "failure", "upload", "fetch"])
def test_an_answer_is_signed_while_its_assignment_is_held(kind: Kind) -> None:
    assert codes(answered(kind)) == []
    assert codes(answered(kind), held=False) == ["ACC643 /lea"]


@pytest.mark.parametrize("kind", ["connect", "card", "heartbeat"])
def test_what_an_agent_says_of_itself_is_signed(kind: Kind) -> None:
    assert codes(news(kind), held=False) == []


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        (answered(issuer=OTHER), "ACC641 /iss"),
        (answered(run=RunId("another")), "ACC643 /lea"),
        (answered(task=TaskId("another")), "ACC643 /lea"),
        (answered(attempt=2), "ACC643 /lea"),
        (answered(lease=LeaseToken("another")), "ACC643 /lea"),
        (answered(run=None), "ACC643 /lea"),
        (answered(audience=OTHER), "ACC644 /aud"),
        (answered(capability="test.other@1.0.0"), "ACC644 /cap"),
        (answered(contract=Digest("d" * 64)), "ACC644 /ctr"),
        (answered(inputs=()), "ACC644 /ins"),
        (answered(inputs=(Digest("d" * 64),)), "ACC644 /ins"),
        (answered(organisation="other"), "ACC644 /org"),
        (answered(id="run/task/1/failure"), "ACC644 /jti"),
        (answered("progress", id="run/task/1/progress"), "ACC644 /jti"),
        (answered("progress", id="run/task/1/progress/x"), "ACC644 /jti"),
        (answered(payload=None), "ACC644 /pld"),
        (answered("accept", payload=payload_ref(b"1")), "ACC644 /pld"),
        (answered(expires_at=NOW_S), "ACC644 /exp"),
        (answered(expires_at=NOW_S + 3601), "ACC644 /exp"),
        (answered(issued_at=NOW_S + 61), "ACC644 /iat"),
        (news(issuer=OTHER), "ACC641 /iss"),
        (news(audience=ORCHESTRATOR), "ACC644 /aud"),
        (news(payload=None), "ACC644 /pld"),
        (news(run=RUN), "ACC644 None"),
        (news(inputs=(Digest("d" * 64),)), "ACC644 None"),
        (delegation_claims(AGENT, REGISTRY, PrivateKey.generate("ES256").public, OF_AGENTS, "1", NOON, LIFETIME),
         "ACC642 /knd"),
        *((news(kind), "ACC642 /knd") for kind in ("bid", "welcome", "assign", "cancel", "call", "ack", "holdings")),
    ],
)  # fmt: skip
@pytest.mark.abuse(
    "ASI03",
    "ASI10",
    at="signer",
    stride="elevation of privilege",
    case="agent code that has something else signed than answers to what it holds",
)
def test_whatever_does_not_fit_is_refused(claims: Claims, said: str) -> None:
    assert codes(claims) == [said]


def test_an_assignment_is_held_for_a_while_and_not_for_ever() -> None:
    late = 3600 + LINGERS.total_seconds()
    claims = answered(issued_at=NOW_S + int(late) - 1, expires_at=NOW_S + int(late) + 300)
    assert codes(claims, after_s=late - 1) == []
    assert codes(claims, after_s=late) == ["ACC643 /lea"]


# -- over the socket ---------------------------------------------------------------------------------------------


class Rig:
    """A signer that listens, and an agent's end of its socket."""

    def __init__(self, path: Path) -> None:
        self.store = MemoryKeyStore(NOON)
        self.clock = SetClock()
        self.own = PrivateKey.generate("ES256")
        self.trust = {self.own.public.kid: self.own.public}
        self.path = path
        self.charge = Charge(organisation="local", agents=("writer", "second"), trust=frozenset(self.trust))
        self.door = Door(path=path, users=frozenset((os.geteuid(),)))
        self.keys: SignerKeys
        self.key: PublicKey

    def statement(self, claims: Claims, key: PrivateKey | None = None) -> bytes:
        key = key or self.own
        data = signing_input(key.public.kid, key.public.algorithm, encode_claims(claims))
        return attach(data, key.sign([data])[0])

    def input(self, claims: Claims, key: PublicKey | None = None) -> bytes:
        key = key or self.key
        return signing_input(key.kid, key.algorithm, encode_claims(claims))

    async def refused(self, *inputs: bytes) -> str:
        with pytest.raises(AccordError) as error:
            await self.keys.sign(self.key.kid, inputs)
        return error.value.problems[0].code

    async def raw(self, data: bytes) -> bytes:
        """What is answered to these bytes; nothing where the connection is closed."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        writer.write(data)
        writer.write_eof()
        try:
            return await reader.read()
        finally:
            writer.close()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path / "s")
    async with signer(rig.store, rig.charge, rig.door, rig.clock), SignerKeys.open(rig.path) as keys:
        rig.keys, rig.key = keys, await keys.public("agent.local.writer")
        yield rig


async def test_many_statements_are_signed_in_one_request(rig: Rig) -> None:
    claims = [news(id=str(number)) for number in range(300)]
    statements = await Signer(rig.keys, rig.key, whole=True).sign([Draft(encode_claims(one)) for one in claims])
    for statement, said in zip(statements, claims, strict=True):
        parsed = parse_statement(statement)
        assert parsed.claims == encode_claims(said)
        verify(parsed, rig.key)
    await rig.keys.show(rig.trust, [rig.statement(assigned())])
    assert len(await rig.keys.sign(rig.key.kid, [rig.input(answered()), rig.input(answered("accept"))])) == 2


@pytest.mark.abuse(
    "ASI03",
    at="signer",
    stride="elevation of privilege",
    case="bytes of another protocol, to be signed with an agent's key",
)
async def test_raw_bytes_roots_and_what_is_spelt_otherwise_are_never_signed(rig: Rig) -> None:
    honest = rig.input(news())
    head, claims = honest.split(b".")
    others = PrivateKey.generate("ES256").public
    for data in (
        b"", b"anything", b"accord+root\x00\x00\x02" + b"r" * 32, claims, honest + b".", honest + b"=", b"." + honest,
        head + b"." + claims[:-2], rig.input(news(), others), rig.statement(assigned()),
        signing_input(rig.key.kid, "ES256-MT", encode_claims(news())),
    ):  # fmt: skip
        assert await rig.refused(data) == "ACC640"
    assert await rig.refused(signing_input(rig.key.kid, "ES256", b"{}")) == "ACC313"
    assert await rig.refused(signing_input(rig.key.kid, "ES256", b"no json")) == "ACC321"
    assert len(await rig.keys.sign(rig.key.kid, [honest])) == 1


async def test_one_that_does_not_fit_refuses_all_of_a_request(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "accord.signer"):
        assert await rig.refused(rig.input(news()), rig.input(answered())) == "ACC643"
    assert "ACC643" in caplog.text
    assert f"pid {os.getpid()}" in caplog.text


@pytest.mark.parametrize(
    "claims",
    [
        assigned(expires_at=NOW_S),
        assigned(issued_at=NOW_S + 61),
        assigned(audience=OTHER),
        assigned(lease=None),
        assigned(kind="cancel"),
    ],
)
async def test_an_assignment_that_is_none_is_not_believed(rig: Rig, claims: Claims) -> None:
    with pytest.raises(MessageRefused) as error:
        await rig.keys.show(rig.trust, [rig.statement(claims)])
    assert error.value.problems[0].code == "ACC648"
    assert await rig.refused(rig.input(answered())) == "ACC643"


@pytest.mark.abuse(
    "ASI01", "ASI03", at="signer", stride="spoofing", case="an assignment that agent code has made up for itself"
)
async def test_an_assignment_by_nobody_that_is_trusted_is_not_believed(rig: Rig) -> None:
    stranger = PrivateKey.generate("ES256")
    trust = {stranger.public.kid: stranger.public}
    for statement in (rig.statement(assigned(), stranger), rig.statement(assigned())[:-4] + b"AAAA"):
        with pytest.raises(MessageRefused):
            await rig.keys.show({**trust, **rig.trust}, [statement])
    assert await rig.refused(rig.input(answered())) == "ACC643"


async def test_what_one_agent_holds_another_does_not_answer(rig: Rig) -> None:
    await rig.keys.show(rig.trust, [rig.statement(assigned())])
    second = await rig.keys.public("agent.local.second")
    for claims, code in (
        (answered(issuer=agent_id("local", "second")), "ACC643"),
        (answered(), "ACC641"),
        (news(), "ACC641"),
    ):
        with pytest.raises(MessageRefused) as error:
            await rig.keys.sign(second.kid, [rig.input(claims, second)])
        assert code in [one.code for one in error.value.problems]


async def test_orchestrators_with_delegated_keys_are_believed_for_what_was_delegated(rig: Rig) -> None:
    short = PrivateKey.generate("ES256")
    given = rig.statement(assigned(), short)
    with pytest.raises(MessageRefused):
        await rig.keys.show(rig.trust, [given])
    grant = delegation_claims(ORCHESTRATOR, REGISTRY, short.public, OF_ORCHESTRATORS, "1", NOON, LIFETIME)
    await rig.keys.show(rig.trust, [rig.statement(grant)])
    await rig.keys.show(rig.trust, [given])
    assert len(await rig.keys.sign(rig.key.kid, [rig.input(answered())])) == 1
    rig.clock.forward(LIFETIME.total_seconds())
    with pytest.raises(MessageRefused):
        await rig.keys.show(rig.trust, [given])


async def test_only_keys_of_its_agents_are_shown_and_signed_with(rig: Rig) -> None:
    orchestrators = await rig.store.create("orchestrator")
    assert [one.name for one in await rig.keys.stored()] == ["agent.local.second", "agent.local.writer"]
    with pytest.raises(NotFound):
        await rig.keys.public("orchestrator")
    with pytest.raises(NotFound):
        await rig.keys.sign(orchestrators.kid, [rig.input(news(), orchestrators)])
    for made in (rig.keys.create("agent.local.third"), rig.keys.replace("agent.local.writer")):
        with pytest.raises(KeyUnusable) as error:
            await made
        assert error.value.problems[0].code == "ACC647"


async def test_a_key_that_was_replaced_signs_on_beside_its_successor(rig: Rig) -> None:
    new = await rig.store.replace("agent.local.writer")
    assert await rig.keys.public("agent.local.writer") == new
    for key in (rig.key, new):
        assert len(await rig.keys.sign(key.kid, [rig.input(news(), key)])) == 1


@pytest.mark.parametrize(
    "document",
    [b"no json", b"[]", b'{"ask":"steal"}', b'{"ask":"sign","key":"k"}', b'{"ask":"keys","more":1}',
     b'{"ask":"sign","key":"k","inputs":[]}', b"\xff", b"[" * 5000],
)  # fmt: skip
@pytest.mark.abuse("ASI05", at="signer", stride="tampering", case="requests that are none", codes=("ACC646",))
async def test_a_request_that_is_none_is_refused_and_the_connection_goes_on(rig: Rig, document: bytes) -> None:
    answers = await rig.raw(wire.framed(document) + wire.framed(b'{"ask":"keys"}'))
    length = struct.unpack(">I", answers[:4])[0]
    first = msgspec.json.decode(answers[4 : 4 + length], type=wire.Told)
    second = msgspec.json.decode(answers[8 + length :], type=wire.Told)
    assert [one.code for one in first.problems] == ["ACC646"]
    assert len(second.keys) == 2


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x09short"])
async def test_a_frame_that_is_none_ends_the_connection(rig: Rig, data: bytes) -> None:
    assert await rig.raw(data) == b""
    assert len(await rig.keys.stored()) == 2


@pytest.mark.abuse("ASI08", at="signer", stride="denial of service", case="slow senders: a frame that does not end")
async def test_who_is_slow_is_not_waited_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accord.signer.SLOW_S", 0.0)
    reader, writer = await asyncio.open_unix_connection(str(rig.path))
    writer.write(b"\x00\x00")  # and nothing more
    assert await reader.read() == b""
    writer.close()


# -- who may ask -------------------------------------------------------------------------------------------------


def test_the_kernel_says_who_is_there() -> None:
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        assert peer_of(here) == Peer(os.getpid(), os.geteuid(), os.getegid())


def test_only_those_are_admitted_that_are_named() -> None:
    door = Door(path=Path("s"), users=frozenset((10,)), groups=frozenset((20,)))
    admitted = [door.admits(Peer(1, uid, gid)) for uid, gid in ((10, 1), (1, 20), (10, 20), (1, 1), (20, 10), (0, 0))]
    assert admitted == [True, True, True, False, False, False]
    assert oct(door.mode) == "0o666"
    assert oct(Door(path=Path("s"), users=frozenset((os.geteuid(),))).mode) == "0o600"


@pytest.mark.abuse("ASI03", at="signer", stride="spoofing", case="another user of the machine at the signer's socket")
async def test_who_may_not_ask_is_told_so_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(tmp_path / "s")
    door = Door(path=rig.path, users=frozenset((os.geteuid() + 1,)))
    async with signer(rig.store, rig.charge, door, rig.clock):
        with caplog.at_level(logging.WARNING, "accord.signer"), pytest.raises(KeyUnusable) as error:
            async with SignerKeys.open(rig.path):
                pass
    assert error.value.problems[0].code == "ACC645"
    assert "may not ask" in caplog.text


# -- coming and going --------------------------------------------------------------------------------------------


async def test_the_socket_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "s")
    async with signer(rig.store, rig.charge, rig.door, rig.clock):
        assert oct(rig.path.stat().st_mode & 0o777) == "0o600"
        with pytest.raises(KeyUnusable) as error:
            async with signer(rig.store, rig.charge, rig.door, rig.clock):
                pass
        assert error.value.problems[0].code == "ACC649"
    assert not rig.path.exists()


async def test_a_socket_that_somebody_left_is_taken_away_and_a_file_is_not(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(rig.path))
    async with signer(rig.store, rig.charge, rig.door, rig.clock), SignerKeys.open(rig.path):
        pass
    rig.path.write_text("mine")
    with pytest.raises(KeyUnusable):
        async with signer(rig.store, rig.charge, rig.door, rig.clock):
            pass
    assert rig.path.read_text() == "mine"


async def test_a_signer_that_was_started_again_is_shown_what_the_one_before_was(rig: Rig, tmp_path: Path) -> None:
    again = Rig(tmp_path / "t")
    again.store, again.own, again.charge = rig.store, rig.own, rig.charge
    keys = SignerKeys(again.path)
    async with signer(again.store, again.charge, again.door, again.clock):
        await keys.show(rig.trust, [rig.statement(assigned())])
    with pytest.raises(KeyUnusable) as error:
        await keys.sign(rig.key.kid, [rig.input(answered())])
    assert error.value.problems[0].code == "ACC647"
    async with signer(again.store, again.charge, again.door, again.clock):
        assert len(await keys.sign(rig.key.kid, [rig.input(answered())])) == 1
        keys._hang_up()


async def test_what_was_asked_is_answered_before_it_stops(rig: Rig) -> None:
    class Waiting(MemoryKeyStore):
        def __init__(self) -> None:
            super().__init__(NOON)
            self.asked, self.go = asyncio.Event(), asyncio.Event()

        async def sign(self, kid: Any, inputs: Any) -> list[bytes]:
            self.asked.set()
            await self.go.wait()
            return await super().sign(kid, inputs)

    store, path = Waiting(), rig.path.with_name("w")
    holder = Holder(store, rig.charge, rig.clock)
    key = (await holder.prepare())[0]
    desk = _Desk(holder, Door(path=path, users=rig.door.users))
    server = await asyncio.start_unix_server(desk.receive, str(path))
    keys = SignerKeys(path)
    asking = asyncio.create_task(keys.sign(key.kid, [rig.input(news(), key)]))
    await store.asked.wait()
    server.close()
    draining = asyncio.create_task(desk.drain())
    store.go.set()
    assert len(await asking) == 1
    await draining
    with pytest.raises(KeyUnusable):
        await keys.stored()


@pytest.mark.parametrize(
    ("said", "kind"),
    [(KeysUnavailable(fault("ACC630", "hsm")), KeysUnavailable), (KeyUnusable(fault("ACC632", "hsm")), KeyUnusable)],
)
async def test_a_signer_whose_key_store_is_away_has_refused_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, said: KeyUnusable, kind: type[KeyUnusable]
) -> None:
    """Who is told that a statement is refused drops it: an answer would be lost."""

    async def away(*_: object) -> list[bytes]:
        raise said

    monkeypatch.setattr(rig.store, "sign", away)
    with pytest.raises(kind, match=said.problems[0].code):
        await rig.keys.sign(rig.key.kid, [rig.input(news())])
