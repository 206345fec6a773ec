"""Unused blobs: those that nothing in the journal refers to any more, found in bounded steps by whichever process is
there.

A blob is put before what refers to it is appended, and whoever refers to one anew puts it again. So a blob is surely
unused when nobody has put it since a mark, and a search that began a while after the mark finds nothing that refers to
it: whatever has been appended since the search began came with a blob put since the mark.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import msgspec

from accord.domain.ids import PARTITIONS, Digest, RunId, StreamId
from accord.domain.system import INCIDENTS, POLICIES, REGISTRY, TEMPLATES
from accord.ports import BlobStore, Journal, RunQuery, StoredBlob

SETTLING = timedelta(minutes=1)
"""A blob is put before what refers to it is appended; not even a slow commit takes longer than this."""

WINDOW = 4096
"""Blobs that are looked for at a time."""

RUNS = 50
"""Runs that one step reads."""

RECORDS = 500
"""Events that are read at a time."""

LETTERS = 100_000

_REFERENCE = re.compile(rb'"(?:sha256|digest|graph)":"([0-9a-f]{64})"')


class Search(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a search has come; kept between its steps."""

    mark: int
    marked_at: datetime
    behind: Digest | None = None
    """Blobs up to this one have been dealt with, or are in the window."""
    window: tuple[Digest, ...] = ()
    """Blobs that nothing has been found to refer to so far; empty before the next ones are taken."""
    run: RunId | None = None
    """Runs from the newest back to this one have been read."""

    @property
    def due_at(self) -> datetime:
        """When it may begin."""
        return self.marked_at + SETTLING

    @property
    def begun(self) -> bool:
        """Whether it has found something out already, which may be older than what is removed now."""
        return self.behind is not None


class Step(msgspec.Struct, frozen=True):
    """What one step has come to."""

    search: Search | None
    """How to go on; None when the search is over."""
    removed: Sequence[StoredBlob] = ()


class UnusedBlobs:
    """Finds blobs that nothing refers to, and removes them."""

    def __init__(self, journal: Journal, blobs: BlobStore) -> None:
        self._journal = journal
        self._blobs = blobs

    async def begin(self, now: datetime) -> Search:
        """A search for what is unused now; its first step may be taken at `due_at`."""
        return Search(await self._blobs.mark(), now)

    async def step(self, search: Search) -> Step:
        """Take the next blobs, or read some runs, or remove what nothing was found to refer to."""
        if not search.window:
            return await self._next_window(search)
        runs = await self._journal.runs(RunQuery(limit=RUNS, after=search.run))
        if not runs:
            removed = await self._blobs.remove(search.window, before=search.mark)
            return Step(msgspec.structs.replace(search, window=(), run=None), removed)
        left = await self._unreferenced(search.window, [StreamId(one.run) for one in runs])
        return Step(msgspec.structs.replace(search, window=left, run=runs[-1].run if left else None))

    async def unused_without(self, runs: Sequence[RunId], incidents: int) -> list[StoredBlob]:
        """What would be unused were these runs and the incidents up to this number not there; nothing is removed."""
        gone = {StreamId(run) for run in runs}
        found: list[StoredBlob] = []
        behind: Digest | None = None
        while window := await self._blobs.stored(after=behind, limit=WINDOW):
            behind = window[-1].digest
            left = await self._outside_of_runs(tuple(blob.digest for blob in window), after_incident=incidents)
            async for stream in self._streams():
                left = left if stream in gone else await self._unreferenced(left, [stream])
            found.extend(blob for blob in window if blob.digest in set(left))
        return found

    async def _next_window(self, search: Search) -> Step:
        found = await self._blobs.stored(after=search.behind, before=search.mark, limit=WINDOW)
        if not found:
            return Step(None)
        left = await self._outside_of_runs(tuple(blob.digest for blob in found))
        return Step(msgspec.structs.replace(search, behind=found[-1].digest, window=left, run=None))

    async def _outside_of_runs(self, window: tuple[Digest, ...], after_incident: int = 0) -> tuple[Digest, ...]:
        """Those to which neither a letter refers that nobody has answered yet nor what belongs to no run.

        Letters come first: one that is answered meanwhile is an event of a run by then.
        """
        letters = await self._journal.letters(range(PARTITIONS), limit=LETTERS)
        used = {digest for letter in letters for digest in references(letter.data)}
        left = tuple(digest for digest in window if digest not in used)
        left = await self._unreferenced(left, [REGISTRY, TEMPLATES, POLICIES])
        return await self._unreferenced(left, [INCIDENTS], after=after_incident)

    async def _unreferenced(
        self, window: tuple[Digest, ...], streams: Sequence[StreamId], after: int = 0
    ) -> tuple[Digest, ...]:
        """Those to which no event of these streams refers."""
        left = dict.fromkeys(window)
        for stream in streams:
            read = after
            while left and (records := await self._journal.read(stream, after=read, limit=RECORDS)):
                for record in records:
                    for digest in references(record.data):
                        left.pop(digest, None)
                read = records[-1].sequence
        return tuple(left)

    async def _streams(self) -> AsyncIterator[StreamId]:
        after: RunId | None = None
        while page := await self._journal.runs(RunQuery(limit=RECORDS, after=after)):
            for summary in page:
                yield StreamId(summary.run)
            after = page[-1].run


def references(data: bytes) -> set[Digest]:
    """The digests of all blobs that an event, or a letter, may refer to."""
    return {Digest(found.decode()) for found in _REFERENCE.findall(data)}
