"""Every port of the engine, in one sitting. The docstring of a port is its contract; `accord.testing` has the
suites that prove an adapter.

A port knows bytes and values of `accord.domain`; it never decides anything. Adapters are opened with `async with`
and are usable
from then on. Time comes in as an argument: no adapter reads a clock to decide what is due, so a simulated clock
works everywhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

import msgspec

from accord.domain.ids import AgentId, Digest, InstanceId, KeyId, RunId, StreamId, TaskId
from accord.domain.large import Blob
from accord.domain.message import Message
from accord.domain.policy import Decision, Request
from accord.domain.signature import Algorithm, PublicKey
from accord.domain.trace import TraceContext

GENESIS = Digest("0" * 64)
"""The predecessor of a stream's first event."""


class Clock(Protocol):
    """Tells the time. Waiting is `asyncio.sleep`: the simulation brings an event loop whose time is simulated."""

    def now(self) -> datetime:
        """The present, aware UTC, microseconds."""
        ...


class Ids(Protocol):
    """All randomness of the engine."""

    def token(self) -> str:
        """A name that nothing else has: 26 characters `0-9a-v`, sortable by time of creation to the millisecond."""
        ...

    def uniform(self) -> float:
        """A number in [0, 1), for jitter and for ties."""
        ...


# -- journal -----------------------------------------------------------------------------------------------------


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
    tasks_failed: int
    parent: RunId | None = None


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
    limit: int = 50
    after: RunId | None = None
    """The last run of the page before."""


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


class Journal(Sightings, Replicas, DataKeys, Protocol):
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


# -- blobs -------------------------------------------------------------------------------------------------------


class StoredBlob(msgspec.Struct, frozen=True):
    """A blob that is there, and how long it is."""

    digest: Digest
    size_bytes: int


class BlobStore(Protocol):
    """Payloads above the threshold, by the digest of their bytes. What `put` returned is durable."""

    async def put(self, data: bytes) -> Digest:
        """Keep these bytes; keeping them again only renews them, see `mark`."""
        ...

    async def put_stream(self, chunks: AsyncIterator[bytes]) -> tuple[Digest, int]:
        """Keep what the chunks make together; returns digest and length in bytes. When the chunks raise, nothing is
        kept.
        """
        ...

    async def get(self, digest: Digest) -> bytes:
        """The bytes. Raises NotFound, and StoreCorrupt where they no longer have this digest."""
        ...

    def get_stream(self, digest: Digest, *, chunk_bytes: int = 1 << 20) -> AsyncIterator[bytes]:
        """The bytes in chunks, checked like `get`: a corrupt blob raises StoreCorrupt before its last chunk is
        given.
        """
        ...

    async def renew(self, digest: Digest) -> bool:
        """Count this blob as put now; False where it is not there."""
        ...

    async def mark(self) -> int:
        """A point between what was put before and what is put from now on, by whichever process."""
        ...

    async def stored(self, *, after: Digest | None = None, before: int | None = None, limit: int) -> list[StoredBlob]:
        """The blobs behind `after`, by digest, of which nobody has put any since the mark `before`."""
        ...

    async def remove(self, digests: Sequence[Digest], *, before: int) -> list[StoredBlob]:
        """Drop those of these blobs that nobody has put since this mark, and return them; one that is not there is no
        error.
        """
        ...


class Payloads(Protocol):
    """How an agent's process brings and fetches documents that are too large for a message.

    `statement` is a signed one about the attempt, of kind `upload` or `fetch`: what allows it.
    """

    async def bring(self, statement: bytes, chunks: AsyncIterator[bytes]) -> Blob:
        """Hand over the output that the chunks make together; when they raise, nothing is kept.

        Raises:
            ContractViolation: it breaks the attempt's contract; with what is wrong with it.
            MessageRefused: the statement does not allow it.
            StoreUnavailable: it cannot be handed over now.
        """
        ...

    def open(self, statement: bytes, blob: Blob) -> AsyncIterator[bytes]:
        """The document's bytes. Raises NotFound, MessageRefused, StoreUnavailable."""
        ...


# -- keys --------------------------------------------------------------------------------------------------------


class StoredKey(msgspec.Struct, frozen=True):
    """One key of a key store; the private half never leaves it."""

    name: str
    public: PublicKey
    created_at: datetime


