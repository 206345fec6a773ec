"""What goes wrong inside of an orchestrator is survived: nothing hangs, nothing is lost, and nobody is told wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from accord.blobs.memory import MemoryBlobStore
from accord.domain import command as c
from accord.domain.ids import TaskId
from accord.engine.documents import Documents
from accord.errors import ContractViolation, TemplateInvalid
from accord.sdk import Agent
from accord.service import Fork
from accord.testing.stage import Stage

GIVES_UP_S = 60
"""So long is waited for what would hang if it were wrong, and comes at once on any machine."""

ONE = {"work": {"uses": "test.work@^1", "with": {"number": "${ input.n }"}}}


def working() -> Agent:
    agent = Agent("worker")

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def failing_once(monkeypatch: pytest.MonkeyPatch, thing: Any, name: str) -> list[str]:
    """Let a method fail the next time it is called."""
    real, failed = getattr(thing, name), []

    async def fail(*arguments: Any, **named: Any) -> Any:
        if not failed:
            failed.append(name)
            raise ValueError("a fault of ours")
        return await real(*arguments, **named)

    monkeypatch.setattr(thing, name, fail)
    return failed


async def test_a_message_that_could_not_be_looked_at_comes_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(ONE, {"n": 1})
    assignment = await agent.assigned()
    failed = failing_once(monkeypatch, stage.node.parts.gate, "authenticate")
    await agent.answer(assignment, 1)
    assert (await asyncio.wait_for(stage.node.ended(run.id), GIVES_UP_S)).phase == "completed"
    assert failed


async def test_what_is_durable_is_told_though_sending_fails(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await stage.enlist(working())
    failed = failing_once(monkeypatch, stage.node.orchestrator._executor, "execute")
    run = await stage.start(ONE, {"n": 1})
    assert failed
    await agent.answer(await agent.assigned(), 1)
    assert (await asyncio.wait_for(stage.node.ended(run.id), GIVES_UP_S)).phase == "completed"


async def test_a_fork_is_verified_like_any_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await stage.start({"wait": {"signal": {"name": "go"}}})

    async def refused(*arguments: Any, **named: Any) -> Any:
        raise TemplateInvalid.of("ACC820", "no known agent offers it")

    monkeypatch.setattr(stage.node.parts.verification, "verified", refused)
    with pytest.raises(TemplateInvalid, match="ACC820"):
        await stage.node.fork(run.id, Fork(task=TaskId("wait")), by="test")


async def test_only_objects_have_members_to_change(stage: Stage) -> None:
    run = await stage.start({"wait": {"signal": {"name": "go"}}}, 7, input={"type": "integer"})
    with pytest.raises(ContractViolation, match="ACC458"):
        await stage.node.fork(run.id, Fork(changes={"n": 1}), by="test")


async def test_a_document_at_hand_is_counted_once() -> None:
    documents = Documents(MemoryBlobStore(), limit_bytes=50_000)
    for _ in range(10):
        documents.document(b'"%b"' % (b"x" * 20_000))
    documents.trim()
    assert documents._held_bytes == 20_002


def test_what_was_remembered_of_a_run_is_forgotten_with_it() -> None:
    documents = Documents(MemoryBlobStore())
    assert documents.remembered(("run_a", "t", 0), lambda: 1) == 1
    documents.remembered(("run_b", "t", 0), lambda: 1)
    documents.unremember("run_a")
    assert documents.remembered(("run_a", "t", 0), lambda: 2) == 2
    assert documents.remembered(("run_b", "t", 0), lambda: 2) == 1


async def test_a_run_that_is_cancelled_and_taken_up_again_in_one_commit_goes_on(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(
        {**ONE, "more": {"uses": "test.work@^1", "with": {"number": 2}, "needs": ["work"]}}, {"n": 1}
    )
    await agent.answer(await agent.assigned(), 1)
    await agent.assigned()
    await stage.node.hold("everything", "", by="tester")
    at_once = c.Cancel(by="tester"), c.Rollback(to=TaskId("work"), by="tester")
    await asyncio.gather(*(stage.node.control(run.id, command) for command in at_once))
    await stage.node.lift("everything", "", by="tester")
    for value in (1, 2):  # what it wants again was not dropped with the end that it did not come to
        await agent.answer(await asyncio.wait_for(agent.assigned(), GIVES_UP_S), value)
    assert (await asyncio.wait_for(stage.node.ended(run.id), GIVES_UP_S)).phase == "completed"
