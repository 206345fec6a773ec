"""Several instances of one agent: each has its own card and heartbeats; the agent is what they are together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from accord.domain import command as c
from accord.domain.capability import CapabilityRange
from accord.domain.grounds import Figures
from accord.domain.ids import InstanceId, LeaseToken, RunId, TaskId, lease_of, partition_of, run_of
from accord.engine.absence import Presence
from accord.engine.sighting import Sighted
from accord.sdk import Agent
from accord.testing.stage import QUIET, Assignment, ScriptedAgent, Stage

WORK = CapabilityRange.parse("test.work@^1")
TASK = TaskId("work")


def offering(*versions: str, name: str = "worker", concurrency: int = 1, queue: int = 10) -> Agent:
    agent = Agent(name, concurrency=concurrency, queue=queue)

    async def work(number: int) -> int:
        return number

    for version in versions:
        agent.capability(f"test.work@{version}")(work)
    return agent


def work(version: str = "^1") -> dict[str, Any]:
    return {"work": {"uses": f"test.work@{version}", "with": {"number": 1}}}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


async def rolling(stage: Stage) -> tuple[ScriptedAgent, InstanceId, InstanceId]:
    """An agent in the middle of an upgrade: one instance offers 1.0.0, a newer one 1.1.0."""
    worker = await stage.enlist(offering("1.0.0"))
    old, new = worker.instance, InstanceId(f"{worker.id}#2")
    await worker.tell(await worker.news("card", worker.card(offering("1.1.0", concurrency=2), instance=new)))
    return worker, old, new


def versions(stage: Stage, wanted: CapabilityRange = WORK) -> list[str]:
    return [one.capability for one in stage.parts.registry.candidates(wanted)]


# -- cards -------------------------------------------------------------------------------------------------------


async def test_an_agent_offers_what_its_instances_offer_together(stage: Stage) -> None:
    worker, *_ = await rolling(stage)
    assert versions(stage) == ["test.work@1.1.0", "test.work@1.0.0"]
    capacity = stage.parts.registry.capacity(worker.id)
    assert capacity is not None
    assert capacity.concurrency == 3
    await worker.announce()
    assert versions(stage) == ["test.work@1.1.0", "test.work@1.0.0"], "the last card does not win for all"


async def test_of_one_instance_only_the_best_version_is_wanted(stage: Stage) -> None:
    await stage.enlist(offering("1.0.0", "1.2.0", "1.1.0"))
    assert versions(stage) == ["test.work@1.2.0"]


async def test_a_version_of_which_no_instance_is_left_is_not_assigned(stage: Stage) -> None:
    worker, old, new = await rolling(stage)
    await worker.heartbeat(instance=new, draining=True)
    assert versions(stage) == ["test.work@1.0.0"]
    await worker.heartbeat(instance=old, draining=True)
    assert versions(stage) == []
    await worker.heartbeat(instance=new, draining=False)
    assert versions(stage) == ["test.work@1.1.0"]


async def test_cards_of_two_versions_in_turn_are_journalled_once_each(stage: Stage) -> None:
    worker, _, new = await rolling(stage)
    kept = stage.parts.registry_stream.sequence
    for _ in range(3):
        await worker.announce()
        await worker.tell(await worker.news("card", worker.card(offering("1.1.0", concurrency=2), instance=new)))
    assert stage.parts.registry_stream.sequence == kept


async def test_a_return_to_an_older_version_is_journalled(stage: Stage) -> None:
    worker, *_ = await rolling(stage)
    kept = stage.parts.registry_stream.sequence
    stage.clock.forward(3601)
    stage.parts.registry.expire(stage.clock.now())
    await worker.tell(await worker.news("card", worker.card(instance=InstanceId(f"{worker.id}#3"))))
    assert stage.parts.registry_stream.sequence == kept + 1
    assert versions(stage) == ["test.work@1.0.0"]


async def test_instances_are_told_of(stage: Stage) -> None:
    worker, old, new = await rolling(stage)
    await worker.heartbeat(instance=new, queued=4)
    await Sighted(stage.parts).go()
    seen = await stage.node.sightings()
    assert [(one.instance, one.capabilities, one.queued) for one in seen] == [
        (old, ("test.work@1.0.0",), 0),
        (new, ("test.work@1.1.0",), 4),
    ]
    assert [one.card.agent for one in await stage.node.agents(CapabilityRange.parse("test.work@1.0.0"))] == [worker.id]


# -- assignments -------------------------------------------------------------------------------------------------


async def filled(stage: Stage, worker: ScriptedAgent) -> list[str]:
    """The versions of what is assigned until nobody has room."""
    run = await stage.start(
        {"many": {"for_each": "${ input }", "uses": "test.work@^1", "with": {"number": "${ item }"}}}, list(range(20))
    )
    state = await stage.run(run)
    attempts = [one for item in state.started_items(TaskId("many")) for one in state.state(item).attempts]
    return sorted(attempt.capability for attempt in attempts)


async def test_each_version_is_assigned_up_to_the_room_of_its_instances(stage: Stage) -> None:
    worker = await stage.enlist(offering("1.0.0", concurrency=1, queue=0))
    newer = offering("1.1.0", concurrency=2, queue=0)
    await worker.tell(await worker.news("card", worker.card(newer, instance=InstanceId(f"{worker.id}#2"))))
    assert await filled(stage, worker) == ["test.work@1.0.0", "test.work@1.1.0", "test.work@1.1.0"]


async def test_attempts_of_a_version_that_is_gone_are_taken_back_at_once() -> None:
    async with Stage.open(msgspec.structs.replace(QUIET, absent_after=timedelta(seconds=10))) as stage:
        worker, old, _ = await rolling(stage)
        run = await stage.start(work("1.1.0"))
        other = await stage.start(work("1.0.0"), version="1.0.1")
        stage.clock.forward(8)
        await worker.heartbeat(instance=old)
        stage.clock.forward(6)
        await Presence(stage.node.orchestrator).go()
        await stage.node.orchestrator.submit(other.id, c.Tick())
        assert [one.phase for one in (await stage.run(run)).state(TASK).attempts] == ["expired"]
        assert [one.phase for one in (await stage.run(other)).state(TASK).attempts] == ["assigned"]


# -- heartbeats --------------------------------------------------------------------------------------------------


async def reported(stage: Stage, worker: ScriptedAgent, *running: LeaseToken | None, **beat: Any) -> tuple[int, int]:
    """What is believed of the agent's only instance: how many wait in it, and how many places others have taken."""
    await worker.heartbeat(*running, **beat)
    (presence,) = stage.parts.registry.serving(worker.id)
    assert presence.report.until > stage.clock.now()
    return presence.report.queued, presence.report.others


