"""Faults: what is done to whom and when, as a seed decides; and how long it took until others had taken over."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random

import msgspec

from accord.domain.shares import RESERVED
from accord.errors import StoreUnavailable
from accord.postgres.address import StoreAddress
from accord.postgres.database import Database
from accord.store.postgres import PostgresJournal

LOOK_EVERY_S = 0.1


class Size(msgspec.Struct, frozen=True):
    """How much there is of everything; times in seconds."""

    instances: int
    """Processes of agents."""
    runs_at_once: int
    lasts_s: float
    """So long something is done to somebody; what is under way then comes to its end in peace."""
    gap_s: float
    """Between one thing that is done and the next one, on average."""
    still_s: tuple[float, ...]
    """How long somebody stands still or is gone; shorter and longer than leases."""
    ends_within_s: float
    """So long a run may take at most, faults or none, or it counts as stuck."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that is done."""

    at_s: float
    kind: str
    victim: int
    lasts_s: float


WEIGHTS = {
    "kill_server": 4, "still_server": 4, "drain_server": 1, "cut_way": 1, "lead_elsewhere": 1,
    "kill_agent": 5, "still_agent": 4, "drain_agent": 1,
    "kill_store": 2, "cut_store": 2, "kill_bus": 2, "still_bus": 2,
}  # fmt: skip


ENDS = {"kill": signal.SIGKILL, "drain": signal.SIGTERM}


def faults(random: Random, size: Size) -> Iterator[Fault]:
    """What is done and when: the same for the same seed."""
    at_s = 0.0
    while (at_s := at_s + random.uniform(0.2, 1.8) * size.gap_s) < size.lasts_s:
        [kind] = random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        yield Fault(at_s, kind, random.randrange(1000), random.choice(size.still_s) * random.uniform(0.5, 1.5))


class Loss(msgspec.Struct, frozen=True):
    """A server that was gone, or stood still."""

    kind: str
    pid: int
    since_s: float
    until_s: float


class Owners:
    """Who owned which partitions, looked at again and again."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, dict[int, int]]] = []
        """When, and how many each process had of those that replicas share: one that is gone keeps what it had, until
        somebody else takes it.
        """
        self.epochs = 0

    async def watch(self, store: StoreAddress) -> None:
        """Look until cancelled; while the store is away, nothing is seen."""
        while True:
            with suppress(StoreUnavailable):
                async with Database.open(store) as database, PostgresJournal.open(database) as journal:
                    await self._look(journal)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self, journal: PostgresJournal) -> None:
        while True:
            owners = await journal.owners()
            shares: dict[int, int] = {}
            for one in owners:
                if one.partition in RESERVED:
                    continue  # nobody takes one over in which nothing is to be done
                pid = int(one.name.split("-")[1])
                shares[pid] = shares.get(pid, 0) + 1
            self.seen.append((now_s(), shares))
            self.epochs = max(self.epochs, sum(one.epoch for one in owners))
            await asyncio.sleep(LOOK_EVERY_S)

    def took_s(self, loss: Loss) -> float | None:
        """How long it took until nothing was its any more; None where it had nothing, or has kept it."""
        before = [shares for at, shares in self.seen if at <= loss.since_s]
        if not before or loss.pid not in before[-1]:
            return None
        after = (at for at, shares in self.seen if loss.since_s < at <= loss.until_s and loss.pid not in shares)
        end_s = next(after, None)
        return None if end_s is None else end_s - loss.since_s


def now_s() -> float:
    """Seconds of a clock that only goes on."""
    return asyncio.get_running_loop().time()


def spread(times: list[float]) -> dict[str, float]:
    """How many there are, what is usual, and the longest."""
    if not times:
        return {"count": 0}
    return {"count": len(times), "median": round(statistics.median(times), 2), "longest": round(max(times), 2)}


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that does nothing, as if its machine were asleep."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
