"""Commands on runs: carried out here, or posted to the process that owns the run."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson

from accord.domain import command as c
from accord.domain.ids import RunId, TaskId, partition_of
from accord.engine.ledger import unknown_run
from accord.engine.orchestrator import Orchestrator
from accord.engine.post import Post, other_request
from accord.errors import Fenced, SequenceConflict


class Controls:
    """Carries out what people want of runs."""

    def __init__(self, orchestrator: Orchestrator, post: Post) -> None:
        self._orchestrator = orchestrator
        self._parts = orchestrator.parts
        self._post = post

    async def control(self, run: RunId, command: c.ControlCommand, *, once: str | None) -> None:
        """See `Service.control`."""
        if await self._parts.ports.journal.run(run) is None:
            raise unknown_run(run)
        if once is not None:
            if await self._post.send(run, command, name=once) != run:
                raise other_request(once)
        elif not await self._is_done_here(run, command):
            await self._post.send(run, command)

    async def _is_done_here(self, run: RunId, command: c.ControlCommand) -> bool:
        """Carry out a command on a run of ours; False where it is not, or has just become somebody else's."""
        if await self.adopt(run):
            with suppress(Fenced, SequenceConflict):
                await self._orchestrator.submit(run, command)
                return True
        return False

    async def signal(
        self, run: RunId, value: Any, *, by: str, name: str, task: TaskId | None, once: str | None
    ) -> None:
        """See `Service.signal`."""
        cipher = self._parts.data_keys.at_hand(run) or await self._parts.data_keys.find(run)
        with self._parts.documents.under(cipher):
            payload = self._parts.documents.document(orjson.dumps(value))
        await self._parts.documents.store()
        await self.control(run, c.Signal(payload=payload, by=by, name=name, task=task), once=once)

    async def adopt(self, run: RunId) -> bool:
        """Take over the run, if nobody owns it; whether it is ours now."""
        return await self._parts.partitions.claim(partition_of(run)) is not None
