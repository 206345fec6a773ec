"""Delegated keys: each rule that is broken is refused, by orchestrators and by agents, and what keeps them works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from io import BytesIO
from itertools import permutations
from typing import Any

import msgspec
import pytest

from accord.app import host
from accord.codec import decode_system_event
from accord.deputy import ASKED_AGAIN_AFTER, RENEWED_AFTER, Deputy
from accord.domain import event as e
from accord.domain.agent import registry_id
from accord.domain.delegation import (
    LIFETIME,
    LIFETIME_MAX,
    OF_AGENTS,
    OF_ORCHESTRATORS,
    delegation_claims,
    delegation_of,
)
from accord.domain.handshake import Known
from accord.domain.ids import KeyId, RunId, StreamId
from accord.domain.message import Claims, Grant, Message, decode_claims, encode_claims, payload_ref
from accord.domain.signature import PublicKey, attach, parse_statement, signing_input
from accord.domain.system import DELEGATIONS, KeyDelegated
from accord.domain.system import REGISTRY as STREAM
from accord.engine.enrolment import Terms
from accord.engine.registry import Registry
from accord.engine.rounds import Delegation
from accord.engine.verdicts import Authentic
from accord.errors import KeysUnavailable, MessageRefused
from accord.evidence.examine import examine
from accord.evidence.manifest import DELEGATED
from accord.gateway.agents import AgentSockets
from accord.keys.private import PrivateKey
from accord.keys.short import delegating
from accord.policy.cedar import decide_by
from accord.ports import Bare
from accord.sdk import Agent
from accord.sdk.intake import NOTICES, Intake, Letter, Refusal
from accord.statements import Draft, Signer, Verifier
from accord.testing.bundles import Entries, Liar, entries_of
from accord.testing.keys import MemoryKeyStore
from accord.testing.stage import NOON, ScriptedAgent, Stage
from accord.views.proof import proof_of

ONE = {"work": {"uses": "test.work@^1", "with": {"number": 1}}}
REGISTRY = registry_id("local")


def working(name: str = "worker") -> Agent:
    agent = Agent(name)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number + 1

    return agent


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


# -- the statement itself ----------------------------------------------------------------------------------------


def granted(**changed: Any) -> Claims:
    key = changed.pop("key", None) or PrivateKey.generate("ES256").public
    claims = delegation_claims(working().id, REGISTRY, key, OF_AGENTS, "1", NOON, LIFETIME)
    return msgspec.structs.replace(claims, **changed)


def read(claims: Claims, parent: str = "parent") -> str:
    """Nothing where it keeps the rules, else the code and the place."""
    try:
        delegation_of(claims, KeyId(parent), OF_AGENTS, LIFETIME)
    except MessageRefused as error:
        return f"{error.problems[0].code} {error.problems[0].place.pointer}"
    return ""


def jwk() -> dict[str, str]:
    return PrivateKey.generate("Ed25519").public.to_jwk()


def test_what_keeps_the_rules_is_read_as_it_was_said() -> None:
    key = PrivateKey.generate("ES256").public
    found = delegation_of(granted(key=key), KeyId("parent"), OF_AGENTS, LIFETIME)
    assert (found.issuer, found.key, found.bounds.parent) == (working().id, key, "parent")
    assert (found.bounds.until, set(found.bounds.kinds)) == (NOON + LIFETIME, OF_AGENTS)
    assert decode_claims(encode_claims(granted(key=key))) == granted(key=key)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"grant": None}, "ACC356 /dlg"),
        ({"kind": "heartbeat"}, "ACC356 /dlg"),
        ({"grant": Grant(jwk(), ("delegate",))}, "ACC356 /dlg/knd"),
        ({"grant": Grant(jwk(), ("card",))}, "ACC356 /dlg/knd"),
        ({"grant": Grant(jwk(), ("connect",))}, "ACC356 /dlg/knd"),
        ({"grant": Grant(jwk(), ("assign",))}, "ACC356 /dlg/knd"),
        ({"grant": Grant(jwk(), ("result", "accept"))}, "ACC356 /dlg/knd"),
        ({"grant": Grant(jwk(), ("result", "result"))}, "ACC356 /dlg/knd"),
        ({"grant": Grant({**jwk(), "d": "AAAA"}, ("result",))}, "ACC356 /dlg/jwk"),
        ({"grant": Grant({"kty": "RSA"}, ("result",))}, "ACC356 /dlg/jwk"),
        ({"expires_at": int((NOON + LIFETIME).timestamp()) + 1}, "ACC356 /exp"),
        ({"expires_at": int(NOON.timestamp())}, "ACC356 /exp"),
        ({"run": "run"}, "ACC356 None"),
        ({"payload": payload_ref(b"{}")}, "ACC356 None"),
        ({"inputs": ("0" * 64,)}, "ACC356 None"),
    ],
)
def test_each_rule_that_is_broken_is_named(changed: dict[str, Any], said: str) -> None:
    assert read(granted(**changed)) == said


def test_no_key_delegates_to_itself() -> None:
    key = PrivateKey.generate("ES256").public
    assert read(granted(key=key), parent=key.kid) == "ACC356 /dlg/jwk"


# -- at the gate -------------------------------------------------------------------------------------------------


async def delegated(agent: ScriptedAgent, *, told: bool = True, **changed: Any) -> PublicKey:
    """A key that the agent has delegated to, as a signer would."""
    keys = agent.stage.keys
    key = await keys.create(f"short.{len(await keys.stored())}")
    lifetime = changed.pop("lifetime", LIFETIME)
    now = agent.stage.clock.now()
    claims = delegation_claims(agent.id, REGISTRY, key, OF_AGENTS, f"delegation {key.kid}", now, lifetime)
    signer = changed.pop("signer", None)
    await agent.tell(await agent.sign(msgspec.structs.replace(claims, **changed), key=signer))
    if told:
        ack = await agent.told()
        assert (ack.claims.kind, msgspec.json.decode(ack.message.payload)) == (
            "ack",
            {"ended": [], "delegated": [key.kid]},
        )
    return key


async def seen(stage: Stage, message: Message) -> str:
    """What the gate makes of it: nothing where it is authentic, else the code."""
    (found,) = await stage.parts.gate.authenticate([Bare(message)], stage.clock.now())
    return "" if isinstance(found, Authentic) else found.problem.code


async def beat(agent: ScriptedAgent, key: PublicKey, **changed: Any) -> Message:
    payload = agent.beat()
    now = int(agent.stage.clock.now().timestamp())
    honest = {
        "issuer": agent.id,
        "audience": REGISTRY,
        "id": f"beat {now}",
        "issued_at": now,
        "expires_at": now + 300,
        "kind": "heartbeat",
        "payload": payload_ref(payload),
    }
    return await agent.sign(Claims(**(honest | changed)), payload, key=key)


async def test_a_delegated_key_answers_and_the_journal_verifies_for_ever(stage: Stage) -> None:
    agent = await stage.enlist(working())
    key = await delegated(agent)
    run = await stage.start(ONE)
    given = await agent.assigned()
    claims = agent.claims(given, b"2")
    await agent.send(await agent.sign(claims, b"2", key=key))
    assert (await stage.run(run)).phase == "completed"
    stage.clock.forward(10 * LIFETIME.total_seconds())
    proof = await proof_of(stage.node, run.id)
    assert (proof.ok, proof.statements) == (True, 1)
    for kid in (key.kid, agent.key.kid):  # what rests on a key rests on those that it has delegated to, too
        assert [one.run for one in (await stage.node.impact(kid)).runs] == [run.id]
    await stage.node.revoke_key(agent.key.kid, by="test", since=NOON)
    proof = await proof_of(stage.node, run.id)
    assert [one.code for one in proof.problems] == ["ACC543"]  # what is said of a key goes for its delegates


async def test_a_delegated_key_that_was_in_other_hands_is_told_by_the_proof(stage: Stage) -> None:
    agent = await stage.enlist(working())
    key = await delegated(agent)
    run = await stage.start(ONE)
    given = await agent.assigned()
    await agent.send(await agent.sign(agent.claims(given, b"2"), b"2", key=key))
    await stage.node.revoke_key(key.kid, by="test", since=NOON)
    assert [one.code for one in (await proof_of(stage.node, run.id)).problems] == ["ACC543"]


async def answered_with(agent: ScriptedAgent, key: PublicKey) -> RunId:
    run = await agent.stage.start(ONE)
    given = await agent.assigned()
    await agent.send(await agent.sign(agent.claims(given, b"2"), b"2", key=key))
    return run.id


async def told_in(stage: Stage, run: RunId) -> list[KeyId]:
    """The keys whose delegations are in the bundle of a run."""
    entries = entries_of(b"".join([chunk async for chunk in stage.node.export(run)]))
    return [one.key for one in msgspec.json.decode(entries.get(DELEGATED, b"[]"), type=list[KeyDelegated])]


async def test_a_bundle_holds_the_delegations_that_its_run_rests_on_and_no_others(stage: Stage) -> None:
    agent = await stage.enlist(working())
    mine, other = await delegated(agent), await delegated(agent)
    run, another, plain = [await answered_with(agent, key) for key in (mine, other, agent.key)]
    assert [await told_in(stage, one) for one in (run, another, plain)] == [[mine.kid], [other.kid], []]
    await stage.node.revoke_key(other.kid, by="test", since=NOON)  # nobody who examines the others knows this key
    proofs = [await proof_of(stage.node, one) for one in (run, another, plain)]
    assert [[problem.code for problem in proof.problems] for proof in proofs] == [[], ["ACC543"], []]


async def test_a_bundle_without_its_delegation_or_with_one_for_another_key_proves_nothing(stage: Stage) -> None:
    agent = await stage.enlist(working())
    mine, other = await delegated(agent), await delegated(agent)
    data = b"".join([chunk async for chunk in stage.node.export(await answered_with(agent, mine))])
    liar = Liar(stage.keys, stage.parts.identity.key)

    def swapped(_: object, entries: Entries) -> None:
        (one,) = msgspec.json.decode(entries[DELEGATED], type=list[KeyDelegated])
        entries[DELEGATED] = msgspec.json.encode([msgspec.structs.replace(one, key=other.kid, jwk=other.to_jwk())])

    def left_out(_: object, entries: Entries) -> None:
        del entries[DELEGATED]

    async def codes(change: Callable[[Any, Entries], None]) -> list[tuple[str, str | None]]:
        report = examine(BytesIO(await liar.remade(data, change)), None, decide_by)
        return [(one.code, (one.place.file or "").partition("/")[0]) for one in report.problems]

    assert await codes(lambda *_: None) == []
    assert await codes(left_out) == [("ACC540", "streams")]
    assert await codes(swapped) == [("ACC541", DELEGATED), ("ACC540", "streams")]


async def test_delegations_of_older_journals_are_in_the_registrys_stream_and_hold(stage: Stage) -> None:
    agent = await stage.enlist(working())
    key = await stage.keys.create("short")
    claims = delegation_claims(agent.id, REGISTRY, key, OF_AGENTS, "1", NOON, LIFETIME)
    bounds = delegation_of(claims, agent.key.kid, OF_AGENTS, LIFETIME).bounds
    statement = (await agent.sign(claims)).statement.decode()
    await stage.parts.registry_stream.append(
        KeyDelegated(
            at=NOON, agent=agent.id, key=key.kid, jwk=key.to_jwk(), parent=bounds.parent, until=bounds.until,
            kinds=bounds.kinds, statement=statement,
        )
    )  # fmt: skip
    run = await answered_with(agent, key)
    assert await told_in(stage, run) == []  # it is in the stream that every bundle holds
    assert (await proof_of(stage.node, run)).ok
    await stage.node.revoke_key(key.kid, by="test", since=NOON)
    assert [one.code for one in (await proof_of(stage.node, run)).problems] == ["ACC543"]


@pytest.mark.parametrize("streams", list(permutations((STREAM, DELEGATIONS))))
async def test_whichever_stream_is_read_first_a_revoked_key_is_revoked(
    stage: Stage, streams: Sequence[StreamId]
) -> None:
    agent = await stage.enlist(working())
    key = await delegated(agent)
    since = NOON - timedelta(minutes=1)
    await stage.node.revoke_key(key.kid, by="test", reason="stolen")
    await stage.node.revoke_key(key.kid, by="test", since=since)
    registry, told = Registry(lambda *_: (), absent_after=LIFETIME), list[KeyId]()
    registry.revoked.append(told.append)
    for stream in streams:
        for record in await stage.parts.ports.journal.read(stream):
            registry.apply(decode_system_event(record))
    known = registry.known_key(key.kid)
    assert known is not None
    assert known == stage.parts.registry.known_key(key.kid)
    assert (known.revoked_at, known.doubtful_from, known.reason) == (NOON, since, "stolen")
    assert registry.key(key.kid, NOON) is None
    assert told == [key.kid, key.kid]


async def test_the_same_delegation_again_changes_nothing(stage: Stage) -> None:
    agent = await stage.enlist(working())
    before = stage.parts.delegation_stream.sequence
    key = await delegated(agent)
    claims = delegation_claims(agent.id, REGISTRY, key, OF_AGENTS, f"delegation {key.kid}", NOON, LIFETIME)
    await agent.tell(await agent.sign(claims))
    assert (await agent.told()).claims.kind == "ack"
    assert stage.parts.delegation_stream.sequence == before + 1
    assert await stage.codes() == []


async def test_it_ends_with_its_time(stage: Stage) -> None:
    agent = await stage.enlist(working())
    key = await delegated(agent)
    stage.clock.forward(LIFETIME.total_seconds() - 1)
    assert await seen(stage, await beat(agent, key)) == ""
    stage.clock.forward(1)
    assert await seen(stage, await beat(agent, key)) == "ACC358"
    assert await seen(stage, await beat(agent, agent.key)) == ""


@pytest.mark.abuse(
    "ASI03", "ASI10", at="gate", stride="spoofing", case="a delegated key that outlives the one behind it"
)
async def test_it_ends_at_once_with_the_key_behind_it(stage: Stage) -> None:
    agent = await stage.enlist(working())
    key = await delegated(agent)
    await stage.node.revoke_key(agent.key.kid, by="test")
    assert await seen(stage, await beat(agent, key)) == "ACC358"


async def test_it_can_be_revoked_alone(stage: Stage) -> None:
    agent = await stage.enlist(working())
    key = await delegated(agent)
    await stage.node.revoke_key(key.kid, by="test")
    assert await seen(stage, await beat(agent, key)) == "ACC358"
    assert await seen(stage, await beat(agent, agent.key)) == ""


@pytest.mark.abuse("ASI03", at="gate", stride="spoofing", case="a delegated key that speaks for another agent")
async def test_it_signs_for_nobody_else(stage: Stage) -> None:
    agent, other = await stage.enlist(working()), await stage.enlist(working("other"))
    key = await delegated(agent)
    assert await seen(stage, await beat(agent, key, issuer=other.id)) == "ACC341"


@pytest.mark.parametrize("kind", ["card", "delegate"])
@pytest.mark.abuse(
    "ASI03", at="gate", stride="elevation of privilege", case="a delegated key that signs more than was delegated"
)
async def test_it_signs_no_other_kinds(stage: Stage, kind: str) -> None:
    agent = await stage.enlist(working())
    key = await delegated(agent)
    assert await seen(stage, await beat(agent, key, kind=kind)) == "ACC357"


@pytest.mark.abuse("ASI03", at="gate", stride="elevation of privilege", case="a delegated key that delegates")
async def test_a_delegate_delegates_nothing(stage: Stage) -> None:
    agent = await stage.enlist(working())
    key = await delegated(agent)
    second = await delegated(agent, told=False, signer=key)
    assert await stage.codes() == ["ACC357"]
    assert stage.parts.registry.known_key(second.kid) is None


async def test_kinds_that_were_not_delegated_are_refused(stage: Stage) -> None:
    agent = await stage.enlist(working())
    short = PrivateKey.generate("ES256").public
    claims = msgspec.structs.replace(
        delegation_claims(agent.id, REGISTRY, short, OF_AGENTS, "1", NOON, LIFETIME),
        grant=Grant((key := await stage.keys.create("short")).to_jwk(), ("result",)),
    )
    await agent.tell(await agent.sign(claims))
    assert await seen(stage, await beat(agent, key)) == "ACC357"


@pytest.mark.parametrize("lifetime", [LIFETIME + timedelta(seconds=1), LIFETIME_MAX])
async def test_no_longer_than_the_settings_say(stage: Stage, lifetime: timedelta) -> None:
    agent = await stage.enlist(working())
    await delegated(agent, told=False, lifetime=lifetime)
    assert (await agent.told()).claims.kind == "reject"
    assert await stage.codes() == ["ACC356"]


async def test_it_does_not_outlive_a_key_that_has_a_successor(stage: Stage) -> None:
    agent = await stage.enlist(working())
    new = await stage.keys.create("new")
    await stage.parts.enrolment.succeed(agent.key.kid, new, Terms(timedelta(minutes=5), None), by="test", now=NOON)
    await delegated(agent, told=False)
    assert await stage.codes() == ["ACC356"]


async def test_a_known_key_cannot_be_delegated_to(stage: Stage) -> None:
    agent, other = await stage.enlist(working()), await stage.enlist(working("other"))
    await delegated(agent, told=False, grant=Grant(other.key.to_jwk(), ("result",)))
    orchestrator = stage.parts.identity.key
    await delegated(agent, told=False, grant=Grant(orchestrator.to_jwk(), ("result",)))
    assert await stage.codes() == ["ACC356", "ACC356"]
    known = stage.parts.registry.known_key(other.key.kid)
    assert known is not None
    assert known.delegation is None


async def test_nobody_delegates_in_anothers_name(stage: Stage) -> None:
    agent, other = await stage.enlist(working()), await stage.enlist(working("other"))
    await delegated(agent, told=False, issuer=other.id)
    assert await stage.codes() == ["ACC341"]


async def test_only_delegations_hold_keys(stage: Stage) -> None:
    agent = await stage.enlist(working())
    grant = Grant(jwk(), ("result",))
    assert await seen(stage, await beat(agent, agent.key, grant=grant)) == "ACC355"


async def test_a_delegated_key_is_no_key_to_connect_or_to_be_enrolled_with(stage: Stage) -> None:
    agent = await stage.enlist(working())
    key = await delegated(agent)
    with pytest.raises(MessageRefused) as refused:
        await stage.parts.enrolment.enrol(working("third").id, key, by="test", now=NOON)
    assert refused.value.problems[0].code == "ACC712"
    sockets = AgentSockets(stage.parts, lambda sid, namespace: None)
    assert sockets._known(key.kid) is None
    assert sockets._known(agent.key.kid) == Known(agent.id, agent.key)


async def test_the_registry_itself_knows_no_chain_of_three_and_no_foreign_parent(stage: Stage) -> None:
    agent, other = await stage.enlist(working()), await stage.enlist(working("other"))
    key = await delegated(agent)
    third = PrivateKey.generate("ES256").public
    claims = delegation_claims(agent.id, REGISTRY, third, OF_AGENTS, "3", NOON, LIFETIME)
    for parent in (key.kid, other.key.kid):
        with pytest.raises(MessageRefused) as refused:
            await stage.parts.enrolment.delegate(delegation_of(claims, parent, OF_AGENTS, LIFETIME), "", NOON)
        assert refused.value.problems[0].code == "ACC356"
    with pytest.raises(MessageRefused) as refused:
        await stage.parts.enrolment.delegate(delegation_of(claims, third.kid[::-1], OF_AGENTS, LIFETIME), "", NOON)  # type: ignore[arg-type]  # an id
    assert refused.value.problems[0].code == "ACC358"


# -- at an agent -------------------------------------------------------------------------------------------------


class Orchestrated:
    """An agent's intake, and the orchestrator whose key it trusts."""

    def __init__(self) -> None:
        self.agent = working()
        self.own, self.short = PrivateKey.generate("ES256"), PrivateKey.generate("ES256")
        self.trust = {self.own.public.kid: self.own.public}
        self.intake = Intake(self.agent.id, self.trust, Verifier(), REGISTRY)

    def signed(self, claims: Claims, key: PrivateKey | None = None) -> Message:
        key = key or self.own
        data = signing_input(key.public.kid, key.public.algorithm, encode_claims(claims))
        return Message(attach(data, key.sign([data])[0]), b"")

    def grant(self, **changed: Any) -> Claims:
        issuer = "spiffe://local/orchestrator/main"
        claims = delegation_claims(issuer, REGISTRY, self.short.public, OF_ORCHESTRATORS, "1", NOON, LIFETIME)  # type: ignore[arg-type]  # an id
        return msgspec.structs.replace(claims, **changed)

    def cancel(self, **changed: Any) -> Claims:
        honest = {
            "issuer": "spiffe://local/orchestrator/main",
            "audience": self.agent.id,
            "id": "1",
            "issued_at": int(NOON.timestamp()),
            "expires_at": int(NOON.timestamp()) + 3600,
            "kind": "cancel",
            "run": "run",
            "task": "work",
            "attempt": 1,
        }
        return Claims(**(honest | changed))

    async def hear(self, message: Message, after: timedelta = timedelta()) -> str:
        (found,) = await self.intake.check([Bare(message)], NOON + after, NOTICES)
        assert isinstance(found, Letter | Refusal)
        return "" if isinstance(found, Letter) else found.problems[0].code


