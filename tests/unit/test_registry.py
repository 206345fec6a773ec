"""The registry: what is known for ever, who is present now, and what a card may not change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from accord.builtin.diagnose import agent as diagnostician
from accord.domain.capability import CapabilityRange
from accord.domain.diagnosis import DIAGNOSE, DIAGNOSTICIAN
from accord.domain.ids import AgentId, InstanceId
from accord.engine.parts import Tuning
from accord.errors import NotFound
from accord.sdk import Agent
from accord.testing.stage import QUIET, ScriptedAgent, Stage, node_on

WORK = CapabilityRange.parse("test.work@^1")


def offering(name: str, *versions: str, function: Any = None, **capacity: int) -> Agent:
    """An agent that offers `test.work` in these versions, all under one contract."""
    agent = Agent(name, **capacity)

    async def work(number: int) -> int:
        return number

    for version in versions:
        agent.capability(f"test.work@{version}")(function or work)
    return agent


async def wider(number: int | str) -> int:
    return int(number)


async def narrower(number: int, also: int) -> int:
    return number + also


async def looser(number: int) -> int | str:
    return number


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


async def refused(stage: Stage, agent: Agent) -> list[str]:
    """The codes with which the agent's card is refused; none where it is accepted."""
    scripted = await stage.enlist(agent)
    error = stage.parts.registry.refusals.get(scripted.id)
    assert (error is None) == (stage.parts.registry.capacity(scripted.id) is not None)
    return [problem.code for problem in error.problems] if error else []


# -- contracts ---------------------------------------------------------------------------------------------------


async def test_the_same_contract_under_the_same_version_is_welcome(stage: Stage) -> None:
    await stage.enlist(offering("first", "1.0.0"))
    assert await refused(stage, offering("second", "1.0.0")) == []
    assert [one.agent.rpartition("/")[2] for one in stage.parts.registry.candidates(WORK)] == ["first", "second"]


@pytest.mark.abuse(
    "ASI04", at="gate", stride="tampering", case="a contract swapped under the same version", codes=("ACC710",)
)
async def test_another_contract_under_the_same_version_is_refused(stage: Stage) -> None:
    await stage.enlist(offering("first", "1.0.0"))
    assert await refused(stage, offering("second", "1.0.0", function=wider)) == ["ACC710"]
    assert [one.agent.rpartition("/")[2] for one in stage.parts.registry.candidates(WORK)] == ["first"]


@pytest.mark.parametrize(("version", "function"), [("1.1.0", wider), ("1.0.1", None), ("2.0.0", narrower)])
async def test_a_version_that_keeps_the_promises_is_accepted(stage: Stage, version: str, function: Any) -> None:
    await stage.enlist(offering("first", "1.0.0"))
    assert await refused(stage, offering("second", version, function=function)) == []
    assert version in stage.parts.registry.versions(WORK.name)


@pytest.mark.parametrize("function", [narrower, looser])
async def test_a_minor_version_that_breaks_a_promise_is_refused(stage: Stage, function: Any) -> None:
    await stage.enlist(offering("first", "1.0.0"))
    assert await refused(stage, offering("second", "1.1.0", function=function))
    assert stage.parts.registry.versions(WORK.name) == ["1.0.0"]


async def test_an_older_version_that_the_newer_breaks_is_refused(stage: Stage) -> None:
    await stage.enlist(offering("first", "1.1.0"))
    assert await refused(stage, offering("second", "1.0.0", function=wider))


async def test_the_best_version_of_the_range_is_taken(stage: Stage) -> None:
    await stage.enlist(offering("worker", "1.0.0", "1.2.0", "2.0.0"))
    (candidate,) = stage.parts.registry.candidates(WORK)
    assert candidate.capability == "test.work@1.2.0"
    assert stage.parts.registry.candidates(CapabilityRange.parse("test.work@^3")) == ()


async def test_an_unknown_contract(stage: Stage) -> None:
    with pytest.raises(NotFound, match="ACC711"):
        stage.parts.registry.contract("0" * 64)  # type: ignore[arg-type]  # a digest


