"""Rates: a token bucket for each caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from accord.errors import Problem, RateLimited
from accord.recent import Recent

CALLERS_MAX: Final = 10_000
"""So many callers are remembered; of more, the one that was silent for the longest gets a full bucket."""


class Rates:
    """How many requests a caller may make: `per_second` on the long run, `burst` at once."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: Recent[str, tuple[float, float]] = Recent(CALLERS_MAX)

    def take(self, caller: str) -> None:
        """Count one request. Raises RateLimited, with the time after which the next one will be served."""
        now = self._clock()
        tokens, since = self._buckets.get(caller, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - since) * self._per_second)
        self._buckets[caller] = (tokens - 1 if tokens >= 1 else tokens, now)
        if tokens < 1:
            error = RateLimited(
                Problem("ACC952", f"more than {self._per_second:g} requests a second", hint="wait as Retry-After says")
            )
            error.retry_after_s = (1 - tokens) / self._per_second
            raise error