async def test_an_agent_believes_a_delegated_key_once_it_knows_of_it() -> None:
    it = Orchestrated()
    cancel = it.signed(it.cancel(), it.short)
    assert await it.hear(cancel) == "ACC380"
    assert it.intake.trusts(NOON) == ()
    assert await it.hear(it.signed(it.grant())) == ""
    assert await it.hear(it.signed(it.grant())) == ""
    assert it.intake.trusts(NOON) == (it.short.public.kid,)
    assert await it.hear(cancel) == ""
    assert await it.hear(cancel, LIFETIME) == "ACC358"
    assert it.intake.trusts(NOON + LIFETIME) == ()


async def test_an_agent_refuses_what_is_beyond_a_delegation() -> None:
    it = Orchestrated()
    assert await it.hear(it.signed(it.grant(audience=it.agent.id))) == "ACC381"
    assert await it.hear(it.signed(it.grant(expires_at=int((NOON + LIFETIME_MAX).timestamp()) + 1))) == "ACC356"
    assert await it.hear(it.signed(it.grant(grant=Grant(it.short.public.to_jwk(), ("welcome",))))) == "ACC356"
    assert await it.hear(it.signed(it.grant(grant=Grant(it.own.public.to_jwk(), ("assign",))))) == "ACC356"
    assert await it.hear(it.signed(it.grant())) == ""
    second = PrivateKey.generate("ES256").public
    it.trust[second.kid] = second
    assert await it.hear(it.signed(it.grant(grant=Grant(second.to_jwk(), ("assign",))))) == "ACC356"
    other = it.grant(grant=Grant(PrivateKey.generate("ES256").public.to_jwk(), ("assign",)))
    assert await it.hear(it.signed(other, it.short)) == "ACC357"
    foreign = it.signed(it.cancel(issuer="spiffe://local/orchestrator/other"), it.short)
    assert await it.hear(foreign) == "ACC357"
    it.trust.clear()  # the key behind it is not trusted any more
    assert await it.hear(it.signed(it.cancel(), it.short)) == "ACC358"


