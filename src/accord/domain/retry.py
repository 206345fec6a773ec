"""When the next attempt may start: exponential back-off with jitter (AWS Architecture Blog, "Exponential Backoff
And Jitter").
"""

from __future__ import annotations

from datetime import timedelta
from zlib import crc32

from accord.domain.graph import Backoff, Retry

DEFAULT_RETRY = Retry(attempts=3, backoff=Backoff(timedelta(seconds=1), 2.0, timedelta(minutes=1), 0.5))
"""For tasks whose template does not say it."""


def delay(backoff: Backoff, attempt: int, *, salt: str) -> timedelta:
    """How long to wait after attempt number `attempt` (from 1) has failed.

    `first * factor^(attempt-1)`, at most `cap`, less a share of up to `jitter` of it. The share comes from `salt`, so
    that the same attempt of the same task always waits equally long, and different tasks do not come back together.
    """
    exponent = min(attempt - 1, 64)
    whole_s = min(backoff.first.total_seconds() * backoff.factor**exponent, backoff.cap.total_seconds())
    share = crc32(f"{salt}#{attempt}".encode()) / 2**32
    return timedelta(seconds=whole_s * (1 - backoff.jitter * share))
