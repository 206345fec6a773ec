"""A node: what people and programs may ask of it, alone and beside another node on the same journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from accord.blobs.memory import MemoryBlobStore
from accord.bus.memory import MemoryBus
from accord.domain import command as c
from accord.domain.document import Document, document_of
from accord.domain.ids import PARTITIONS, AgentId, RunId, TaskId, partition_of
from accord.domain.template import Template
from accord.engine import post
from accord.engine.below import Below
from accord.engine.node import Node
from accord.engine.parts import Ports
from accord.errors import (
    AccordError,
    ContractViolation,
    KeysUnavailable,
    NotFound,
    Overloaded,
    StoreUnavailable,
    TemplateInvalid,
    TransitionRefused,
)
from accord.policy.live import shipped
from accord.ports import Letter, RunQuery
from accord.sdk import Agent
from accord.service import Fork, newest
from accord.store.sqlite import SqliteJournal
from accord.testing.keys import MemoryKeyStore
from accord.testing.stage import NOON, QUIET, CountedIds, SetClock, Stage, attempts_of, node_on

GIVES_UP_S = 60

ONE = {"work": {"uses": "test.work@^1", "with": {"number": "${ input.n }"}}}
CHAIN = {
    "first": {"uses": "test.work@^1", "with": {"number": "${ input.n }"}},
    "second": {"uses": "test.work@^1", "with": {"number": "${ tasks.first.output }"}},
}
WAIT = {"wait": {"signal": {"name": "go"}}}
RESULT = {"output": "${ tasks.second.output }"}


def working(name: str = "worker") -> Agent:
    agent = Agent(name)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def codes(error: AccordError) -> list[str]:
    return [problem.code for problem in error.problems]


# -- admission ---------------------------------------------------------------------------------------------------


async def test_too_many_runs_are_refused_and_admitted_when_some_have_ended() -> None:
    tuning = msgspec.structs.replace(QUIET, max_runs=2)
    async with Stage.open(tuning) as stage:
        digest = await stage.publish(WAIT)
        runs = [await stage.node.start_run(digest, {}) for _ in range(2)]
        with pytest.raises(Overloaded) as refused:
            await stage.node.start_run(digest, {})
        assert codes(refused.value) == ["ACC451"]
        assert len(await stage.node.runs(RunQuery())) == 2, "what was refused has left nothing"
        await stage.node.control(runs[0].id, c.Cancel(by="test"))
        await stage.node.start_run(digest, {})


async def test_too_many_waiting_tasks_are_refused() -> None:
    tuning = msgspec.structs.replace(QUIET, max_waiting=3)
    async with Stage.open(tuning) as stage:
        agent = await stage.enlist(working())
        await agent.heartbeat(draining=True)
        digest = await stage.publish(ONE)
        for _ in range(3):
            await stage.node.start_run(digest, {"n": 1})
        with pytest.raises(Overloaded):
            await stage.node.start_run(digest, {"n": 1})


async def test_a_bad_input_is_refused_with_all_problems(stage: Stage) -> None:
    schema = {"type": "object", "required": ["a", "b"], "properties": {"c": {"type": "integer"}}}
    digest = await stage.publish(WAIT, input=schema)
    with pytest.raises(ContractViolation) as refused:
        await stage.node.start_run(digest, {"c": "x"})
    assert codes(refused.value) == ["ACC450"] * 3
    assert await stage.node.runs(RunQuery()) == []


async def test_what_nobody_can_do_is_not_started(stage: Stage) -> None:
    with pytest.raises(TemplateInvalid, match="ACC820"):
        await stage.publish(ONE)


async def test_every_partition_is_somebody_elses(stage: Stage) -> None:
    digest = await stage.publish(WAIT)
    async with await node_on(stage.ports) as other:
        await other.parts.partitions.claim_all()
        with pytest.raises(Overloaded, match="ACC452"):
            await stage.node.start_run(digest, {})


# -- templates ---------------------------------------------------------------------------------------------------


async def test_a_run_is_pinned_to_its_template(stage: Stage) -> None:
    """A newer version that is published meanwhile, and even a restart, change nothing for a run under way."""
    agent = await stage.enlist(working())
    run = await stage.start(CHAIN, {"n": 1}, **RESULT)
    await agent.answer(await agent.assigned(), 2)
    newer = {**CHAIN, "second": {"uses": "test.work@^1", "with": {"number": 100}, "needs": ["first"]}}
    await stage.publish(newer, version="1.1.0", **RESULT)
    assignment = await agent.assigned()
    assert assignment.input == {"number": 2}
    await agent.answer(assignment, 3)
    ended = await stage.node.ended(run.id)
    assert (ended.phase, ended.started.template) == ("completed", "play@1.0.0")
    second = await stage.node.start_run(newest(await stage.node.templates(), "play").digest, {"n": 1})
    assert second.started.template == "play@1.1.0"


# -- forks -------------------------------------------------------------------------------------------------------


async def test_a_fork_shares_what_was_done_and_does_the_rest_anew(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(CHAIN, {"n": 1}, **RESULT)
    for value in (2, 3):
        await agent.answer(await agent.assigned(), value)
    fork = await stage.node.fork(run.id, Fork(task=TaskId("second")), by="test")
    assignment = await agent.assigned()
    assert (assignment.claims.run, assignment.claims.task, assignment.input) == (fork.id, "second", {"number": 2})
    await agent.answer(assignment, 7)
    ended = await stage.node.ended(fork.id)
    assert ended.output is not None
    assert ended.output.data == b"7"
    assert ended.started.origin is not None
    assert ended.started.origin.run == run.id
    old = await stage.node.ended(run.id)
    assert old.output is not None
    assert old.output.data == b"3", "the run it comes from is as it was"


async def test_a_fork_with_another_input_does_what_that_changes(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(CHAIN, {"n": 1, "other": 1})
    for value in (2, 3):
        await agent.answer(await agent.assigned(), value)
    await stage.node.fork(run.id, Fork(changes={"n": 5}), by="test")
    assignment = await agent.assigned()
    assert (assignment.claims.task, assignment.input) == ("first", {"number": 5})


async def test_a_fork_from_the_middle(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(CHAIN, {"n": 1})
    for value in (2, 3):
        await agent.answer(await agent.assigned(), value)
    events = await stage.node.events(run.id)
    first = next(number for number, event in events if getattr(event, "task", "") == "second")
    await stage.node.fork(run.id, Fork(at=first - 1), by="test")
    assert (await agent.assigned()).claims.task == "second"


async def test_forks_of_what_there_is_not(stage: Stage) -> None:
    run = await stage.start(WAIT)
    with pytest.raises(NotFound, match="ACC434"):
        await stage.node.fork(run.id, Fork(task=TaskId("other")), by="test")
    with pytest.raises(NotFound, match="ACC409"):
        await stage.node.fork(RunId("run_x"), Fork(), by="test")


# -- sub-workflows -----------------------------------------------------------------------------------------------

PARENT = {
    "sub": {"workflow": "child@^1", "with": {"n": "${ input.n }"}},
    "work": {"uses": "test.work@^1", "with": {"number": "${ tasks.sub.output }"}},
}


async def with_child(stage: Stage) -> Any:
    await stage.publish(CHAIN, name="child", **RESULT)
    return await stage.start(PARENT, {"n": 1}, output="${ tasks.work.output }")


async def test_a_sub_workflow_is_a_run_of_its_own_whose_output_comes_back(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await with_child(stage)
    runs = set()
    for value in (2, 3, 4):
        assignment = await agent.assigned()
        runs.add(assignment.claims.run)
        await agent.answer(assignment, value)
    ended = await stage.node.ended(run.id)
    assert ended.output is not None
    assert (ended.phase, ended.output.data) == ("completed", b"4")
    (child,) = await stage.node.runs(RunQuery(parent=run.id))
    assert runs == {run.id, child.run}
    assert child.state == "completed"


async def test_a_sub_workflow_that_fails_fails_its_task(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await with_child(stage)
    await agent.answer(await agent.assigned(), b'{"code":"x","message":"never"}', kind="failure")
    ended = await stage.node.ended(run.id)
    assert ended.phase == "failed"
    assert ended.problem is not None
    assert "never" in ended.problem.message


async def test_a_run_goes_on_with_the_sub_workflows_that_it_was_verified_with(stage: Stage) -> None:
    """What is published while it waits is another graph, of which nothing was proven for this run."""

    async def publish_all(version: str) -> None:
        await stage.publish({"work": work}, name="inner", version=version, description=version)
        await stage.publish({"part": {"workflow": "inner@^1"}}, name="child", version=version)

    agent = await stage.enlist(working())
    work = {"uses": "test.work@^1", "with": {"number": 1}}
    await publish_all("1.0.0")
    run = await stage.start({"go": {"signal": {"name": "go"}}, "sub": {"workflow": "child@^1", "needs": ["go"]}})
    await publish_all("1.1.0")
    await stage.node.signal(run.id, None, by="test", name="go")
    inner = await stage.run((await agent.assigned()).claims.run)
    (child,) = await stage.node.runs(RunQuery(parent=run.id))
    assert (child.template, inner.started.template) == ("child@1.0.0", "inner@1.0.0")
    fork = await stage.node.fork(run.id, Fork(at=1), by="test")
    assert fork.started.certificate is not None
    newest = {one.digest for one in stage.parts.library.published() if one.version == "1.1.0"}
    assert set(fork.started.certificate.certificate.workflows.values()) == newest


async def test_pause_and_cancel_reach_sub_workflows(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await with_child(stage)
    assignment = await agent.assigned()
    child = assignment.claims.run
    await stage.node.control(run.id, c.Pause(by="test"))
    await agent.answer(assignment, 2)
    assert (await stage.run(child)).paused
    await stage.node.control(run.id, c.Resume(by="test"))
    second = await agent.assigned()
    assert second.claims.task == "second"
    await stage.node.control(run.id, c.Cancel(by="test"))
    assert (await stage.node.ended(child)).phase == "cancelled"
    assert (await stage.node.ended(run.id)).phase == "cancelled"


@pytest.mark.parametrize("error", [StoreUnavailable, KeysUnavailable])
async def test_a_sub_workflow_begins_once_what_was_away_is_there_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: type[AccordError]
) -> None:
    agent = await stage.enlist(working())
    fetched, times = stage.parts.documents.fetched, iter((1,))

    async def away(document: Document) -> Any:
        if next(times, None):
            raise error.of("ACC506", "away")
        return await fetched(document)

    monkeypatch.setattr(stage.parts.documents, "fetched", away)
    run = await with_child(stage)
    for value in (2, 3, 4):
        await agent.answer(await agent.assigned(), value)
    assert (await stage.node.ended(run.id)).phase == "completed"


async def test_a_sub_workflow_that_never_began_does_not_hold_up_the_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> None:
        """The process dies before it has started the other run."""

    monkeypatch.setattr(Below, "start_subrun", lost)
    await stage.enlist(working())
    run = await with_child(stage)
    await stage.node.control(run.id, c.Cancel(by="test"))
    async with asyncio.timeout(GIVES_UP_S):
        assert (await stage.node.ended(run.id)).phase == "cancelled"


# -- holds, and agents that come later ---------------------------------------------------------------------------


async def test_a_held_agent_is_left_alone_and_its_peer_works(stage: Stage) -> None:
    held, peer = await stage.enlist(working("held")), await stage.enlist(working("peer"))
    await stage.node.hold("agent", held.id, by="test", reason="odd results")
    runs = [await stage.start(ONE, {"n": n}) for n in range(3)]
    assert [(await peer.assigned()).claims.run for _ in runs] == [run.id for run in runs]
    await stage.node.lift("agent", held.id, by="test")
    with pytest.raises(TransitionRefused, match="ACC447"):
        await stage.node.lift("agent", held.id, by="test")


async def test_holds_outlive_a_restart(stage: Stage) -> None:
    await stage.node.hold("everything", "", by="test")
    async with await node_on(stage.ports) as second:
        assert [hold.scope for hold in second.parts.holds.placed()] == ["everything"]


async def test_an_agent_that_joins_late_gets_what_waits_for_it(stage: Stage) -> None:
    early = await stage.enlist(working("early"))
    await early.heartbeat(draining=True)
    run = await stage.start(CHAIN, {"n": 1}, **RESULT)
    assert list(attempts_of(await stage.run(run))) == []
    late = await stage.enlist(working("late"))
    for value in (2, 3):
        await late.answer(await late.assigned(), value)
    assert (await stage.node.ended(run.id)).phase == "completed"


# -- two nodes ---------------------------------------------------------------------------------------------------


class Two:
    """Two nodes on one SQLite journal, each with a bus of its own; the first owns every partition."""

    first: Node
    second: Node


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    keys, blobs, two = MemoryKeyStore(NOON), MemoryBlobStore(), Two()
    await keys.create("orchestrator")
    async with AsyncExitStack() as stack:
        nodes = []
        for seed in (1, 2):
            journal = await stack.enter_async_context(SqliteJournal.open(tmp_path / "journal.db"))
            ports = Ports(journal, blobs, MemoryBus(), keys, SetClock(), CountedIds(seed), shipped())
            nodes.append(await stack.enter_async_context(await node_on(ports)))
        two.first, two.second = nodes
        await two.first.parts.partitions.claim_all()
        yield two


async def waiting(two: Two) -> RunId:
    document = {"accord": "template/1", "name": "play", "version": "1.0.0", "input": True, "tasks": WAIT}
    digest = await two.first.publish(msgspec.convert(document, Template), orjson.dumps(document))
    return (await two.first.start_run(digest, {})).id


async def test_commands_go_by_letter_to_the_owner(two: Two) -> None:
    run = await waiting(two)
    await two.second.control(run, c.Pause(by="other"))
    assert (await two.first.run(run)).paused_by == "other"
    await two.second.control(run, c.Resume(by="other"))
    await two.second.control(run, c.Signal(payload=document_of(b'"now"'), by="other", name="go"))
    assert (await two.second.ended(run)).phase == "completed"


async def test_refusals_come_back_by_letter(two: Two) -> None:
    run = await waiting(two)
    with pytest.raises(AccordError) as here:
        await two.first.control(run, c.Resume(by="owner"))
    with pytest.raises(AccordError) as there:
        await two.second.control(run, c.Resume(by="other"))
    assert codes(here.value) == codes(there.value) == ["ACC403"]
    with pytest.raises(NotFound, match="ACC409"):
        await two.second.control(RunId("run_x"), c.Pause(by="other"))


async def test_runs_that_no_process_works_on(two: Two) -> None:
    run, partitions = await waiting(two), two.first.parts.partitions
    assert await two.second.left([run]) == {}
    await partitions.release()
    assert await two.second.left([run, RunId("run_x")]) == {run: None}
    journal, partition, died_at = two.second.parts.ports.journal, partition_of(run), NOON - timedelta(hours=1)
    await journal.claim("dead", partition=partition, now=died_at - timedelta(seconds=9), ttl=timedelta(seconds=9))
    assert await two.second.left([run]) == {run: died_at}
    await two.second.control(run, c.Cancel(by="other"))
    assert await two.second.left([run]) == {}
    await two.second.parts.partitions.release()
    assert await two.second.left([run]) == {}, "it has ended"


async def test_a_hold_is_in_force_everywhere_when_it_is_acknowledged(two: Two) -> None:
    await two.second.hold("everything", "", by="other")
    assert [hold.by for hold in two.first.parts.holds.placed()] == ["other"]
    await two.second.lift("everything", "", by="other")
    assert two.first.parts.holds.placed() == []


async def test_who_comes_to_own_something_knows_of_holds_first(two: Two) -> None:
    await two.first.hold("everything", "", by="first")
    await two.first.parts.partitions.release()
    assert two.second.parts.holds.placed() == []
    await two.second.parts.partitions.claim(3)
    assert [hold.by for hold in two.second.parts.holds.placed()] == ["first"]


async def test_a_dead_owner_is_shut_out_before_a_hold_is_acknowledged(two: Two) -> None:
    await two.first.vanish()
    clock, fences = two.second.parts.ports.clock, list(two.first.parts.partitions.fences.values())
    assert isinstance(clock, SetClock)
    clock.forward(2 * QUIET.partition_ttl.total_seconds())
    await two.second.hold("everything", "", by="other")
    journal = two.first.parts.ports.journal
    assert await journal.renew(fences, now=clock.now(), ttl=timedelta(seconds=9)) == []
    assert await journal.owners() == []
    assert not two.second.parts.partitions.fences, "nobody has to carry on what the dead one has left"


async def test_who_only_stood_still_goes_on_with_what_nobody_else_has_taken(two: Two) -> None:
    run, partitions = await waiting(two), two.first.parts.partitions
    clock, epoch = two.second.parts.ports.clock, partitions.fences[partition_of(run)].epoch
    assert isinstance(clock, SetClock)
    clock.forward(2 * QUIET.partition_ttl.total_seconds())
    for partition in range(PARTITIONS):
        await two.second.parts.partitions.shut_out(partition)
    await partitions.check()
    assert partitions.fences == {}
    clock.forward(-2 * QUIET.partition_ttl.total_seconds())
    await two.second.parts.partitions.claim(partition_of(run) - 1)
    await partitions.claim_dropped()
    assert len(partitions.fences) == PARTITIONS - 1
    assert partitions.fences[partition_of(run)].epoch > epoch
    await two.second.control(run, c.Signal(payload=document_of(b'"now"'), by="other", name="go"))
    assert (await two.first.ended(run)).phase == "completed"


async def test_an_owner_that_does_not_answer_is_told_of(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "WAIT_S", 0.02)
    await two.first.vanish()
    with pytest.raises(Overloaded, match="ACC453"):
        await two.second.hold("everything", "", by="other")
    assert [hold.by for hold in two.second.parts.holds.placed()] == ["other"]


async def test_a_letter_that_cannot_be_read_is_answered(two: Two) -> None:
    journal = two.second.parts.ports.journal
    await journal.post(Letter(id="odd", partition=3, data=b"{}", posted_at=NOON))
    run = await waiting(two)
    await two.second.control(run, c.Pause(by="other"))
    answer = await journal.answered("odd")
    assert answer is not None
    assert b"ACC446" in answer.data


async def test_another_node_takes_over_what_is_released(two: Two) -> None:
    run = await waiting(two)
    await two.first.parts.partitions.release()
    assert await two.second.adopt(run)
    await two.second.control(run, c.Cancel(by="heir"))
    assert (await two.second.ended(run)).phase == "cancelled"


async def test_another_node_takes_over_when_the_owner_is_silent(two: Two) -> None:
    run = await waiting(two)
    await two.first.vanish()
    assert not await two.second.adopt(run)
    clock: Any = two.second.parts.ports.clock
    clock.forward(timedelta(days=2).total_seconds())
    assert await two.second.adopt(run)
    await two.second.control(run, c.Cancel(by="heir"))
    assert (await two.second.ended(run)).phase == "cancelled"


async def test_what_one_publishes_and_holds_the_other_knows(two: Two) -> None:
    await waiting(two)
    await two.first.hold("agent", AgentId("spiffe://local/agent/x"), by="first")
    await two.second.parts.refresh()
    assert two.second.parts.library.find("play").version == "1.0.0"
    assert [hold.by for hold in two.second.parts.holds.placed()] == ["first"]