# -- whoever signs -----------------------------------------------------------------------------------------------


async def test_a_deputy_renews_in_time_and_never_leaves_nobody_to_sign() -> None:
    keys = MemoryKeyStore(NOON)
    signer = Signer(keys, await keys.create("own"))
    how = delegating("always", LIFETIME, OF_AGENTS)
    assert how is not None
    deputy, agent, now = Deputy(signer, how), working().id, NOON

    async def signs(until: timedelta) -> KeyId:
        (statement,) = await signer.sign([Draft(b"{}", until_s=int((now + until).timestamp()))])
        return parse_statement(statement).kid

    assert deputy.due(now)
    first = deputy.propose(agent, REGISTRY, "1", now)
    assert await signs(timedelta()) == signer.key.kid  # nobody has accepted it
    assert not deputy.due(now)
    assert deputy.due(now + ASKED_AGAIN_AFTER)
    deputy.accepted(["another"])  # type: ignore[list-item]  # an id
    assert signer.stand_in is None
    deputy.accepted([first.kid])
    assert await signs(LIFETIME) == first.kid
    assert await signs(LIFETIME + timedelta(seconds=1)) == signer.key.kid  # it would have to stand for longer
    (statement,) = await signer.sign([Draft(b"{}")])
    assert parse_statement(statement).kid == signer.key.kid  # nothing that may not be delegated
    now += LIFETIME * RENEWED_AFTER
    assert deputy.due(now)
    second = deputy.propose(agent, REGISTRY, "2", now)
    assert await signs(timedelta(minutes=5)) == first.kid  # the first goes on until the second is known
    deputy.accepted([second.kid])
    assert await signs(timedelta(minutes=5)) == second.kid
    deputy.give_up()
    assert (await signs(timedelta()), deputy.due(now + LIFETIME)) == (signer.key.kid, False)


