"""The queue of incidents: how bad each is, what has become of it, what is sought; and what webhooks are told of it."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from accord.domain.agent import registry_id
from accord.domain.alert import KINDS, alert_of, cloud_alert
from accord.domain.ids import AgentId, RunId
from accord.domain.incident import Sought, severity_of
from accord.domain.message import Claims, Message, payload_ref
from accord.domain.system import AgentQuarantined, AgentTakenOut, IncidentRecorded, IncidentsSuppressed
from accord.domain.webhook import Webhook
from accord.engine import incident_queue
from accord.engine.verdicts import Suspect
from accord.errors import BadInput, NotFound, Problem, TransitionRefused
from accord.sdk import Agent
from accord.testing.stage import NOON, Stage, node_on
from accord.views.incidents import incident_document, incident_of

EDITOR = AgentId("spiffe://local/agent/editor")


def suspect(code: str, number: int = 0) -> Suspect:
    delivery: Any = type("Delivery", (), {"message": Message(b"%d" % number, b"payload"), "attempts": 1})()
    return Suspect(delivery, Problem(code, "refused"))


async def filled(stage: Stage, *codes: str) -> None:
    await stage.parts.incidents.record_all([suspect(code, number) for number, code in enumerate(codes)])


async def numbers(stage: Stage, limit: int = 10, **sought: Any) -> list[int]:
    return [one.number for one in await stage.node.incidents(limit, sought=Sought(**sought))]


async def test_an_incident_is_open_then_acknowledged_then_resolved_and_by_whom_is_kept() -> None:
    async with Stage.open() as stage:
        await filled(stage, "ACC352")
        assert (await stage.node.incident(1)).state == "open"
        await stage.node.acknowledge(1, by="ann", note="looking")
        again = await stage.node.acknowledge(1, by="bob")
        assert [(step.state, step.by, step.note) for step in again.steps] == [("acknowledged", "ann", "looking")]
        stage.clock.forward(5)
        await stage.node.resolve(1, by="bob", note="a broken proxy")
        async with await node_on(stage.ports) as other:
            found = await other.incident(1)
        assert (found.state, found.severity, found.event.at) == ("resolved", "high", NOON)
        assert [step.by for step in found.steps] == ["ann", "bob"]
        assert found.steps[1].at == stage.clock.now()
        assert incident_of(msgspec.json.decode(msgspec.json.encode(incident_document(found)))) == found


async def test_a_step_that_cannot_be_is_refused() -> None:
    async with Stage.open() as stage:
        await filled(stage, "ACC301")
        with pytest.raises(BadInput, match="ACC362"):
            await stage.node.resolve(1, by="ann", note=" ")
        for number in (0, 2):
            with pytest.raises(NotFound, match="ACC364"):
                await stage.node.acknowledge(number, by="ann")
        await stage.node.resolve(1, by="ann", note="noise")
        with pytest.raises(TransitionRefused, match="ann: noise"):
            await stage.node.resolve(1, by="bob", note="noise")
        with pytest.raises(TransitionRefused, match="ACC363"):
            await stage.node.acknowledge(1, by="bob")


async def test_what_is_sought_is_found_and_steps_are_no_incidents() -> None:
    async with Stage.open() as stage:
        await filled(stage, "ACC301", "ACC352", "ACC343", "ACC352")
        await stage.node.acknowledge(2, by="ann")
        await stage.node.resolve(3, by="ann", note="old")
        await filled(stage, "ACC302")
        assert await numbers(stage) == [7, 4, 3, 2, 1]
        assert await numbers(stage, state="open") == [7, 4, 1]
        assert await numbers(stage, state="open", severity="high") == [4]
        assert await numbers(stage, code="ACC352", limit=1) == [4]
        assert await numbers(stage, agent=EDITOR) == []
        page = await stage.node.incidents(2, after=7, sought=Sought(severity="medium"))
        assert [one.number for one in page] == [1]


async def test_what_was_trimmed_is_forgotten_by_whoever_had_read_it_and_whoever_had_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incident_queue, "PAGE", 2)
    async with Stage.open() as stage:
        await filled(stage, *["ACC301"] * 5)
        assert await numbers(stage) == [5, 4, 3, 2, 1]
        await stage.ports.journal.trim("sys:incidents", until=3)  # type: ignore[arg-type]  # a stream's id
        async with await node_on(stage.ports) as fresh:
            assert [one.number for one in await fresh.incidents(10)] == [5, 4]
        assert await numbers(stage) == [5, 4]
        with pytest.raises(NotFound):
            await stage.node.incident(3)


async def test_whoever_signs_in_the_name_of_another_is_who_it_is_about() -> None:
    async with Stage.open() as stage:
        honest, liar = await stage.enlist(Agent("honest")), await stage.enlist(Agent("liar"))
        await liar.tell(await liar.news("heartbeat", liar.beat(), issuer=honest.id))
        (incident,) = await stage.incidents()
        assert (incident.problem.code, incident.signer) == ("ACC341", liar.id)
        assert (incident.claimed_agent, incident.authentic) == (honest.id, False)
        assert alert_of(1, incident)[1].agent == liar.id  # type: ignore[index]  # it is told


@pytest.mark.abuse("ASI09", at="gate", stride="information disclosure", case="alerts quote nothing that was sent")
def test_alerts_say_nothing_of_what_was_sent_or_noted() -> None:
    secret = "hunter2"  # noqa: S105 - what must not be told
    problem = Problem("ACC352", f"refused: {secret}", hint=secret)
    recorded = IncidentRecorded(
        at=NOON, problem=problem, statement=secret, inline=secret, claimed_agent=EDITOR, run=RunId(f"run_{secret}")
    )
    events = [
        recorded,
        IncidentsSuppressed(at=NOON, code="ACC301", count=3, since=NOON),
        AgentTakenOut(at=NOON, agent=EDITOR, capability="a.b", problem=problem),
        AgentQuarantined(at=NOON, agent=EDITOR, by="accord", problem=problem),
    ]
    told = [alert_of(number, event) for number, event in enumerate(events, 1)]
    for number, one in enumerate(told, 1):
        assert one is not None
        assert secret.encode() not in cloud_alert("local", number, *one)
    assert [one and one[0] for one in told] == ["incident.opened"] * 3 + ["agent.quarantined"]
    assert told[0] is not None
    assert told[0][1].agent is None, "a claim is not told"
    document = orjson.loads(cloud_alert("local", 4, *told[3]))  # type: ignore[misc]  # it is told
    assert document["type"] == "accord.agent.quarantined"
    assert document["data"]["agent"] == EDITOR


def test_webhooks_of_templates_are_told_of_no_alert() -> None:
    hook = Webhook(id="1", url="https://hooks.invalid", added_at=NOON, added_by="test", types=("incident.*",))
    assert {kind for kind in KINDS if hook.admits_alert(kind)} == KINDS - {"agent.quarantined"}
    assert not msgspec.structs.replace(hook, templates=("t",)).admits_alert("incident.opened")
    assert msgspec.structs.replace(hook, types=()).admits_alert("agent.quarantined")


def test_severities() -> None:
    assert [severity_of(code) for code in ("ACC343", "ACC301", "ACC349", "ACC360")] == [
        "low", "medium", "high", "critical",
    ]  # fmt: skip


async def test_what_nobody_is_proven_to_have_sent_names_whom_it_claims_to_be_from() -> None:
    async with Stage.open() as stage:
        agent = await stage.enlist(Agent("editor"))
        stranger = await stage.keys.create("stranger")
        payload = agent.beat()
        now = int(stage.clock.now().timestamp())
        claims = Claims(
            issuer=agent.id, audience=registry_id("local"), id="beat", issued_at=now, expires_at=now + 300,
            kind="heartbeat", payload=payload_ref(payload),
        )  # fmt: skip
        await agent.tell(await agent.sign(claims, payload, key=stranger))
        await stage.node.revoke_key(agent.key.kid, by="test")
        await agent.tell(await agent.sign(claims, payload))
        await agent.tell(Message(b"no statement", b""))
        assert await numbers(stage, agent=EDITOR) == [2, 1]
        revoked, unknown = await stage.node.incidents(10, sought=Sought(agent=EDITOR))
        for one in (revoked, unknown):
            assert isinstance(one.event, IncidentRecorded)
            assert (one.event.problem.code, one.event.claimed_agent, one.event.authentic) == ("ACC340", EDITOR, False)
            assert (await stage.node.incident(one.number)).event == one.event
            assert incident_document(one)["claimed_agent"] == EDITOR
        assert f"{agent.key.kid} of {EDITOR} is revoked" in revoked.event.problem.message
        assert all(one.blamed is None for one in stage.parts.incidents.queue.standings())
