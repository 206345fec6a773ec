"""The bus on Redis Streams: a stream for each queue, Pub/Sub for notices, and one line for all that is asked."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, Final

import msgspec

from accord.addresses import BusAddress
from accord.bus.memory import MemoryBus
from accord.domain.message import Message
from accord.domain.signature import PublicKey
from accord.domain.succession import Link
from accord.errors import BusUnavailable, Overloaded, Refused
from accord.ports import DELIVERIES_MAX, DeadLetter, Delivery, Inbox, Parcel, is_notice
from accord.redis.channels import BACKOFF_FIRST_S, BACKOFF_MAX_S, Channels
from accord.redis.connection import new_connection
from accord.redis.line import Line
from accord.redis.names import done_channel, message_of, prefix_of, wake_channel

logger = logging.getLogger("accord.bus")

SWEPT_AT_ONCE: Final = 1000
"""So many queues are looked through for abandoned messages each time; of more, they take turns."""

TOLD_FOR_S: Final = 60
"""How long the keys of an orchestrator are told that says no more."""

SILENT_MS: Final = 600_000
"""After so long, a consumer that holds nothing is forgotten; it is made again when it takes something."""


class RedisTuning(msgspec.Struct, frozen=True, kw_only=True):
    """How much may wait, and how soon what a dead process held is delivered again."""

    bound: int = 10_000
    """How many messages a queue holds at most, those taken but not acknowledged included; for notices per inbox."""
    deliveries: int = DELIVERIES_MAX
    """How often a message is delivered at most."""
    keep: timedelta = timedelta(seconds=2)
    """How often what is held is kept young, and what nobody keeps is looked for."""
    abandoned: timedelta = timedelta(seconds=6)
    """How long something may be held without being kept young: then whoever held it is taken for dead."""
    silence: timedelta = timedelta(seconds=5)
    """After how long a silence the server is asked whether it is still there."""


DEFAULT_TUNING: Final = RedisTuning()


_OLDER: Final = ("ACC764", "ACC767")
"""The server knows no such script, or lets our user do nothing of the kind."""


class RedisBus:
    """Carries messages between processes by a Redis server, version 6.2 or newer; what that loses costs a retry."""

    def __init__(
        self,
        address: BusAddress,
        organisation: str,
        tuning: RedisTuning,
        keys: Sequence[PublicKey] = (),
        links: Sequence[Link] = (),
    ) -> None:
        self.prefix = prefix_of(address.option("namespace") or organisation)
        self.tuning = tuning
        self._address = address
        self._keys = keys
        self._links = msgspec.json.encode(links)
        self._name = secrets.token_hex(8)
        connect = partial(new_connection, address)
        self.line = Line(address, connect)
        self._channels = Channels(address, connect, silence=tuning.silence, lost=self._lost)
        self._inboxes: dict[str, list[RedisInbox]] = {}
        self._to_sweep: deque[str] = deque()
        self._numbers = count(1)
        self._handed_over: dict[int, asyncio.Future[None]] = {}
        self._hears_of_acknowledgements = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        address: BusAddress,
        organisation: str,
        tuning: RedisTuning = DEFAULT_TUNING,
        *,
        keys: Sequence[PublicKey] = (),
        links: Sequence[Link] = (),
    ) -> AsyncIterator[RedisBus]:
        """The bus of an organisation on the server at this address; agents there are told these keys of ours, and the
        successions to them.

        Raises BusUnavailable, and BadInput ACC860.
        """
        if address.encrypted:
            address.tls.context()  # what cannot be used is told at once, and not as a server that cannot be reached
        bus = cls(address, organisation, tuning, keys, links)
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(bus.line)
            await opened.enter_async_context(bus._channels)
            await asyncio.gather(*bus._announce())
            tending = asyncio.create_task(bus._tend_for_ever(), name="accord-redis-tend")
            try:
                yield bus
            finally:
                tending.cancel()
                await asyncio.wait([tending])

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        await self._publish(parcels)

    async def _publish(self, parcels: Sequence[Parcel], waiting: str = "") -> None:
        arguments: list[bytes | str] = []
        for parcel in parcels:
            arguments += (parcel.subject, parcel.message.statement, parcel.message.payload, waiting)
        await self._channels.there()  # else we would not hear what we ourselves tell
        full = await self.line.ask("publish", self.prefix, self.tuning.bound, *arguments)
        if full:
            raise Overloaded.of("ACC751", f"{full.decode()} holds {self.tuning.bound} messages, its bound")

    async def hand_over(self, parcel: Parcel) -> None:
        if not self._hears_of_acknowledgements:
            await self._channels.listen(self.prefix + done_channel(self._name), self._acknowledged)
            self._hears_of_acknowledgements = True
        number = next(self._numbers)
        done = self._handed_over[number] = asyncio.get_running_loop().create_future()
        try:
            await self._publish([parcel], f"{self._name}/{number}")
            await done
        finally:
            del self._handed_over[number]

    @asynccontextmanager
    async def inbox(self, subject: str) -> AsyncIterator[Inbox]:
        opened = self._listener(subject) if is_notice(subject) else self._share(subject)
        async with opened as inbox:
            yield inbox

    async def depth(self, subject: str) -> int:
        if is_notice(subject):
            return 0
        waiting: int = await self.line.ask("depth", self.prefix, subject)
        return waiting

    async def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        found = await self.line.ask("dead", self.prefix, "", limit) if limit > 0 else ()
        return [_dead_letter(_fields(entry[1])) for entry in found]

    async def orchestrators(self) -> tuple[list[PublicKey], list[Link]]:
        """The keys that orchestrators tell: each is believed by its thumbprint, or by the successions that lead to it,
        or not at all. Of several chains the longest counts: the others are its beginning.

        Raises BusUnavailable where none does.
        """
        told = await self.line.ask("orchestrators", self.prefix, "")
        if not told:
            raise BusUnavailable.of("ACC744", f"the bus {self._address}: no orchestrator tells its keys there")
        chains = await self._chains()
        links = max((msgspec.json.decode(one, type=list[Link]) for one in chains), key=len, default=[])
        return [PublicKey.from_jwk(msgspec.json.decode(one, type=dict[str, str])) for one in told], links

    async def _chains(self) -> Sequence[bytes]:
        """What is told of successions: nothing where orchestrators, or our user's rules, are of a time without any."""
        try:
            found: Sequence[bytes] = await self.line.ask("vouched", self.prefix, "")
        except BusUnavailable as error:
            if error.problems[0].code in _OLDER:
                return ()
            raise
        return found

    @asynccontextmanager
    async def _listener(self, subject: str) -> AsyncIterator[Inbox]:
        channel = self.prefix + subject
        async with MemoryBus(bound=self.tuning.bound) as local, local.inbox(subject) as inbox:

            async def hear(frame: bytes | None) -> None:
                if frame is not None:
                    await local.publish([Parcel(subject, message_of(frame))])

            await self._channels.listen(channel, hear)
            try:
                yield inbox
            finally:
                await self._channels.leave(channel, hear)

    @asynccontextmanager
    async def _share(self, subject: str) -> AsyncIterator[Inbox]:
        inbox = RedisInbox(self, subject, f"{self._name}/{next(self._numbers)}")
        channel = self.prefix + wake_channel(subject)
        await self._channels.listen(channel, inbox.wake)
        if subject not in self._inboxes:
            self._to_sweep.append(subject)
        self._inboxes.setdefault(subject, []).append(inbox)
        try:
            yield inbox
        finally:
            self._inboxes[subject].remove(inbox)
            if not self._inboxes[subject]:
                del self._inboxes[subject]
                self._to_sweep.remove(subject)
            await asyncio.gather(self._channels.leave(channel, inbox.wake), inbox.close())

    async def _acknowledged(self, number: bytes | None) -> None:
        done = self._handed_over.get(int(number or 0))
        if done is not None and not done.done():
            done.set_result(None)

    def _lost(self) -> None:
        """Acknowledgements may have been missed: whoever waits for one hands over again."""
        for done in self._handed_over.values():
            if not done.done():
                lost = "the connection was lost before the acknowledgement came"
                hint = "hand it over again: what comes twice has an effect once"
                done.set_exception(BusUnavailable.of("ACC747", f"the bus {self._address}: {lost}", hint=hint))
                done.exception()  # whoever waits may not have got so far

    async def _tend_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.tuning.keep.total_seconds())
            for told in await asyncio.gather(*self._tend(), return_exceptions=True):
                if isinstance(told, Exception):
                    logger.warning("what is held could not be kept: %s", told)
                    break

    def _announce(self) -> Iterable[asyncio.Future[Any]]:
        if self._keys:
            told = [text for key in self._keys for text in (key.kid, msgspec.json.encode(key.to_jwk()))]
            yield self.line.ask("announce", self.prefix, "", TOLD_FOR_S, *told)
            chains = [text for key in self._keys for text in (key.kid, self._links)]
            yield self.line.ask("vouch", self.prefix, "", TOLD_FOR_S, *chains)

    def _tend(self) -> Iterable[asyncio.Future[Any]]:
        yield from self._announce()
        for inboxes in self._inboxes.values():
            for inbox in inboxes:
                yield from inbox.keep()
        abandoned_ms = int(self.tuning.abandoned.total_seconds() * 1000)
        for _ in range(min(SWEPT_AT_ONCE, len(self._to_sweep))):
            subject = self._to_sweep[0]
            self._to_sweep.rotate(-1)
            yield self.line.ask("sweep", self.prefix, subject, abandoned_ms, SILENT_MS)
            for inbox in self._inboxes[subject]:
                inbox.look_again()


