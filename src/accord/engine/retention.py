"""Retention: ended runs, incidents and sessions are removed after a while, and blobs that nothing refers to any more.

All of it is done in steps, and how far it has come is kept in the store: a process that ends, or is killed, leaves the
rest to the next one, however short each of them lives.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from accord.codec import decode_system_event
from accord.domain.ids import RunId, StreamId
from accord.domain.system import INCIDENTS, SESSIONS, SessionOpened, SignInLinkMade
from accord.engine.parts import Tuning
from accord.engine.unused import SETTLING, Search, UnusedBlobs
from accord.ports import BlobStore, Clock, Journal, RunQuery, RunSummary, Snapshot, StoredBlob

PROGRESS = StreamId("sys:retention")
"""Names the snapshot that says how far retention has come; nothing is ever appended to it."""

LOOK_EVERY = timedelta(hours=1)
"""How often it is looked whether something has been kept long enough."""

SEARCH_EVERY = timedelta(days=1)
"""How often unused blobs are searched for although nothing was removed: a crash may have left some."""

PAGE = 50
"""Runs that are removed in one transaction; it delays the commits of others."""


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far retention has come. Losing it costs a search, no more."""

    looked_at: datetime | None = None
    """When runs, incidents and sessions were last looked through to the end."""
    searched_at: datetime | None = None
    """When unused blobs were last searched for to the end."""
    removed: bool = False
    """Whether something was removed since the last search began: blobs of it may be unused now."""
    search: Search | None = None


class Removed(msgspec.Struct, kw_only=True):
    """What was removed, or would be."""

    runs: list[RunId] = []
    incidents: int = 0
    blobs: int = 0
    blobs_bytes: int = 0
    search_at: datetime | None = None
    """When unused blobs may be searched for, where that is not over yet: a blob that was just put, and that nothing
    refers to so far, is not taken for one.
    """

    def count(self, blobs: Sequence[StoredBlob]) -> None:
        """Count these blobs in."""
        self.blobs += len(blobs)
        self.blobs_bytes += sum(blob.size_bytes for blob in blobs)

    def add(self, later: Removed) -> None:
        """Count in what was removed later."""
        self.runs.extend(later.runs)
        self.incidents += later.incidents
        self.blobs += later.blobs
        self.blobs_bytes += later.blobs_bytes
        self.search_at = later.search_at


