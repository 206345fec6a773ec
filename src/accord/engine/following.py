"""Following a run: what has happened already, then what happens, until it ends; here, or at another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from accord.codec import decode_event, follow
from accord.domain.ids import RunId, StreamId
from accord.domain.news import Happened, News
from accord.domain.run import Run, evolve
from accord.engine.feed import Subscription
from accord.engine.ledger import unknown_run
from accord.engine.parts import Parts
from accord.ports import Fence, Head

LOOK_EVERY_S: Final = 0.25
"""How often the journal is asked about a run that another process carries on."""

ASK_EVERY_S: Final = 2.0
"""How often it is asked whether a run of ours is still ours."""


async def followed(parts: Parts, run: RunId) -> AsyncIterator[News]:
    """News of a run: first all that has happened, then the rest, up to its end. Raises NotFound, StoreCorrupt."""
    follower = _Follower(parts, run)
    while not follower.at_end():
        with parts.feed.subscribe(run) as news:
            found: News | None = await follower.read()
            if found is not None:
                yield found
            while not (follower.at_end() or news.cut_off):  # who was too slow for the feed finds it all in the journal
                found = await follower.next(news)
                if found is not None:
                    yield found


class _Follower:
    """How much of a run somebody has been told."""

    def __init__(self, parts: Parts, run: RunId) -> None:
        self._parts = parts
        self._id = run
        self._run: Run | None = None
        self._sequence = 0
        self._fence: Fence | None = None
        """Under what the run was ours when it was read last."""

    def at_end(self) -> bool:
        """Whether the end was told."""
        return self._run is not None and self._run.ended

    async def read(self) -> Happened | None:
        """What the journal has beyond what was told."""
        self._fence = self._parts.ledger.fence(self._id)
        records = await self._parts.ports.journal.read(StreamId(self._id), after=self._sequence)
        events = tuple(decode_event(record) for record in records)
        if self._run is None:
            follow(records, Head())
            self._run = await self._parts.ledger.fold(records)
            if self._run is None:
                raise unknown_run(self._id)
        else:
            for event in events:
                self._run = evolve(self._run, event)
        if not events:
            return None
        self._sequence = records[-1].sequence
        return Happened(self._run, self._sequence, events)

    async def next(self, news: Subscription) -> News | None:
        """The next news; None where it is time to ask again."""
        fence = self._parts.ledger.fence(self._id)
        if fence is not None and fence != self._fence:
            return await self.read()  # it has come to be ours: what others did until then, our feed never tells
        try:
            async with asyncio.timeout(ASK_EVERY_S if fence is not None else LOOK_EVERY_S):
                item = await news.take()
        except TimeoutError:
            return None if fence is not None else await self.read()
        return await self._unseen(item) if isinstance(item, Happened) else item

    async def _unseen(self, item: Happened) -> Happened | None:
        """The item without the events that were told already; where some are missing in between, they are read."""
        new = item.sequence - self._sequence
        if new <= 0:
            return None
        if new > len(item.events):
            return await self.read()
        self._run, self._sequence = item.run, item.sequence
        return Happened(item.run, item.sequence, item.events[-new:])
