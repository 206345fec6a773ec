"""Batches: what one turn of the orchestrator's loop deals with."""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec

from accord.domain.ids import RunId
from accord.domain.run import Run
from accord.engine.executor import Executor
from accord.engine.ledger import Ledger, Slot
from accord.engine.verdicts import Authentic, Suspect
from accord.errors import Fenced
from accord.ports import Delivery, Inbox


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A message that was taken from an inbox, after authentication."""

    inbox: Inbox
    found: Authentic | Suspect
    taken_at: datetime


class Batch:
    """Runs that a turn has touched, and what is to be told to whom once they are durable."""

    def __init__(self, ledger: Ledger, executor: Executor) -> None:
        self._ledger = ledger
        self._executor = executor
        self.slots: dict[RunId, Slot] = {}
        """What has been decided on."""
        self.loaded: list[Slot] = []
        """What was read from the journal."""
        self.done: list[tuple[asyncio.Future[Run], RunId]] = []
        self.suspects: list[Suspect] = []
        self.acks: dict[Inbox, list[Delivery]] = {}
        self.nacks: dict[Inbox, list[Delivery]] = {}

    async def slot(self, run: RunId) -> Slot | None:
        """The run's slot, read from the journal where it is not in memory; None where there is no such run.

        Raises StoreCorrupt, StoreUnavailable; Fenced where it is not ours any more when it is read.
        """
        slot = self._ledger.hot(run)
        if slot is None:
            slot = await self._ledger.load(run)
            if slot is not None and not self._ledger.owns(run):
                self._ledger.forget([slot])
                raise Fenced.of("ACC503", f"the partition of {run} was lost while the run was read")
            if slot is not None:
                self._executor.take_over(slot.run)
                self.loaded.append(slot)
        return slot

    def ack(self, inbox: Inbox, delivery: Delivery) -> None:
        """Acknowledge this one after the commit."""
        self.acks.setdefault(inbox, []).append(delivery)

    def nack(self, inbox: Inbox, delivery: Delivery) -> None:
        """Let this one come again, perhaps to somebody else."""
        self.nacks.setdefault(inbox, []).append(delivery)