class Retention:
    """Removes what has been kept long enough."""

    every = SETTLING

    def __init__(self, journal: Journal, blobs: BlobStore, clock: Clock, tuning: Tuning) -> None:
        self._journal = journal
        self._clock = clock
        self._tuning = tuning
        self._unused = UnusedBlobs(journal, blobs)

    async def go(self) -> None:
        """Do all that is due, step by step; what is not done when the process ends is done by the next one."""
        await self.remove()

    async def remove(self, *, at_once: bool = False) -> Removed:
        """Remove what is due; with `at_once`, look and search now, whenever that was done last."""
        removed = Removed()
        if at_once:
            await self._save(_after_removing(replace(await self._load(), looked_at=None)))
        while await self._step(removed):
            pass
        return removed

    async def would_remove(self) -> Removed:
        """What would be removed by now; nothing is changed."""
        runs = [summary.run async for summary in self._over()]
        until = await self._incidents_until()
        first = (await self._journal.floor(INCIDENTS)).sequence
        removed = Removed(runs=runs, incidents=until - first)
        removed.count(await self._unused.unused_without(runs, until))
        return removed

    # -- steps ---------------------------------------------------------------------------------------------------

    async def _step(self, removed: Removed) -> bool:
        """One step of what is due, and whether more may be."""
        progress, now = await self._load(), self._clock.now()
        if _is_due(progress.looked_at, LOOK_EVERY, now):
            await self._save(await self._look(progress, removed, now))
            return True
        search = progress.search
        if search is None or search.marked_at > now:  # a clock that was ahead must not hold it up
            if not progress.removed and not _is_due(progress.searched_at, SEARCH_EVERY, now):
                return False
            search = await self._unused.begin(now)
            progress = replace(progress, removed=False, search=search)
            await self._save(progress)
        if now < search.due_at:
            removed.search_at = search.due_at
            return False
        removed.search_at = None
        await self._go_on(progress, search, removed, now)
        return True

    async def _look(self, progress: Progress, removed: Removed, now: datetime) -> Progress:
        """Remove a page of runs, or when there are none left, incidents and sessions."""
        runs = await self._journal.retire(ended_before=now - self._tuning.keep, limit=PAGE)
        removed.runs.extend(runs)
        if runs:
            return _after_removing(progress)
        incidents = await self._journal.trim(INCIDENTS, until=await self._incidents_until())
        removed.incidents += incidents
        await self._journal.trim(SESSIONS, until=await self._sessions_until())
        progress = replace(progress, looked_at=now)
        return _after_removing(progress) if incidents else progress

    async def _go_on(self, progress: Progress, search: Search, removed: Removed, now: datetime) -> None:
        step = await self._unused.step(search)
        removed.count(step.removed)
        searched_at = progress.searched_at if step.search is not None else now
        await self._save(replace(progress, search=step.search, searched_at=searched_at))

    # -- what is over --------------------------------------------------------------------------------------------

    async def _incidents_until(self) -> int:
        """The number of the last incident that is too old, or too many."""
        head, floor = await self._journal.head(INCIDENTS), await self._journal.floor(INCIDENTS)
        before = self._clock.now() - self._tuning.keep_incidents
        until = max(head.sequence - self._tuning.max_incidents, floor.sequence)
        while records := await self._journal.read(INCIDENTS, after=until, limit=PAGE):
            for record in records:
                if decode_system_event(record).at >= before:
                    return until
                until = record.sequence
        return until

    async def _sessions_until(self) -> int:
        """The number of the last event of sessions before the first session, or link, that has not been over for long
        enough. The stream's last event stays: whoever follows it finds by that what went.
        """
        head, until = await self._journal.head(SESSIONS), (await self._journal.floor(SESSIONS)).sequence
        before = self._clock.now() - self._tuning.keep
        while records := await self._journal.read(SESSIONS, after=until, limit=PAGE):
            for record in records:
                event = decode_system_event(record)
                lasts = isinstance(event, SessionOpened | SignInLinkMade) and event.expires_at >= before
                if lasts or record.sequence >= head.sequence:
                    return until
                until = record.sequence
        return until

    async def _over(self) -> AsyncIterator[RunSummary]:
        """The runs that `retire` would remove, the newest first."""
        before, after = self._clock.now() - self._tuning.keep, None
        open_: set[RunId] = set()
        found: list[RunSummary] = []
        while page := await self._journal.runs(RunQuery(limit=500, after=after)):
            after = page[-1].run
            open_.update(one.run for one in page if one.wake_at is not None)
            found.extend(one for one in page if one.wake_at is None and one.updated_at < before)
        for summary in found:
            if summary.parent not in open_:
                yield summary

    # -- progress ------------------------------------------------------------------------------------------------

    async def _load(self) -> Progress:
        kept = await self._journal.snapshot(PROGRESS)
        try:
            return msgspec.json.decode(kept.data, type=Progress) if kept is not None else Progress()
        except msgspec.DecodeError:
            return Progress()  # of another version: it is begun anew

    async def _save(self, progress: Progress) -> None:
        kept = await self._journal.snapshot(PROGRESS)
        sequence = kept.sequence + 1 if kept is not None else 1
        await self._journal.save_snapshot(Snapshot(PROGRESS, sequence, msgspec.json.encode(progress)))


def _after_removing(progress: Progress) -> Progress:
    """Blobs may be unused now; a search that has yet to begin will find them."""
    return replace(progress, removed=progress.search is None or progress.search.begun)


def _is_due(last: datetime | None, every: timedelta, now: datetime) -> bool:
    return last is None or not timedelta() <= now - last < every
