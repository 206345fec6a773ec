"""The bus of a simulation: the in-process bus behind a network, and each process's own line to it."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from accord.bus.memory import MemoryBus
from accord.domain.message import Message
from accord.ports import Delivery, Inbox, Parcel, is_notice
from accord.testing.weather import Weather

KEPT = 200
"""How many messages an eavesdropper remembers."""


class Passage:
    """Where a process meets the world: open, frozen, or cut for ever."""

    def __init__(self) -> None:
        self.is_cut = False
        self._open = asyncio.Event()
        self._open.set()

    @property
    def is_frozen(self) -> bool:
        """Whether who comes is held up."""
        return not self._open.is_set()

    def freeze(self) -> None:
        """Hold up everybody who comes."""
        if not self.is_cut:
            self._open.clear()

    def thaw(self) -> None:
        """Let go on whoever was held up."""
        self._open.set()

    def cut(self) -> None:
        """Nobody comes through any more."""
        self.is_cut = True
        self._open.set()

    async def pass_(self) -> bool:
        """Wait while it is frozen; whether it is open then."""
        await self._open.wait()
        return not self.is_cut


class StormyBus(MemoryBus):
    """The in-process bus, with the losses, repetitions and delays of a network. Notices are lost on each line of
    its own.
    """

    def __init__(self, rng: random.Random, weather: Weather) -> None:
        super().__init__()
        self._rng = rng
        self._weather = weather
        self._under_way: dict[asyncio.Task[None], None] = {}
        self.overheard: deque[Parcel] = deque(maxlen=KEPT)

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        """Hand over, lose, repeat or delay."""
        self.overheard.extend(parcels)
        at_once = []
        for parcel in parcels:
            for delay_s in self._fates(parcel):
                if delay_s > 0:
                    self._later(parcel, delay_s)
                else:
                    at_once.append(parcel)
        if at_once:
            await super().publish(at_once)

    async def inject(self, parcel: Parcel) -> None:
        """Put a message on the bus that nobody sent, past all weather."""
        await super().publish([parcel])

    def _fates(self, parcel: Parcel) -> list[float]:
        """The delay of each copy that arrives."""
        chance, weather = self._rng.random(), self._weather
        if is_notice(parcel.subject):
            return [self._rng.random() * weather.delay_s]
        if chance < weather.lose:
            return []
        copies = 2 if chance < weather.lose + weather.duplicate else 1
        return [self._rng.random() * weather.delay_s for _ in range(copies)]

    def _later(self, parcel: Parcel, delay_s: float) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(parcel, delay_s), name="a message under way")
        self._under_way[task] = None
        task.add_done_callback(lambda done: self._under_way.pop(done, None))

    def left(self) -> list[str]:
        """Subjects with messages that nobody has dealt with, although somebody listens."""
        return [
            f"{subject} holds {len(queue.waiting)} messages, {queue.taken} are taken and not acknowledged"
            for subject, queue in self._queues.items()
            if queue.inboxes and (queue.waiting or queue.taken)
        ]

    async def settle(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _deliver(self, parcel: Parcel, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await super().publish([parcel])


class Line:
    """One process's bus."""

    def __init__(self, bus: StormyBus, rng: random.Random, weather: Weather) -> None:
        self._bus = bus
        self._rng = rng
        self._weather = weather
        self.passage = Passage()
        self.acknowledged: Callable[[Message], None] = lambda message: None
        """Told of every message that is acknowledged by this line."""

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        """Publish; what a process that is gone says is never heard."""
        if await self.passage.pass_():
            await self._bus.publish(parcels)

    async def hand_over(self, parcel: Parcel) -> None:
        """Publish past all weather, and wait for the acknowledgement."""
        if await self.passage.pass_():
            await self._bus.hand_over(parcel)

    @asynccontextmanager
    async def inbox(self, subject: str) -> AsyncIterator[Inbox]:
        """An open inbox."""
        async with self._bus.inbox(subject) as inbox:
            opened = _LineInbox(inbox, self, hears_notices=is_notice(subject))
            try:
                yield opened
            finally:
                opened.closed = True

    async def depth(self, subject: str) -> int:
        """How many messages wait."""
        return await self._bus.depth(subject)

    def loses(self) -> bool:
        """Whether a notice is lost on this line."""
        return self._rng.random() < self._weather.lose


class _LineInbox:
    """An inbox behind a passage."""

    def __init__(self, inbox: Inbox, line: Line, *, hears_notices: bool) -> None:
        self._inbox = inbox
        self._hears_notices = hears_notices
        self._line = line
        self._passage = line.passage
        self.closed = False
        """Whether what was taken and not acknowledged has gone back."""

    async def take(self, limit: int) -> Sequence[Delivery]:
        """Take; a process that is gone takes nothing, for ever."""
        while True:
            if not await self._passage.pass_():
                await asyncio.Event().wait()
            taken = await self._inbox.take(limit)
            if not await self._passage.pass_():
                await asyncio.Event().wait()  # what it took goes back when the inbox closes
            if not self._hears_notices:
                return taken
            lost = [delivery for delivery in taken if self._line.loses()]
            await self._inbox.ack(lost)
            heard = [delivery for delivery in taken if delivery not in lost]
            if heard:
                return heard

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge."""
        if await self._passage.pass_():
            for delivery in deliveries if not self.closed else ():
                self._line.acknowledged(delivery.message)
            await self._inbox.ack(deliveries)

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        """Give back."""
        if await self._passage.pass_():
            await self._inbox.nack(deliveries)
