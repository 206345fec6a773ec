"""The listener: takes messages from inboxes and authenticates them, while the batch before is being committed."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from accord.engine.batch import Arrival
from accord.engine.parts import Parts
from accord.ports import Bus, Delivery, Inbox

logger = logging.getLogger("accord.listener")

BATCH_MAX = 512
"""Messages that are taken from an inbox at a time."""

RETRY_FIRST = timedelta(milliseconds=50)
RETRY_CAP = timedelta(seconds=5)


class Listener:
    """One pump per subject; what they find gathers until it is taken."""

    def __init__(self, parts: Parts, wake: Callable[[], None]) -> None:
        self._parts = parts
        self._wake = wake
        self._arrivals: deque[Arrival] = deque()
        self._room = asyncio.Event()
        self._room.set()
        self._pumps: dict[str, asyncio.Task[None]] = {}

    async def listen(self, *subjects: str) -> None:
        """Take what comes to these subjects from now on, even when the call is cancelled.

        Raises why an inbox could not be opened; it is tried again all the same.
        """
        first = [self._begin(subject) for subject in subjects]
        await asyncio.wait(first)
        for opened in first:
            opened.result()

    def _begin(self, subject: str) -> asyncio.Future[None]:
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        opened.add_done_callback(lambda done: done.cancelled() or done.exception())  # whoever asked may have gone
        self._pumps[subject] = asyncio.create_task(self._pump(subject, opened), name=f"accord-pump {subject}")
        return opened

    async def leave(self, subject: str) -> None:
        """Take nothing from this subject any more."""
        pump = self._pumps.pop(subject, None)
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    def taken(self) -> Sequence[Arrival]:
        """What has come since the last call, in order; there is room for more."""
        arrivals, self._arrivals = self._arrivals, deque()
        self._room.set()
        return arrivals

    async def stop(self) -> None:
        """Leave all subjects."""
        for pump in self._pumps.values():
            pump.cancel()
        await asyncio.gather(*self._pumps.values(), return_exceptions=True)

    async def _pump(self, subject: str, opened: asyncio.Future[None]) -> None:
        """Take from the subject for ever; whatever a bus raises, its inbox is opened again."""

        async def take(inbox: Inbox) -> None:
            if not opened.done():
                opened.set_result(None)
            await self._take(subject, inbox)

        def failed(error: Exception) -> None:
            if not opened.done():
                opened.set_exception(error)
            logger.exception("%s cannot be read, trying again", subject)

        await hear_for_ever(self._parts.ports.bus, subject, take, failed)

    async def _take(self, subject: str, inbox: Inbox) -> None:
        await self._room.wait()
        deliveries = await inbox.take(BATCH_MAX)
        try:
            now = self._parts.ports.clock.now()
            found = await self._parts.gate.authenticate(deliveries, now)
        except Exception:
            logger.exception("messages of %s could not be looked at; they come again", subject)
            await inbox.nack(deliveries)
            await asyncio.sleep(_pause(deliveries).total_seconds())
            return
        self._arrivals.extend(Arrival(inbox, one, now) for one in found)
        self._wake()
        if len(self._arrivals) > 2 * BATCH_MAX:
            self._room.clear()


async def hear_for_ever(
    bus: Bus, subject: str, take: Callable[[Inbox], Awaitable[None]], failed: Callable[[Exception], None]
) -> None:
    """Have `take` take from the inbox of a subject, again and again. What it or the bus raises is told to `failed`, and
    the inbox is opened again.
    """
    retry = RETRY_FIRST
    while True:
        try:
            async with bus.inbox(subject) as inbox:
                while True:
                    await take(inbox)
                    retry = RETRY_FIRST
        except Exception as error:
            failed(error)
            await asyncio.sleep(retry.total_seconds())
            retry = min(2 * retry, RETRY_CAP)


def _pause(deliveries: Sequence[Delivery]) -> timedelta:
    """How long to wait for what could not be looked at: longer each time that it has come."""
    times = min((delivery.attempts for delivery in deliveries), default=1)
    return min(RETRY_FIRST * (1 << min(times - 1, 16)), RETRY_CAP)
