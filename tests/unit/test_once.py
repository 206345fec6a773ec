"""What is asked for under a name is done once, however often it is asked for, and in whichever process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from accord.domain import command as c
from accord.domain.ids import TaskId
from accord.engine.node import Node
from accord.errors import ContractViolation, Refused, TransitionRefused
from accord.ports import RunQuery
from accord.service import Fork
from accord.testing.stage import QUIET, Stage, node_on

WAIT = {"wait": {"signal": {"name": "go"}}, "again": {"signal": {"name": "go"}, "needs": ["wait"]}}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


async def runs_of(node: Node) -> list[str]:
    return [summary.run for summary in await node.runs(RunQuery())]


async def test_a_start_that_is_asked_for_again_is_the_run_of_the_first_time(stage: Stage) -> None:
    digest = await stage.publish(WAIT)
    first = await stage.node.start_run(digest, {"n": 1}, once="me:one")
    assert first.started.by == "local"
    again = await stage.node.start_run(digest, {"n": 1}, once="me:one")
    other = await stage.node.start_run(digest, {"n": 1}, once="me:two")
    assert again.id == first.id != other.id
    assert sorted(await runs_of(stage.node)) == sorted([first.id, other.id])


async def test_two_that_ask_at_once_get_one_run(stage: Stage) -> None:
    digest = await stage.publish(WAIT)
    found = await asyncio.gather(*(stage.node.start_run(digest, {"n": 1}, once="me:one") for _ in range(5)))
    assert {run.id for run in found} == {found[0].id}
    assert await runs_of(stage.node) == [found[0].id]


async def test_another_process_answers_as_the_first_did(stage: Stage) -> None:
    digest = await stage.publish(WAIT)
    first = await stage.node.start_run(digest, {"n": 1}, once="me:one")
    async with await node_on(stage.ports) as second:
        assert (await second.start_run(digest, {"n": 1}, once="me:one")).id == first.id
        await second.signal(first.id, 1, by="me", name="go", once="me:signal")
    await stage.node.signal(first.id, 1, by="me", name="go", once="me:signal")
    assert (await stage.run(first.id)).state(TaskId("again")).waiting is not None, "one signal, not two"


async def test_a_name_that_stands_for_another_request_is_refused(stage: Stage) -> None:
    digest = await stage.publish(WAIT)
    run = await stage.node.start_run(digest, {"n": 1}, once="me:one")
    with pytest.raises(Refused, match="ACC449 the idempotency key one"):
        await stage.node.start_run(digest, {"n": 2}, once="me:one")
    with pytest.raises(Refused, match="ACC449"):
        await stage.node.fork(run.id, Fork(), by="me", once="me:one")
    other = await stage.node.start_run(digest, {"n": 1})
    await stage.node.control(run.id, c.Pause(by="me"), once="me:pause")
    with pytest.raises(Refused, match="ACC449"):
        await stage.node.control(other.id, c.Pause(by="me"), once="me:pause")


async def test_a_fork_is_made_once_though_its_source_goes_on(stage: Stage) -> None:
    run = await stage.node.start_run(await stage.publish(WAIT), {"n": 1})
    fork = await stage.node.fork(run.id, Fork(changes={"n": 2}), by="me", once="me:one")
    await stage.node.control(run.id, c.Pause(by="me"))
    assert (await stage.node.fork(run.id, Fork(changes={"n": 2}), by="me", once="me:one")).id == fork.id


async def test_a_refusal_is_remembered_too_and_what_never_reached_a_run_is_not(stage: Stage) -> None:
    digest = await stage.publish(WAIT, input={"type": "object", "required": ["n"]})
    with pytest.raises(ContractViolation):
        await stage.node.start_run(digest, {}, once="me:start")
    run = await stage.node.start_run(digest, {"n": 1}, once="me:start")
    with pytest.raises(TransitionRefused):
        await stage.node.control(run.id, c.Resume(by="me"), once="me:resume")
    await stage.node.control(run.id, c.Pause(by="me"))
    with pytest.raises(TransitionRefused):
        await stage.node.control(run.id, c.Resume(by="me"), once="me:resume")
    assert (await stage.run(run.id)).paused


async def test_a_start_that_was_posted_by_a_process_that_died_then_happens_with_the_next_owner(stage: Stage) -> None:
    digest = await stage.publish(WAIT)
    posted = asyncio.Event()
    stage.node.orchestrator.order = lambda order: posted.set()  # type: ignore[method-assign]  # it dies before
    dying = asyncio.ensure_future(stage.node.start_run(digest, {"n": 1}, once="me:one"))
    await posted.wait()
    dying.cancel()
    await stage.node.vanish()
    stage.clock.forward(QUIET.partition_ttl.total_seconds() + 1)
    async with await node_on(stage.ports) as second:
        run = await second.start_run(digest, {"n": 1}, once="me:one")
        assert (await second.start_run(digest, {"n": 1}, once="me:one")).id == run.id
        assert await runs_of(second) == [run.id]
