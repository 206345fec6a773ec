"""What was uploaded before its statement comes: retention may have taken it for unused meanwhile, and another process
may be told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from accord.domain.document import Document
from accord.domain.ids import Digest, TaskId
from accord.domain.message import payload_ref
from accord.engine.uploads import Uploads
from accord.sdk import Agent
from accord.testing.blob_suite import chunks
from accord.testing.stage import QUIET, Assignment, ScriptedAgent, Stage

WORK = {"work": {"uses": "test.many@^1", "with": {"number": 7}}}
DATA = b"[" + b"1," * 40_000 + b"1]"


@pytest.fixture(params=[False, True], ids=["in the clear", "encrypted"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with Stage.open(replace(QUIET, encrypt_payloads=request.param)) as stage:
        yield stage


def many() -> Agent:
    agent = Agent("many")

    @agent.capability("test.many@1.0.0")
    async def work(number: int) -> list[int]:
        return [number]

    return agent


async def uploaded(stage: Stage, assignment: Assignment) -> Document:
    """What is kept of an upload, in whose place the result is accepted later."""
    claims = assignment.claims
    assert claims.run is not None
    assert claims.contract is not None
    contract = stage.parts.registry.contract(claims.contract)
    blob = await stage.parts.large.take(claims.run, chunks(DATA), contract)
    verdict = stage.parts.large.verdict(claims.run, blob.sha256, contract.digest)
    assert verdict is not None
    assert verdict.output is not None
    assert (verdict.output.sha256, verdict.output.length_bytes) == (payload_ref(DATA).sha256, len(DATA))
    return verdict.output


def text_of(document: Document) -> Digest:
    """What the blob store knows it by."""
    text = document.encrypted
    return document.sha256 if text is None or text.digest is None else text.digest


async def told(worker: ScriptedAgent, assignment: Assignment, data: bytes = DATA, **changed: Any) -> None:
    """The statement alone: the payload was uploaded."""
    await worker.send(await worker.sign(worker.claims(assignment, data, **changed), b""))


async def test_an_upload_that_is_gone_is_asked_for_again(stage: Stage) -> None:
    worker = await stage.enlist(many())
    run = await stage.start(WORK)
    assignment = await worker.assigned()
    output, blobs = await uploaded(stage, assignment), stage.parts.ports.blobs
    assert len(await blobs.remove([text_of(output)], before=await blobs.mark())) == 1
    await told(worker, assignment)
    assert await stage.codes() == ["ACC352"]
    assert (await stage.run(run)).phase == "running"
    again = await uploaded(stage, assignment)
    await told(worker, assignment)
    ended = await stage.run(run)
    assert ended.phase == "completed"
    accepted = ended.state(TaskId("work")).output
    assert accepted is not None
    assert text_of(accepted) == text_of(again)


async def test_an_upload_that_is_accepted_stays(stage: Stage) -> None:
    worker = await stage.enlist(many())
    run = await stage.start(WORK)
    assignment = await worker.assigned()
    output, blobs = await uploaded(stage, assignment), stage.parts.ports.blobs
    mark = await blobs.mark()
    await told(worker, assignment)
    assert (await stage.run(run)).phase == "completed"
    assert await blobs.remove([text_of(output)], before=mark) == []


async def test_another_process_is_told(stage: Stage) -> None:
    """It finds where the text is, and looks at it before it accepts the result."""
    worker = await stage.enlist(many())
    run = await stage.start(WORK)
    assignment = await worker.assigned()
    output = await uploaded(stage, assignment)
    stage.parts.large.forget(output.sha256)
    await told(worker, assignment)
    ended = await stage.run(run)
    assert ended.phase == "completed"
    accepted = ended.state(TaskId("work")).output
    assert accepted is not None
    assert (accepted.length_bytes, text_of(accepted)) == (len(DATA), text_of(output))


async def test_another_process_finds_what_breaks_the_contract(stage: Stage) -> None:
    worker = await stage.enlist(many())
    run = await stage.start(WORK)
    assignment = await worker.assigned()
    data = DATA[:-1] + b',"no number"]'
    uploads = Uploads(stage.ports.journal, stage.ports.blobs, stage.parts.data_keys)
    kept = await uploads.keep(run.id, chunks(data))
    await told(worker, assignment, data)
    (attempt,) = (await stage.run(run)).state(TaskId("work")).attempts
    assert attempt.phase == "rejected"
    assert attempt.output == kept
    assert attempt.output.length_bytes == len(data)
    assert [problem.place.pointer for problem in attempt.problems] == ["/40001"]


async def test_an_upload_has_the_length_that_was_signed(stage: Stage) -> None:
    """How long a document is decides whether it is ever held whole."""
    worker = await stage.enlist(many())
    run = await stage.start(WORK)
    assignment = await worker.assigned()
    output = await uploaded(stage, assignment)
    signed = replace(payload_ref(DATA), length_bytes=len(DATA) - 1)
    for _ in range(2):
        await told(worker, assignment, payload=signed)
        stage.parts.large.forget(output.sha256)
    assert await stage.codes() == ["ACC352", "ACC352"]
    assert (await stage.run(run)).phase == "running"
