"""The past of runs: states as they were, of which some are kept on the way, so that the next one is found quickly; and
room for so many at once who look at long histories.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from accord.domain.ids import RunId
from accord.domain.run import Run
from accord.engine.ledger import Ledger
from accord.errors import Overloaded
from accord.ports import Head, Journal

KEPT_MOST: Final = 512
"""States that are kept of all runs together; the run that was looked at longest ago is forgotten first."""

MARKS: Final = 64
"""States that are kept of one stretch that is folded."""

APART: Final = 64
"""So many events are between two of them at least."""

AT_ONCE: Final = 4
WAITING: Final = 16
"""Who look at histories at the same time, and who wait for that."""


class Room:
    """Lets a few in at once, and a few more wait."""

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most = waiting
        self._waiting = 0

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """A place until the end. Raises Overloaded ACC463 where too many wait for one already."""
        if self._waiting >= self._most:
            raise Overloaded.of(
                "ACC463", "too many look at the histories of runs at the same time", hint="wait as Retry-After says"
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()


class Past:
    """Tells how runs were."""

    def __init__(self, journal: Journal, ledger: Ledger, room: Room) -> None:
        self._journal = journal
        self._ledger = ledger
        self._room = room
        self._kept: dict[RunId, dict[int, tuple[Run, Head]]] = {}
        """By the event that they are after; the run that was looked at last is the last one."""

    async def run(self, run: RunId, until: int) -> Run | None:
        """The run as it was after its event number `until`, or its last one where it has not so many; None where there
        is no such run. The chain of what is kept was verified when it was read first. Raises StoreCorrupt, Overloaded.
        """
        async with self._room.entered():
            if await self._journal.run(run) is None:
                self._kept.pop(run, None)
                return None
            kept = self._kept.get(run, {})
            before = kept.get(max((number for number in kept if number <= until), default=0))
            found = await self._ledger.stretch(run, before, until=until, marks=MARKS, apart=APART)
            if not found:
                return before[0] if before is not None else None
            self._keep(run, found)
            return found[-1][0]

    def _keep(self, run: RunId, found: list[tuple[Run, Head]]) -> None:
        kept = self._kept.pop(run, {})
        kept.update((head.sequence, (state, head)) for state, head in found)
        self._kept[run] = kept
        while sum(map(len, self._kept.values())) > KEPT_MOST:
            oldest = next(iter(self._kept))
            if oldest == run:  # alone it is too many
                del kept[next(iter(kept))]
            else:
                del self._kept[oldest]
