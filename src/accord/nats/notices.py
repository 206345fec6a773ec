"""The consuming end of notices: a subscription, and a queue of its own that loses its oldest ones."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from accord.domain.message import Message
from accord.errors import Refused
from accord.nats.connection import Connection
from accord.nats.delivery import message_of
from accord.nats.driver import Msg, Subscription, errors
from accord.ports import Delivery


class Notice:
    """A notice in an inbox, and how often it was taken."""

    __slots__ = ("attempts", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.attempts = 0


class NoticeInbox:
    """Hears what is published while it is open, and there is a connection."""

    def __init__(self, subject: str, heard: str, connection: Connection, bound: int) -> None:
        self._subject = subject
        self._heard = heard
        self._connection = connection
        self._bound = bound
        self._subscription: Subscription | None = None
        self._waiting: deque[Notice] = deque()
        self._taken: dict[Delivery, Notice] = {}
        self._news = asyncio.Event()
        self._closed = False

    async def take(self, limit: int) -> Sequence[Delivery]:
        while not self._waiting:
            if self._closed:
                raise Refused.of("ACC752", f"this inbox of {self._subject} is closed")
            self._news.clear()
            await self._news.wait()
        taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        for notice in taken:
            notice.attempts += 1
            self._taken[notice] = notice
        return taken

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._taken.pop(delivery, None)

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        self._waiting.extend(one for delivery in deliveries if (one := self._taken.pop(delivery, None)) is not None)
        self._news.set()

    async def open(self) -> None:
        """Hear from now on; again whenever there is a new connection. Raises BusUnavailable."""
        client = self._connection.client
        self._subscription = await client.subscribe(self._heard, cb=self._came, pending_msgs_limit=0)
        await client.flush()

    async def close(self) -> None:
        """Hear no more, and turn away who still takes."""
        self._closed = True
        self._waiting.clear()
        self._news.set()
        if self._subscription is not None and self._connection.is_there:
            with suppress(errors.Error):
                await self._subscription.unsubscribe()

    async def say_held(self) -> None:
        """A notice is held by nobody else."""

    async def _came(self, found: Msg) -> None:
        if len(self._waiting) + len(self._taken) >= self._bound and self._waiting:
            self._waiting.popleft()
        self._waiting.append(Notice(message_of(found)))
        self._news.set()
