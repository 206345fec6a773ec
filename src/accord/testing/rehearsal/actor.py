"""Actors: the agents of a rehearsal. Each signs what it says with a key of its own, and the gate checks it as it
checks any agent's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import msgspec
import orjson

from accord.domain.duration import parse_duration
from accord.domain.ids import LeaseToken
from accord.domain.message import Claims
from accord.domain.payloads import decode_assign
from accord.domain.signature import parse_statement, statement_digest
from accord.domain.workflow_test import Answer, Happening
from accord.errors import Problem
from accord.ports import Bare
from accord.sdk.answers import final_answer, subject_of
from accord.sdk.intake import Letter
from accord.sdk.outcome import Failure, Output
from accord.sdk.schema import input_refused
from accord.testing.stage import Assignment, ScriptedAgent

LEASE: Final = timedelta(seconds=30)
"""How long an agent of a rehearsal may be silent about an attempt."""

KEPT: Final = timedelta(seconds=20)
"""How long its lease is kept at least, once it has ended its work: it was heard of in its last ten seconds."""

AGAIN_S: Final = 5.0
"""After how long an answer that was lost is sent again."""


class Turn(msgspec.Struct, frozen=True):
    """What becomes of an attempt."""

    outcome: Output | Failure | None
    """None: nothing is ever said."""
    delay: timedelta = timedelta()
    fault: Happening | None = None


class Director(Protocol):
    """Says what becomes of attempts, and does what goes wrong around them."""

    async def turn(self, agent: str, assignment: Assignment) -> Turn:
        """What becomes of this one."""
        ...

    def is_wanted(self, claims: Claims) -> bool:
        """Whether an answer to this assignment is still waited for."""
        ...

    def keep(self, lease: LeaseToken, until: datetime) -> None:
        """An agent works on it until then, and is heard of."""
        ...

    async def crash(self) -> None:
        """The orchestrator is gone, and another one takes over."""
        ...


class Actor:
    """One agent, which has as many hands as it needs."""

    def __init__(self, agent: ScriptedAgent, director: Director) -> None:
        self.agent = agent
        self._director = director
        self._tasks: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with an error when something of it breaks."""
        self._begin(self._listen())

    @property
    def working(self) -> bool:
        """Whether it will still say something."""
        return len(self._tasks) > 1

    async def leave(self) -> None:
        """Do nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.failed.cancel()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"accord-actor-{self.agent.agent.name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.failed.done():
            self.failed.set_exception(error)

    async def _listen(self) -> None:
        while True:
            assignment = await self.agent.assigned()
            self._begin(self._perform(assignment))

    async def _perform(self, assignment: Assignment) -> None:
        claims = assignment.claims
        turn = await self._director.turn(self.agent.agent.name, assignment)
        if turn.outcome is None or turn.fault == "gone":
            return
        await self._take(turn.delay, claims)
        if turn.fault == "lost":
            await self._take(timedelta(seconds=AGAIN_S), claims)
        elif turn.fault == "late":
            await asyncio.sleep((LEASE + timedelta(seconds=1)).total_seconds())
        elif turn.fault == "crash":
            await self._director.crash()
        if turn.fault == "late" or self._director.is_wanted(claims):
            for _ in range(2 if turn.fault == "twice" else 1):
                await self._say(assignment, turn.outcome)

    async def _take(self, time: timedelta, claims: Claims) -> None:
        """Work for so long. The lease is kept at one go: heartbeats would keep the clock from jumping."""
        if time and claims.lease is not None:
            self._director.keep(claims.lease, self.agent.stage.clock.now() + time + KEPT)
            await asyncio.sleep(time.total_seconds())

    async def _say(self, assignment: Assignment, outcome: Output | Failure) -> None:
        digest = statement_digest(parse_statement(assignment.message.statement).claims)
        subject = subject_of(Letter(Bare(assignment.message), assignment.claims, digest))
        outgoing = final_answer(subject, outcome, self.agent.stage.clock.now())
        await self.agent.send(await self.agent.sign(outgoing.claims, outgoing.payload))


def turn_of(answer: Answer, assignment: Assignment, fault: Happening | None) -> Turn:
    """What a scripted answer means for an attempt."""
    delay = parse_duration(answer.delay) if isinstance(answer.delay, str) else None
    return Turn(_outcome(answer, assignment), delay or timedelta(), fault)


def _outcome(answer: Answer, assignment: Assignment) -> Output | Failure | None:
    cost = answer.cost if isinstance(answer.cost, str) else None
    if answer.silent:
        return None
    if isinstance(answer.refuse, str):
        return input_refused((Problem("ACC250", answer.refuse),))
    if isinstance(answer.error, msgspec.Struct):
        said = answer.error
        return Failure(said.code, said.message, retryable=said.retryable, cost=cost)
    output = Output(
        orjson.dumps(answer.output),
        answer.confidence if isinstance(answer.confidence, float | int) else None,
        cost,
        labels=answer.labels,
        declassified=answer.declassified,
    )
    payload, _ = decode_assign(assignment.message.payload)
    return output.claiming(payload.context.declassify)
