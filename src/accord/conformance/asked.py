"""What is asked of an examination."""

from __future__ import annotations

from typing import IO

import msgspec


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What to examine, and with what."""

    command: tuple[str, ...] = ()
    """How the agent is started; where empty, somebody else starts it."""
    organisation: str = "local"
    capability: str | None = None
    """`name@version`; the card's first where None."""
    input: bytes | None = None
    """A JSON value that keeps the contract; the first example of the card where None."""
    slow_input: bytes | None = None
    """One that takes longer than six heartbeats."""
    large_input: bytes | None = None
    """One whose output is large enough to be uploaded."""
    heartbeat_s: float = 1.0
    """How often the welcome asks for heartbeats."""
    within_s: float = 30.0
    """How long to wait for what has to come."""
    stderr: IO[bytes] | None = None
    """Where the agent's goes; to ours where None."""
