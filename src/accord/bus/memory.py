"""The in-process bus: a bounded queue per subject; for notices one per inbox."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Self

from accord.domain.message import Message
from accord.errors import Overloaded, Refused
from accord.ports import DELIVERIES_MAX, DeadLetter, Delivery, Parcel, is_notice

logger = logging.getLogger("accord.bus")

DEAD_MAX = 10_000
"""So many dead letters are kept."""


class MemoryBus:
    """Carries messages between the tasks of one event loop; they are gone when the process ends.

    `bound` is how many messages a queue holds at most, those taken but not acknowledged included; for notices it is
    a bound per inbox. A publish that would exceed a queue's hands over none of its parcels. What was delivered
    `deliveries` times and comes back is a dead letter.
    """

    def __init__(self, *, bound: int = 10_000, deliveries: int = DELIVERIES_MAX) -> None:
        self._bound = bound
        self._deliveries = deliveries
        self._dead: deque[DeadLetter] = deque(maxlen=DEAD_MAX)
        self._queues: dict[str, _Queue] = {}
        self._listening: dict[str, list[_Queue]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        self._queue_all(parcels)

    def _queue_all(self, parcels: Sequence[Parcel]) -> None:
        queues, bound = self._queues, self._bound
        touched: list[_Queue] = []
        notices: list[Parcel] = []
        for parcel in parcels:
            if is_notice(parcel.subject):
                notices.append(parcel)
                continue
            queue = queues.get(parcel.subject) or self._queue(parcel.subject)
            if len(queue.waiting) + queue.taken >= bound:
                for filled in touched:
                    filled.waiting.pop()
                raise Overloaded.of("ACC751", f"{parcel.subject} holds {bound} messages, its bound")
            queue.waiting.append(MemoryDelivery(parcel.message))
            touched.append(queue)
        for queue in touched:
            if queue.takers:
                queue.wake()
        for notice in notices:
            for listener in self._listening.get(notice.subject, ()):
                listener.hear(notice.message, bound)

    async def hand_over(self, parcel: Parcel) -> None:
        self._queue_all([parcel])
        delivery = self._queues[parcel.subject].waiting[-1]
        delivery.acknowledged = asyncio.get_running_loop().create_future()
        await delivery.acknowledged

    @asynccontextmanager
    async def inbox(self, subject: str) -> AsyncIterator[MemoryInbox]:
        opened = self._listener(subject) if is_notice(subject) else self._share(subject)
        async with opened as inbox:
            yield inbox

    async def depth(self, subject: str) -> int:
        queue = self._queues.get(subject)
        return 0 if queue is None else len(queue.waiting)

    async def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        return list(islice(self._dead, limit))

    def _bury(self, subject: str, delivery: MemoryDelivery) -> None:
        logger.warning("a message of %s was delivered %d times: it is a dead letter", subject, delivery.attempts)
        self._dead.append(DeadLetter(subject, delivery.message, delivery.attempts))

    @asynccontextmanager
    async def _listener(self, subject: str) -> AsyncIterator[MemoryInbox]:
        queue = _Queue()
        inbox = MemoryInbox(subject, queue)
        listening = self._listening.setdefault(subject, [])
        listening.append(queue)
        try:
            yield inbox
        finally:
            inbox.close()
            listening.remove(queue)
            if not listening:
                del self._listening[subject]

    @asynccontextmanager
    async def _share(self, subject: str) -> AsyncIterator[MemoryInbox]:
        queue = self._queue(subject)
        inbox = MemoryInbox(subject, queue, self._deliveries, partial(self._bury, subject))
        queue.inboxes += 1
        try:
            yield inbox
        finally:
            inbox.close()
            queue.inboxes -= 1
            if not queue.inboxes and not queue.waiting:
                del self._queues[subject]

    def _queue(self, subject: str) -> _Queue:
        return self._queues.setdefault(subject, _Queue())


class MemoryDelivery:
    """A message in a subject, and how often it was taken."""

    __slots__ = ("acknowledged", "attempts", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.attempts = 0
        self.acknowledged: asyncio.Future[None] | None = None
        """Done when the message is acknowledged, where somebody waits for that."""


class _Queue:
    """Messages, and who waits for them."""

    __slots__ = ("inboxes", "taken", "takers", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[MemoryDelivery] = deque()
        self.taken = 0
        self.takers: OrderedDict[asyncio.Future[None], MemoryInbox] = OrderedDict()
        self.inboxes = 0

    def hear(self, notice: Message, bound: int) -> None:
        """Take a notice in, in place of the oldest one where there is no room."""
        if self.waiting and len(self.waiting) + self.taken >= bound:
            self.waiting.popleft()
        self.waiting.append(MemoryDelivery(notice))
        self.wake()

    def wake(self) -> None:
        """Let one taker look, who lets the next one look when it leaves something."""
        while self.takers:
            taker = next(iter(self.takers))
            del self.takers[taker]
            if not taker.done():
                taker.set_result(None)
                return


class MemoryInbox:
    """One consuming end; what it took and did not acknowledge goes back to its queue when it closes."""

    def __init__(
        self,
        subject: str,
        queue: _Queue,
        deliveries: int | None = None,
        bury: Callable[[MemoryDelivery], None] = lambda delivery: None,
    ) -> None:
        self._subject = subject
        self._queue = queue
        self._deliveries = deliveries
        self._bury = bury
        self._taken: dict[Delivery, MemoryDelivery] = {}
        self._closed = False

    async def take(self, limit: int) -> Sequence[MemoryDelivery]:
        waiting = self._queue.waiting
        in_vain = False
        while not waiting or self._closed:
            await self._wait(first=in_vain)
            in_vain = True
        if limit >= len(waiting):
            deliveries = list(waiting)
            waiting.clear()
        else:
            deliveries = [waiting.popleft() for _ in range(limit)]
            self._queue.wake()
        for delivery in deliveries:
            delivery.attempts += 1
            self._taken[delivery] = delivery
        self._queue.taken += len(deliveries)
        return deliveries

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in self._give_up(deliveries):
            if delivery.acknowledged is not None and not delivery.acknowledged.done():
                delivery.acknowledged.set_result(None)

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        # To the end, so that one message that cannot be dealt with does not hold up the others.
        self._queue.waiting.extend(self._alive(self._give_up(deliveries)))
        self._queue.wake()

    def close(self) -> None:
        """Give back what was taken, ahead of what waits, and turn away who still takes from this inbox."""
        self._closed = True
        returned = self._alive(self._give_up(list(self._taken.values())))
        self._queue.waiting.extendleft(reversed(returned))
        for taker in [taker for taker, inbox in self._queue.takers.items() if inbox is self]:
            del self._queue.takers[taker]
            if not taker.done():
                taker.set_result(None)
        self._queue.wake()

    def _alive(self, returned: list[MemoryDelivery]) -> list[MemoryDelivery]:
        """Those that may be delivered again; the others are buried."""
        if self._deliveries is None:
            return returned
        for delivery in returned:
            if delivery.attempts >= self._deliveries:
                self._bury(delivery)
        return [delivery for delivery in returned if delivery.attempts < self._deliveries]

    async def _wait(self, *, first: bool) -> None:
        """Wait to be woken; who was woken in vain keeps his turn, so that nobody takes everything."""
        if self._closed:
            raise Refused.of("ACC752", f"this inbox of {self._subject} is closed")
        taker = asyncio.get_running_loop().create_future()
        self._queue.takers[taker] = self
        if first:
            self._queue.takers.move_to_end(taker, last=False)
        try:
            await taker
        except asyncio.CancelledError:
            if self._queue.takers.pop(taker, None) is None and self._queue.waiting:
                self._queue.wake()  # it was this taker's turn: the next one's now
            raise

    def _give_up(self, deliveries: Iterable[Delivery]) -> list[MemoryDelivery]:
        pop = self._taken.pop
        ours = [held for delivery in deliveries if (held := pop(delivery, None)) is not None]
        self._queue.taken -= len(ours)
        return ours
