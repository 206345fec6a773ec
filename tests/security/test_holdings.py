"""What processes tell each other of what they hold: only what an orchestrator of this identity has signed, for now, has
an effect; all else is an incident.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from accord.domain.capability import CapabilityRange
from accord.domain.ids import AgentId, RunId, lease_of, partition_of
from accord.domain.message import Claims, Message, encode_claims, payload_ref
from accord.domain.payloads import HoldingsPayload, encode_payload
from accord.domain.signature import PublicKey, attach, signing_input
from accord.ports import ORCHESTRATORS_SUBJECT
from accord.sdk import Agent
from accord.testing.stage import Stage

AGENT = AgentId("spiffe://local/agent/worker")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def holdings(**changed: Any) -> bytes:
    honest: dict[str, Any] = {"process": "other", "number": 1, "partitions": (1,), "agents": {AGENT: 3}}
    return encode_payload(HoldingsPayload(**(honest | changed)))


async def notice(stage: Stage, content: bytes, *, key: PublicKey | None = None, **changed: Any) -> Message:
    """A notice of another process, honest but for what is changed."""
    identity, now = stage.parts.identity, int(stage.clock.now().timestamp())
    honest: dict[str, Any] = {
        "issuer": identity.id,
        "audience": identity.id,
        "id": stage.ports.ids.token(),
        "issued_at": now,
        "expires_at": now + 10,
        "kind": "holdings",
        "payload": payload_ref(content),
    }
    key = key or identity.key
    signed = signing_input(key.kid, key.algorithm, encode_claims(Claims(**(honest | changed))))
    (signature,) = await stage.keys.sign(key.kid, [signed])
    return Message(attach(signed, signature), content)


async def heard(stage: Stage, message: Message) -> int:
    """How much others hold of the agent once this was heard."""
    await stage.bus.deliver(ORCHESTRATORS_SUBJECT, message)
    return stage.parts.router.commons.held_by_others(AGENT)


async def codes(stage: Stage) -> list[str]:
    await stage.start({"wait": {"signal": {"name": "go"}}})  # a turn puts down what was noticed
    return await stage.codes()


async def test_what_another_process_says_counts(stage: Stage) -> None:
    assert await heard(stage, await notice(stage, holdings())) == 3
    assert await heard(stage, await notice(stage, holdings(number=2, agents={AGENT: 1}))) == 1
    assert await codes(stage) == []


async def test_a_notice_that_comes_again_or_late_has_no_effect(stage: Stage) -> None:
    first = await notice(stage, holdings())
    await heard(stage, first)
    assert await heard(stage, await notice(stage, holdings(number=2, agents={}))) == 0
    assert await heard(stage, first) == 0
    now = int(stage.clock.now().timestamp())
    assert await heard(stage, await notice(stage, holdings(number=3), issued_at=now - 10, expires_at=now)) == 0
    assert await codes(stage) == []


async def test_a_newer_replica_may_say_more(stage: Stage) -> None:
    said = holdings()[:-1] + b',"whatever":true}'
    assert await heard(stage, await notice(stage, said)) == 3
    assert await codes(stage) == []


async def test_one_that_leaves_holds_nothing(stage: Stage) -> None:
    await heard(stage, await notice(stage, holdings()))
    assert await heard(stage, await notice(stage, holdings(number=2, leaving=True))) == 0
    assert stage.parts.router.commons.alone


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"issuer": AGENT}, "ACC341"),
        ({"audience": AGENT}, "ACC342"),
        ({"issued_at": 4_000_000_000, "expires_at": 4_000_000_001}, "ACC344"),
        ({"kind": "heartbeat"}, "ACC345"),
        ({"kind": "result"}, "ACC345"),
        ({"run": RunId("run_1")}, "ACC355"),
        ({"confidence": "1"}, "ACC355"),
        ({"payload": payload_ref(b"{}")}, "ACC352"),
        ({"payload": None}, "ACC352"),
    ],
)
@pytest.mark.abuse(
    "ASI07",
    "ASI08",
    at="peers",
    stride="tampering",
    case="a notice between processes with other claims",
    codes=("ACC341", "ACC342", "ACC344", "ACC345", "ACC355"),
)
async def test_other_claims_are_refused(stage: Stage, changed: dict[str, Any], code: str) -> None:
    assert await heard(stage, await notice(stage, holdings(), **changed)) == 0
    assert stage.parts.router.commons.alone
    assert await codes(stage) == [code]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'{"process":"other"}',
        b'{"process":"other","number":-1}',
        b'{"process":"other","number":1,"partitions":[64]}',
        b'{"process":"other","number":1,"agents":{"a":-1}}',
        b'{"process":"other","number":1,"agents":{"a":1,"a":2}}',
        b'{"process":"other","number":1,"wants":{"a.b":-1}}',
    ],
)
async def test_other_payloads_are_refused(stage: Stage, payload: bytes) -> None:
    await heard(stage, await notice(stage, payload))
    assert stage.parts.router.commons.alone
    assert len(await codes(stage)) == 1


@pytest.mark.abuse(
    "ASI03",
    "ASI10",
    at="peers",
    stride="spoofing",
    case="an agent that speaks as another process of the orchestrator",
    codes=("ACC340",),
)
async def test_an_agents_key_signs_none(stage: Stage) -> None:
    agent = Agent("worker")

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    worker = await stage.enlist(agent)
    assert await heard(stage, await notice(stage, holdings(), key=worker.key)) == 0
    assert await heard(stage, await notice(stage, holdings(), key=worker.key, issuer=worker.id)) == 0
    assert await codes(stage) == ["ACC340", "ACC340"]


async def test_a_forged_signature_is_refused(stage: Stage) -> None:
    honest = await notice(stage, holdings())
    head, _, _ = honest.statement.rpartition(b".")
    other = await notice(stage, holdings(number=9))
    forged = Message(head + b"." + other.statement.rpartition(b".")[2], honest.payload)
    assert await heard(stage, forged) == 0
    assert await codes(stage) == ["ACC311"]


async def test_what_another_process_tells_is_not_counted_once_more_from_heartbeats(stage: Stage) -> None:
    agent = Agent("worker", concurrency=8, queue=0)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    worker = await stage.enlist(agent)
    run = RunId("run_0000000000000000000000000x")
    other = partition_of(run)
    stage.parts.partitions.fences.pop(other, None)
    leases = [lease_of(run, str(number)) for number in range(3)]
    await worker.heartbeat(*leases, load=3 / 8)
    assert others_in_heartbeats(stage) == 3
    assert await heard(stage, await notice(stage, holdings(partitions=(other,)))) == 3
    await worker.heartbeat(*leases, load=3 / 8)
    assert others_in_heartbeats(stage) == 0


def others_in_heartbeats(stage: Stage) -> int:
    (candidate,) = stage.parts.registry.candidates(CapabilityRange.parse("test.work@^1"))
    return stage.parts.registry.rooms(AGENT, candidate.contract.digest, stage.clock.now()).whole.others


async def test_an_orchestrator_hears_no_agent_there(stage: Stage) -> None:
    """And what it hears as the registry is no holdings."""
    message = await notice(stage, holdings())
    await stage.bus.deliver("notice/registry", message)
    assert stage.parts.router.commons.alone
    assert await codes(stage) == ["ACC340"], "the orchestrator's own key is nobody's there"