class RedisDelivery:
    """A message that was taken from a queue."""

    __slots__ = ("attempts", "entry", "message", "waiting")

    def __init__(self, entry: bytes, attempts: int, fields: dict[bytes, bytes]) -> None:
        self.entry = entry
        self.attempts = attempts
        self.message = Message(fields.get(b"s", b""), fields.get(b"p", b""))
        self.waiting = fields.get(b"r", b"")


class RedisInbox:
    """One consuming end of a queue. What it holds is kept young as long as its process lives."""

    def __init__(self, bus: RedisBus, subject: str, consumer: str) -> None:
        self._line = bus.line
        self._name = (bus.prefix, subject)
        self._consumer = consumer
        self._most = bus.tuning.deliveries
        self._subject = subject
        self._changed = asyncio.Event()
        self._held: dict[Delivery, RedisDelivery] = {}
        self._unacknowledged: list[RedisDelivery] = []
        """Dealt with, and the server could not be told so far."""
        self._closed = False

    async def take(self, limit: int) -> Sequence[RedisDelivery]:
        backoff_s = 0.0
        while not self._closed:
            self._changed.clear()
            try:
                taken = await self._take(limit)
            except BusUnavailable as error:
                if not backoff_s:
                    logger.warning("%s cannot be read, trying again: %s", self._subject, error)
                backoff_s = min(max(2 * backoff_s, BACKOFF_FIRST_S), BACKOFF_MAX_S)
                with suppress(TimeoutError):
                    # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with a change.
                    async with asyncio.timeout(backoff_s):
                        await self._changed.wait()
                continue
            if taken:
                self.look_again()  # others that take from this inbox too
                return taken
            backoff_s = 0.0
            await self._changed.wait()
        raise Refused.of("ACC752", f"this inbox of {self._subject} is closed")

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        dealt_with = self._give_up(deliveries)
        if dealt_with:
            try:
                await self._acknowledge(dealt_with)
            except BusUnavailable as error:
                logger.warning("%d messages are acknowledged later: %s", len(dealt_with), error)
                self._unacknowledged += dealt_with

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        returned = self._give_up(deliveries)
        if returned:
            arguments = [text for one in returned for text in (one.entry, str(one.attempts))]
            await self._give_back("nack", *arguments)

    async def close(self) -> None:
        """Give back what is held, ahead of what waits, and turn away who still takes from this inbox."""
        self._closed = True
        self.look_again()
        self._held.clear()
        await self._give_back("release")

    async def wake(self, _: bytes | None) -> None:
        """Something may have come."""
        self.look_again()

    def look_again(self) -> None:
        """Let who waits ask the server."""
        self._changed.set()

    def keep(self) -> Iterable[asyncio.Future[Any]]:
        """Acknowledge what could not be acknowledged before, and keep young what is held."""
        if self._unacknowledged:
            again, self._unacknowledged = self._unacknowledged, []
            acknowledging = self._acknowledge(again)
            acknowledging.add_done_callback(partial(self._keep_unacknowledged, again))
            yield acknowledging
        if self._held:
            yield self._line.ask("hold", *self._name, self._consumer, *(one.entry for one in self._held.values()))

    def _keep_unacknowledged(self, dealt_with: list[RedisDelivery], acknowledging: asyncio.Future[Any]) -> None:
        if acknowledging.cancelled() or acknowledging.exception() is not None:
            self._unacknowledged += dealt_with

    async def _take(self, limit: int) -> Sequence[RedisDelivery]:
        asked = self._line.ask("take", *self._name, self._consumer, limit, self._most)
        try:
            found, dead = await asyncio.shield(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(self._untake)
            raise
        self._tell_dead(dead)
        taken = [RedisDelivery(entry, attempts, _fields(fields)) for entry, attempts, fields in found]
        self._held.update((one, one) for one in taken)
        return taken

    def _untake(self, asked: asyncio.Future[Any]) -> None:
        """Give back what came when nobody waited for it any more."""
        if not asked.cancelled() and asked.exception() is None and asked.result()[0]:
            ids = [entry for entry, *_ in asked.result()[0]]
            returning = self._line.ask("release", *self._name, self._consumer, self._most, *ids)
            returning.add_done_callback(lambda done: done.cancelled() or done.exception())  # else it is swept

    def _acknowledge(self, dealt_with: Sequence[RedisDelivery]) -> asyncio.Future[Any]:
        arguments = [text for one in dealt_with for text in (one.entry, one.waiting)]
        return self._line.ask("ack", *self._name, *arguments)

    async def _give_back(self, how: str, *arguments: bytes | str) -> None:
        """Have it delivered again: at once, or when it is found abandoned."""
        try:
            self._tell_dead(await self._line.ask(how, *self._name, self._consumer, self._most, *arguments))
        except BusUnavailable as error:
            logger.warning("messages of %s come again when they are missed: %s", self._subject, error)

    def _tell_dead(self, dead: int) -> None:
        if dead:
            logger.warning("%d messages of %s were delivered %d times: dead letters", dead, self._subject, self._most)

    def _give_up(self, deliveries: Iterable[Delivery]) -> list[RedisDelivery]:
        pop = self._held.pop
        return [held for delivery in deliveries if (held := pop(delivery, None)) is not None]


def _fields(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _dead_letter(fields: dict[bytes, bytes]) -> DeadLetter:
    message = Message(fields[b"s"], fields[b"p"])
    return DeadLetter(fields[b"q"].decode("utf-8", "replace"), message, int(fields[b"a"]))
