"""Messages as NATS delivers them, and how they are written."""

from __future__ import annotations

import re
from typing import Final

from accord.domain.message import Message
from accord.nats.driver import Msg

STATEMENT: Final = "Accord-Statement"
ACKNOWLEDGE: Final = "Accord-Acknowledge"
"""Who waits to hear that the message was acknowledged: `PROCESS.NUMBER`, a part of a subject that ours begins with, so
that no message can have us publish elsewhere.
"""
SUBJECT: Final = "Accord-Subject"
ATTEMPTS: Final = "Accord-Attempts"
"""Of a dead letter."""

STATUS: Final = "Status"
PENDING: Final = "Nats-Pending-Messages"

_WAITS: Final = re.compile(r"[0-9a-z]{1,32}\.[0-9]{1,20}")


class NatsDelivery:
    """A message that was delivered, and waits for its acknowledgement."""

    __slots__ = ("attempts", "is_old", "message", "reply", "sequence", "waits")

    def __init__(self, message: Message, reply: str, attempts: int, sequence: int, waits: str | None) -> None:
        self.message = message
        self.reply = reply
        """Where its acknowledgement is sent."""
        self.attempts = attempts
        self.sequence = sequence
        """Its place in the stream."""
        self.waits = waits
        """Who waits for its acknowledgement."""
        self.is_old = False
        """Whether the server has to hear that it is still held."""


def headers_of(message: Message) -> dict[str, str]:
    """The headers of a message; its payload is the body."""
    return {STATEMENT: message.statement.decode("utf-8", "replace")}


def message_of(found: Msg) -> Message:
    """The message; one that somebody has published without a statement has an empty one, which the gate refuses."""
    return Message((found.headers or {}).get(STATEMENT, "").encode(), found.data)


def delivery_of(found: Msg) -> NatsDelivery:
    """The delivery of a message out of a stream."""
    parts = found.reply.split(".")
    # $JS.ACK.<stream>.<consumer>.<delivered>.<sequence>…; behind $JS.ACK come domain and account where there are any
    attempts, sequence = (parts[4], parts[5]) if len(parts) == 9 else (parts[6], parts[7])
    waits = (found.headers or {}).get(ACKNOWLEDGE)
    known = waits if waits is not None and _WAITS.fullmatch(waits) else None
    return NatsDelivery(message_of(found), found.reply, int(attempts), int(sequence), known)
