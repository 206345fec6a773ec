"""Timers: wakes runs when something in them is due, and the dispatcher when a back-off is over."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from accord.domain.ids import RunId
from accord.ports import Clock

FAR = timedelta(seconds=30)
"""The longest wait in one go, so that a clock that was set is noticed."""

SLACK = 1000
"""So many alarms that nobody wants any more may be kept, besides one for each that somebody does."""


class Timers:
    """One alarm per run, and one for the dispatcher. They are hints: the sweeper finds what they miss."""

    def __init__(self, clock: Clock, next_due: Callable[[], datetime | None], longest: timedelta = FAR) -> None:
        self._clock = clock
        self._longest = longest
        self._next_due = next_due
        self._at: dict[RunId, datetime] = {}
        self._heap: list[tuple[datetime, RunId]] = []
        self._changed = asyncio.Event()
        self._until = clock.now()
        """When it wakes by itself."""

    def set(self, run: RunId, at: datetime | None) -> None:
        """Wake the run at this time, and at no other; None for never."""
        if at is None:
            self._at.pop(run, None)
        elif self._at.get(run) != at:
            self._at[run] = at
            heapq.heappush(self._heap, (at, run))
            if len(self._heap) > 2 * len(self._at) + SLACK:
                self._heap = [(when, one) for one, when in self._at.items()]
                heapq.heapify(self._heap)
            if self._heap[0][0] == at:
                self._changed.set()

    def poke(self) -> None:
        """The dispatcher's next time may have changed."""
        due = self._next_due()
        if due is not None and due < self._until:
            self._changed.set()

    async def run(self, wake: Callable[[RunId], None], kick: Callable[[], None]) -> None:
        """Wake what is due, for ever."""
        while True:
            now = self._clock.now()
            for due in self._due(now):
                wake(due)
            dispatch_at = self._next_due()
            if dispatch_at is not None and dispatch_at <= now:
                kick()
                dispatch_at = now + timedelta(milliseconds=20)
            await self._wait(now, dispatch_at)

    def _due(self, now: datetime) -> list[RunId]:
        due = []
        while self._heap and self._heap[0][0] <= now:
            at, run = heapq.heappop(self._heap)
            if self._at.get(run) == at:
                del self._at[run]
                due.append(run)
        return due

    async def _wait(self, now: datetime, dispatch_at: datetime | None) -> None:
        times = [now + self._longest]
        if self._heap:
            times.append(self._heap[0][0])
        if dispatch_at is not None:
            times.append(dispatch_at)
        self._until = min(times)
        self._changed.clear()
        with suppress(TimeoutError):
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with a change.
            async with asyncio.timeout(max((self._until - now).total_seconds(), 0.001)):
                await self._changed.wait()
