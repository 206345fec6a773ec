"""The feed of a run for those who look at its graph: not event by event, but what has changed; what changes faster than
it is told is told once, as it is then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Final

from accord.domain.access import Principal
from accord.domain.event import Event
from accord.domain.ids import RunId
from accord.domain.news import Happened, News, Progressed
from accord.domain.state import Run
from accord.engine.node import Node
from accord.gateway.feeds.latest import Told
from accord.views.drawing import Changes
from accord.views.runs import RunState

PAUSE_S: Final = 0.1
"""So long nothing is told after something was told."""


class _Gathered:
    """What has happened since something was told, and what agents have said."""

    def __init__(self, news: AsyncIterator[News], after: int, opened: Sequence[str]) -> None:
        self._news = news
        self._after = after
        self._opened = opened
        self._changes: Changes | None = None
        self._sequence = after
        self._new = False
        self._progress: dict[tuple[str, int], Progressed] = {}
        self._run: Run | None = None
        self.something = asyncio.Event()

    async def gather(self) -> None:
        """Take what happens, up to the end of the run. Raises NotFound, StoreCorrupt."""
        try:
            async for item in self._news:
                if isinstance(item, Progressed):
                    self._progress[item.task, item.attempt] = item
                else:
                    self._add(item)
                self.something.set()
        finally:
            self.something.set()

    def take(self) -> list[Told]:
        """What is to be told now."""
        self.something.clear()
        progress, self._progress = self._progress, {}
        told = [Told("progress", one) for one in progress.values()]
        if self._new and self._changes is not None:
            self._new = False
            told.insert(0, Told("changes", self._changes.take(self._sequence), str(self._sequence)))
        return told

    def end(self) -> list[Told]:
        """What is told when nothing more will happen."""
        return [] if self._run is None else [Told("end", RunState(self._run.id, self._run.phase))]

    def _add(self, item: Happened) -> None:
        new = item.sequence - self._sequence
        if self._changes is None:
            self._changes = Changes(item.run, self._opened)
        if new > 0:
            self._changes.add(item.run, _last(item.events, new))
            self._sequence, self._new = item.sequence, True
        self._run = item.run


def _last(events: Sequence[Event], count: int) -> Sequence[Event]:
    return events[-count:] if count < len(events) else events


async def _seen(node: Node, who: Principal, run: RunId) -> AsyncIterator[News]:
    """What happens in the run, as long as they may look at it."""
    async for news in node.follow(run):
        await node.parts.permission.require(who, "look", run)
        yield news


async def graph_changes(
    node: Node, who: Principal, run: RunId, after: int, opened: Sequence[str]
) -> AsyncGenerator[Told]:
    """`changes`: what has changed after event `after`, and then what changes, each with the last event's number as id.
    `progress`: how far an agent says it is. `end`: the run's state.

    Raises NotFound, StoreCorrupt, and Forbidden as soon as they may look at the run no longer.
    """
    gathered = _Gathered(_seen(node, who, run), after, opened)
    gathering = asyncio.create_task(gathered.gather())
    try:
        while True:
            await gathered.something.wait()
            over = gathering.done()
            for told in gathered.take():
                yield told
            if over:
                gathering.result()
                break
            await asyncio.sleep(PAUSE_S)
        for told in gathered.end():
            yield told
    finally:
        gathering.cancel()
        await asyncio.wait([gathering])
