"""Commands on runs: carried out here, or by the process that owns the run, to which they are posted."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import orjson

from accord.domain import command as c
from accord.domain.ids import RunId, TaskId, partition_of
from accord.engine.ledger import unknown_run
from accord.engine.orchestrator import Orchestrator
from accord.engine.rounds import LetterContent
from accord.errors import Overloaded, Problem, refusal_of
from accord.ports import Letter

ASKED_MOST: Final = 150
"""How often it is asked for the answer to a letter."""

ADOPT_EVERY: Final = 5
"""After so many questions it is tried to take the run over from an owner that does not answer."""


class Controls:
    """Carries out what people want of runs."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self._parts = orchestrator.parts

    async def control(self, run: RunId, command: c.ControlCommand) -> None:
        """See `Service.control`."""
        if await self._parts.ports.journal.run(run) is None:
            raise unknown_run(run)
        if await self.adopt(run):
            await self._orchestrator.submit(run, command)
        else:
            await self._post(run, command)

    async def signal(self, run: RunId, value: Any, *, by: str, name: str, task: TaskId | None) -> None:
        """See `Service.signal`."""
        payload = self._parts.documents.document(orjson.dumps(value))
        await self._parts.documents.store()
        await self.control(run, c.Signal(payload=payload, by=by, name=name, task=task))

    async def adopt(self, run: RunId) -> bool:
        """Take over the run, if nobody owns it; whether it is ours now."""
        return await self._parts.partitions.claim(partition_of(run)) is not None

    async def _post(self, run: RunId, command: c.ControlCommand) -> None:
        """Leave the command for the owner, and wait for its answer. Where the owner has died, we find the letter
        ourselves as soon as its lease has run out.
        """
        ports = self._parts.ports
        letter = Letter(
            id=ports.ids.token(),
            partition=partition_of(run),
            data=msgspec.json.encode(LetterContent(run, command)),
            posted_at=ports.clock.now(),
        )
        await ports.journal.post(letter)
        for asked in range(1, ASKED_MOST + 1):
            answer = await ports.journal.answered(letter.id)
            if answer is not None:
                _refuse(answer.data)
                return
            if asked % ADOPT_EVERY == 0:
                await self.adopt(run)
            await asyncio.sleep(self._parts.tuning.letters_every.total_seconds())
        raise Overloaded.of(
            "ACC453", "the process that owns the run does not answer; the command stays posted", hint="is it stopped?"
        )


class _Outcome(msgspec.Struct, frozen=True):
    ok: bool
    kind: str = "error"
    problems: tuple[Problem, ...] = ()


def _refuse(answer: bytes) -> None:
    """Raise what the answer to a letter says that the command was refused with."""
    outcome = msgspec.json.decode(answer, type=_Outcome)
    if not outcome.ok:
        raise refusal_of(outcome.kind, outcome.problems)