# -- reserved names ----------------------------------------------------------------------------------------------


def diagnosing(name: str) -> Agent:
    agent = Agent(name)

    @agent.capability("accord.diagnose@1.0.0", input={}, output={"type": "object"})
    async def diagnose(case: Any) -> Any:
        return case

    return agent


@pytest.mark.abuse(
    "ASI04",
    at="gate",
    stride="elevation of privilege",
    case="reserved names are for agents that the operator has named",
    codes=("ACC717",),
)
async def test_reserved_names_are_for_agents_that_the_operator_has_named(stage: Stage) -> None:
    assert await refused(stage, diagnosing("mallory")) == ["ACC717"]
    assert stage.parts.registry.candidates(DIAGNOSE) == ()
    assert await stage.codes() == ["ACC717"]
    assert await refused(stage, diagnosing("doctor")) == []
    assert [one.agent for one in stage.parts.registry.candidates(DIAGNOSE)] == ["spiffe://local/agent/doctor"]


async def test_the_built_in_diagnostician_may_offer_what_it_does() -> None:
    assert diagnostician.id == DIAGNOSTICIAN
    async with Stage.open(msgspec.structs.replace(QUIET, system_agents=Tuning().system_agents)) as stage:
        assert await refused(stage, diagnostician) == []
        assert "ACC717" in await refused(stage, diagnosing("doctor"))


# -- presence ----------------------------------------------------------------------------------------------------


async def arrived(stage: Stage) -> ScriptedAgent:
    return await stage.enlist(offering("worker", "1.0.0", concurrency=2, queue=10))


async def test_capacity_is_that_of_all_instances(stage: Stage) -> None:
    worker = await arrived(stage)
    second = InstanceId(f"{worker.id}#2")
    await worker.tell(await worker.news("card", worker.card(instance=second)))
    capacity = stage.parts.registry.capacity(worker.id)
    assert capacity is not None
    assert (capacity.concurrency, capacity.queue) == (4, 20)


async def test_a_silent_agent_is_gone_and_comes_back_with_its_next_heartbeat(stage: Stage) -> None:
    worker, registry = await arrived(stage), stage.parts.registry
    stage.clock.forward(3599)
    assert registry.expire(stage.clock.now()) == []
    stage.clock.forward(2)
    assert registry.expire(stage.clock.now()) == [worker.id]
    assert registry.capacity(worker.id) is None
    assert registry.candidates(WORK) == ()
    await worker.heartbeat()
    assert registry.capacity(worker.id) is not None
    assert len(registry.candidates(WORK)) == 1


async def test_one_of_two_instances_is_gone_the_agent_is_not(stage: Stage) -> None:
    worker, registry = await arrived(stage), stage.parts.registry
    stage.clock.forward(3000)
    await worker.tell(await worker.news("card", worker.card(instance=InstanceId(f"{worker.id}#2"))))
    stage.clock.forward(3000)
    assert registry.expire(stage.clock.now()) == [worker.id]
    assert list(registry.instances(worker.id)) == [f"{worker.id}#2"]
    (candidate,) = registry.candidates(WORK)
    assert registry.is_served(worker.id, candidate.contract.digest)


async def test_a_heartbeat_without_a_card_is_answered_with_what_to_do(stage: Stage) -> None:
    worker = await stage.enlist(offering("worker", "1.0.0"), present=False)
    await worker.heartbeat()
    told = await worker.told_alone()
    assert told.claims.kind == "reject"
    assert b"ACC715" in told.message.payload
    assert stage.parts.registry.capacity(worker.id) is None
    assert await stage.codes() == []


async def test_a_draining_instance_gets_nothing_more(stage: Stage) -> None:
    worker, registry = await arrived(stage), stage.parts.registry
    await worker.heartbeat(draining=True)
    assert registry.capacity(worker.id) is None
    await worker.heartbeat(draining=False)
    assert registry.capacity(worker.id) is not None


