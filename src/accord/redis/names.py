"""What keys and channels are called: all begin with `accord:` and a namespace, the organisation where none is named."""

from __future__ import annotations

from accord.domain.message import Message

GROUP = "accord"
"""The consumer group of every stream."""

RETURNED = "returned"
"""The consumer that holds what was given back, until somebody takes it."""

_LENGTH_BYTES = 4


def prefix_of(namespace: str) -> str:
    """What every key and channel of a namespace begins with."""
    return f"accord:{namespace}:"


def wake_channel(subject: str) -> str:
    """Where those who wait for messages of a queue hear that there are some, behind the prefix."""
    return f"wake/{subject}"


def done_channel(bus: str) -> str:
    """Where a bus hears which of the parcels that it handed over were acknowledged, behind the prefix."""
    return f"done/{bus}"


DEAD = "dead"
"""The stream of messages that nobody could deal with, behind the prefix."""


def message_of(frame: bytes) -> Message:
    """The message of a notice: the length of its statement in four bytes, most significant first; statement; payload.

    One that is no frame is a message without a statement, which is refused where messages are checked.
    """
    end = _LENGTH_BYTES + int.from_bytes(frame[:_LENGTH_BYTES], "big")
    if len(frame) < end:
        return Message(b"", frame)
    return Message(frame[_LENGTH_BYTES:end], frame[end:])