async def test_the_order_of_statements_is_kept_whoever_signs() -> None:
    keys = MemoryKeyStore(NOON)
    signer = Signer(keys, await keys.create("own"))
    how = delegating("always", LIFETIME, OF_AGENTS)
    assert how is not None
    deputy = Deputy(signer, how)
    deputy.accepted([deputy.propose(working().id, REGISTRY, "1", NOON).kid])
    drafts = [Draft(b'{"n":%d}' % n, until_s=0 if n % 3 else None) for n in range(150)]
    parsed = [parse_statement(one) for one in await signer.sign(drafts)]
    assert [one.claims for one in parsed] == [draft.claims for draft in drafts]
    assert signer.stand_in is not None
    known = {signer.key.kid: signer.key, signer.stand_in.key.public.kid: signer.stand_in.key.public}
    assert await Verifier().problems([(one, known[one.kid]) for one in parsed]) == [None] * 150
    assert [one.kid == signer.key.kid for one in parsed] == [n % 3 == 0 for n in range(150)]


async def test_auto_is_for_slow_stores_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = MemoryKeyStore(NOON)
    signer = Signer(keys, await keys.create("own"))
    how = delegating("auto", LIFETIME, OF_AGENTS)
    assert how is not None
    assert delegating("never", LIFETIME, OF_AGENTS) is None
    deputy, times = Deputy(signer, how), iter(range(1000))
    for _ in range(20):
        await signer.sign([Draft(b"{}")])
    assert not deputy.due(NOON)
    monkeypatch.setattr("accord.statements.monotonic", lambda: next(times) * 0.02)
    for _ in range(8):
        assert not deputy.due(NOON)
        await signer.sign([Draft(b"{}")])
    assert deputy.due(NOON)


