"""Cuts a stream of bytes at the messages in it, so that a proxy can repeat one: requests, and Socket.IO's events."""

from __future__ import annotations

import re
from collections.abc import Iterator

HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"^content-length: *(\d+)\s*$", re.IGNORECASE | re.MULTILINE)
_UPGRADES = re.compile(rb"^upgrade: *websocket\s*$", re.IGNORECASE | re.MULTILINE)
_EVENT = re.compile(rb"4(?:2|3|5(\d+)-|6(\d+)-)")
"""An event or an acknowledgement of Socket.IO in a message of Engine.IO; some announce binary attachments."""


class Splitter:
    """One direction of a connection: HTTP at first, then perhaps a WebSocket, else bytes of which nothing is known."""

    def __init__(self, state: str = "http") -> None:
        self.state = state
        """`http`, `frames`, or `raw`."""
        self.upgrades = False
        """Whether a request has asked for a WebSocket."""
        self._held = b""
        self._group = b""
        self._missing = 0

    def feed(self, data: bytes) -> Iterator[tuple[bytes, str]]:
        """All of it, cut at its messages, each with what it is: `event`, `post`, or nothing that could be repeated."""
        self._held += data
        while self._held:
            if self.state == "raw":
                yield self._taken(len(self._held)), ""
                return
            size = self._request() if self.state == "http" else _frame_size(self._held)
            if size is None or size > len(self._held):
                return
            piece = self._taken(size)
            if self.state == "http":
                yield piece, "post" if piece.startswith(b"POST ") else ""
            elif (whole := self._event(piece)) is not None:
                yield whole
            if self.upgrades:
                self.state = "frames"

    def rest(self) -> bytes:
        """What is no whole message yet."""
        held, self._held = self._group + self._held, b""
        self._group = b""
        return held

    def _taken(self, size: int) -> bytes:
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def _request(self) -> int | None:
        """How long the request, or the first answer, is; None where that is not known yet."""
        head, found, _ = self._held.partition(HEAD_END)
        if not found:
            return None
        self.upgrades = _UPGRADES.search(head) is not None
        length = _LENGTH.search(head)
        if length is None and not self.upgrades and not head.startswith(b"GET "):
            self.state = "raw"
        return len(head) + len(found) + (int(length[1]) if length else 0)

    def _event(self, frame: bytes) -> tuple[bytes, str] | None:
        """The frame, or the whole event that it completes; None where its attachments are to come."""
        if self._missing:
            self._group += frame
            self._missing -= frame[0] & 0x0F == 2
            if self._missing:
                return None
            whole, self._group = self._group, b""
            return whole, "event"
        found = _EVENT.match(_payload(frame, 16)) if frame[0] == 0x81 else None
        if found is None:
            return frame, ""
        self._missing = int(found[1] or found[2] or 0)
        if self._missing:
            self._group = frame
            return None
        return frame, "event"


def _head_size(frame: bytes) -> int | None:
    """How long a frame's head is, with its mask; None where it is not whole."""
    if len(frame) < 2:
        return None
    size = 2 + {126: 2, 127: 8}.get(frame[1] & 0x7F, 0) + 4 * (frame[1] >> 7)
    return size if len(frame) >= size else None


def _frame_size(frame: bytes) -> int | None:
    head = _head_size(frame)
    if head is None:
        return None
    length = frame[1] & 0x7F
    if length >= 126:
        length = int.from_bytes(frame[2 : 4 if length == 126 else 10], "big")
    return head + length


def _payload(frame: bytes, limit: int) -> bytes:
    """The first bytes of what a frame carries, unmasked."""
    head = _head_size(frame) or 0
    mask = frame[head - 4 : head] if frame[1] & 0x80 else bytes(4)
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(frame[head : head + limit]))
