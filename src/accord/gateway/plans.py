"""Plans that were shown: a graph that was made for one can be started as it was seen, by its digest, at any process.

They lie in the store, on shelves, as snapshots of streams without events: each holds a few, the newest of them, for a
while. So they take a bounded room and need no sweeping, whoever loses a race loses a plan that can be made again, and a
plan that nobody starts leaves no words behind, since templates that are made have none of an objective's.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from accord.domain.ids import Digest, StreamId
from accord.ports import Clock, Journal, Snapshot
from accord.views.planning import Known, Planned, made_entry

SHELVES: Final = 64
EACH: Final = 8
"""So many lie on a shelf; of more the oldest go."""

LASTS: Final = timedelta(hours=1)
"""How long after it was shown last a plan can be started by its digest."""


class _Shown(msgspec.Struct, frozen=True):
    """What was made for a plan, and until when it can be started."""

    digest: Digest
    document: dict[str, Any]
    until: datetime


class ShownPlans:
    """What was made for objectives, and shown. Found by its digest alone."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self._putting = asyncio.Lock()

    async def show(self, found: Planned) -> None:
        """Keep what was made for this plan; nothing is written where it was shown lately."""
        document, digest = found.plan.document, found.entry.digest
        if document is None:
            return
        async with self._putting:
            shelf, now = _shelf_of(digest), self._clock.now()
            sequence, there = await self._on(shelf)
            if any(one.digest == digest and one.until > now + LASTS / 2 for one in there):
                return
            kept = [one for one in there if one.digest != digest and one.until > now]
            kept = [*kept, _Shown(digest, document, now + LASTS)][-EACH:]
            await self._journal.save_snapshot(Snapshot(shelf, sequence + 1, msgspec.json.encode(kept)))

    async def among(self, known: Known, digest: Digest | None) -> Known:
        """What is known, with what was made and shown under this digest, here or by another process."""
        if digest is None or any(one.digest == digest for one in known.templates.entries()):
            return known
        _, there = await self._on(_shelf_of(digest))
        for one in there:
            if one.digest == digest and one.until > self._clock.now():
                entry = made_entry(one.document)
                return replace(known, templates=known.templates.with_entry(entry))
        return known

    async def _on(self, shelf: StreamId) -> tuple[int, list[_Shown]]:
        """What lies on a shelf, the oldest first, and how often something was put there."""
        kept = await self._journal.snapshot(shelf)
        if kept is None:
            return 0, []
        try:
            return kept.sequence, msgspec.json.decode(kept.data, type=list[_Shown])
        except msgspec.DecodeError:
            return kept.sequence, []  # of another version: it can be planned again


def _shelf_of(digest: Digest) -> StreamId:
    return StreamId(f"sys:plans/{int(digest[:8], 16) % SHELVES:02d}")