# -- all of it ---------------------------------------------------------------------------------------------------


async def changed_until(stage: Stage, holds: Callable[[], bool]) -> None:
    """Wait until what is known of agents is so."""
    changed = asyncio.Event()
    stage.parts.registry.changed.append(changed.set)
    while not holds():
        await changed.wait()
        changed.clear()


async def test_a_run_with_delegated_keys_on_both_sides(stage: Stage) -> None:
    how = delegating("always", LIFETIME, OF_ORCHESTRATORS)
    stage.parts.delegates.use(how)
    made = await stage.parts.delegates.renewed(REGISTRY, "1")
    assert made is not None
    await stage.parts.enrolment.delegate(*made, NOON)
    stage.parts.delegates.accepted(*made)
    short = made[0].key.kid
    async with host(stage.node, [working()]):
        await changed_until(stage, lambda: stage.parts.registry.trusts(working().id, short))
        agents_own = await stage.keys.public("agent.local.worker")
        run = await stage.node.ended((await stage.start(ONE)).id)
    assert run.phase == "completed"
    answers = [event for _, event in await stage.node.events(run.id) if isinstance(event, e.AttemptSucceeded)]
    kid = parse_statement(answers[0].statement.encode()).kid
    known = stage.parts.registry.known_key(kid)
    assert known is not None
    assert known.delegation is not None
    assert (known.agent, known.delegation.parent) == (working().id, agents_own.kid)
    assert (await proof_of(stage.node, run.id)).ok
    assert await stage.codes() == []


