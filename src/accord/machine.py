"""The machine: its clock, its chance."""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present, aware UTC."""
        return datetime.now(UTC)


class RandomIds:
    """Tokens in the order of their making, also within one millisecond, and after the clock was set back: 44 bits of
    milliseconds, 60 random bits, in hexadecimal digits.
    """

    def __init__(self) -> None:
        self._last = 0
        self._random = random.Random(os.urandom(32))  # noqa: S311 - names have to be unique; nothing rests on their secrecy

    def token(self) -> str:
        """26 characters."""
        fresh = time.time_ns() // 1_000_000 << 60 | self._random.getrandbits(60)
        # Runs have all but the last two digits in common with their token: no two tokens may differ in these alone.
        self._last = max(fresh, self._last + ((1 + self._random.getrandbits(20)) << 8))
        return f"{self._last:026x}"

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()
