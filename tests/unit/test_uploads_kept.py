"""What was uploaded before its statement comes: retention may have taken it for unused meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from accord.domain.ids import TaskId
from accord.domain.large import Blob
from accord.sdk import Agent
from accord.testing.blob_suite import chunks
from accord.testing.stage import Assignment, ScriptedAgent, Stage

WORK = {"work": {"uses": "test.many@^1", "with": {"number": 7}}}
DATA = b"[" + b"1," * 40_000 + b"1]"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def many() -> Agent:
    agent = Agent("many")

    @agent.capability("test.many@1.0.0")
    async def work(number: int) -> list[int]:
        return [number]

    return agent


async def uploaded(stage: Stage, assignment: Assignment) -> Blob:
    assert assignment.claims.contract is not None
    return await stage.parts.large.take(chunks(DATA), stage.parts.registry.contract(assignment.claims.contract))


async def told(worker: ScriptedAgent, assignment: Assignment) -> None:
    """The statement alone: the payload was uploaded."""
    await worker.send(await worker.sign(worker.claims(assignment, DATA), b""))


async def test_an_upload_that_is_gone_is_asked_for_again(stage: Stage) -> None:
    worker = await stage.enlist(many())
    run = await stage.start(WORK)
    assignment = await worker.assigned()
    blob, blobs = await uploaded(stage, assignment), stage.parts.ports.blobs
    assert len(await blobs.remove([blob.sha256], before=await blobs.mark())) == 1
    await told(worker, assignment)
    assert await stage.codes() == ["ACC352"]
    assert (await stage.run(run)).phase == "running"
    await uploaded(stage, assignment)
    await told(worker, assignment)
    ended = await stage.run(run)
    assert ended.phase == "completed"
    output = ended.state(TaskId("work")).output
    assert output is not None
    assert output.sha256 == blob.sha256


async def test_an_upload_that_is_accepted_stays(stage: Stage) -> None:
    worker = await stage.enlist(many())
    run = await stage.start(WORK)
    assignment = await worker.assigned()
    blob, blobs = await uploaded(stage, assignment), stage.parts.ports.blobs
    mark = await blobs.mark()
    await told(worker, assignment)
    assert (await stage.run(run)).phase == "completed"
    assert await blobs.remove([blob.sha256], before=mark) == []
