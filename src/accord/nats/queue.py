"""The consuming end of a queue: it asks the server for as many messages as it was asked for, and for no more."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from accord.errors import BusUnavailable, Refused
from accord.nats.connection import Connection
from accord.nats.delivery import PENDING, STATUS, NatsDelivery, delivery_of
from accord.nats.driver import Msg, Subscription, errors
from accord.nats.subjects import Queue
from accord.ports import Delivery

logger = logging.getLogger("accord.bus")

ASKED_FOR_S: Final = 30.0
"""So long the server keeps in mind that messages were asked for."""

HEARTBEAT_S: Final = 5.0
"""So often it says that it still does."""

SILENT_FOR_S: Final = 12.0
"""After that it does not any more."""

PAUSE_FIRST_S: Final = 0.05
PAUSE_MAX_S: Final = 1.0
CLOSED_WITHIN_S: Final = 3.0
RETURNED_MAX: Final = 10_000

_WAITING_ON: Final = frozenset(("100",))
_OVER: Final = frozenset(("404", "408"))
"""Nothing has come in the time that was asked for."""

ACK: Final = b"+ACK"
NAK: Final = b"-NAK"
HELD: Final = b"+WPI"


class Custody(msgspec.Struct, frozen=True):
    """What an inbox needs of its bus."""

    connection: Connection
    deliveries: int
    """After so many a message is a dead letter."""
    prepare: Callable[[Queue], Awaitable[None]]
    """Makes the queue, where that is our part."""
    bury: Callable[[Queue, NatsDelivery], Coroutine[None, None, None]]
    """Puts a dead letter aside."""
    acknowledged: Callable[[str], Awaitable[None]]
    """Tells who waits for it that something was acknowledged."""
    returned: set[int]
    """Places in the stream of what was given back here, and has not been delivered here since."""


class QueueInbox:
    """One inbox; what it holds when it closes goes back to the queue."""

    def __init__(self, queue: Queue, custody: Custody) -> None:
        self._queue = queue
        self._custody = custody
        self._connection = custody.connection
        self._subscription: Subscription | None = None
        self._reply = ""
        self._asked = 0
        self._waiting: deque[NatsDelivery] = deque()
        self._held: dict[Delivery, NatsDelivery] = {}
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._revoking: asyncio.Task[None] | None = None
        self._burials: set[asyncio.Task[None]] = set()
        self._pause_s = 0.0
        self._doubts = False
        self._closed = False

    # -- the inbox -----------------------------------------------------------------------------------------------

    async def take(self, limit: int) -> Sequence[Delivery]:
        async with self._turn:
            while not self._waiting:
                if self._closed:
                    raise Refused.of("ACC752", f"this inbox of {self._queue.subject} is closed")
                try:
                    await self._ask(limit)
                    await self._hear()
                except asyncio.CancelledError:
                    self._revoke()
                    raise
            taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
            self._held.update((one, one) for one in taken)
            return taken

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        with suppress(BusUnavailable):  # what cannot be told comes again
            for delivery in self._give_up(deliveries):
                await self._connection.tell(delivery.reply, ACK)
                if delivery.waits is not None:
                    await self._custody.acknowledged(delivery.waits)

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        with suppress(BusUnavailable):  # as above
            await self._return(self._give_up(deliveries))

    # -- for the bus ---------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin to hear the server; again whenever there is a new connection. Raises BusUnavailable."""
        self._asked, self._subscription = 0, None
        await self._custody.prepare(self._queue)
        await self._subscribe()
        self._news.set()

    async def say_held(self) -> None:
        """Tell the server of what has been here for a while: it is being worked on. Raises BusUnavailable."""
        for delivery in [*self._held.values(), *self._waiting]:
            if delivery.is_old:
                await self._connection.tell(delivery.reply, HELD)
            delivery.is_old = True

    async def close(self) -> None:
        """Give back what is here, in order, and return when the server has it; turn away who still takes."""
        self._closed = True
        self._news.set()
        with suppress(BusUnavailable, TimeoutError, errors.Error):
            async with asyncio.timeout(CLOSED_WITHIN_S):
                if self._revoking is not None:
                    await self._revoking
                await self._leave()
                back = sorted([*self._give_up(list(self._held.values())), *self._waiting], key=lambda one: one.sequence)
                self._waiting.clear()
                await self._return(back, last=True)
        await asyncio.gather(*self._burials, return_exceptions=True)

    # -- asking --------------------------------------------------------------------------------------------------

    async def _ask(self, limit: int) -> None:
        """Ask for messages, unless the server still owes us some."""
        if self._revoking is not None:
            await asyncio.shield(self._revoking)
        await self._connection.there()
        if self._pause_s:
            await asyncio.sleep(self._pause_s)
        if self._asked or self._waiting:
            return
        if self._doubts:
            self._doubts = False
            with suppress(BusUnavailable):
                await self._custody.prepare(self._queue)
        self._news.clear()
        with suppress(BusUnavailable, errors.Error):
            await self._subscribe()
            asked = {"batch": limit, "expires": int(ASKED_FOR_S * 1e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}
            self._asked = limit
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._queue.stream}.{self._queue.consumer}"
            await self._connection.tell(subject, msgspec.json.encode(asked), reply=self._reply)

    async def _hear(self) -> None:
        """Wait for anything of the server; one that has said nothing for long owes us nothing any more."""
        try:
            async with asyncio.timeout(SILENT_FOR_S):
                await self._news.wait()
        except TimeoutError:
            self._asked = 0
        self._news.clear()

    async def _subscribe(self) -> None:
        if self._subscription is not None:
            return
        client = self._connection.client
        self._reply = client.new_inbox()
        self._subscription = await client.subscribe(self._reply, cb=self._came, pending_msgs_limit=0)

    async def _came(self, found: Msg) -> None:
        headers = found.headers or {}
        if STATUS in headers and not found.data:
            self._stated(headers[STATUS], headers.get(PENDING))
        elif found.reply:
            self._delivered(delivery_of(found))
        self._news.set()

    def _stated(self, status: str, left: str | None) -> None:
        if status in _WAITING_ON:
            return
        self._asked = 0 if left is None else max(0, self._asked - int(left))
        if status not in _OVER:
            # The consumer or its server has gone: whoever takes it over does so in a moment.
            self._doubts, self._pause_s = True, min(max(2 * self._pause_s, PAUSE_FIRST_S), PAUSE_MAX_S)

    def _delivered(self, delivery: NatsDelivery) -> None:
        self._asked = max(0, self._asked - 1)
        self._pause_s = 0.0
        self._custody.returned.discard(delivery.sequence)
        if delivery.attempts > self._custody.deliveries:
            self._bury(delivery)
        else:
            self._waiting.append(delivery)

    # -- giving back ---------------------------------------------------------------------------------------------

    def _revoke(self) -> None:
        """What was asked for is not wanted any more: others shall have it."""
        if (self._asked or self._waiting) and self._revoking is None and not self._closed:
            self._revoking = asyncio.create_task(self._revoked(), name="accord-nats-revoke")
            self._revoking.add_done_callback(self._was_revoked)

    def _was_revoked(self, done: asyncio.Task[None]) -> None:
        self._revoking = None
        if not done.cancelled():
            done.exception()

    async def _revoked(self) -> None:
        with suppress(BusUnavailable, errors.Error):  # without a connection nobody owes us anything
            await self._leave()
            back, self._waiting = list(self._waiting), deque()
            await self._return(back)

    async def _leave(self) -> None:
        """Hear nothing more of what was asked for; what was on its way is here when this returns."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None and self._connection.is_there:
            await subscription.drain()  # type: ignore[no-untyped-call]  # the driver has not typed it
        self._asked = 0

    async def _return(self, deliveries: Iterable[NatsDelivery], *, last: bool = False) -> None:
        """Have these delivered again; with `last`, return once the server has it."""
        back = []
        for delivery in deliveries:
            if delivery.attempts >= self._custody.deliveries:
                self._bury(delivery)
            else:
                back.append(delivery)
        if len(self._custody.returned) > RETURNED_MAX:
            self._custody.returned.clear()  # others have had them, and did not tell
        for delivery in back:
            self._custody.returned.add(delivery.sequence)
            if last and delivery is back[-1]:
                await self._connection.ask(delivery.reply, NAK)
            else:
                await self._connection.tell(delivery.reply, NAK)

    def _bury(self, delivery: NatsDelivery) -> None:
        burial = asyncio.create_task(self._custody.bury(self._queue, delivery), name="accord-nats-bury")
        self._burials.add(burial)
        burial.add_done_callback(self._burials.discard)

    def _give_up(self, deliveries: Sequence[Delivery]) -> list[NatsDelivery]:
        pop = self._held.pop
        return [held for delivery in deliveries if (held := pop(delivery, None)) is not None]
