"""The feed of all runs: how each is now, whichever process carries it on; the newest state wins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from accord.domain.access import Principal
from accord.domain.ids import RunId
from accord.domain.news import Happened, News
from accord.engine.feed import Subscription
from accord.engine.node import Node
from accord.errors import StoreError
from accord.gateway.feeds.latest import PAGE, Latest, Lookout, Told, pages
from accord.ports import OPEN, RunQuery, RunState, RunSummary
from accord.service import summary_of
from accord.views.runs import RunNews, watched

logger = logging.getLogger("accord.gateway")

RUNS: Final = 10_000
"""Changed runs that are held; a watcher that is further behind begins again from its last place."""

LOOK_EVERY_S: Final = 1.0
"""How often the store is asked after runs of other processes."""

OVERLAP: Final = timedelta(seconds=3)
"""So much earlier the store is asked from: clocks differ, and what was decided first may be committed last."""


class RunFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which runs a watcher is told."""

    states: tuple[RunState, ...] = ()
    """Only runs that are in one of these states; all where empty."""
    template: str | None = None
    """Only runs of this template: `name`, or `name@version`."""
    parent: RunId | None = None
    """Only runs that this run has started."""

    def admits(self, run: RunSummary) -> bool:
        """Whether the watcher is told of the run."""
        return (
            (not self.states or run.state in self.states)
            and self.template in (None, run.template, run.template.partition("@")[0])
            and self.parent in (None, run.parent)
        )


class RunsFeed:
    """Tells of all runs, whoever watches."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._latest: Latest[RunId, RunSummary] = Latest(RUNS)
        self._lookout = Lookout(self._look)

    async def changes(self, wanted: RunFilter, who: Principal, after: datetime | None = None) -> AsyncGenerator[Told]:
        """How runs are, as they change, of those that this watcher may look at; the id of a message is a place to go on
        from.

        From `after` (such a place) on: first all runs that have changed since, or a moment before; without it, all that
        have not ended. After those comes a message without runs. Raises Overloaded where the watcher was too slow.
        """
        with self._lookout.watched():
            number, place = self._latest.number, after or self._node.parts.ports.clock.now()
            async for known in self._known(wanted, who, after):
                place = max([place, *(run.updated_at for run in known)]) if after is not None else place
                yield Told("runs", RunNews(tuple(map(watched, known)), after))
            yield Told("runs", RunNews((), place), place.isoformat())
            async for found in self._latest.changes(number):
                admitted = await self._node.lists.seen([run for run in found if wanted.admits(run)], who)
                if not admitted:
                    continue
                # Of others not even when something has happened in them is told.
                place = max([place, *(run.updated_at for run in admitted)])
                *most, last = pages([watched(run) for run in admitted])
                for page in most:
                    yield Told("runs", RunNews(tuple(page), None))
                yield Told("runs", RunNews(tuple(last), place), place.isoformat())

    async def _known(
        self, wanted: RunFilter, who: Principal, after: datetime | None
    ) -> AsyncGenerator[list[RunSummary]]:
        states = wanted.states
        if after is None:
            states = tuple(state for state in OPEN if not states or state in states)
            if not states:
                return
        since = after - OVERLAP if after is not None else None
        query = RunQuery(states=states, template=wanted.template, parent=wanted.parent, updated_since=since)
        async for page in self._pages(query, who):
            yield page

    async def _pages(self, query: RunQuery, who: Principal | None = None) -> AsyncGenerator[list[RunSummary]]:
        query = msgspec.structs.replace(query, limit=PAGE)
        while page := await self._node.lists.page(query, who):
            yield page
            query = msgspec.structs.replace(query, after=page[-1].run)

    # -- looking -------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        since = self._node.parts.ports.clock.now()
        while True:
            with self._node.parts.feed.subscribe(None, _happened) as news:
                while not news.cut_off:  # what this loop was too slow for is in the store
                    await self._hear(news)
                    now = self._node.parts.ports.clock.now()
                    if await self._ask(since - OVERLAP):
                        since = now

    async def _hear(self, news: Subscription) -> None:
        """Our own runs, until it is time to ask the store."""
        until = asyncio.get_running_loop().time() + LOOK_EVERY_S
        try:
            async with asyncio.timeout_at(until):
                while isinstance(item := await news.take(), Happened):
                    self._put(summary_of(item.run, None))
        except TimeoutError:
            return

    async def _ask(self, since: datetime) -> bool:
        """The runs of other processes; whether the store has answered."""
        try:
            async for page in self._pages(RunQuery(updated_since=since)):
                for summary in page:
                    self._put(summary)
        except StoreError as error:
            logger.warning("the feed of runs cannot ask the store: %s", error)
            return False
        return True

    def _put(self, run: RunSummary) -> None:
        run = msgspec.structs.replace(run, wake_at=None)  # nobody is told of it
        known = self._latest.get(run.run)
        if known is None or (known != run and known.updated_at <= run.updated_at):
            self._latest.put(run.run, run)


def _happened(news: News) -> bool:
    return isinstance(news, Happened)
