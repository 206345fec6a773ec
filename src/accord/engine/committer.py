"""The committer: makes a batch durable, then does what follows from it; or gives it up as a whole."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from accord.domain import command as c
from accord.domain.news import Happened
from accord.engine.batch import Arrival, Batch
from accord.engine.executor import Executor
from accord.engine.ledger import Committed, Slot
from accord.engine.order import Order
from accord.engine.parts import Parts
from accord.errors import Fenced, SequenceConflict
from accord.ports import Delivery, Inbox

logger = logging.getLogger("accord.committer")

RETRY_FIRST = timedelta(milliseconds=50)
RETRY_CAP = timedelta(seconds=5)


class Committer:
    """One append per batch; messages are acknowledged after it."""

    def __init__(self, parts: Parts, executor: Executor, order: Callable[[Order], None]) -> None:
        self._parts = parts
        self._executor = executor
        self._order = order
        self._retry = RETRY_FIRST

    async def commit(self, batch: Batch) -> None:
        """Append, tell, execute, acknowledge.

        Raises:
            SequenceConflict, Fenced: a run of the batch is not ours any more.
            StoreUnavailable: nothing was committed, as far as we know.
        """
        dirty = [slot for slot in batch.slots.values() if slot.dirty]
        self._parts.reached("before_store")
        await self._parts.documents.store()
        self._parts.reached("before_append")
        committed = await self._durable(dirty) if dirty else []
        self._parts.reached("after_append")
        # Durable from here on: whoever waits for it is told first, whatever becomes of the rest.
        self._tell(batch, committed)
        for slot in batch.loaded:
            await self._executor.resume(slot.run)
            if slot.run.ended:
                self._parts.ledger.forget([slot])
        await self._executor.execute(committed)
        self._parts.reached("before_ack")
        for inbox, deliveries in batch.acks.items():
            await inbox.ack(deliveries)
        for inbox, deliveries in batch.nacks.items():
            await inbox.nack(deliveries)
        self._parts.reached("turn_over")
        self._retry = RETRY_FIRST

    async def give_up(
        self, batch: Batch, arrivals: Sequence[Arrival], orders: Sequence[Order], error: Exception
    ) -> None:
        """Nothing of this batch has happened: forget it, and let it come again, whatever else goes wrong."""
        self._parts.ledger.forget([*batch.slots.values(), *batch.loaded])
        for order in orders:
            if order.done is not None and not order.done.done():
                order.done.set_exception(error)
        self._parts.figures.given_up += 1
        self._parts.figures.failed(error)
        logger.warning("a batch of %d was given up: %s", len(batch.slots), error)
        try:
            await self._give_back(arrivals)
            if isinstance(error, (SequenceConflict, Fenced)):
                await self._parts.partitions.check()
            else:
                await self.rest()
                self._retry = min(self._retry * 2, RETRY_CAP)
        finally:
            self._order_again(batch, [order for order in orders if order.done is None])

    async def _give_back(self, arrivals: Sequence[Arrival]) -> None:
        by_inbox: dict[Inbox, list[Delivery]] = {}
        for arrival in arrivals:
            by_inbox.setdefault(arrival.inbox, []).append(arrival.found.delivery)
        for inbox, deliveries in by_inbox.items():
            try:
                await inbox.nack(deliveries)
            except Exception:
                logger.exception("%d messages could not be given back: they come when they are missed", len(deliveries))

    def _order_again(self, batch: Batch, orders: Sequence[Order]) -> None:
        for run in dict.fromkeys((*batch.slots, *(slot.run.id for slot in batch.loaded))):
            if self._parts.ledger.owns(run):
                self._order(Order(run, c.Tick()))
            else:
                self._executor.abandon([run])
        for order in orders:
            self._order(order)

    async def rest(self) -> None:
        """Wait before the next try: longer each time that one fails."""
        await asyncio.sleep(self._retry.total_seconds())

    async def _durable(self, dirty: list[Slot]) -> list[Committed]:
        clock, figures = self._parts.ports.clock, self._parts.figures
        began = clock.now()
        committed = await self._parts.ledger.commit(dirty)
        ended = clock.now()
        events = [event for one in committed for event in one.events]
        figures.committed(ended - began, len(events))
        figures.happened(events)
        if self._parts.tracer.on:
            self._parts.tracer.committed(committed, began, ended)
        return committed

    def _tell(self, batch: Batch, committed: Sequence[Committed]) -> None:
        runs = {one.run.id: one.run for one in committed}
        for done, run in batch.done:
            if not done.done():
                done.set_result(runs.get(run) or batch.slots[run].run)
        for one in committed:
            if one.events:
                self._parts.feed.publish(one.run.id, Happened(one.run, one.sequence, one.events))
            slot = self._parts.ledger.hot(one.run.id)
            self._parts.timers.set(one.run.id, slot.wake_at if slot else None)
        for slot in batch.loaded:
            if self._parts.ledger.hot(slot.run.id) is slot:
                self._parts.timers.set(slot.run.id, slot.wake_at)
            self._parts.feed.publish(slot.run.id, Happened(slot.run, slot.head.sequence, ()))
