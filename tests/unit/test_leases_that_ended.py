"""What an instance is told of the leases that it names: all that have ended beyond doubt, and no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from accord.domain import command as c
from accord.domain.ids import LeaseToken, RunId, lease_of, partition_of, run_of
from accord.domain.payloads import AckPayload
from accord.domain.run import Run
from accord.ports import notice_subject
from accord.sdk import Agent
from accord.testing.stage import Assignment, ScriptedAgent, Stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as opened:
        yield opened


def writing() -> Agent:
    agent = Agent("writer")

    @agent.capability("text.write@1.0.0")
    async def write(number: int) -> int:
        return number

    return agent


async def at_work(stage: Stage) -> tuple[ScriptedAgent, Run, list[Assignment]]:
    """An agent with two assignments of one run."""
    writer = await stage.enlist(writing())
    task = {"uses": "text.write@^1", "with": {"number": 1}}
    run = await stage.start({"one": task, "two": task})
    return writer, run, [await writer.assigned(), await writer.assigned()]


def lease(assignment: Assignment) -> LeaseToken:
    assert assignment.claims.lease is not None
    return assignment.claims.lease


async def ended(writer: ScriptedAgent, *named: LeaseToken) -> tuple[LeaseToken, ...]:
    """Which of these leases the next heartbeat is told have ended; none where nothing is told."""
    await writer.heartbeat(*named)
    await writer.heartbeat(*named)  # dealt with after the first one: what that was told is there
    bus, told = writer.stage.bus, notice_subject(writer.instance)
    if not bus._listening[told][0].waiting:
        return ()
    first = await writer.told_alone()
    assert (first.claims.kind, first.claims.audience, first.claims.run) == ("ack", writer.id, None)
    await writer.told_alone()
    return msgspec.json.decode(first.message.payload, type=AckPayload).ended


def test_a_lease_tells_its_run() -> None:
    run = RunId("run_0001")
    assert run_of(lease_of(run, "abc")) == run
    assert run_of(LeaseToken("00000000000000000000000042")) is None


async def test_a_cancellation_is_told_to_all_instances(stage: Stage) -> None:
    writer, run, assignments = await at_work(stage)
    async with stage.bus.inbox(notice_subject(writer.id)) as other:
        await stage.node.control(run.id, c.Cancel(by="test"))
        told = [await writer.told(), await writer.told()]
        assert {one.claims.kind for one in told} == {"cancel"}
        assert {one.claims.lease for one in told} == {lease(one) for one in assignments}
        assert len(await other.take(2)) == 2


async def test_what_has_ended_is_told_and_what_goes_on_is_not(stage: Stage) -> None:
    writer, _, (first, second) = await at_work(stage)
    assert await ended(writer, lease(first), lease(second)) == ()
    await writer.answer(first, 1)
    assert await ended(writer, lease(first), lease(second)) == (lease(first),)
    assert lease(second) in stage.parts.registry.renewed()


async def test_of_what_cannot_be_known_nothing_is_told(stage: Stage) -> None:
    writer, run, _ = await at_work(stage)
    unheld = lease_of(run.id, "made-up")
    stage.parts.ledger.unread.add(run.id)
    assert await ended(writer, LeaseToken("of-an-old-journal"), unheld) == ()
    stage.parts.ledger.unread.discard(run.id)
    assert await ended(writer, unheld) == (unheld,)
    assert await stage.codes() == []


async def test_only_the_owner_of_the_run_tells(stage: Stage) -> None:
    writer, run, (first, _) = await at_work(stage)
    await writer.answer(first, 1)
    del stage.parts.partitions.fences[partition_of(run.id)]
    assert await ended(writer, lease(first)) == ()


async def test_an_owner_whose_claim_may_have_run_out_tells_nothing(stage: Stage) -> None:
    writer, _, (first, _) = await at_work(stage)
    await writer.answer(first, 1)
    stage.clock.forward(timedelta(days=2).total_seconds())
    await writer.announce()
    assert await ended(writer, lease(first)) == ()
