"""Figures: what this orchestrator has done since it started, in numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from accord.domain.event import AttemptExpired, Event
from accord.errors import BusUnavailable, KeysUnavailable, StoreError

COMMIT_BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds by which commits are counted; longer ones come last."""


COMMIT_BOUNDS_EVENTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Upper bounds of their numbers of events."""

_WHOSE: Final = ((StoreError, "store"), (BusUnavailable, "bus"), (KeysUnavailable, "keys"))
"""Of everything else the fault is ours."""


class Figures:
    """Counts of committed events, and how long commits took."""

    def __init__(self) -> None:
        self.events: Counter[type[Event]] = Counter()
        self.commits = [0] * (len(COMMIT_BOUNDS_S) + 1)
        """How many took at most each of `COMMIT_BOUNDS_S` and longer than the one before."""
        self.commit_s = 0.0
        """How long all commits took together."""
        self.commit_sizes = [0] * (len(COMMIT_BOUNDS_EVENTS) + 1)
        """How many had at most each of `COMMIT_BOUNDS_EVENTS` events and more than the one before."""
        self.commit_events = 0
        """How many events all commits had together."""
        self.expired: Counter[str] = Counter()
        """Attempts whose time ran out, by why."""
        self.errors: Counter[str] = Counter()
        """Faults that were met, by whose they were: see `telemetry.metrics.ERRORS_OF`."""
        self.given_up = 0
        """Batches of which nothing became durable."""
        self.taken_over = 0
        """Open runs of partitions that were gained."""

    def happened(self, events: Sequence[Event]) -> None:
        """Count committed events."""
        kinds = Counter(map(type, events))
        self.events.update(kinds)
        if AttemptExpired in kinds:
            self.expired.update(event.cause for event in events if type(event) is AttemptExpired)

    def failed(self, error: Exception) -> None:
        """Count a fault that was met."""
        found = (of for kind, of in _WHOSE if isinstance(error, kind))
        self.errors[next(found, "accord")] += 1

    def committed(self, took: timedelta, events: int) -> None:
        """Count one commit."""
        self.commit_sizes[bisect_left(COMMIT_BOUNDS_EVENTS, events)] += 1
        self.commit_events += events
        seconds = took.total_seconds()
        self.commits[bisect_left(COMMIT_BOUNDS_S, seconds)] += 1
        self.commit_s += seconds
