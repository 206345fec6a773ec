"""Figures: what this orchestrator has done since it started, in numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from accord.domain.event import Event

COMMIT_BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds by which commits are counted; longer ones come last."""


class Figures:
    """Counts of committed events, and how long commits took."""

    def __init__(self) -> None:
        self.events: Counter[type[Event]] = Counter()
        self.commits = [0] * (len(COMMIT_BOUNDS_S) + 1)
        """How many took at most each of `COMMIT_BOUNDS_S` and longer than the one before."""
        self.commit_s = 0.0
        """How long all commits took together."""

    def happened(self, events: Sequence[Event]) -> None:
        """Count committed events."""
        self.events.update(map(type, events))

    def committed(self, took: timedelta) -> None:
        """Count one commit."""
        seconds = took.total_seconds()
        self.commits[bisect_left(COMMIT_BOUNDS_S, seconds)] += 1
        self.commit_s += seconds
