"""The in-process bus: a bounded queue per subject."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from accord.domain.message import Message
from accord.errors import Overloaded, Refused
from accord.ports import Delivery, Parcel


class MemoryBus:
    """Carries messages between the tasks of one event loop; they are gone when the process ends.

    `bound` is how many messages a subject holds at most, those taken but not acknowledged included. A publish
    that would exceed it hands over none of its parcels.
    """

    def __init__(self, *, bound: int = 10_000) -> None:
        self._bound = bound
        self._queues: dict[str, _Queue] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        queues, bound = self._queues, self._bound
        touched: list[_Queue] = []
        for parcel in parcels:
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

    @asynccontextmanager
    async def inbox(self, subject: str) -> AsyncIterator[MemoryInbox]:
        queue = self._queue(subject)
        inbox = MemoryInbox(subject, queue)
        queue.inboxes += 1
        try:
            yield inbox
        finally:
            inbox.close()
            queue.inboxes -= 1
            if not queue.inboxes and not queue.waiting:
                del self._queues[subject]

    async def depth(self, subject: str) -> int:
        queue = self._queues.get(subject)
        return 0 if queue is None else len(queue.waiting)

    def _queue(self, subject: str) -> _Queue:
        return self._queues.setdefault(subject, _Queue())


class MemoryDelivery:
    """A message in a subject, and how often it was taken."""

    __slots__ = ("attempts", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.attempts = 0


class _Queue:
    """The messages of one subject, and who waits for them."""

    __slots__ = ("inboxes", "taken", "takers", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[MemoryDelivery] = deque()
        self.taken = 0
        self.takers: dict[asyncio.Future[None], MemoryInbox] = {}
        self.inboxes = 0

    def wake(self) -> None:
        """Let one taker look, who lets the next one look when it leaves something."""
        while self.takers:
            taker = next(iter(self.takers))
            del self.takers[taker]
            if not taker.done():
                taker.set_result(None)
                return


class MemoryInbox:
    """One consuming end; what it took and did not acknowledge goes back to the subject when it closes."""

    def __init__(self, subject: str, queue: _Queue) -> None:
        self._subject = subject
        self._queue = queue
        self._taken: dict[Delivery, MemoryDelivery] = {}
        self._closed = False

    async def take(self, limit: int) -> Sequence[MemoryDelivery]:
        waiting = self._queue.waiting
        while not waiting or self._closed:
            await self._wait()
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
        self._give_up(deliveries)

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        # To the end, so that one message that cannot be dealt with does not hold up the others.
        self._queue.waiting.extend(self._give_up(deliveries))
        self._queue.wake()

    def close(self) -> None:
        """Give back what was taken, ahead of what waits, and turn away who still takes from this inbox."""
        self._closed = True
        returned = self._give_up(list(self._taken.values()))
        self._queue.waiting.extendleft(reversed(returned))
        for taker in [taker for taker, inbox in self._queue.takers.items() if inbox is self]:
            del self._queue.takers[taker]
            if not taker.done():
                taker.set_result(None)
        self._queue.wake()

    async def _wait(self) -> None:
        if self._closed:
            raise Refused.of("ACC752", f"this inbox of {self._subject} is closed")
        taker = asyncio.get_running_loop().create_future()
        self._queue.takers[taker] = self
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