class KeyStore(Protocol):
    """Holds private keys and signs with them. Whatever cannot be reached raises KeysUnavailable, from every method."""

    async def create(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Make a new key. Raises BadInput where the name is not allowed, KeyUnusable where it is taken."""
        ...

    async def replace(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Make a new key in place of the one that has this name. The old one is put aside: whoever has the store open
        can still sign with it by its kid, nobody else. Raises NotFound.
        """
        ...

    async def stored(self) -> list[StoredKey]:
        """All keys, by name."""
        ...

    async def replaced(self) -> list[KeyId]:
        """The kids of the keys that others have taken the place of."""
        ...

    async def public(self, name: str) -> PublicKey:
        """The key's public half. Raises NotFound."""
        ...

    async def sign(self, kid: KeyId, inputs: Sequence[bytes]) -> list[bytes]:
        """A raw 64-byte signature for each input of 1 to 4096 bytes, in order.

        Nobody may rely on signatures of the same input being the same bytes: HSMs and clouds draw the nonces of ES256.
        What was signed is told from something else by its claims (`statement_digest`). Several calls at once do not
        wait for each other, as far as whatever holds the keys allows it.

        Raises:
            NotFound: no key of this store has this kid, or another one has taken its place.
            KeysUnavailable: whatever holds the keys cannot be reached, or does not answer; safe to try again.
            KeyUnusable: it does not sign with this key, or refuses us.
        """
        ...


# -- policy ------------------------------------------------------------------------------------------------------


class PolicyText(Protocol):
    """A policy set as it is written."""

    @property
    def document(self) -> bytes:
        """All of it, to be kept as evidence: its SHA-256 is the digest."""
        ...

    @property
    def digest(self) -> Digest:
        """Names the set."""
        ...

    @property
    def shipped(self) -> bool:
        """Whether it is the one that comes with Accord."""
        ...


class Policy(Protocol):
    """Says who may do what."""

    @property
    def source(self) -> PolicyText:
        """The set in force."""
        ...

    def decide(self, request: Request) -> Decision:
        """The answer of the set in force: never an error, what cannot be evaluated is denied. Equal requests are
        answered from memory, until another set is in force.
        """
        ...

    async def renew(self, keep: Callable[[PolicyText], Awaitable[None]]) -> bool:
        """Take over what has changed where the set comes from; whether another set is in force now. `keep` is awaited
        with the new set before anything is decided by it; what it raises leaves the one before in force, as well.

        Raises BadInput, once for each change, where the new set has faults.
        """
        ...


class DataKey(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A key that encrypts documents, as it is and as it is kept."""

    plain: bytes
    """32 bytes."""
    wrapped: bytes

    def __repr__(self) -> str:
        return "DataKey(…)"


class KeyWrapper(Protocol):
    """Makes data keys, and wraps them under a key that never leaves it."""

    async def data_key(self, context: bytes) -> DataKey:
        """A new data key, which is unwrapped with the same context alone. Raises KeyUnusable."""
        ...

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key. Raises KeyUnusable where it was wrapped elsewhere, for another context, or was changed."""
        ...


# -- bus ---------------------------------------------------------------------------------------------------------


_NOTICE = "notice/"

REGISTRY_SUBJECT = f"{_NOTICE}registry"
"""Where cards and heartbeats go: every orchestrator hears them."""

ORCHESTRATORS_SUBJECT = f"{_NOTICE}orchestrators"
"""Where the processes of an orchestrator tell each other what they hold: no agent hears or says anything there."""


def agent_subject(agent: AgentId) -> str:
    """Where assignments for an agent go: its instances share them."""
    return f"agent/{agent}"


def notice_subject(to: AgentId | InstanceId) -> str:
    """Where all instances of an agent hear what concerns each of them, or one instance what concerns it alone."""
    return f"{_NOTICE}{to}"


def partition_subject(partition: int) -> str:
    """Where answers about the runs of a partition go: to its owner."""
    return f"partition/{partition}"


def is_notice(subject: str) -> bool:
    """Whether all who listen hear what is published there; else one of them takes it."""
    return subject.startswith(_NOTICE)


class Parcel(msgspec.Struct, frozen=True, gc=False):
    """A message and where it goes."""

    subject: str
    message: Message


class Delivery(Protocol):
    """A message that was taken and waits for its acknowledgement."""

    @property
    def message(self) -> Message:
        """The message; its bytes are those that were published."""
        ...

    @property
    def attempts(self) -> int:
        """How often it was delivered, this time included."""
        ...


class Bare(msgspec.Struct, frozen=True, eq=False):
    """A delivery of a message that came by another way than an inbox."""

    message: Message
    attempts: int = 1


class Inbox(Protocol):
    """The consuming end of a subject."""

    async def take(self, limit: int) -> Sequence[Delivery]:
        """At least one delivery, at most `limit`, in the order of publishing; waits while there is none."""
        ...

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """These are dealt with and never come again, unless the connection to the bus is lost before it hears of it."""
        ...

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        """These could not be dealt with now; they come again, notices to this inbox."""
        ...


DELIVERIES_MAX: Final = 1000
"""So often a message is delivered at most: far more often than anything is given back that somebody will deal with."""


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """A message of a queue that was delivered too often without being acknowledged: it was put aside."""

    subject: str
    message: Message
    attempts: int


class Span(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A span that is over."""

    name: str
    at: TraceContext
    """The span itself."""
    parent: str | None = None
    """The id of the span that it hangs under."""
    start: datetime
    end: datetime
    attributes: Mapping[str, str | int | bool] = {}
    error: str = ""
    """What went wrong: a code, or a word; empty where nothing did."""
    calls: bool = False
    """Whether it is the calling half of a call to another process."""
    links: tuple[TraceContext, ...] = ()


class Spans(Protocol):
    """Takes spans to whoever collects them."""

    ratio: float
    """The share of runs that is traced, of those that nobody has asked for from within a trace."""

    def put(self, span: Span) -> None:
        """Take this one; it never waits and never fails. What cannot be taken is counted, and dropped."""
        ...

    @property
    def made(self) -> int:
        """How many were put."""
        ...

    @property
    def dropped(self) -> int:
        """How many of them were dropped."""
        ...


class Work(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an agent does for an attempt."""

    run: RunId
    task: TaskId
    attempt: int
    agent: AgentId
    capability: str
    """`name@version`."""
    trace: str = ""
    """The `traceparent` of the assignment."""


class Working(Protocol):
    """An agent's span, while it works."""

    traceparent: str
    """What it hands on to whomever it asks."""

    def failed(self, code: str) -> None:
        """The work ends in this failure."""
        ...


class Tracing(Protocol):
    """Traces what agents do."""

    def working(self, work: Work) -> AbstractContextManager[Working]:
        """The span of this work, current inside, so that spans of the agent's own code hang under it."""
        ...


@dataclass(frozen=True)
class Telemetry:
    """What a process tells of its work."""

    spans: Spans | None
    """None where no traces are wanted."""
    tracing: Tracing | None
    """As above."""


class Bus(Protocol):
    """Carries messages between orchestrators and agents. The bus is never the truth: losing a message costs a retry,
    not a result.

    A subject is of one of two kinds, which its name tells (`is_notice`):

    - **A queue** holds messages until they are acknowledged: at least once, in order while nothing is delivered
      again. Its inboxes share the messages; what one has taken and not acknowledged when it closes is delivered again,
      within seconds also when its process dies or stands still. What comes back for the `DELIVERIES_MAX`th time is a
      dead letter: it is put aside, see `DeadLetters`, and holds up nothing any more.
    - **A notice** is heard by every inbox that is open when it is published, by each at most once and in order. Where
      no inbox is open, it is gone; an inbox that holds as many notices as the bound allows loses its oldest one, and
      one that closes all of its own. Who must be certain asks again: see heartbeats.
    """

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        """Hand over all parcels, in order for each subject.

        When it raises, some of them may have been handed over.

        Raises:
            Overloaded: a queue holds as many messages as its bound allows; one that was taken counts until it is
                acknowledged.
            BusUnavailable: there is no connection to the bus now.
        """
        ...

    async def hand_over(self, parcel: Parcel) -> None:
        """Hand over a parcel for a queue, and return once its consumer has acknowledged it: an orchestrator does that
        after the journal's commit. When the call is cancelled, the parcel may still arrive. Raises as `publish`.
        """
        ...

    def inbox(self, subject: str) -> AbstractAsyncContextManager[Inbox]:
        """An open inbox of the subject: from now on it hears what is published there."""
        ...

    async def depth(self, subject: str) -> int:
        """How many messages wait in the queue, those taken but not acknowledged not counted; 0 for notices. What
        another process gave back may count as taken until it is taken anew.
        """
        ...


class DeadLetters(Protocol):
    """What was delivered too often, for people to look at."""

    async def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """The oldest ones first; after some weeks, or when they are very many, the oldest ones are gone."""
        ...


class Carrier(Bus, DeadLetters, Protocol):
    """What an adapter of the bus is."""
