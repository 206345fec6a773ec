"""The orchestrator: takes what comes in, in batches, and lets gate, core, journal, dispatcher and bus do their
parts, in that order.

    inboxes ──► authenticate ──► admit ──► decide ──► assign what has become ready ──► one append ──► effects ──►
    acknowledge

One loop does all of it, so that a run is never touched by two at once; verifying the next batch goes on while this
one is being committed. A crash at any point is repaired by reading the journal: see `Ledger.load` and `outstanding`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from accord.domain import command as c
from accord.domain.agent import REGISTRY_SUBJECT, decode_card
from accord.domain.ids import Digest, RunId, partition_of
from accord.domain.payloads import HeartbeatPayload, ProgressPayload, decode_payload
from accord.domain.run import Run
from accord.engine.assigner import Assigner
from accord.engine.executor import Executor
from accord.engine.feed import Happened, Progressed
from accord.engine.gate import REFUSALS, Authentic, Late, News, Suspect
from accord.engine.ledger import Committed, Slot
from accord.engine.order import Order
from accord.engine.parts import Parts
from accord.engine.recency import Recency
from accord.errors import (
    AccordError,
    Fenced,
    MessageRefused,
    NotFound,
    Problem,
    Refused,
    SequenceConflict,
    StoreError,
    StoreUnavailable,
    kind_of,
)
from accord.ports import Answer, Delivery, Fence, Inbox, partition_subject

logger = logging.getLogger("accord.orchestrator")

BATCH_MAX = 512
"""Messages that are taken from an inbox at a time."""

ATTEMPTS_MAX = 10
"""How often a message about a run of somebody else is left to come again."""

RETRY_FIRST = timedelta(milliseconds=50)
RETRY_CAP = timedelta(seconds=5)


class Arrival(msgspec.Struct, frozen=True):
    """A message that was taken from an inbox, after authentication."""

    inbox: Inbox
    found: Authentic | Suspect


class Batch:
    """What one turn of the loop deals with."""

    def __init__(self) -> None:
        self.slots: dict[RunId, Slot] = {}
        self.acks: dict[Inbox, list[Delivery]] = {}
        self.done: list[tuple[asyncio.Future[Run], RunId]] = []
        self.loaded: list[Slot] = []
        self.suspects: list[Suspect] = []

        self.nacks: dict[Inbox, list[Delivery]] = {}

    def nack(self, inbox: Inbox, delivery: Delivery) -> None:
        """Let this one come again, perhaps to somebody else."""
        self.nacks.setdefault(inbox, []).append(delivery)

    def ack(self, inbox: Inbox, delivery: Delivery) -> None:
        """Acknowledge this one after the commit."""
        self.acks.setdefault(inbox, []).append(delivery)


class Orchestrator:
    """One running orchestrator; `start` and `stop`, or `async with`."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._assigner = Assigner(parts)
        self._executor = Executor(parts, self.order)
        self._arrivals: deque[Arrival] = deque()
        self._orders: deque[Order] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._retry = RETRY_FIRST
        self._recency = Recency()
        parts.registry.changed.append(self.kick)
        parts.holds.lifted.append(self._go_on)

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Follow the system streams, listen to the registry's subject, and begin to work."""
        await self.parts.refresh()
        await self._listen(REGISTRY_SUBJECT)
        self._tasks.append(asyncio.create_task(self._work(), name="accord-work"))

    async def stop(self) -> None:
        """Finish what is being committed, then stop; what was taken and not dealt with is delivered again."""
        for task in (*self._pumps.values(), *self._tasks):
            task.cancel()
        await asyncio.gather(*self._pumps.values(), *self._tasks, return_exceptions=True)

    async def own(self, fences: Sequence[Fence]) -> None:
        """Take over partitions that are ours from now on: their runs go on before anything new is assigned."""
        journal, clock = self.parts.ports.journal, self.parts.ports.clock
        everything, partitions = clock.now() + timedelta(days=36_500), [fence.partition for fence in fences]
        summaries = await journal.overdue(everything, partitions=partitions, limit=1_000_000)
        self.parts.partitions.fences.update({fence.partition: fence for fence in fences})
        for summary in summaries:
            self.order(Order(summary.run, c.Tick()))
        for partition in partitions:
            await self._listen(partition_subject(partition))

    async def disown(self, partition: int) -> None:
        """Leave a partition that is not ours any more."""
        pump = self._pumps.pop(partition_subject(partition), None)
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        ledger = self.parts.ledger
        ours = [slot for slot in ledger.slots() if partition_of(slot.run.id) == partition]
        ledger.forget(ours)
        self._executor.abandon(slot.run.id for slot in ours)
        for slot in ours:
            self.parts.timers.set(slot.run.id, None)

    # -- what comes in -------------------------------------------------------------------------------------------

    def order(self, order: Order) -> None:
        """Queue a command; it is carried out in the order of queueing."""
        self._orders.append(order)
        self._wake.set()

    async def submit(self, run: RunId, command: c.Command, *, graph: Digest | None = None) -> Run:
        """Carry out a command; returns the run once it is durable. `graph` is for a run that is new.

        Raises what the command was refused with.
        """
        done: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        self.order(Order(run, command, done, graph, new=graph is not None))
        return await done

    def kick(self) -> None:
        """Look for assignments that may have become possible."""
        self._wake.set()

    def _go_on(self) -> None:
        """A hold was lifted: what was put aside is looked at again."""
        self.parts.dispatcher.unpark_all()
        self.parts.dispatcher.unblock()
        self.kick()

    async def _listen(self, subject: str) -> None:
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pump = asyncio.create_task(self._pump(subject, opened), name=f"accord-pump {subject}")
        self._pumps[subject] = pump
        await asyncio.wait((opened, pump), return_when=asyncio.FIRST_COMPLETED)
        if pump.done():
            await pump  # raises why the inbox could not be opened

    async def _pump(self, subject: str, opened: asyncio.Future[None]) -> None:
        async with self.parts.ports.bus.inbox(subject) as inbox:
            opened.set_result(None)
            while True:
                await self._room.wait()
                deliveries = await inbox.take(BATCH_MAX)
                try:
                    found = await self.parts.gate.authenticate(deliveries, self.parts.ports.clock.now())
                except Exception:
                    logger.exception("messages of %s could not be looked at; they come again", subject)
                    await inbox.nack(deliveries)
                    await asyncio.sleep(RETRY_FIRST.total_seconds())
                    continue
                self._arrivals.extend(Arrival(inbox, one) for one in found)
                self._wake.set()
                if len(self._arrivals) > 2 * BATCH_MAX:
                    self._room.clear()

    # -- the loop ------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            arrivals, self._arrivals = self._arrivals, deque()
            orders, self._orders = self._orders, deque()
            self._room.set()
            try:
                await self._turn(arrivals, orders)
            except Exception:
                # Giving up has failed as well: messages come again by their leases, runs by the sweeper.
                logger.exception("a turn ended in a fault of Accord's")
                await asyncio.sleep(self._retry.total_seconds())

    async def _turn(self, arrivals: Sequence[Arrival], orders: Sequence[Order]) -> None:
        batch = Batch()
        try:
            for order in orders:
                await self._carry_out(order, batch)
            for arrival in arrivals:
                await self._receive(arrival, batch)
            await self._assigner.assign(batch.slots)
            await self.parts.incidents.record_all(batch.suspects)
            await self._commit(batch)
            self._retry = RETRY_FIRST
        except StoreError as error:
            await self._give_up(batch, arrivals, orders, error)
        except Exception as error:
            # A fault of ours must not end the loop: nothing of the batch has happened.
            logger.exception("a batch was given up because of a fault of Accord's")
            await self._give_up(batch, arrivals, orders, error)

    async def _carry_out(self, order: Order, batch: Batch) -> None:
        try:
            slot = await self._slot_for(order, batch)
            if slot is None:
                return
            if order.done is not None:
                batch.done.append((order.done, order.run))
            if order.letter is not None:
                slot.answers.append(Answer(order.letter, b'{"ok":true}'))
            batch.slots[order.run] = slot
        except StoreUnavailable:
            raise
        except AccordError as error:
            await self._refuse(order, error)
        except Exception as error:
            logger.exception("a command for %s was set aside because of a fault of Accord's", order.run)
            await self._refuse(order, Refused.of("ACC456", f"a fault of Accord's: {error!r}"))

    async def _slot_for(self, order: Order, batch: Batch) -> Slot | None:
        """The slot after the command; None where nothing is left to do."""
        if not self.parts.ledger.owns(order.run):
            if order.letter is not None and order.done is not None:
                order.done.cancel()  # it is for the new owner, who may be we again
                return None
            raise Refused.of("ACC454", f"the partition of {order.run} belongs to another process")
        slot = None if order.new else await self._slot(order.run, batch)
        if isinstance(order.command, c.Start):
            if slot is None and order.graph is not None:
                return await self.parts.ledger.create(order.command, order.graph)
            self._executor.ensure_told(slot)
            return None
        if slot is None:
            self._executor.abandon([order.run])
            if order.parent is not None:
                self._executor.ensure_ended(order.run, order.parent)
            raise NotFound.of("ACC409", f"there is no run {order.run}", hint="accord runs list")
        if order.parent is not None and slot.run.ended:
            self._executor.ensure_told(slot)
            return None
        await self.parts.ledger.decide(slot, order.command)
        return slot

    async def _refuse(self, order: Order, error: AccordError) -> None:
        if order.letter is not None:  # first: what cannot be answered now is read again
            refusal = msgspec.json.encode({"ok": False, "kind": kind_of(error), "problems": error.problems})
            await self.parts.ports.journal.answer([Answer(order.letter, refusal)])
        if order.done is not None and not order.done.done():
            order.done.set_exception(error)

    async def _receive(self, arrival: Arrival, batch: Batch) -> None:
        found = arrival.found
        try:
            if isinstance(found, Authentic) and not await self._is_for_us(found):
                batch.nack(arrival.inbox, found.delivery)
                return
            await self._deal_with(found, batch)
        except StoreUnavailable:
            raise
        except Exception as error:
            # Nothing of it has happened, and it would fail again: it is set aside so that others are not held up.
            logger.exception("a message was set aside because of a fault of Accord's")
            problem = Problem("ACC354", f"{REFUSALS['ACC354']}: {error!r:.500}")
            batch.suspects.append(Suspect(found.delivery, problem, found.claims))
        batch.ack(arrival.inbox, found.delivery)

    async def _is_for_us(self, authentic: Authentic) -> bool:
        """Whether the run is ours beyond doubt: only its owner may say that a message is late, or of no run.

        What nobody takes, however often it comes, is for nobody, and dealt with here.
        """
        run = authentic.claims.run
        if run is None or authentic.delivery.attempts > ATTEMPTS_MAX:
            return True
        partition, partitions = partition_of(run), self.parts.partitions
        if not partitions.surely_ours(partition):
            await partitions.check()
        return partitions.surely_ours(partition)

    async def _deal_with(self, found: Authentic | Suspect, batch: Batch) -> None:
        if isinstance(found, Suspect):
            batch.suspects.append(found)
        elif found.claims.kind in ("card", "heartbeat"):
            await self._hear(found, batch)
        else:
            await self._admit(found, batch)

    async def _admit(self, authentic: Authentic, batch: Batch) -> None:
        run = authentic.claims.run or RunId("")
        slot = await self._slot(run, batch) if self.parts.ledger.owns(run) else None
        verdict = self.parts.gate.admit(slot.run if slot else None, authentic)
        if isinstance(verdict, Suspect):
            batch.suspects.append(verdict)
        elif isinstance(verdict, News):
            self._report(verdict)
        elif not isinstance(verdict, Late) and slot is not None:
            await self.parts.ledger.decide(slot, verdict)
            batch.slots[run] = slot

    async def _hear(self, authentic: Authentic, batch: Batch) -> None:
        """A card or a heartbeat."""
        claims, now = authentic.claims, self.parts.ports.clock.now()
        try:
            if claims.kind == "card":
                await self._register(authentic, now)
            else:
                await self._beat(authentic, now)
        except StoreError:
            raise
        except AccordError as error:
            batch.suspects.append(Suspect(authentic.delivery, error.problems[0], claims))
            await self._executor.reject(claims.issuer, error.problems)

    async def _beat(self, authentic: Authentic, now: datetime) -> None:
        """An instance keeps the leases that its agent holds; those that have ended meanwhile are no matter."""
        claims, registry = authentic.claims, self.parts.registry
        beat = decode_payload(HeartbeatPayload, authentic.message.payload)
        if not beat.instance.startswith(f"{claims.issuer}#"):
            raise MessageRefused.of("ACC714", f"{claims.issuer} sent the heartbeat of {beat.instance}")
        holders = {lease: self.parts.router.holder(lease) for lease in beat.running}
        foreign = [holder for holder in holders.values() if holder not in (None, claims.issuer)]
        if foreign:
            raise MessageRefused.of("ACC348", f"{claims.issuer} renews a lease of {foreign[0]}")
        if not self._recency.is_news(beat.instance, claims, now):
            return
        kept = tuple(lease for lease, holder in holders.items() if holder is not None)
        beat = msgspec.structs.replace(beat, running=kept)
        if registry.heartbeat(claims.issuer, beat, now, self.parts.tuning.lease):
            self._recency.seen(beat.instance, claims)
        else:
            hint = "send the card first"
            unknown = Problem("ACC715", f"no card of {beat.instance} is known here", hint=hint)
            await self._executor.reject(claims.issuer, [unknown])

    async def _register(self, authentic: Authentic, now: datetime) -> None:
        payload, claims = authentic.message.payload, authentic.claims
        card = decode_card(payload)
        if card.agent != claims.issuer:
            raise MessageRefused.of("ACC714", f"{claims.issuer} sent the card of {card.agent}")
        if not self._recency.is_news(card.instance, claims, now):
            return
        document = self.parts.documents.document(payload)
        await self.parts.documents.store()
        statement = authentic.message.statement.decode("ascii")
        await self.parts.enrolment.register(card, document, statement, now)
        self._recency.trim(now)
        self._recency.seen(card.instance, claims)

    def _report(self, news: News) -> None:
        try:
            progress = decode_payload(ProgressPayload, news.payload)
        except MessageRefused:
            return  # nobody relies on progress
        claims = news.claims
        if claims.run and claims.task and claims.attempt:
            told = Progressed(claims.run, claims.task, claims.attempt, progress.fraction, progress.message)
            self.parts.feed.publish(claims.run, told)

    async def _slot(self, run: RunId, batch: Batch) -> Slot | None:
        slot = self.parts.ledger.hot(run)
        if slot is None:
            slot = await self.parts.ledger.load(run)
            if slot is not None:
                self._executor.take_over(slot.run)
                batch.loaded.append(slot)
        return slot

    # -- the commit ----------------------------------------------------------------------------------------------

    async def _commit(self, batch: Batch) -> None:
        dirty = [slot for slot in batch.slots.values() if slot.dirty]
        self.parts.reached("before_append")
        committed = await self.parts.ledger.commit(dirty) if dirty else []
        self.parts.reached("after_append")
        # Durable from here on: whoever waits for it is told first, whatever becomes of the rest.
        self._tell(batch, committed)
        for slot in batch.loaded:
            await self._executor.resume(slot.run)
            if slot.run.ended:
                self.parts.ledger.forget([slot])
        await self._executor.execute(committed)
        self.parts.reached("before_ack")
        for inbox, deliveries in batch.acks.items():
            await inbox.ack(deliveries)
        for inbox, deliveries in batch.nacks.items():
            await inbox.nack(deliveries)
        if self.parts.dispatcher.eager:
            self.kick()

    def _tell(self, batch: Batch, committed: Sequence[Committed]) -> None:
        runs = {one.run.id: one.run for one in committed}
        for done, run in batch.done:
            if not done.done():
                done.set_result(runs.get(run) or batch.slots[run].run)
        for one in committed:
            if one.events:
                self.parts.feed.publish(one.run.id, Happened(one.run, one.sequence, one.events))
            slot = self.parts.ledger.hot(one.run.id)
            self.parts.timers.set(one.run.id, slot.wake_at if slot else None)
        for slot in batch.loaded:
            if self.parts.ledger.hot(slot.run.id) is slot:
                self.parts.timers.set(slot.run.id, slot.wake_at)
            self.parts.feed.publish(slot.run.id, Happened(slot.run, slot.head.sequence, ()))

    async def _give_up(
        self, batch: Batch, arrivals: Sequence[Arrival], orders: Sequence[Order], error: Exception
    ) -> None:
        """Nothing of this batch has happened: forget it, and let it come again."""
        self.parts.ledger.forget([*batch.slots.values(), *batch.loaded])
        for order in orders:
            if order.done is not None and not order.done.done():
                order.done.set_exception(error)
        again = [order for order in orders if order.done is None]
        by_inbox: dict[Inbox, list[Delivery]] = {}
        for arrival in arrivals:
            by_inbox.setdefault(arrival.inbox, []).append(arrival.found.delivery)
        for inbox, deliveries in by_inbox.items():
            await inbox.nack(deliveries)
        logger.warning("a batch of %d was given up: %s", len(batch.slots), error)
        if isinstance(error, (SequenceConflict, Fenced)):
            await self.parts.partitions.check()
        else:
            await asyncio.sleep(self._retry.total_seconds())
            self._retry = min(self._retry * 2, RETRY_CAP)
        for run in dict.fromkeys((*batch.slots, *(slot.run.id for slot in batch.loaded))):
            if self.parts.ledger.owns(run):
                self.order(Order(run, c.Tick()))
            else:
                self._executor.abandon([run])
        for order in again:
            self.order(order)
