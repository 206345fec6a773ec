"""The entrance: HTTP/1.1 as uvicorn reads it, each connection in the lobby until the head of its request has come."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, cast

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from accord.gateway import problems
from accord.gateway.lobby import GUEST, Guest

if TYPE_CHECKING:
    from accord.gateway.application import Gateway


def is_among(host: str | None, trusted: Collection[str]) -> bool:
    """Whether the address of a caller is one of these, or in one of these networks."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return host is not None and host in trusted
    return any(address in network for network in map(_network, trusted) if network is not None)


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


class Entrance(HttpToolsProtocol):
    """A connection of a `Gateway`."""

    _guest: Guest | None = None
    _has_begun = False
    """Whether any head has begun."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Let it into the lobby, unless too many of its address are there."""
        super().connection_made(transport)
        host = self.client[0] if self.client else None
        counted = None if is_among(host, self.config.forwarded_allow_ips) else host  # a proxy speaks for many
        gateway = cast("Gateway", self.config.app)
        self._guest = gateway.lobby.enter(counted, self._show_out)
        if self._guest is None:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        self._admit()

    def data_received(self, data: bytes) -> None:
        """Read on; between two requests, whatever comes is the beginning of a head."""
        if self._guest is not None and not self._answers:
            self._guest.wait()
        super().data_received(data)

    def on_message_begin(self) -> None:
        """The head of a request begins, perhaps while the one before it is being answered."""
        if self._guest is not None:
            self._guest.wait()
        self._has_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there. Whoever wants a WebSocket has yet to say what for."""
        super().on_headers_complete()
        if not (self.parser.should_upgrade() and self._should_upgrade()):
            self._admit()

    def handle_websocket_upgrade(self) -> None:
        """Take the guest along."""
        self.app_state = {**self.app_state, GUEST: self._guest}
        self._guest = None
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read at all as everything else; nobody knows where the next request begins."""
        self._refuse("400 Bad Request", problems.unreadable(secrets.token_hex(8)))

    @property
    def _answers(self) -> bool:
        """Whether a request is being answered."""
        cycle = getattr(self, "cycle", None)
        return cycle is not None and not cycle.response_complete

    def _admit(self) -> None:
        if self._guest is not None:
            self._guest.admit()

    def _show_out(self) -> None:
        if self.transport.is_closing():
            return
        if self._has_begun and self._guest is not None and not self._answers:
            self._refuse("408 Request Timeout", problems.unfinished(secrets.token_hex(8)))
        else:
            self.transport.abort()  # it has sent nothing, is a WebSocket, or would take this for another answer

    def _refuse(self, status: str, response: Response) -> None:
        headers = [*response.raw_headers, (b"connection", b"close")]
        lines = [f"HTTP/1.1 {status}".encode(), *(name + b": " + value for name, value in headers), b"", response.body]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()
