"""Clock and ids: time, and what is made up."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Waiting is `asyncio.sleep`: the simulation brings an event loop whose time is simulated."""

    def now(self) -> datetime:
        """The present, aware UTC, microseconds."""
        ...


class Ids(Protocol):
    """All randomness of the engine."""

    def token(self) -> str:
        """A name that nothing else has: 26 characters `0-9a-v`, sortable by time of creation to the millisecond."""
        ...

    def uniform(self) -> float:
        """A number in [0, 1), for jitter and for ties."""
        ...