async def test_a_key_store_that_is_away_stops_no_delegated_key_and_is_asked_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.parts.delegates.use(delegating("always", LIFETIME, OF_ORCHESTRATORS))
    round_ = Delegation(stage.node.orchestrator)
    await round_.go()
    first = stage.parts.delegates.introduction
    agent = await stage.enlist(working())
    assert first is not None
    grant = decode_claims(parse_statement(first.statement).claims).grant
    assert grant is not None
    await agent.heartbeat(trusts=(grant.jwk["kid"],))

    async def away(kid: KeyId, inputs: object) -> list[bytes]:
        raise KeysUnavailable.of("ACC647", "away")

    with monkeypatch.context() as patched:
        patched.setattr(stage.keys, "sign", away)
        stage.clock.forward(LIFETIME.total_seconds() * RENEWED_AFTER)
        with pytest.raises(KeysUnavailable):
            await round_.go()
        await stage.start(ONE)
        assert parse_statement((await agent.assigned()).message.statement).kid == grant.jwk["kid"]
    stage.clock.forward(ASKED_AGAIN_AFTER.total_seconds())
    await round_.go()
    assert stage.parts.delegates.introduction not in (None, first)


async def test_an_orchestrator_signs_by_its_own_key_for_who_knows_of_no_other(stage: Stage) -> None:
    stage.parts.delegates.use(delegating("always", LIFETIME, OF_ORCHESTRATORS))
    made = await stage.parts.delegates.renewed(REGISTRY, "1")
    assert made is not None
    await stage.parts.enrolment.delegate(*made, NOON)
    stage.parts.delegates.accepted(*made)
    short, own = made[0].key.kid, stage.parts.identity.key.kid
    agent = await stage.enlist(working())
    await stage.start(ONE)
    given = await agent.assigned()
    assert parse_statement(given.message.statement).kid == own
    await agent.heartbeat()
    introduced = await agent.told_alone()
    assert (introduced.claims.kind, introduced.message.statement.decode()) == ("delegate", made[1])
    await agent.answer(given, 2)
    await agent.heartbeat(trusts=(short,))
    await stage.start(ONE)
    assert parse_statement((await agent.assigned()).message.statement).kid == short
    stage.clock.forward(LIFETIME.total_seconds() - 59)  # too late to be sure that it arrives in time
    await stage.start(ONE)
    assert parse_statement((await agent.assigned()).message.statement).kid == own
