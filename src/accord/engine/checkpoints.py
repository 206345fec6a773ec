"""Checkpoints of the journal: the ends of all streams that have moved go into a log that only grows, and its root is
signed (see `domain.checkpoint`). Every process adds what it has moved itself; that all write the same log is ensured
by the stream `sys:checkpoints`, to which only who knows its end can append.

ACC852  the journal does not say what a checkpoint says that it said
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Container, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from accord.codec import chained, decode_system_event, encode_event, follow
from accord.domain.checkpoint import Anchor, Anchored, Checkpoint, Growth, checkpoint_claims, checkpoint_text, digests
from accord.domain.ids import Digest, StreamId
from accord.domain.merkle_log import Frontier, consistency_proof, inclusion_proof
from accord.domain.system import ANCHORED, CHECKPOINTS, CheckpointMade
from accord.engine.assignments import Secretary
from accord.engine.ledger import Ledger
from accord.errors import MessageRefused, NotFound, SequenceConflict, StoreCorrupt
from accord.ports import Append, Clock, Head, Journal, Record, RunQuery, Snapshot

MOST: Final = 1000
"""Entries that one checkpoint adds; where more streams have moved, several are made."""

PAGE: Final = 200
"""Checkpoints that are read at a time."""

KEEP_EVERY: Final = 50
"""Checkpoints after which the log is kept as a snapshot, so that few of them are read when a process starts."""

LOOK_BACK: Final = timedelta(minutes=10)
"""What moved so long before the newest checkpoint is looked at once when a process starts: whoever moved it may have
ended before it was anchored, and clocks differ."""


class _Kept(msgspec.Struct, frozen=True):
    digest: Digest
    size: int
    roots: tuple[Digest, ...]
    anchors: tuple[Anchor, ...]
    """The newest ones of the streams that belong to no run."""
    last: CheckpointMade


class Checkpoints:
    """Makes checkpoints of what the ledger has moved, and proves what is in them."""

    def __init__(
        self, journal: Journal, ledger: Ledger, secretary: Secretary, clock: Clock, *, every: timedelta
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._secretary = secretary
        self._clock = clock
        self._every = every
        self._head = Head()
        self._log = Frontier()
        self._last: CheckpointMade | None = None
        self._anchored: dict[StreamId, Head] = {}
        """Of the streams that belong to no run, and of runs that are looked at once more."""
        self._began = False
        self._made_at: datetime | None = None
        self._turn = asyncio.Lock()

    # -- making --------------------------------------------------------------------------------------------------

    def is_due(self, now: datetime) -> bool:
        """Whether a run has ended since the last checkpoint, or it is old and something has moved."""
        if not self._ledger.moved:
            return False
        return self._ledger.ended or self._made_at is None or not timedelta() <= now - self._made_at < self._every

    async def make(self) -> None:
        """Anchor all that has moved. Raises StoreUnavailable, and StoreCorrupt where the log does not hold."""
        async with self._turn:
            self._made_at = self._clock.now()
            moved, ended = self._ledger.moved, self._ledger.ended
            self._ledger.moved, self._ledger.ended = {}, False
            try:
                await self._refresh()
                await self._add_all([*await self._others(), *_anchors(moved)])
            except BaseException:
                self._ledger.moved, self._ledger.ended = {**moved, **self._ledger.moved}, ended or self._ledger.ended
                raise

    async def newest(self) -> Checkpoint:
        """The checkpoint after all that has moved, signed with the key that is ours now."""
        await self.make()
        async with self._turn:
            if self._last is None or not self._is_ours(self._last):
                await self._add([])
            assert self._last is not None  # noqa: S101 - one was made just now
            return _checkpoint(self._last)

    def _is_ours(self, made: CheckpointMade) -> bool:
        try:
            _checkpoint(made).check(self._secretary.key)
        except MessageRefused:
            return False
        return True

    async def _add_all(self, anchors: Sequence[Anchor]) -> None:
        for first in range(0, len(anchors), MOST):
            await self._add(anchors[first : first + MOST])

    async def _add(self, anchors: Sequence[Anchor]) -> None:
        while not await self._added(anchors):
            before = self._head
            await self._refresh()
            if self._head == before:
                raise _rewritten(f"the log does not go on from its checkpoint {before.sequence}")

    async def _added(self, anchors: Sequence[Anchor]) -> bool:
        log = self._log.copy()
        for anchor in anchors:
            log.add(anchor.leaf())
        now, size, root = self._clock.now(), log.size, Digest(log.root().hex())
        origin = self._secretary.identity
        claims = checkpoint_claims(origin, size, root, int(now.timestamp()))
        [message] = await self._secretary.sign([(claims, checkpoint_text(origin, size, root))])
        made = CheckpointMade(
            at=now, size=size, root=root, anchors=tuple(anchors), statement=message.statement.decode("ascii")
        )
        records = chained(CHECKPOINTS, self._head, [encode_event(made)])
        try:
            await self._journal.append([Append(stream=CHECKPOINTS, expected=self._head, records=records)])
        except SequenceConflict:
            return False
        await self._take(made, records[-1])
        return True

    async def _others(self) -> list[Anchor]:
        """The streams that belong to no run and have moved; the first time, also runs that nobody may have anchored."""
        heads = {stream: await self._journal.head(stream) for stream in ANCHORED}
        if not self._began:
            heads |= {run: await self._journal.head(run) async for run in self._left()}
            self._began = True
        return _anchors(
            {stream: head for stream, head in heads.items() if head.sequence and self._anchored.get(stream) != head}
        )

    async def _left(self) -> AsyncIterator[StreamId]:
        """Runs that moved shortly before the newest checkpoint, or after it."""
        since = (self._last.at if self._last is not None else self._clock.now()) - LOOK_BACK
        after = None
        while page := await self._journal.runs(RunQuery(updated_since=since, after=after, limit=PAGE)):
            for summary in page:
                yield StreamId(summary.run)
            after = page[-1].run

    # -- following -----------------------------------------------------------------------------------------------

    async def _refresh(self) -> None:
        """Take what was added since, by whomever."""
        if not self._head.sequence:
            await self._restore()
        while records := await self._journal.read(CHECKPOINTS, after=self._head.sequence, limit=PAGE):
            follow(records, self._head)
            for record in records:
                await self._take(_made(record), record)

    async def _take(self, made: CheckpointMade, record: Record) -> None:
        for anchor in made.anchors:
            self._log.add(anchor.leaf())
            self._anchored[anchor.stream] = Head(anchor.sequence, anchor.digest)
        if (self._log.size, self._log.root().hex()) != (made.size, made.root):
            raise _rewritten(f"checkpoint {record.sequence} is not about the log before it")
        if self._began:
            self._anchored = {stream: head for stream, head in self._anchored.items() if stream in ANCHORED}
        self._head, self._last = Head(record.sequence, record.digest), made
        if record.sequence % KEEP_EVERY == 0:
            await self._keep()

    async def _keep(self) -> None:
        assert self._last is not None  # noqa: S101 - one was taken just now
        roots = digests(self._log.roots())
        others = {stream: head for stream, head in self._anchored.items() if stream in ANCHORED}
        kept = _Kept(self._head.digest, self._log.size, roots, tuple(_anchors(others)), self._last)
        await self._journal.save_snapshot(Snapshot(CHECKPOINTS, self._head.sequence, msgspec.json.encode(kept)))

    async def _restore(self) -> None:
        """Begin with what was kept; whatever is wrong with it would be found by the root that was signed."""
        snapshot = await self._journal.snapshot(CHECKPOINTS)
        if snapshot is None:
            return
        kept = msgspec.json.decode(snapshot.data, type=_Kept)
        self._log = Frontier.of(kept.size, [bytes.fromhex(root) for root in kept.roots])
        if self._log.root().hex() != kept.last.root:
            raise _rewritten("the log that was kept is not the one that was signed")
        self._head, self._last = Head(snapshot.sequence, kept.digest), kept.last
        self._anchored = {one.stream: Head(one.sequence, one.digest) for one in kept.anchors}

    # -- proving -------------------------------------------------------------------------------------------------

    async def made(self, *, after: int = 0, limit: int | None = None) -> list[tuple[int, CheckpointMade]]:
        """The checkpoints behind this number, with their numbers, in order."""
        records = await self._journal.read(CHECKPOINTS, after=after, limit=limit)
        return [(record.sequence, _made(record)) for record in records]

    async def anchored(self, streams: Iterable[StreamId]) -> tuple[Checkpoint, dict[StreamId, Anchored]]:
        """The newest checkpoint, and for each stream the proof that it ended in it where it ends now.

        Raises StoreCorrupt where a stream does not say now what it said when it was anchored.
        """
        await self.newest()
        wanted = {stream: await self._journal.head(stream) for stream in streams}
        _, found = await self._found(wanted)
        for stream, entries in found.items():
            await self._compare(stream, [anchor for _, anchor in entries])
        ends = {stream: Head(entries[-1][1].sequence, entries[-1][1].digest) for stream, entries in found.items()}
        missing = {stream: head for stream, head in wanted.items() if head.sequence and ends.get(stream) != head}
        async with self._turn:
            await self._add_all(_anchors(missing))
        checkpoint = await self.newest()
        leaves, found = await self._found(wanted)
        leaves = _first(leaves, checkpoint)
        return checkpoint, {
            stream: Anchored(anchor=anchor, index=index, proof=digests(inclusion_proof(index, leaves)))
            for stream, entries in found.items()
            for index, anchor in [one for one in entries if one[0] < checkpoint.size][-1:]
        }

    async def _found(self, wanted: Container[StreamId]) -> tuple[list[bytes], dict[StreamId, list[tuple[int, Anchor]]]]:
        """The leaves of the log, and the entries about these streams with their indices."""
        leaves: list[bytes] = []
        found: dict[StreamId, list[tuple[int, Anchor]]] = {}
        async for anchor in self._entries():
            if anchor.stream in wanted:
                found.setdefault(anchor.stream, []).append((len(leaves), anchor))
            leaves.append(anchor.leaf())
        return leaves, found

    async def _compare(self, stream: StreamId, anchors: Sequence[Anchor]) -> None:
        """Compare a stream with where it ended before; one that retention has removed leaves its end, and no events."""
        ended = await self._journal.head(stream)
        if not await self._journal.read(stream, limit=1) and ended.sequence >= anchors[-1].sequence:
            return
        # A run goes as a whole. Where one seems to have been trimmed, that is a way to have its beginning passed over.
        floor = await self._journal.floor(stream) if stream in ANCHORED else Head()
        for anchor in anchors:
            records = await self._journal.read(stream, after=anchor.sequence - 1, limit=1)
            found = records[0].digest if records and records[0].sequence == anchor.sequence else None
            if found != anchor.digest and floor.sequence < anchor.sequence:
                raise _rewritten(f"event {anchor.sequence} of {stream} is not the one that was anchored")

    async def growth(self, first: int) -> Growth:
        """The newest checkpoint, and the proof that its log begins with the one of this size. Raises NotFound."""
        checkpoint = await self.newest()
        if not 0 <= first <= checkpoint.size:
            hint = "whoever saw a longer log was shown another journal than this one, or this one was cut off"
            raise NotFound.of("ACC853", f"the log has {checkpoint.size} entries, not {first}", hint=hint)
        leaves = _first([anchor.leaf() async for anchor in self._entries()], checkpoint)
        proof = digests(consistency_proof(first, leaves))
        return Growth(checkpoint=checkpoint, proof=proof, key=self._secretary.key.to_jwk())

    async def _entries(self) -> AsyncIterator[Anchor]:
        """The entries of the log, in order."""
        after = 0
        while records := await self._journal.read(CHECKPOINTS, after=after, limit=PAGE):
            for record in records:
                for anchor in _made(record).anchors:
                    yield anchor
            after = records[-1].sequence


class CheckpointRound:
    """Makes a checkpoint when one is due."""

    def __init__(self, checkpoints: Checkpoints, clock: Clock, every: timedelta) -> None:
        self.every = every
        self._checkpoints = checkpoints
        self._clock = clock

    async def go(self) -> None:
        """Make one where something has moved."""
        if self._checkpoints.is_due(self._clock.now()):
            await self._checkpoints.make()


def _made(record: Record) -> CheckpointMade:
    event = decode_system_event(record)
    if not isinstance(event, CheckpointMade):
        raise _rewritten(f"event {record.sequence} of {record.stream} is no checkpoint")
    return event


def _first(leaves: list[bytes], checkpoint: Checkpoint) -> list[bytes]:
    """The leaves that a checkpoint is about. Raises StoreCorrupt where there are not so many any more."""
    if len(leaves) < checkpoint.size:
        raise _rewritten(f"the log has {len(leaves)} entries, and had {checkpoint.size}")
    return leaves[: checkpoint.size]


def _anchors(heads: dict[StreamId, Head]) -> list[Anchor]:
    return [Anchor(stream, head.sequence, head.digest) for stream, head in sorted(heads.items())]


def _checkpoint(made: CheckpointMade) -> Checkpoint:
    return Checkpoint(size=made.size, root=made.root, statement=made.statement)


def _rewritten(text: str) -> StoreCorrupt:
    return StoreCorrupt.of("ACC852", text, hint="the journal was changed from outside; restore it from a copy")
