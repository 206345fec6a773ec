"""The listener: takes messages from inboxes and authenticates them, while the batch before is being committed."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta

from accord.engine.batch import Arrival
from accord.engine.parts import Parts

logger = logging.getLogger("accord.listener")

BATCH_MAX = 512
"""Messages that are taken from an inbox at a time."""

RETRY = timedelta(milliseconds=50)


class Listener:
    """One pump per subject; what they find gathers until it is taken."""

    def __init__(self, parts: Parts, wake: Callable[[], None]) -> None:
        self._parts = parts
        self._wake = wake
        self._arrivals: deque[Arrival] = deque()
        self._room = asyncio.Event()
        self._room.set()
        self._pumps: dict[str, asyncio.Task[None]] = {}

    async def listen(self, subject: str) -> None:
        """Take what comes to the subject from now on. Raises why its inbox could not be opened."""
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pump = asyncio.create_task(self._pump(subject, opened), name=f"accord-pump {subject}")
        self._pumps[subject] = pump
        await asyncio.wait((opened, pump), return_when=asyncio.FIRST_COMPLETED)
        if pump.done():
            await pump  # raises why the inbox could not be opened

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
        async with self._parts.ports.bus.inbox(subject) as inbox:
            opened.set_result(None)
            while True:
                await self._room.wait()
                deliveries = await inbox.take(BATCH_MAX)
                try:
                    found = await self._parts.gate.authenticate(deliveries, self._parts.ports.clock.now())
                except Exception:
                    logger.exception("messages of %s could not be looked at; they come again", subject)
                    await inbox.nack(deliveries)
                    await asyncio.sleep(RETRY.total_seconds())
                    continue
                self._arrivals.extend(Arrival(inbox, one) for one in found)
                self._wake()
                if len(self._arrivals) > 2 * BATCH_MAX:
                    self._room.clear()
