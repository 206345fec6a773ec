"""The lobby: connections that have not said yet what they are for. Each may stay a while, and of one address only so
many at a time: whoever opens connections and says nothing, or says it byte by byte, holds nothing up.

A connection is in the lobby until the head of its request has come. A Socket.IO connection stays until it is in a
namespace, an agent's until the agent is welcome; one that has left all its namespaces is in the lobby again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qs

from accord.loading.sockets import socketio

GUEST: Final = "guest"
"""The name under which a connection's state holds its guest."""


class Lobby:
    """Who waits, by address."""

    def __init__(self, within: timedelta, most: int) -> None:
        self._within_s = within.total_seconds()
        self._most = most
        self._waiting: Counter[str] = Counter()

    def enter(self, address: str | None, show_out: Callable[[], object]) -> Guest | None:
        """A new guest, who is shown out when nothing has become of it in time; None where there are too many of its
        address. Without an address it is not counted.
        """
        if address is not None and self._waiting[address] >= self._most:
            return None
        guest = Guest(self, address, show_out)
        guest.wait()
        return guest

    def waiting(self, address: str) -> int:
        """How many of this address there are."""
        return self._waiting[address]

    def count(self, address: str | None, more: int) -> None:
        """So many more of this address wait, or less."""
        if address is not None:
            self._waiting[address] += more
            if not self._waiting[address]:
                del self._waiting[address]

    def timer(self, ring: Callable[[], object]) -> asyncio.TimerHandle:
        """Rings when somebody who comes now has waited long enough."""
        return asyncio.get_running_loop().call_later(self._within_s, ring)


class Guest:
    """One connection; `Lobby.enter` makes it."""

    def __init__(self, lobby: Lobby, address: str | None, show_out: Callable[[], object]) -> None:
        self._lobby = lobby
        self._address = address
        self._show_out = show_out
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        """Whether it is in the lobby."""
        return self._timer is not None

    def wait(self) -> None:
        """It is in the lobby from now on; where it was already, its time goes on."""
        if self._timer is None:
            self._lobby.count(self._address, 1)
            self._timer = self._lobby.timer(self._late)

    def admit(self) -> None:
        """It is no more in the lobby: it has said what it is for, or it has gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._lobby.count(self._address, -1)

    def _late(self) -> None:
        self.admit()
        self._show_out()


class Conversations(socketio.AsyncManager):  # type: ignore[misc]  # python-socketio comes without types
    """Socket.IO's memory of who is in which namespace. It admits whoever joins one; of namespaces in `reserved`,
    somebody else has to `admit` them.
    """

    def __init__(self, lobby: Lobby, reserved: frozenset[str]) -> None:
        super().__init__()
        self._lobby = lobby
        self._reserved = reserved
        self._guests: dict[str, Guest] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def watch(self, engine: Any) -> None:
        """Watch the connections of this Engine.IO server."""
        begin: Callable[[str, Any], Awaitable[object]] = engine.handlers["connect"]
        end: Callable[[str, Any], Awaitable[object]] = engine.handlers["disconnect"]

        async def connect(eio_sid: str, environ: Mapping[str, Any]) -> object:
            guest = self._arrived(eio_sid, environ["asgi.scope"], engine)
            if guest is None:
                return "too many connections of this address have not said yet what they are for"
            self._guests[eio_sid] = guest
            return await begin(eio_sid, environ)

        async def disconnect(eio_sid: str, reason: object) -> None:
            guest = self._guests.pop(eio_sid, None)
            if guest is not None:
                guest.admit()
            await end(eio_sid, reason)

        engine.on("connect", connect)
        engine.on("disconnect", disconnect)

    def _arrived(self, eio_sid: str, scope: Mapping[str, Any], engine: Any) -> Guest | None:
        guest = _guest_of(scope)
        if guest is not None:
            return guest  # the same connection, which has waited since it was opened

        def show_out() -> None:
            task = asyncio.create_task(engine.disconnect(eio_sid))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

        client = scope.get("client")
        return self._lobby.enter(client[0] if client else None, show_out)

    def upgrade(self, scope: Mapping[str, Any]) -> None:
        """A WebSocket is being opened: where it is to carry on a conversation that was begun by long polling, it is as
        far as that is.
        """
        guest = _guest_of(scope)
        (eio_sid,) = parse_qs(scope["query_string"].decode("latin-1")).get("sid", [""])[:1]
        before = self._guests.get(eio_sid)
        if guest is not None and before is not None:
            if not before.waits:
                guest.admit()
            before.admit()
            self._guests[eio_sid] = guest

    def admit(self, sid: str, namespace: str) -> None:
        """Whoever is called this in the namespace has said what it is for."""
        guest = self._guests.get(self.eio_sid_from_sid(sid, namespace))
        if guest is not None:
            guest.admit()

    async def connect(self, sid: str, namespace: str) -> str:
        """Somebody has joined a namespace."""
        joined: str = await super().connect(sid, namespace)
        if namespace not in self._reserved:
            self.admit(joined, namespace)
        return joined

    async def disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """Somebody has left a namespace."""
        eio_sid = self.eio_sid_from_sid(sid, namespace)
        await super().disconnect(sid, namespace, **kwargs)
        guest = self._guests.get(eio_sid)
        if guest is not None and not any(self.sid_from_eio_sid(eio_sid, one) for one in self.get_namespaces()):
            guest.wait()


def _guest_of(scope: Mapping[str, Any]) -> Guest | None:
    guest = scope.get("state", {}).get(GUEST)
    return guest if isinstance(guest, Guest) else None
