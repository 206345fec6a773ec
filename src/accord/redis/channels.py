"""The channels: one connection on which a process hears everything that is published for it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeAlias

from accord.errors import BusUnavailable
from accord.redis.driver import Connection, exceptions
from accord.redis.errors import FAILURES, as_bus_error, closed

logger = logging.getLogger("accord.bus")

BACKOFF_FIRST_S = 0.02
BACKOFF_MAX_S = 2.0

Hear: TypeAlias = Callable[[bytes | None], Awaitable[None]]
"""Told of what was published; of None each time that the channel is heard anew, and something may have been missed."""


class _Channel:
    __slots__ = ("confirmed", "hearing")

    def __init__(self) -> None:
        self.hearing: list[Hear] = []
        self.confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Channels:
    """Hears channels for as long as somebody listens. A connection that is lost is made again, by itself."""

    def __init__(
        self, address: object, connect: Callable[[], Connection], *, silence: timedelta, lost: Callable[[], None]
    ) -> None:
        self._address = address
        self._connect = connect
        self._silence_s = silence.total_seconds()
        """After so long a silence the server is asked whether it is there."""
        self._lost = lost
        """Called each time that what was published may have been missed."""
        self._connection: Connection | None = None
        self._channels: dict[bytes, _Channel] = {}
        self._hearing: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        """Whether somebody waits for the next try."""
        self._waiting: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> Self:
        """Raises BusUnavailable."""
        try:
            await self._reconnect()
        except FAILURES as error:
            raise as_bus_error(error, self._address) from error
        self._hearing = asyncio.create_task(self._hear_for_ever(), name="accord-redis-channels")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        hearing, self._hearing = self._hearing, None
        if hearing is not None:
            hearing.cancel()
            await asyncio.wait([hearing])
        await self._hang_up()
        error = closed(self._address)
        for channel in self._channels.values():
            self._refuse(channel, error)
        self._tell_waiting(error)

    async def there(self) -> None:
        """Return when everything is heard: at once, where the connection is not lost. Raises BusUnavailable where it
        cannot be made again now.
        """
        if self._connection is None:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            self._wanted.set()
            await waiting

    async def listen(self, name: str, hear: Hear) -> None:
        """Hear this channel from now on. Raises BusUnavailable, and then it is not heard."""
        key = name.encode()
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = _Channel()
            channel.hearing.append(hear)
            await self._send("SUBSCRIBE", key)
        else:
            channel.hearing.append(hear)
        try:
            await asyncio.shield(channel.confirmed)
        except BaseException:
            await self.leave(name, hear)
            raise

    async def leave(self, name: str, hear: Hear) -> None:
        """Hear this channel no more, unless others do."""
        key = name.encode()
        channel = self._channels.get(key)
        if channel is None or hear not in channel.hearing:
            return
        channel.hearing.remove(hear)
        if not channel.hearing:
            del self._channels[key]
            await self._send("UNSUBSCRIBE", key)

    async def _send(self, *command: bytes | str) -> None:
        """Send, where there is a connection; a new one sends what is heard by itself."""
        connection = self._connection
        if connection is not None and connection.is_connected:
            with suppress(*FAILURES):  # then it is lost, and whoever reads from it finds out
                await connection.send_packed_command(connection.pack_command(*command), check_health=False)

    async def _hear_for_ever(self) -> None:
        backoff_s = 0.0
        while True:
            try:
                if self._connection is None:
                    await self._reconnect()
                    backoff_s = 0.0
                await self._hear(self._connection)
            except FAILURES as error:
                await self._hang_up()
                self._tell_lost(as_bus_error(error, self._address), first=not backoff_s)
                backoff_s = min(max(2 * backoff_s, BACKOFF_FIRST_S), BACKOFF_MAX_S)
                await self._rest(backoff_s * (0.5 + random.random() / 2))  # noqa: S311 - so that not all come at once

    async def _rest(self, rest_s: float) -> None:
        """Wait before the next try, unless somebody wants it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(rest_s):
                await self._wanted.wait()
        self._wanted.clear()

    async def _hear(self, connection: Connection | None) -> None:
        """Hear until the connection is lost, which raises."""
        asked = False
        while connection is not None:
            try:
                answer = await connection.read_response(timeout=self._silence_s, disconnect_on_error=False)
            except exceptions.ResponseError as refusal:
                self._refused(refusal)
                continue
            if answer is not None:
                asked = False
                await self._tell(answer)
            elif asked:
                raise TimeoutError("the server does not answer any more")
            else:
                asked = True
                await connection.send_packed_command(connection.pack_command("PING"), check_health=False)

    def _refused(self, refusal: exceptions.ResponseError) -> None:
        """Whoever just began to listen may not. Raises the refusal where it is about what was heard before."""
        asking = [channel for channel in self._channels.values() if not channel.confirmed.done()]
        if not asking:
            raise refusal
        for channel in asking:
            self._refuse(channel, as_bus_error(refusal, self._address))

    async def _tell(self, answer: object) -> None:
        if not isinstance(answer, list) or len(answer) != 3:
            return  # the answer to a ping
        kind, key, data = answer
        channel = self._channels.get(key)
        if channel is None or kind not in (b"message", b"subscribe"):
            return
        if kind == b"subscribe" and not channel.confirmed.done():
            channel.confirmed.set_result(None)
        for hear in tuple(channel.hearing):
            await hear(data if kind == b"message" else None)

    async def _reconnect(self) -> None:
        connection = self._connect()
        await connection.connect()  # type: ignore[no-untyped-call]  # the driver tells no types here
        try:
            heard = await self._resubscribe(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._connection = connection
        for late in self._channels.keys() - heard:
            await self._send("SUBSCRIBE", late)
        self._tell_waiting(None)

    async def _resubscribe(self, connection: Connection) -> set[bytes]:
        """Have the server send what is heard; returns these channels, once all are confirmed."""
        heard = set(self._channels)
        if heard:
            await connection.send_packed_command(connection.pack_command("SUBSCRIBE", *heard))
        awaited = set(heard)
        while awaited:
            answer = await connection.read_response()
            await self._tell(answer)
            if answer[0] == b"subscribe":
                awaited.discard(answer[1])
        return heard

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*FAILURES):  # whatever a connection says that is not needed any more
                await connection.disconnect(nowait=True)

    def _tell_lost(self, error: BusUnavailable, *, first: bool) -> None:
        if first:
            logger.warning("trying again: %s", error)
        for channel in self._channels.values():
            self._refuse(channel, error)
        self._tell_waiting(error)
        self._lost()

    def _tell_waiting(self, error: BusUnavailable | None) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if one.done():
                continue
            if error is None:
                one.set_result(None)
            else:
                one.set_exception(error)

    def _refuse(self, channel: _Channel, error: BusUnavailable) -> None:
        if not channel.confirmed.done():
            channel.confirmed.set_exception(error)
            channel.confirmed.exception()  # whoever listens may have gone
