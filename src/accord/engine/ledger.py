"""The ledger: runs in memory, ahead of the journal by what is being committed. The journal is the truth: what cannot be
committed is forgotten here and read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate, islice
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from accord.codec import chained, decode_event, decode_snapshot, encode_event, encode_snapshot, follow
from accord.domain import command as c
from accord.domain import event as e
from accord.domain.decide import decide, start
from accord.domain.draft import Decision
from accord.domain.graph import Graph
from accord.domain.ids import AgentId, Digest, RunId, StreamId, partition_of
from accord.domain.image import run_of
from accord.domain.replay import states
from accord.domain.run import NEVER_WOKEN, Run, evolve
from accord.domain.scope import DocumentMissing
from accord.domain.timing import next_wake
from accord.engine.data_keys import DataKeys
from accord.engine.documents import Documents
from accord.engine.library import Library
from accord.engine.registry import Registry
from accord.errors import Fenced, NotFound, Refused, StoreCorrupt, StoreUnavailable
from accord.ports import Answer, Append, Clock, Fence, Head, Journal, Record
from accord.service import summary_of

SNAPSHOT_FROM = 2000
"""The first snapshot is made after so many events, the next ones whenever their number has doubled: so all
snapshots of a
run together cost no more than its events, and at most half of those is read again.
"""

WORTH_KEEPING = 500
"""A run that is given up is snapshotted where so many events have come since the last one."""

APART_FROM = 2000
"""So many events are verified and folded in another thread, and everybody else goes on meanwhile."""

logger = logging.getLogger("accord.ledger")


T = TypeVar("T")


class Slot:
    """A run in memory: its state, where its stream ends, and the events that are not committed yet."""

    def __init__(self, run: Run, head: Head, wake_at: datetime | None) -> None:
        self.run = run
        self.head = head
        self.wake_at = wake_at
        """The durable next wake-up, as of the last commit."""
        self.pending: list[e.Event] = []
        self.encoded: list[bytes] = []
        """The pending events as the journal will have them."""
        self.answers: list[Answer] = []
        self.given: set[AgentId] = set()
        """Agents who are given work of the run by what is pending."""
        self.listed: frozenset[AgentId] = frozenset()
        """Agents who were given work of the run, as far as lists are known to tell."""
        self.kept = 0
        """The sequence number of the newest snapshot."""
        self.touched = False
        """Whether the summary changed although no event happened."""

    def take(self, decision: Decision) -> None:
        """Go on from a decision.

        Raises Refused, and changes nothing, where an event cannot be written down: here it concerns only who caused it.
        """
        try:
            self.encoded.extend([encode_event(event) for event in decision.events])
        except UnicodeEncodeError as error:
            raise Refused.of(
                "ACC465", f"a text holds what is no character: {error}", hint="give it as UTF-8"
            ) from error
        self.run = decision.run
        self.pending.extend(decision.events)

    @property
    def dirty(self) -> bool:
        """Whether something has to be committed."""
        return bool(self.pending) or self.touched or bool(self.answers)


class Committed(msgspec.Struct, frozen=True, gc=False):
    """What one commit made durable of one run."""

    run: Run
    sequence: int
    events: tuple[e.Event, ...]


class Ledger:
    """Reads runs, decides on them and commits what was decided."""

    def __init__(
        self,
        journal: Journal,
        documents: Documents,
        keys: DataKeys,
        library: Library,
        registry: Registry,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._keys = keys
        self._documents = documents
        self._library = library
        self._registry = registry
        self._clock = clock
        self._slots: dict[RunId, Slot] = {}
        self.runs_of: Counter[str] = Counter()
        """How many of the runs in memory were started by whom."""
        self.moved: dict[StreamId, Head] = {}
        """Where the streams end to which something was appended here since the last checkpoint."""
        self.ended = False
        """Whether one of them is of a run that has ended."""
        self.fences: dict[int, Fence] = {}
        """The partitions that are ours."""
        self.looks_every = NEVER_WOKEN
        """How often a run is looked at that waits for nothing."""
        self.certify: Callable[[c.Start, Graph], Awaitable[c.Start]] = _as_it_is
        self.certified: Callable[[e.RunStarted], None] = lambda started: None
        """See `Certificates`: what gives a run that begins its certificate, and what refuses one that goes on under a
        wrong one.
        """
        self.unread: set[RunId] = set()
        """Runs that came to be ours under way and were not read yet: what their agents hold is not known."""

    def find(self, run: RunId) -> Run | None:
        """The run, if it is in memory."""
        slot = self._slots.get(run)
        return slot.run if slot is not None else None

    def owns(self, run: RunId) -> bool:
        """Whether the run's partition is ours."""
        return partition_of(run) in self.fences

    def fence(self, run: RunId) -> Fence | None:
        """Under what we own the run's partition; another one whenever somebody else may have owned it in between."""
        return self.fences.get(partition_of(run))

    def slots(self) -> Iterator[Slot]:
        """All runs in memory."""
        return iter(list(self._slots.values()))

    @property
    def runs(self) -> int:
        """How many runs are in memory."""
        return len(self._slots)

    def hot(self, run: RunId) -> Slot | None:
        """The run's slot, if it is in memory."""
        return self._slots.get(run)

    async def vouch(self, run: RunId) -> None:
        """Raise StoreCorrupt where the run, if there is one and it is not in memory yet, cannot go on."""
        if run not in self._slots:
            state, _ = await self.read_quickly(run)
            if state is not None and not state.ended:
                self.certified(state.started)

    async def load(self, run: RunId) -> Slot | None:
        """The run's slot, read from the journal and verified; None where there is no such run. Raises StoreCorrupt."""
        state, head = await self.read_quickly(run)
        if state is not None and not state.ended:
            self.certified(state.started)
        if state is not None and state.erased is None:
            await self._keys.hold(run)
        self.unread.discard(run)
        if state is None:
            return None
        slot = self._hold(Slot(state, head, next_wake(state, self._registry.renewed())))
        slot.kept = head.sequence
        return slot

    async def read(self, run: RunId, *, until: int | None = None) -> tuple[Run | None, Head]:
        """The run as it was after its event number `until`, or as it is now; its chain is verified from the first
        event.
        """
        records = await self._journal.read(StreamId(run), limit=until)
        # First: what was changed is told as that, and not as what it made of the run.
        end = await _computed(records, lambda: follow(records, Head()))
        return await self.fold(records), end

    async def read_quickly(self, run: RunId) -> tuple[Run | None, Head]:
        """The run as it is now, from its newest snapshot where there is one; the chain is verified from there."""
        snapshot = await self._journal.snapshot(StreamId(run))
        kept = decode_snapshot(snapshot) if snapshot is not None else None
        if kept is None:
            return await self.read(run)
        image, head = kept
        return await self.caught_up(run_of(image, await self._library.graph(image.started.graph)), head)

    async def caught_up(self, run: Run, head: Head) -> tuple[Run, Head]:
        """The run as it is now, from what it was after the event at `head`; the chain is verified from there."""
        records = await self._journal.read(StreamId(run.id), after=head.sequence)
        end = follow(records, head)
        for record in records:
            run = evolve(run, decode_event(record))
        return run, end

    async def fold(self, records: Sequence[Record]) -> Run | None:
        """The run that these records, all from the first, add up to; None where there are none. Raises StoreCorrupt."""
        if not records:
            return None
        graph = await self._library.graph(_start_of(records[0]).graph)
        return await _computed(records, lambda: _folded(graph, records))

    async def stretch(
        self, run: RunId, begin: tuple[Run, Head] | None, *, until: int, marks: int, apart: int
    ) -> list[tuple[Run, Head]]:
        """Some states of the run behind `begin`, or from its first event on, and the events that they are after: at
        most so many, so far apart, and last the one after event number `until`. None where nothing has happened there.
        The chain is verified from `begin`. Raises StoreCorrupt.
        """
        state, head = begin if begin is not None else (None, Head())
        records = await self._journal.read(StreamId(run), after=head.sequence, limit=max(until - head.sequence, 0))
        if not records:
            return []
        graph = state.graph if state is not None else await self._library.graph(_start_of(records[0]).graph)
        every = max(apart, len(records) // marks)
        return await _computed(records, lambda: _marked(graph, state, head, records, every))

    async def create(self, command: c.Start, graph_digest: Digest) -> Slot:
        """A new run; nothing of it is durable before `commit`."""
        graph = await self._library.graph(graph_digest)
        command = await self.certify(command, graph)
        now = self._clock.now()
        await self._keys.hold_new(command.run)
        try:
            decision = await self._decided(command.run, lambda: start(graph, command, now, self._documents))
            slot = Slot(decision.run, Head(), now + self.looks_every)
            slot.take(decision)
        except BaseException:
            self._keys.let_go(command.run)
            raise
        return self._hold(slot)

    async def decide(self, slot: Slot, command: c.Command) -> None:
        """Decide, and take over what was decided. A tick is told which leases are kept alive.

        Raises TransitionRefused, NotFound, ContractViolation.
        """
        now, asked = self._clock.now(), isinstance(command, c.ControlCommand)
        if isinstance(command, c.Tick):
            alive = (lease for lease, until in self._registry.renewed().items() if until > now)
            command = c.Tick(renewed=frozenset(alive))
        elif asked and isinstance(command, c.RetryTask | c.Rollback) and slot.run.ended:
            self.certified(slot.run.started)
        elif asked and isinstance(command, c.Signal):
            command = self._encrypted(slot.run.id, command)
        try:
            decision = await self._decided(
                slot.run.id, lambda: decide(slot.run, command, now, self._documents), fails=not asked
            )
            slot.take(decision)
        except Exception:
            self._documents.unremember(slot.run.id)
            raise
        if isinstance(command, c.Tick):
            slot.touched = True
        elif isinstance(command, c.Assign):
            slot.given.add(command.agent)

    def _encrypted(self, run: RunId, signal: c.Signal) -> c.Signal:
        """The signal as an encrypted run takes it, also from a process that posts it as it is."""
        data = signal.payload.data
        with self._documents.under(self._keys.at_hand(run)):
            return signal if data is None else replace(signal, payload=self._documents.document(data))

    async def _decided(self, run: RunId, ask: Callable[[], Decision], *, fails: bool = False) -> Decision:
        """The decision; documents that it needs are fetched, and it is asked for again. One that is gone or damaged
        fails what needs it where the decision is the engine's own; where somebody has asked for it, it is refused.
        """
        self._documents.lost.clear()
        while True:
            try:
                with self._documents.under(self._keys.at_hand(run)):
                    return ask()
            except DocumentMissing as missing:
                try:
                    await self._documents.fetch(missing.document)
                except (NotFound, StoreCorrupt) as error:
                    if not fails:
                        raise
                    self._documents.lost[missing.document.sha256] = error.problems

    def forget(self, slots: Iterable[Slot]) -> None:
        """Drop these runs from memory: what was not committed has not happened."""
        for slot in slots:
            self._let_go(slot.run)
            self._documents.unremember(slot.run.id)

    async def commit(self, slots: list[Slot]) -> list[Committed]:
        """Make everything that these runs have decided durable, in one append; their documents are stored already.

        Raises:
            SequenceConflict, Fenced: a run is not ours any more.
            StoreUnavailable: nothing was committed, as far as we know.
        """
        appends = [self._append(slot) for slot in slots]
        await self._journal.append(appends)
        committed = []
        for slot, append in zip(slots, appends, strict=True):
            if append.records:
                slot.head = Head(append.records[-1].sequence, append.records[-1].digest)
                self.moved[append.stream] = slot.head
                self.ended = self.ended or slot.run.ended
            committed.append(Committed(slot.run, slot.head.sequence, tuple(slot.pending)))
            slot.listed = slot.listed.union(append.agents) if append.agents else slot.listed
            slot.given.clear()
            slot.pending.clear()
            slot.encoded.clear()
            slot.answers.clear()
            slot.touched = False
            if slot.run.ended:
                self._let_go(slot.run)
            elif slot.head.sequence >= max(2 * slot.kept, SNAPSHOT_FROM):
                await self._keep(slot)
        self._documents.trim()
        return committed

    async def keep(self, slots: Iterable[Slot]) -> None:
        """Save snapshots of these runs where somebody else would have much to read, who is about to take them over."""
        for slot in slots:
            if slot.head.sequence - slot.kept >= WORTH_KEEPING:
                await self._keep(slot)

    async def _keep(self, slot: Slot) -> None:
        """Save a snapshot; without it the run is only read more slowly. It must not fail a commit that is made."""
        slot.kept = slot.head.sequence
        try:
            await self._journal.save_snapshot(encode_snapshot(slot.run, slot.head))
        except StoreUnavailable as error:
            logger.warning("no snapshot of %s: %s", slot.run.id, error)
        except Exception:
            logger.exception("no snapshot of %s because of a fault of Accord's", slot.run.id)

    def _hold(self, slot: Slot) -> Slot:
        self._drop(slot.run)
        self._slots[slot.run.id] = slot
        self.runs_of[slot.run.started.by] += 1
        return slot

    def _let_go(self, run: Run) -> None:
        self._drop(run)
        self._keys.let_go(run.id)

    def _drop(self, run: Run) -> None:
        tenant = run.started.by
        if self._slots.pop(run.id, None) is not None:
            self.runs_of[tenant] -= 1
            if not self.runs_of[tenant]:
                del self.runs_of[tenant]

    def _append(self, slot: Slot) -> Append:
        run = slot.run
        partition = partition_of(run.id)
        fence = self.fences.get(partition)
        if fence is None:
            raise Fenced.of("ACC503", f"partition {partition} of {run.id} is not ours")
        slot.wake_at = next_wake(run, self._registry.renewed(), self._clock.now(), self.looks_every)
        stream = StreamId(run.id)
        return Append(
            stream=stream,
            expected=slot.head,
            records=chained(stream, slot.head, slot.encoded),
            fence=fence,
            summary=summary_of(run, slot.wake_at),
            agents=tuple(slot.given.difference(slot.listed)),
            answers=tuple(slot.answers),
        )


async def _as_it_is(start: c.Start, _graph: Graph) -> c.Start:
    return start


def unknown_run(run: RunId) -> NotFound:
    """The error that there is no such run."""
    return NotFound.of("ACC409", f"there is no run {run}", hint="accord runs list")


async def _computed(records: Sequence[Record], compute: Callable[[], T]) -> T:
    """What comes of these records: in another thread where there are many."""
    return compute() if len(records) < APART_FROM else await asyncio.to_thread(compute)


def _start_of(record: Record) -> e.RunStarted:
    """The start that the first record of a run holds. Raises StoreCorrupt."""
    first = decode_event(record)
    if not isinstance(first, e.RunStarted):
        raise StoreCorrupt.of("ACC531", f"the first event of {record.stream} does not start it")
    return first


def _marked(
    graph: Graph, state: Run | None, head: Head, records: Sequence[Record], every: int
) -> list[tuple[Run, Head]]:
    """The states after each of so many records, and after the last one."""
    follow(records, head)
    events = map(decode_event, records)
    passed = states(graph, events) if state is None else islice(accumulate(events, evolve, initial=state), 1, None)
    found = []
    for number, (record, after) in enumerate(zip(records, passed, strict=True), start=1):
        if number % every == 0 or number == len(records):
            found.append((after, Head(record.sequence, record.digest)))
    return found


def _folded(graph: Graph, records: Sequence[Record]) -> Run:
    """The run that the records add up to, of which there is one at least; the states before it are not kept."""
    (state,) = deque(states(graph, map(decode_event, records)), maxlen=1)
    return state
