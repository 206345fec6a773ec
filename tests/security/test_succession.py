"""Succession: who believes the orchestrator's key believes the one that takes its place, by its word and no other's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import msgspec
import pytest

from accord.domain.agent import orchestrator_id, registry_id
from accord.domain.ids import AgentId, KeyId
from accord.domain.message import Claims, Grant, Message, encode_claims, payload_ref
from accord.domain.payloads import HoldingsPayload, encode_payload
from accord.domain.signature import PublicKey, attach, signing_input
from accord.domain.succession import LINKS_MAX, Link, followed, heirs, succession_claims
from accord.domain.system import SUCCESSIONS, KeySucceeded
from accord.engine.node import Node
from accord.engine.streams import SystemStream
from accord.errors import MessageRefused
from accord.evidence.examine import examine
from accord.keys.private import PrivateKey
from accord.policy.cedar import decide_by
from accord.ports import ORCHESTRATORS_SUBJECT, Bare
from accord.sdk import Agent
from accord.sdk.intake import NOTICES, Intake, Refusal
from accord.statements import Verifier
from accord.testing.stage import NOON, Stage, node_on

ISSUER = orchestrator_id("local")
KEYS = [PrivateKey.generate("ES256" if number % 2 else "Ed25519") for number in range(LINKS_MAX + 2)]
PUBLIC = [one.public for one in KEYS]
STRANGER = PrivateKey.generate("ES256")


def signed(claims: Claims, key: PrivateKey) -> str:
    data = signing_input(key.public.kid, key.public.algorithm, encode_claims(claims))
    return attach(data, key.sign([data])[0]).decode()


def link(before: PrivateKey, after: PublicKey, *, by: PrivateKey | None = None, **changed: Any) -> Link:
    claims = msgspec.structs.replace(succession_claims("local", after, NOON), **changed)
    return Link(before.public.to_jwk(), signed(claims, by or before))


def chain(length: int) -> list[Link]:
    return [link(KEYS[number], PUBLIC[number + 1]) for number in range(length)]


# -- the chain itself --------------------------------------------------------------------------------------------


def test_who_trusts_a_key_trusts_those_after_it_and_none_before() -> None:
    links = chain(LINKS_MAX)
    assert followed(links, ISSUER) == PUBLIC[:-1]
    assert followed([], ISSUER) == []
    assert list(heirs(links, {PUBLIC[0].kid}, ISSUER).values()) == PUBLIC[:-1]
    assert list(heirs(links, {PUBLIC[9].kid, KeyId("another")}, ISSUER).values()) == PUBLIC[9:-1]
    assert heirs(links, {STRANGER.public.kid}, ISSUER) == {}


CASES: dict[str, tuple[Callable[[], list[Link]], str]] = {
    "too long": (lambda: chain(LINKS_MAX + 1), "ACC667"),
    "signed by another key": (lambda: [link(KEYS[0], PUBLIC[1], by=STRANGER)], "ACC668"),
    "another key is said to be the one before": (
        lambda: [Link(PUBLIC[0].to_jwk(), link(STRANGER, PUBLIC[1]).statement)],
        "ACC668",
    ),
    "a link is missing": (lambda: [chain(3)[0], chain(3)[2]], "ACC668"),
    "out of order": (lambda: chain(2)[::-1], "ACC668"),
    "a circle": (lambda: [*chain(2), link(KEYS[2], PUBLIC[0])], "ACC668"),
    "itself": (lambda: [link(KEYS[0], PUBLIC[0])], "ACC668"),
    "another issuer": (lambda: [link(KEYS[0], PUBLIC[1], issuer=AgentId("spiffe://local/agent/a"))], "ACC668"),
    "another audience": (lambda: [link(KEYS[0], PUBLIC[1], audience=AgentId("spiffe://local/agent/a"))], "ACC668"),
    "another organisation": (
        lambda: [link(KEYS[0], PUBLIC[1], issuer=orchestrator_id("other"), audience=orchestrator_id("other"))],
        "ACC668",
    ),
    "another kind": (lambda: [link(KEYS[0], PUBLIC[1], kind="delegate")], "ACC668"),
    "no key": (lambda: [link(KEYS[0], PUBLIC[1], grant=None)], "ACC668"),
    "no key that can be": (lambda: [link(KEYS[0], PUBLIC[1], grant=Grant({"kty": "RSA"}, ("succeed",)))], "ACC668"),
    "it lets do more": (lambda: [link(KEYS[0], PUBLIC[1], grant=Grant(PUBLIC[1].to_jwk(), ("assign",)))], "ACC668"),
    "it ends": (lambda: [link(KEYS[0], PUBLIC[1], expires_at=2_000_000_000)], "ACC668"),
    "other claims": (lambda: [link(KEYS[0], PUBLIC[1], payload=payload_ref(b"{}"))], "ACC668"),
    "no statement": (lambda: [Link(PUBLIC[0].to_jwk(), "\ud800")], "ACC668"),
    "one of many is forged": (lambda: [*chain(2), link(KEYS[2], PUBLIC[3], by=STRANGER)], "ACC668"),
}


@pytest.mark.abuse(
    "ASI03",
    "ASI07",
    at="gate",
    stride="spoofing",
    case="a forged succession of the orchestrator's keys",
    codes=("ACC667", "ACC668"),
)
@pytest.mark.parametrize("case", CASES)
def test_a_chain_that_does_not_hold_makes_nobody_believed(case: str) -> None:
    make, code = CASES[case]
    with pytest.raises(MessageRefused) as refused:
        heirs(make(), {PUBLIC[0].kid}, ISSUER)
    assert refused.value.problems[0].code == code


# -- an agent that runs ------------------------------------------------------------------------------------------


async def hears(intake: Intake, statement: str) -> str:
    (found,) = await intake.check([Bare(Message(statement.encode(), b""))], NOON, NOTICES)
    return found.problems[0].code if isinstance(found, Refusal) else found.claims.kind


async def test_an_agent_that_runs_follows_those_that_a_trusted_key_names() -> None:
    trust = {PUBLIC[0].kid: PUBLIC[0]}
    intake = Intake(AgentId("spiffe://local/agent/a"), trust, Verifier(), registry_id("local"))
    cancel = Claims(
        issuer=ISSUER,
        audience=AgentId("spiffe://local/agent/a"),
        id="1",
        issued_at=int(NOON.timestamp()),
        expires_at=int(NOON.timestamp()) + 60,
        kind="ack",
    )
    assert await hears(intake, signed(cancel, KEYS[2])) == "ACC380"
    assert await hears(intake, chain(2)[1].statement) == "ACC380"  # it does not know that key
    for forged in ("another issuer", "another audience", "it ends", "it lets do more", "itself", "other claims"):
        assert await hears(intake, CASES[forged][0]()[0].statement) in ("ACC381", "ACC668", "ACC385")
    assert await hears(intake, signed(cancel, KEYS[1])) == "ACC380"
    assert [await hears(intake, one.statement) for one in chain(2)] == ["succeed", "succeed"]
    assert [await hears(intake, signed(cancel, key)) for key in KEYS[:4]] == ["ack", "ack", "ack", "ACC380"]
    told = [await hears(intake, one.statement) for one in chain(LINKS_MAX + 1)]
    assert told == ["succeed"] * LINKS_MAX + ["ACC667"]


# -- processes ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def working() -> Agent:
    agent = Agent("worker")

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number + 1

    return agent


async def rotated(stage: Stage, overlap: timedelta = timedelta(hours=1)) -> PublicKey:
    return (await stage.node.rotate_key("orchestrator", overlap, by="test")).new


async def said_by(stage: Stage, key: PublicKey, number: int) -> int:
    """How much others hold of the agent once a process with this key has said that it holds so much."""
    now, content = (
        int(stage.clock.now().timestamp()),
        encode_payload(
            HoldingsPayload(process="other", number=number, agents={AgentId("spiffe://local/agent/worker"): number})
        ),
    )
    claims = Claims(
        issuer=ISSUER,
        audience=ISSUER,
        id=f"notice {number}",
        issued_at=now,
        expires_at=now + 10,
        kind="holdings",
        payload=payload_ref(content),
    )
    data = signing_input(key.kid, key.algorithm, encode_claims(claims))
    (signature,) = await stage.keys.sign(key.kid, [data])
    await stage.bus.deliver(ORCHESTRATORS_SUBJECT, Message(attach(data, signature), content))
    return stage.parts.router.commons.held_by_others(AgentId("spiffe://local/agent/worker"))


async def test_a_process_that_runs_hears_one_that_has_the_new_key(stage: Stage) -> None:
    new, stranger = await rotated(stage), await stage.keys.create("stranger")
    assert await said_by(stage, new, 3) == 3
    assert await said_by(stage, stranger, 4) == 3
    await stage.start({"wait": {"signal": {"name": "go"}}})  # a turn puts down what was noticed
    assert await stage.codes() == ["ACC340"]


async def test_one_with_the_new_key_hears_the_old_one_until_it_retires(stage: Stage) -> None:
    old, new = stage.parts.identity.key, await rotated(stage)
    fresh = (await node_on(stage.ports)).parts
    await fresh.successions.follow()
    now = stage.clock.now()
    assert list(fresh.successions.keys(now)) == [old.kid, new.kid]
    assert list(fresh.successions.keys(now + timedelta(hours=1))) == [new.kid]
    assert [one.jwk["kid"] for one in fresh.successions.chain()] == [old.kid]


@pytest.mark.abuse(
    "ASI03", at="store", stride="tampering", case="a succession that somebody else has written into the journal"
)
async def test_what_somebody_else_writes_into_the_journal_counts_for_nothing(stage: Stage) -> None:
    own = stage.parts.identity.key
    stream = SystemStream(stage.ports.journal, SUCCESSIONS, lambda event: None)
    forged = link(STRANGER, own)  # nobody vouches for the key before
    for before, key, one in (
        (own, STRANGER.public, Link(own.to_jwk(), link(STRANGER, STRANGER.public).statement)),
        (own, STRANGER.public, Link(own.to_jwk(), signed(succession_claims("local", STRANGER.public, NOON), STRANGER))),
        (STRANGER.public, own, forged),
        (own, STRANGER.public, forged),
    ):
        until = stage.clock.now() + timedelta(days=1)
        await stream.append(
            KeySucceeded(
                at=stage.clock.now(),
                key=key.kid,
                before=before.kid,
                jwk=one.jwk,
                statement=one.statement,
                until=until,
                by="x",
            )
        )
    await stage.parts.refresh()
    assert list(stage.parts.successions.keys(stage.clock.now())) == [own.kid]


# -- evidence ----------------------------------------------------------------------------------------------------


async def test_a_bundle_holds_for_who_has_the_first_key_before_and_after(stage: Stage) -> None:
    async def export(node: Node) -> bytes:
        return b"".join([chunk async for chunk in node.export(run.id, "all")])

    worker = await stage.enlist(working())
    run = await stage.start({"work": {"uses": "test.work@^1", "with": {"number": 1}}})
    await worker.answer(await worker.assigned(), 2)
    await stage.run(run)
    first, before = stage.parts.identity.key.kid, await export(stage.node)
    second = await rotated(stage)
    async with await node_on(stage.ports) as node:
        after = await export(node)
        await node.rotate_key("orchestrator", timedelta(), by="test")
    async with await node_on(stage.ports) as node:
        third, last = node.parts.identity.key.kid, await export(node)
    assert [examine(BytesIO(one), {first}, decide_by).problems for one in (before, after, last)] == [(), (), ()]
    assert [examine(BytesIO(one), {first}, decide_by).key for one in (before, after, last)] == [
        first,
        second.kid,
        third,
    ]
    assert examine(BytesIO(last), {second.kid}, decide_by).ok
    assert not examine(BytesIO(before), {second.kid}, decide_by).ok  # nobody vouches for the key before
    assert not examine(BytesIO(last), {STRANGER.public.kid}, decide_by).ok
