"""Relisting: what an earlier version has written in lists of runs lacks what they are sought by now, and what says who
may see them. It is told of anew from the events.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Final

from accord.domain.ids import RunId
from accord.engine.ledger import Ledger
from accord.errors import Overloaded, StoreCorrupt
from accord.ports import Journal
from accord.service import agents_of, summary_of

PAGE: Final = 100
"""Runs that are asked for at once."""

WAITS: Final = timedelta(seconds=5)
"""So long whoever seeks runs waits for lists that are not whole yet."""

logger = logging.getLogger("accord.lists")


class Relisting:
    """A round: it has much to do after an upgrade, and a little while processes of an earlier version are there."""

    every = timedelta(seconds=30)

    def __init__(self, journal: Journal, ledger: Ledger) -> None:
        self._journal = journal
        self._ledger = ledger
        self._turn = asyncio.Lock()
        self._damaged: set[RunId] = set()

    async def go(self) -> None:
        """Tell of every run anew that lacks something; those that are damaged stay as they are."""
        async with self._turn:
            after: RunId | None = None
            while page := await self._journal.unlisted(after=after, limit=PAGE):
                after = page[-1]
                for run in page:
                    await self._relist(run)

    async def whole(self) -> None:
        """Wait until lists lack nothing. Raises Overloaded ACC462 where that takes longer than one waits."""
        try:
            async with asyncio.timeout(WAITS.total_seconds()):
                await self.go()
        except TimeoutError:
            raise Overloaded.of(
                "ACC462",
                "after an upgrade the lists of runs are still being completed from their events",
                hint="ask again in a minute",
            ) from None

    async def _relist(self, run: RunId) -> None:
        if run in self._damaged:
            return
        try:
            state, head = await self._ledger.read_quickly(run)
        except StoreCorrupt as error:
            logger.error("lists cannot tell more of %s: %s", run, error)
            self._damaged.add(run)
            return
        if state is not None:
            await self._journal.relist(summary_of(state, None), sorted(agents_of(state)), at=head)