async def test_an_instance_that_leaves_is_gone_at_once(stage: Stage) -> None:
    worker, registry = await arrived(stage), stage.parts.registry
    second = InstanceId(f"{worker.id}#2")
    await worker.tell(await worker.news("card", worker.card(instance=second)))
    await worker.heartbeat(leaving=True)
    assert list(registry.instances(worker.id)) == [second]
    assert registry.expire(stage.clock.now()) == [worker.id]
    assert registry.expire(stage.clock.now()) == []
    await worker.heartbeat(instance=second, leaving=True)
    assert registry.capacity(worker.id) is None
    assert registry.expire(stage.clock.now()) == [worker.id]
    assert registry.expire(stage.clock.now()) == []
    await worker.heartbeat()
    assert b"ACC715" in (await worker.told_alone()).message.payload


async def test_renewals_end_with_their_leases(stage: Stage) -> None:
    worker = await arrived(stage)
    await stage.start({"work": {"uses": "test.work@^1", "with": {"number": 1}}})
    lease = (await worker.assigned()).claims.lease
    await worker.heartbeat(lease)
    registry = stage.parts.registry
    assert registry.renewed() == {lease: stage.clock.now() + timedelta(seconds=30)}
    stage.clock.forward(31)
    registry.expire(stage.clock.now())
    assert registry.renewed() == {}


# -- what is known for ever --------------------------------------------------------------------------------------


async def test_keys_and_cards_are_known_after_a_restart(stage: Stage) -> None:
    worker = await arrived(stage)
    await stage.parts.enrolment.revoke(worker.key.kid, by="test", reason="old", now=stage.clock.now())
    async with await node_on(stage.ports) as second:
        registry = second.parts.registry
        assert [card.agent for card in registry.agents()] == [worker.id]
        assert registry.versions(WORK.name) == ["1.0.0"]
        assert registry.capacity(worker.id) is None, "known, and not present"
        assert registry.key(worker.key.kid, stage.clock.now()) is None
        known = registry.known_key(worker.key.kid)
        assert known is not None
        assert known.revoked_at == stage.clock.now()


async def test_agents_are_listed_page_by_page(stage: Stage) -> None:
    for name in ("c", "a", "d", "b"):
        await stage.enlist(offering(name, "2.0.0" if name == "b" else "1.0.0"))

    async def page(wanted: CapabilityRange | None, after: str | None, limit: int | None) -> list[str]:
        behind = AgentId(f"spiffe://local/agent/{after}") if after is not None else None
        found = await stage.node.agents(wanted, behind, limit)
        assert all(key.agent == one.card.agent for one in found for key in one.keys)
        assert all(len(one.keys) == 1 for one in found)
        return [one.card.agent.rpartition("/")[2] for one in found]

    assert await page(None, None, None) == ["a", "b", "c", "d"]
    assert await page(None, None, 2) == ["a", "b"]
    assert await page(None, "b", 2) == ["c", "d"]
    assert await page(None, "bb", 1) == ["c"]
    assert await page(None, "d", 1) == []
    assert await page(CapabilityRange.parse("test.work@1.0.0"), "a", 1) == ["c"]


async def test_only_the_agents_of_the_page_are_made(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        await stage.enlist(offering(name, "1.0.0"))
    asked: list[AgentId] = []
    monkeypatch.setattr(stage.parts.registry, "capacity", asked.append)
    await stage.node.agents(None, AgentId("spiffe://local/agent/a"), 1)
    assert asked == ["spiffe://local/agent/b"]


async def test_enrolment_is_idempotent_and_revocation_final(stage: Stage) -> None:
    worker, enrolment = await arrived(stage), stage.parts.enrolment
    before = stage.parts.registry_stream.sequence
    await enrolment.enrol(worker.id, worker.key, by="test", now=stage.clock.now())
    assert stage.parts.registry_stream.sequence == before
    await worker.announce()
    assert stage.parts.registry_stream.sequence == before, "a card that says nothing new is not kept again"
    with pytest.raises(NotFound, match="ACC713"):
        await enrolment.revoke("x", by="test", reason="", now=stage.clock.now())  # type: ignore[arg-type]  # a key id
