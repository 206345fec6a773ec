"""The live feed: what happens, for those who watch. It forgets; whoever was away reads the journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from accord.domain.event import AttemptAccepted
from accord.domain.ids import RunId, TaskId
from accord.domain.news import Happened, News, Progressed
from accord.recent import Recent

QUEUE_LIMIT = 10_000
"""A watcher that is so many items behind is cut off and has to read the journal."""

RUNS_IN_PROGRESS: Final = 1000
"""Of so many runs it is known how far agents have said to be."""

Wanted = Callable[[News], bool]


class Subscription:
    """One watcher's queue."""

    def __init__(self, run: RunId | None, wanted: Wanted) -> None:
        self.run = run
        self._wanted = wanted
        self._queue: asyncio.Queue[News | None] = asyncio.Queue(QUEUE_LIMIT + 1)
        self.cut_off = False
        """Whether items were lost because the watcher was too slow."""

    def put(self, news: News) -> None:
        """Queue an item, if it is wanted; never waits."""
        if self.cut_off or not self._wanted(news):
            return
        if self._queue.qsize() >= QUEUE_LIMIT:
            self.cut_off = True
            self._queue.put_nowait(None)
        else:
            self._queue.put_nowait(news)

    @property
    def waiting(self) -> bool:
        """Whether there is an item to take."""
        return not self._queue.empty()

    async def take(self) -> News | None:
        """The next item, once there is one; None where there will be no more, because items were lost."""
        return await self._queue.get()

    async def __aiter__(self) -> AsyncIterator[News]:
        while (news := await self.take()) is not None:
            yield news


class Feed:
    """Hands news to all watchers, of one run or of all."""

    def __init__(self) -> None:
        self._by_run: dict[RunId | None, list[Subscription]] = {}
        self._progress: Recent[RunId, dict[TaskId, Progressed]] = Recent(RUNS_IN_PROGRESS)

    @contextmanager
    def subscribe(self, run: RunId | None = None, wanted: Wanted = lambda news: True) -> Iterator[Subscription]:
        """News of a run, or of all, from now on; only those that are wanted. Of a run, first how far agents have said
        to be that are at work: that is in no journal.
        """
        subscription = Subscription(run, wanted)
        for said in self._progress.get(run, {}).values() if run is not None else ():
            subscription.put(said)
        self._by_run.setdefault(run, []).append(subscription)
        try:
            yield subscription
        finally:
            remaining = [one for one in self._by_run[run] if one is not subscription]
            self._by_run[run] = remaining
            if not remaining:
                del self._by_run[run]

    def publish(self, run: RunId, news: News) -> None:
        """Hand on to everybody who watches this run, or all runs."""
        if isinstance(news, Progressed):
            self._progress.made(run, dict)[news.task] = news
        elif run in self._progress:
            self._forget(run, news)
        if self._by_run:
            for subscription in (*self._by_run.get(run, ()), *self._by_run.get(None, ())):
                subscription.put(news)

    def _forget(self, run: RunId, news: Happened) -> None:
        """What was said of an attempt is over as soon as something happens to its task, but that it was begun."""
        said = self._progress[run]
        for event in news.events:
            if not isinstance(event, AttemptAccepted):
                said.pop(getattr(event, "task", TaskId("")), None)
        if not said or news.run.ended:
            del self._progress[run]
