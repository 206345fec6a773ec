"""Retention: ended runs are removed after a while, of each its head stays; and so are the blobs that nobody refers
to any more.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from accord.domain.ids import Digest, RunId, StreamId
from accord.domain.system import INCIDENTS, REGISTRY, TEMPLATES
from accord.engine.parts import Parts
from accord.ports import RunQuery, RunSummary

PAGE = 500

SETTLING = timedelta(minutes=1)
"""A blob is put before what refers to it is appended; not even a slow commit takes longer than this."""

_REFERENCE = re.compile(rb'"(?:sha256|digest|graph)":"([0-9a-f]{64})"')


class Retention:
    """Removes what has been kept long enough."""

    every = timedelta(hours=1)

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def go(self) -> None:
        """Remove the runs that ended too long ago, then the blobs that only they referred to.

        A blob that is put while this goes on stays: what will refer to it may not be in the journal yet.
        """
        before = self._parts.ports.clock.now() - self._parts.tuning.keep
        old = [summary.run async for summary in self._runs() if _is_over(summary, before)]
        if not old:
            return
        candidates = await self._references([StreamId(run) for run in old])
        mark = await self._parts.ports.blobs.mark()
        await asyncio.sleep(SETTLING.total_seconds())
        while await self._parts.ports.journal.retire(ended_before=before, limit=PAGE):
            pass  # page by page
        unused = candidates - await self._still_used(candidates)
        await self._parts.ports.blobs.remove(sorted(unused), before=mark)

    async def _still_used(self, candidates: set[Digest]) -> set[Digest]:
        """Those of the candidates that something refers to which is still there."""
        if not candidates:
            return set()
        streams = [StreamId(summary.run) async for summary in self._runs()]
        return candidates & await self._references([REGISTRY, TEMPLATES, INCIDENTS, *streams])

    async def _references(self, streams: list[StreamId]) -> set[Digest]:
        found: set[Digest] = set()
        for stream in streams:
            for record in await self._parts.ports.journal.read(stream):
                found.update(Digest(match.decode()) for match in _REFERENCE.findall(record.data))
        return found

    async def _runs(self) -> AsyncIterator[RunSummary]:
        after: RunId | None = None
        while page := await self._parts.ports.journal.runs(RunQuery(limit=PAGE, after=after)):
            for summary in page:
                yield summary
            after = page[-1].run


def _is_over(summary: RunSummary, before: datetime) -> bool:
    return summary.wake_at is None and summary.updated_at < before
