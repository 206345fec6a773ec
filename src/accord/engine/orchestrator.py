"""The orchestrator: takes what comes in, in batches, and lets gate, core, journal, dispatcher and bus do their
parts, in that order.

    listener ──► receiver ──► decide ──► assigner ──► committer: one append ──► effects ──► acknowledge

One loop does all of it, so that a run is never touched by two at once; verifying the next batch goes on while this
one is being committed. A crash at any point is repaired by reading the journal: see `Ledger.load` and `outstanding`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import timedelta

from accord.domain import command as c
from accord.domain.ids import Digest, RunId, partition_of
from accord.domain.run import Run
from accord.engine import letters
from accord.engine.assigner import Assigner
from accord.engine.batch import Arrival, Batch
from accord.engine.calls import Calls
from accord.engine.committer import Committer
from accord.engine.executor import Executor
from accord.engine.ledger import Slot
from accord.engine.listener import Listener
from accord.engine.order import Order
from accord.engine.parts import Parts
from accord.engine.receiver import Receiver
from accord.errors import (
    AccordError,
    Fenced,
    KeysUnavailable,
    NotFound,
    Overloaded,
    Refused,
    StoreError,
    StoreUnavailable,
)
from accord.ports import REGISTRY_SUBJECT, Answer, Fence, partition_subject

logger = logging.getLogger("accord.orchestrator")

STOP_WITHIN = timedelta(seconds=10)
"""How long a turn that is under way may go on when the orchestrator is to stop."""


class Orchestrator:
    """One running orchestrator; `start` and `stop`, or `async with`."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._listener = Listener(parts, self.kick)
        self._assigner = Assigner(parts)
        self._executor = Executor(parts, self.order)
        self.calls = Calls(parts, self.order, self._executor.replies, self._executor.send)
        self._receiver = Receiver(parts, self._executor, self.calls)
        self._committer = Committer(parts, self._executor, self.order)
        self._orders: deque[Order] = deque()
        self._turning = asyncio.Lock()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        parts.registry.changed.append(self.kick)
        parts.holds.lifted.append(self._go_on)
        parts.policies.changed.append(self._go_on)

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Follow the system streams, listen to the registry's subject, and begin to work."""
        await self.parts.policies.start()
        await self.parts.successions.follow()
        await self.parts.refresh()
        try:
            await self._listener.listen(REGISTRY_SUBJECT)
        except BaseException:
            await self._listener.stop()
            raise
        self._tasks.append(asyncio.create_task(self._work(), name="accord-work"))

    async def stop(self, within: timedelta = STOP_WITHIN) -> None:
        """Finish the turn that is under way, then stop; after `within` it is broken off.

        What was taken and not dealt with is delivered again. Commands that were not carried out are refused.
        """
        self._stopping = True
        self._wake.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within.total_seconds())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(self.calls.stop(), self._listener.stop(), *self._tasks, return_exceptions=True)
        _refuse_all(self._orders)

    async def own(self, fences: Sequence[Fence]) -> None:
        """Take over partitions that are ours from now on: their runs go on before anything new is assigned."""
        journal, clock = self.parts.ports.journal, self.parts.ports.clock
        everything, partitions = clock.now() + timedelta(days=36_500), [fence.partition for fence in fences]
        summaries = await journal.overdue(everything, partitions=partitions, limit=1_000_000)
        await self.parts.refresh()  # what holds by now holds for what is assigned from now on
        self.parts.reached("before_take_over")
        self.parts.ledger.unread.update(summary.run for summary in summaries)
        self.parts.figures.taken_over += len(summaries)
        self.parts.partitions.fences.update({fence.partition: fence for fence in fences})
        for summary in summaries:
            self.order(Order(summary.run, c.Tick()))
        await self._listener.listen(*map(partition_subject, partitions))

    async def give_up(self, partitions: Sequence[int]) -> None:
        """Let others have these partitions: what is being committed is, and nothing is begun any more. Raises
        StoreUnavailable.
        """
        if not partitions:
            return
        async with self._turning:
            kept = [slot for slot in self.parts.ledger.slots() if partition_of(slot.run.id) in partitions]
            await self.parts.ledger.keep(kept)
            await self.parts.partitions.give_up(partitions)

    async def disown(self, partition: int) -> None:
        """Leave a partition that is not ours any more."""
        ledger = self.parts.ledger
        ours = [slot for slot in ledger.slots() if partition_of(slot.run.id) == partition]
        ledger.forget(ours)
        ledger.unread = {run for run in ledger.unread if partition_of(run) != partition}
        self._executor.abandon(slot.run.id for slot in ours)
        await self._listener.leave(partition_subject(partition))

    # -- orders --------------------------------------------------------------------------------------------------

    @property
    def unsent(self) -> int:
        """How many messages wait for the bus, or for the key store."""
        return self._executor.unsent

    async def send_again(self) -> None:
        """Send what may have been lost in a take-over, once it is sure that nobody has it."""
        await self._executor.send_again(self.parts.ports.clock.now())

    def order(self, order: Order) -> None:
        """Queue a command; it is carried out in the order of queueing."""
        if self._stopping:
            _refuse_all([order])
            return
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

    async def catch_up(self) -> None:
        """Follow what others have appended to the shared streams; when this returns, nothing that was decided before
        has yet to happen.
        """
        await self.parts.refresh()
        async with self._turning:
            pass

    def _go_on(self) -> None:
        """A hold was lifted, or other policies are in force: what was put aside is looked at again."""
        self.parts.dispatcher.unpark_all()
        self.parts.dispatcher.unblock()
        self.kick()

    # -- the loop ------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._stopping:
                return
            arrivals = self._listener.taken()
            orders, self._orders = self._orders, deque()
            try:
                async with self._turning:
                    await self._turn(arrivals, orders)
            except Exception:
                # Giving up has failed as well: messages come again by their leases, runs by the sweeper.
                logger.exception("a turn ended in a fault of Accord's")
                await self._committer.rest()

    async def _turn(self, arrivals: Sequence[Arrival], orders: Sequence[Order]) -> None:
        batch = Batch(self.parts.ledger, self._executor)
        try:
            for order in orders:
                await self._carry_out(order, batch)
            for arrival in arrivals:
                await self._receiver.receive(arrival, batch)
            await self._assigner.assign(batch.slots)
            await self._record(batch)
            await self._committer.commit(batch)
            if self.parts.dispatcher.eager or self.parts.router.breakers.opened:
                self.kick()
        except (StoreError, KeysUnavailable) as error:
            await self._committer.give_up(batch, arrivals, orders, error)
        except asyncio.CancelledError:
            _refuse_all(orders)
            raise
        except Exception as error:
            # A fault of ours must not end the loop: nothing of the batch has happened.
            logger.exception("a batch was given up because of a fault of Accord's")
            await self._committer.give_up(batch, arrivals, orders, error)

    async def _record(self, batch: Batch) -> None:
        """Put down what was refused, and who was taken out."""
        parts = self.parts
        noticed, opened = tuple(parts.noticed), tuple(parts.router.breakers.opened)
        await parts.incidents.record_all([*batch.suspects, *noticed], opened)
        del parts.noticed[: len(noticed)]
        del parts.router.breakers.opened[: len(opened)]

    async def _carry_out(self, order: Order, batch: Batch) -> None:
        try:
            slot = await self._slot_for(order, batch)
            if slot is None:
                return
            if order.done is not None:
                batch.done.append((order.done, order.run))
            if order.letter is not None:
                slot.answers.append(Answer(order.letter, letters.done(order.run)))
            batch.slots[order.run] = slot
        except (StoreUnavailable, Fenced):
            raise
        except AccordError as error:
            await self._refuse(order, error)
        except Exception as error:
            logger.exception("a command for %s was set aside because of a fault of Accord's", order.run)
            await self._refuse(order, Refused.of("ACC456", f"a fault of Accord's: {error!r}"))

    async def _slot_for(self, order: Order, batch: Batch) -> Slot | None:
        """The slot after the command; None where nothing is left to do."""
        if not self.parts.ledger.owns(order.run):
            self._executor.abandon([order.run])
            if order.letter is not None and order.done is not None:
                order.done.cancel()  # it is for the new owner, who may be we again
            else:
                await self._refuse(
                    order, Fenced.of("ACC454", f"the partition of {order.run} belongs to another process")
                )
            return None
        slot = None if order.new else await batch.slot(order.run)
        if isinstance(order.command, c.Start):
            if slot is None and order.graph is not None:
                return await self.parts.ledger.create(order.command, order.graph)
            self._executor.ensure_told(slot)
            return None
        if slot is None:
            self._executor.abandon([order.run])
            if order.parent is not None:
                self._executor.below.ensure_ended(order.run, order.parent)
            raise NotFound.of("ACC409", f"there is no run {order.run}", hint="accord runs list")
        if order.parent is not None and slot.run.ended:
            self._executor.ensure_told(slot)
            return None
        await self.parts.ledger.decide(slot, order.command)
        return slot

    async def _refuse(self, order: Order, error: AccordError) -> None:
        if order.letter is not None:  # first: what cannot be answered now is read again
            await self.parts.ports.journal.answer([Answer(order.letter, letters.refused(error))])
        if order.done is not None and not order.done.done():
            order.done.set_exception(error)


def _refuse_all(orders: Iterable[Order]) -> None:
    """Nobody waits for ever for what is not carried out here any more."""
    for order in orders:
        if order.done is not None and not order.done.done():
            stopping = Overloaded.of(
                "ACC466",
                "this process is stopping: the run tells whether the command was carried out",
                hint="ask again when it runs again, or another one",
            )
            order.done.set_exception(stopping)
