"""A run with one task under way, and everything that is needed to forge messages about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from accord.codec import follow
from accord.domain.message import Message, encode_claims
from accord.domain.signature import _to_base64url
from accord.ports import Head
from accord.sdk import Agent
from accord.testing.stage import Assignment, ScriptedAgent, Stage

WORK = {"work": {"uses": "test.work@^1", "with": {"number": "${ input.number }"}}}


def working(name: str) -> Agent:
    """An agent that offers `test.work`: a number in, a number out."""
    agent = Agent(name, concurrency=1, queue=10)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


class Scene:
    """The worker holds the only task of a run; the rival, who could do it too, does not."""

    def __init__(self, stage: Stage, worker: ScriptedAgent, rival: ScriptedAgent) -> None:
        self.stage = stage
        self.worker = worker
        self.rival = rival
        self.assignment: Assignment

    @property
    def claims(self):
        return self.assignment.claims

    async def head(self) -> Head:
        """Where the run's stream ends."""
        return follow(await self.stage.node.records(self.claims.run), Head())

    async def honest(self) -> Message:
        """The worker's result."""
        return await self.worker.result(self.assignment, 8)

    async def raw(self, claims: bytes, header: bytes | None = None, payload: bytes = b"8") -> Message:
        """A message with these bytes for claims, under any header, signed with the worker's key."""
        key = self.worker.key
        header = header or b'{"alg":"ES256","kid":"%b","typ":"accord+jwt"}' % key.kid.encode()
        signed = _to_base64url(header) + b"." + _to_base64url(claims)
        (signature,) = await self.stage.keys.sign(key.kid, [signed])
        return Message(signed + b"." + _to_base64url(signature), payload)

    async def claimed(self, **changed: object) -> Message:
        """The worker's result with other claims."""
        return await self.worker.result(self.assignment, 8, **changed)

    def encoded(self) -> bytes:
        """The bytes of the honest result's claims."""
        return encode_claims(self.worker.claims(self.assignment, b"8"))

    async def finish(self) -> None:
        """The honest result still completes the run, and its chain holds."""
        await self.worker.send(await self.honest())
        run = await self.stage.run(self.claims.run)
        assert run.phase == "completed", run.problem
        await self.head()


@asynccontextmanager
async def opened_scene() -> AsyncIterator[Scene]:
    async with Stage.open() as stage:
        worker = await stage.enlist(working("worker"))
        rival = await stage.enlist(working("rival"), present=False)
        scene = Scene(stage, worker, rival)
        await stage.start(WORK, {"number": 4}, output="${ tasks.work.output }")
        scene.assignment = await worker.assigned()
        await rival.announce()
        yield scene


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with opened_scene() as scene:
        yield scene


@pytest.fixture
def opened() -> object:
    """Opens scenes, one after another."""
    return opened_scene
