"""Partitions: the share of all runs that this orchestrator owns, kept by renewing leases; what is lost is left at
once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import product

from accord.domain.ids import PARTITIONS, RunId, partition_of
from accord.errors import StoreUnavailable
from accord.ports import Clock, Fence, Ids, Journal

_DIGITS = "0123456789abcdefghijklmnopqrstuv"

Moved = Callable[[int], Awaitable[None]]


class Partitions:
    """The partitions that are ours. `fences` is shared with the ledger: an append without its fence is impossible."""

    def __init__(self, journal: Journal, clock: Clock, ids: Ids, owner: str, ttl: timedelta) -> None:
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._owner = owner
        self._ttl = ttl
        self.fences: dict[int, Fence] = {}
        self.gained: Moved | None = None
        self.lost: Moved | None = None

    async def claim(self, partition: int | None = None) -> int | None:
        """Become the owner of a partition, of any free one where None; None where somebody else owns it."""
        if partition is not None and partition in self.fences:
            return partition
        fence = await self._journal.claim(self._owner, partition=partition, now=self._clock.now(), ttl=self._ttl)
        if fence is None:
            return None
        self.fences[fence.partition] = fence
        if self.gained is not None:
            await self.gained(fence.partition)
        return fence.partition

    async def claim_all(self) -> None:
        """Become the owner of every partition that is free."""
        for partition in range(PARTITIONS):
            await self.claim(partition)

    async def check(self) -> None:
        """Renew what is ours, and leave what is not any more. While the store is away nothing can be written anyway."""
        try:
            kept = await self._journal.renew(list(self.fences.values()), now=self._clock.now(), ttl=self._ttl)
        except StoreUnavailable:
            return
        for partition in set(self.fences) - {fence.partition for fence in kept}:
            del self.fences[partition]
            if self.lost is not None:
                await self.lost(partition)

    async def release(self) -> None:
        """Give everything back, so that others need not wait for the leases to run out."""
        fences = list(self.fences.values())
        self.fences.clear()
        await self._journal.release(fences)

    def new_run(self) -> RunId:
        """The id for a new run in one of our partitions."""
        token = self._ids.token()
        while True:
            for end in product(_DIGITS, repeat=3):
                run = RunId(f"run_{token[:-3]}{''.join(end)}")
                if partition_of(run) in self.fences:
                    return run
            token = self._ids.token()