async def test_what_is_ours_is_not_counted_twice(stage: Stage) -> None:
    worker = await stage.enlist(offering("1.0.0", concurrency=2, queue=8))
    await stage.start(work())
    given = await worker.assigned()
    assert await reported(stage, worker, given.claims.lease, queued=1, load=0.1) == (1, 0)
    assert await reported(stage, worker, given.claims.lease, queued=1, load=0.5) == (1, 4)
    await worker.answer(given, 1)
    assert await reported(stage, worker, given.claims.lease, load=0.1) == (0, 0), "an answer on its way is ours, too"


async def test_leases_of_runs_that_are_another_orchestrator_s_are_the_work_of_others(stage: Stage) -> None:
    worker = await stage.enlist(offering("1.0.0", concurrency=2, queue=8))
    ours = (await stage.start(work())).id
    foreign = [lease_of(RunId(f"run_{number:026d}"), "x") for number in range(10)]
    fences = stage.parts.partitions.fences
    theirs = [one for one in foreign if (run := run_of(one)) is not None and partition_of(run) not in fences]
    assert theirs, "there are partitions that are not ours"
    assert await reported(stage, worker, lease_of(ours, "x"), *theirs[:3], load=0.4) == (0, 3)


async def test_over_the_mark_nothing_is_assigned_until_it_recedes(stage: Stage) -> None:
    worker = await stage.enlist(offering("1.0.0"))
    await worker.heartbeat(queued=9, load=0.9)
    run = await stage.start(work())
    assert (await stage.run(run)).state(TASK).attempts == ()
    await worker.heartbeat(queued=8, load=0.7)
    assert isinstance(await worker.assigned(), Assignment), "the lane was looked at again"


async def test_a_report_is_believed_no_longer_than_its_statement_is_valid(stage: Stage) -> None:
    worker = await stage.enlist(offering("1.0.0"))
    now = int(stage.clock.now().timestamp())
    beat = worker.beat(queued=10, load=1.0)
    await worker.tell(await worker.news("heartbeat", beat, expires_at=now + 5))
    (presence,) = stage.parts.registry.serving(worker.id)
    assert presence.is_over_mark(stage.clock.now())
    stage.clock.forward(5)
    assert not presence.is_over_mark(stage.clock.now())
    await worker.heartbeat(queued=10, load=1.0)
    assert presence.is_over_mark(stage.clock.now() + timedelta(seconds=299))
    assert not presence.is_over_mark(stage.clock.now() + timedelta(seconds=300))


async def test_the_figures_are_in_the_journal(stage: Stage) -> None:
    worker = await stage.enlist(offering("1.0.0"))
    await worker.heartbeat(queued=2, load=3 / 11)
    run = await stage.start(work())
    records = [msgspec.json.decode(one.data) for one in await stage.node.records(run.id)]
    (grounds,) = [one["grounds"] for one in records if one["event"] == "attempt.assigned"]
    figures = msgspec.convert(grounds["figures"], Figures)
    assert figures == Figures(held=0, others=3, queued=2, latency_ms=50.0, expected_ms=200.0)
