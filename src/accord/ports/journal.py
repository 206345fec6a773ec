"""The journal: the only truth, and what lives beside it in the same store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

import msgspec

from accord.domain.agent import Capacity
from accord.domain.event import Origin
from accord.domain.ids import AgentId, Digest, InstanceId, RunId, StreamId
from accord.ports.logs import Logs

GENESIS = Digest("0" * 64)
"""The predecessor of a stream's first event."""


class Head(msgspec.Struct, frozen=True, gc=False):
    """Where a stream ends: its last sequence number (0 where it is empty) and that event's digest."""

    sequence: int = 0
    digest: Digest = GENESIS


SEQUENCE_MAX: Final = (1 << 63) - 1
"""No event has a greater number; whoever asks for more is given what there is."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One event as it is stored: `digest` is SHA-256 over the predecessor's digest (32 bytes) and `data`."""

    stream: StreamId
    sequence: int
    data: bytes
    digest: Digest


RunState = Literal["running", "paused", "cancelling", "rolling_back", "failing", "completed", "failed", "cancelled"]

OPEN: tuple[RunState, ...] = ("running", "paused", "cancelling", "rolling_back", "failing")
"""The states of runs that have not ended."""


class RunSummary(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What lists show of a run, and when it must be looked at again. A projection: always rewritten with the run's
    events.
    """

    run: RunId
    partition: int
    template: str
    """`name@version` of the template."""
    title: str
    """The objective, or the template's description: what a search looks through, with template and run id.
    U+0000 is kept as U+FFFD.
    """
    state: RunState
    started_at: datetime
    updated_at: datetime
    wake_at: datetime | None
    """The durable next wake-up; None only for a run that has ended."""
    tasks_total: int
    tasks_done: int
    """Those that have completed, or were skipped."""
    tasks_failed: int
    parent: RunId | None = None
    origin: Origin | None = None
    """What it was forked from."""
    by: str | None = None
    """Who started it, or the run at its root; None where an earlier version has written this last, which knew nothing
    of the members from `origin` on.
    """
    labels: tuple[str, ...] = ()
    """Of all that it holds, in their order."""
    acknowledged: bool = False
    """Whether somebody knows that it has failed."""


class Fence(msgspec.Struct, frozen=True, gc=False):
    """The right to append to the runs of a partition; it ends when somebody else claims the partition with a higher
    epoch.
    """

    partition: int
    epoch: int


class Owner(msgspec.Struct, frozen=True):
    """Who owns a partition: the runs of it are worked on there, and nowhere else."""

    partition: int
    epoch: int
    name: str
    """The owner, as it named itself when it claimed."""
    until: datetime
    """When its lease runs out, or ran out; others may claim the partition from then on."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What became of a letter: JSON, for whoever posted it."""

    letter: str
    data: bytes


class Append(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one append writes, all or nothing."""

    stream: StreamId
    expected: Head
    records: tuple[Record, ...]
    """In order, without gaps, the first one at `expected.sequence + 1`."""
    fence: Fence | None = None
    """Required for the streams of runs; the streams `sys:*` are shared by all orchestrators."""
    summary: RunSummary | None = None
    agents: tuple[AgentId, ...] = ()
    """Agents who were given work of the summary's run. They are kept beside those that came before."""
    answers: tuple[Answer, ...] = ()


class RunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs to list, newest first: by their ids, which sort by time of creation."""

    states: tuple[RunState, ...] = ()
    template: str | None = None
    """A template's name, or `name@version`."""
    templates: tuple[str, ...] = ()
    """Only runs of one of these, each `name@version`."""
    text: str | None = None
    """Words that must all occur in title, template or run id; case does not matter."""
    since: datetime | None = None
    """Only runs that were started then or later."""
    updated_since: datetime | None = None
    """Only runs in which something has happened then or later."""
    parent: RunId | None = None
    origin: RunId | None = None
    """Only runs that were forked from this one."""
    agent: AgentId | None = None
    """Only runs of which this agent was given work."""
    label: str | None = None
    """Only runs that hold something with this label."""
    acknowledged: bool | None = None
    """Only failed runs of which somebody knows, or only others."""
    limit: int = 50
    after: RunId | None = None
    """The last run of the page before."""


class RunKind(msgspec.Struct, frozen=True):
    """How many runs there are of one kind in a state: of the same template, starter and labels."""

    state: RunState
    template: str
    by: str | None
    labels: tuple[str, ...]
    runs: int


class Snapshot(msgspec.Struct, frozen=True):
    """A run's state at a sequence number, to start faster; it may be thrown away at any time."""

    stream: StreamId
    sequence: int
    data: bytes


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A command for the owner of a partition, posted by a process that is not the owner."""

    id: str
    partition: int
    data: bytes
    posted_at: datetime


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """An instance of an agent, as the process that hears its heartbeats knows it."""

    agent: AgentId
    instance: InstanceId
    process: str
    """The process that hears it, as it names itself when it claims partitions."""
    seen_at: datetime
    """When it was last heard."""
    concurrency: int
    queue: int
    """How many assignments it takes beyond those that it works on."""
    queued: int
    load: float
    """What it holds, as a share of all that it takes: 0 to 1."""
    draining: bool = False
    capabilities: tuple[str, ...] = ()
    """What it offers, `name@version`; instances of one agent may differ."""

    @property
    def capacity(self) -> Capacity:
        """What it takes at a time."""
        return Capacity(self.concurrency, self.queue)

    @property
    def held(self) -> int:
        """How many assignments it holds."""
        return round(self.load * self.capacity.total)

    @property
    def running(self) -> int:
        """How many assignments it works on: those that it holds, but for what is in its queue."""
        return min(max(self.held - self.queued, 0), self.concurrency)


class Sightings(Protocol):
    """Who is present in which process. Live and never the truth: nothing is decided by it, and losing it costs nothing
    but a while of not knowing.
    """

    async def report(self, process: str, seen: Sequence[Sighting], *, now: datetime, ttl: timedelta) -> None:
        """What a process knows, in place of what it said before; it holds until `now + ttl`. Nothing is left of a
        process that knows of nobody, nor of one whose time has run out.
        """
        ...

    async def sightings(self, now: datetime) -> list[Sighting]:
        """What every process has reported that holds at this time, by agent and instance."""
        ...


class Replicas(Protocol):
    """Which processes serve at present, so that they can share the partitions evenly. Nothing that is written depends
    on it: who owns a partition is said by its epoch alone.
    """

    async def attend(self, replica: str, *, now: datetime, ttl: timedelta) -> None:
        """This replica serves until `now + ttl`, whether it owns anything yet or not; those whose time has run out are
        forgotten.
        """
        ...

    async def depart(self, replica: str) -> None:
        """This replica serves no more; one that is not known is no error."""
        ...

    async def replicas(self, now: datetime) -> list[str]:
        """Who serves at this time, by name: as they name themselves when they claim partitions."""
        ...


class DataKeyUse(msgspec.Struct, frozen=True):
    """A run holds documents under the data key of another one."""

    key: RunId
    """Whose key it is."""
    run: RunId
    part: bool = False
    """Whether the key's run does a task of this one, and is erased with it; else it was forked from."""


USE_PENDING: Final = timedelta(days=1)
"""So much older than what is retired may the use by a run be that has not begun; it counts no longer after that."""


class Rewrapped(msgspec.Struct, frozen=True):
    """The data key of a run, wrapped in another way."""

    run: RunId
    before: bytes
    after: bytes


class DataKeys(Protocol):
    """The data keys of runs, wrapped: the only thing beside a history that is taken away for good.

    A key goes with its run when `retire` removes that, or with the last of the runs that use it; a run that has not
    begun counts as one for `USE_PENDING`.
    """

    async def keep_data_key(self, run: RunId, wrapped: bytes) -> bytes | None:
        """Keep the key of a run that has none; returns what is kept now, None where that was erased."""
        ...

    async def data_keys(self, runs: Sequence[RunId]) -> dict[RunId, bytes | None]:
        """Of those of these runs that ever had a key: what is kept, None where that was erased."""
        ...

    async def use_data_keys(self, run: RunId, keys: Sequence[RunId], *, part: bool, now: datetime) -> list[RunId]:
        """Let the keys of these runs stay as long as this one, which uses them, is kept; again changes nothing.
        Returns whose keys are there, erased or not: others are gone, and stay so.
        """
        ...

    async def data_key_uses(self, run: RunId) -> list[DataKeyUse]:
        """The uses of this run's key, and those by this run of others' keys, by key and run; all of them are told as
        long as the key is there, whatever has become of who uses it.
        """
        ...

    async def erase_data_keys(self, runs: Sequence[RunId]) -> None:
        """Take away the keys of these runs. No key is kept for them again, and nothing brings them back but an older
        copy of the store. Again is no error, nor is a run that has none.
        """
        ...

    async def every_data_key(self, *, after: RunId | None = None, limit: int = 500) -> dict[RunId, bytes]:
        """The keys that are kept, of those behind this one, by the bytes of their names; erased ones are left out."""
        ...

    async def count_data_keys(self) -> int:
        """How many keys are kept, without those that are erased."""
        ...

    async def rewrap_data_keys(self, changes: Sequence[Rewrapped]) -> int:
        """Keep these keys as they are wrapped now, in one commit; one that is kept in another way than `before`, is
        erased, or gone, stays as it is. Returns how many were changed.
        """
        ...


class Upload(msgspec.Struct, frozen=True):
    """A document that was uploaded for an encrypted run, and where its text is kept."""

    sha256: Digest
    length_bytes: int
    blob: Digest
    """Names the text in the blob store."""


class Uploads(Protocol):
    """What was uploaded for encrypted runs, by the digests of the documents. It goes with the run's data key."""

    async def keep_upload(self, run: RunId, upload: Upload) -> None:
        """Keep where the text is; of several of one document the last one counts. Nothing is kept for a run without a
        data key.
        """
        ...

    async def upload(self, run: RunId, digest: Digest) -> Upload | None:
        """The document of this digest, as it was uploaded last."""
        ...


class Journal(Sightings, Replicas, DataKeys, Uploads, Logs, Protocol):
    """The append-only, hash-chained events of all streams: the only truth.

    Everything is durable when the call returns, and nothing of it is there when the call raises, unless it raises
    `StoreUnavailable`: then the caller reads the stream's head again before it tries once more.
    Events are never changed and never removed, except that `retire` removes whole ended runs, and `trim` the first
    events of a `sys:` stream.
    """

    async def append(self, appends: Sequence[Append]) -> None:
        """Write all of `appends` in one commit, in order; calls that come while a commit is under way share the
        next one.

        Calls of one process are written in the order in which they came; one that is cancelled may still be written.

        Raises:
            SequenceConflict: a stream's head is not the expected one. Only this call's appends are refused.
            Fenced: a fence's epoch is not the partition's present one.
            StoreCorrupt: the records are not one stream's without gaps.
            StoreUnavailable: the store cannot be reached, or is full.
        """
        ...

    async def read(self, stream: StreamId, *, after: int = 0, limit: int | None = None) -> list[Record]:
        """The records behind sequence number `after`, in order, from the floor on; empty for a stream that does not
        exist.
        """
        ...

    async def head(self, stream: StreamId) -> Head:
        """Where the stream ends."""
        ...

    async def floor(self, stream: StreamId) -> Head:
        """The last event that was trimmed: the stream's chain is followed from here. `Head()` where none was."""
        ...

    async def run(self, run: RunId) -> RunSummary | None:
        """The run's summary, None where there is no such run."""
        ...

    async def runs(self, query: RunQuery) -> list[RunSummary]:
        """A page of runs, newest first."""
        ...

    async def count_runs(self, query: RunQuery) -> dict[RunState, int]:
        """How many runs there are of a query in each state; none where there is none. `limit` and `after` say
        nothing here.
        """
        ...

    async def count_kinds(self, query: RunQuery) -> list[RunKind]:
        """The same, told apart by all that says who may see a run, in no order."""
        ...

    async def unlisted(self, *, after: RunId | None = None, limit: int = 100) -> list[RunId]:
        """Runs behind this one whose summary an earlier version has written last, so that it lacks `by`; in order."""
        ...

    async def relist(self, summary: RunSummary, agents: Sequence[AgentId], *, at: Head) -> bool:
        """Write what a run's summary lacks that an earlier version has written, how many tasks are done, which that
        counted otherwise, and the run's agents beside those that are known. Nothing is written, and it returns False,
        where the stream does not end at `at`, or the summary lacks nothing.
        """
        ...

    async def overdue(self, now: datetime, *, partitions: Sequence[int], limit: int = 1000) -> list[RunSummary]:
        """Runs of these partitions that have not ended and whose wake-up is at or before `now`, longest overdue
        first.
        """
        ...

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep this snapshot in place of an older one of the stream."""
        ...

    async def snapshot(self, stream: StreamId) -> Snapshot | None:
        """The newest snapshot of the stream."""
        ...

    async def retire(self, *, ended_before: datetime, limit: int = 100) -> list[RunId]:
        """Remove ended runs that were last updated before this time, leaving of each its head as a tombstone;
        oldest first. A run stays while its parent has not ended: that may have yet to be told. Answered letters
        that were posted before this time go as well.
        """
        ...

    async def trim(self, stream: StreamId, *, until: int) -> int:
        """Remove the events of a `sys:` stream up to this sequence number, or all where it is beyond the end; the
        head stays, and the last one that was removed is the floor. Returns how many events went.

        Raises:
            StoreCorrupt: it is the stream of a run, which goes as a whole.
        """
        ...

    async def claim(self, owner: str, *, partition: int | None, now: datetime, ttl: timedelta) -> Fence | None:
        """Become the owner of a partition (any free one where None) until `now + ttl`; None while somebody else is.

        Free is what was never claimed, was released, or whose time has run out. A claim raises the epoch by one; the
        owner that claims its own partition again gets a higher epoch too.
        """
        ...

    async def renew(self, fences: Sequence[Fence], *, now: datetime, ttl: timedelta) -> list[Fence]:
        """Keep these partitions until `now + ttl`; returns those that were still ours."""
        ...

    async def release(self, fences: Sequence[Fence]) -> None:
        """Give these partitions back at once; one that is no longer ours is left alone."""
        ...

    async def owners(self) -> list[Owner]:
        """Who has claimed and not released which partitions, by partition; also those whose time has run out."""
        ...

    async def post(self, letter: Letter) -> None:
        """Leave a letter for the partition's owner; a letter whose id is known is not posted twice."""
        ...

    async def letters(self, partitions: Sequence[int], *, limit: int = 100) -> list[Letter]:
        """Letters to these partitions that have no answer yet, in the order of posting."""
        ...

    async def answer(self, answers: Sequence[Answer]) -> None:
        """Answer letters that changed nothing; those that did are answered by the append that they caused."""
        ...

    async def answered(self, letter: str) -> Answer | None:
        """The answer, None while there is none."""
        ...
