"""Admission: which new runs are begun, while there is much to do already.

Each bound is shared by dynamic thresholds (Choudhury and Hahne, 1998): a tenant may use so many times what is still
free. So one alone comes to nine tenths, several come to equal parts, or to parts by their weights; something is always
left for who comes new, and the bound itself holds whatever happens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

import msgspec

from accord.domain.event import RunCancelled, RunCompleted, RunFailed
from accord.engine.dispatcher import Dispatcher
from accord.engine.figures import Figures
from accord.engine.lanes import Weigh
from accord.engine.ledger import Ledger
from accord.errors import RateLimited
from accord.ports import Clock

TIMES_FREE: Final = 9
"""How many times what is free a tenant of weight 1 may use: alone, 9 of 10."""

PACE_OVER: Final = timedelta(seconds=10)
"""Over how long it is counted how many runs end."""

WAIT_FIRST_S: Final = 2.0
"""What is told while no run has ended yet."""
WAIT_MAX_S: Final = 30.0


class Bounds(msgspec.Struct, frozen=True):
    """What may be under way at once in this process."""

    runs: int
    waiting: int
    """Tasks that wait for an agent."""


class Admission:
    """Lets runs begin, tenant by tenant; a tenant is who starts them."""

    def __init__(
        self,
        bounds: Bounds,
        weigh: Weigh,
        ledger: Ledger,
        dispatcher: Dispatcher,
        figures: Figures,
        clock: Clock,
    ) -> None:
        self._bounds = bounds
        self._weigh = weigh
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._clock = clock
        self._pace = Pace(figures, clock.now())
        self._beginning: Counter[str] = Counter()
        """Runs that were admitted and are not known to have begun."""

    @contextmanager
    def admitted(self, tenant: str) -> Iterator[None]:
        """A run of this tenant begins inside. Raises RateLimited ACC451, with the time until it is worth a new try."""
        self._admit(tenant)
        self._beginning[tenant] += 1
        try:
            yield
        finally:
            self._beginning[tenant] -= 1
            if not self._beginning[tenant]:
                del self._beginning[tenant]

    def _admit(self, tenant: str) -> None:
        begun, waiting = self._ledger.runs + self._beginning.total(), self._dispatcher.waiting
        theirs = self._ledger.runs_of[tenant] + self._beginning[tenant]
        theirs_waiting = self._dispatcher.waiting_of(tenant)
        over = max(
            self._over(tenant, theirs, self._bounds.runs - begun),
            self._over(tenant, theirs_waiting, self._bounds.waiting - waiting),
        )
        if over <= 0:
            return
        refusal = RateLimited.of(
            "ACC451",
            f"{begun} runs are under way, {theirs} of them yours, "
            f"and {waiting} tasks wait for agents, {theirs_waiting} of them yours",
            hint="wait as Retry-After says, or start more agents",
        )
        refusal.retry_after_s = self._pace.until_ended(over, self._clock.now())
        raise refusal

    def _over(self, tenant: str, used: int, free: int) -> float:
        """By how many a tenant that uses so many is over what it may; 0 and less where it may use one more."""
        return used - TIMES_FREE * self._weigh(tenant) * free + 1 if free > 0 else 1.0 - free + used


class Pace:
    """How fast runs end."""

    def __init__(self, figures: Figures, now: datetime) -> None:
        self._figures = figures
        self._since = now
        self._ended_before = self._ended()
        self._per_second = 0.0

    def until_ended(self, runs: float, now: datetime) -> float:
        """Seconds until so many more have ended, at the pace of the last seconds; 1 to `WAIT_MAX_S`."""
        took = now - self._since
        if took >= PACE_OVER or (took >= PACE_OVER / 10 and not self._per_second):
            ended = self._ended()
            self._per_second = (ended - self._ended_before) / took.total_seconds()
            self._since, self._ended_before = now, ended
        elif took < timedelta():  # the clock was set back
            self._since = now
        wait_s = runs / self._per_second if self._per_second else WAIT_FIRST_S
        return min(max(wait_s, 1.0), WAIT_MAX_S)

    def _ended(self) -> int:
        events = self._figures.events
        return events[RunCompleted] + events[RunFailed] + events[RunCancelled]
