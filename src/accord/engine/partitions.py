"""Partitions: the share of all runs that this orchestrator owns, kept by renewing leases; what is lost is left at
once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta

from accord.domain.ids import PARTITIONS, RunId, run_within
from accord.domain.shares import SHARED
from accord.errors import StoreUnavailable
from accord.ports import Clock, Fence, Ids, Journal

Gained = Callable[[Sequence[Fence]], Awaitable[None]]
Lost = Callable[[int], Awaitable[None]]


class Partitions:
    """The partitions that are ours. `fences` is shared with the ledger: an append without its fence is impossible."""

    def __init__(self, journal: Journal, clock: Clock, ids: Ids, owner: str, ttl: timedelta) -> None:
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._owner = owner
        self._ttl = ttl
        self.fences: dict[int, Fence] = {}
        self.gained: Gained | None = None
        """Takes over new partitions: puts their fences into `fences` as soon as it knows their runs."""
        self.lost: Lost | None = None
        self._until: dict[int, datetime] = {}
        self._moving = asyncio.Lock()
        self._dropped: set[int] = set()
        self.gains = 0
        """Partitions that came to be ours since this process started; the same one again counts again."""
        self.losses = 0
        """Those that were lost or given up."""

    async def claim(self, partition: int | None = None) -> int | None:
        """Become the owner of a partition, of any free one where None; None where somebody else owns it."""
        async with self._moving:
            if partition is not None and partition in self.fences:
                return partition
            fence = await self._claimed(partition)
            if fence is None:
                return None
            await self._take_over([fence])
            return fence.partition

    async def claim_idle(self) -> int | None:
        """Become the owner of a free partition, rather of one without open runs, and rather of one that replicas do not
        share; None where all are owned.

        A process that wants to start something new should not have to carry on what another one has left.
        """
        open_ = await self.open_of(range(PARTITIONS))
        first = int(self._ids.uniform() * PARTITIONS)
        order = [(first + offset) % PARTITIONS for offset in range(PARTITIONS)]
        for partition in sorted(order, key=lambda one: (one in open_, one in SHARED)):
            if await self.claim(partition) is not None:
                return partition
        return None

    async def claim_all(self) -> None:
        """Become the owner of every partition that is free."""
        await self.claim_some(range(PARTITIONS))

    async def claim_some(self, partitions: Iterable[int], most: int = PARTITIONS) -> None:
        """Become the owner of these partitions as far as they are free, in this order, of so many at most. Their runs
        are taken over together, so that nothing new is assigned before it is known what agents hold already.
        """
        async with self._moving:
            claimed: list[Fence] = []
            for partition in partitions:
                if len(claimed) >= most:
                    break
                fence = await self._claimed(partition) if partition not in self.fences else None
                if fence is not None:
                    claimed.append(fence)
            await self._take_over(claimed)

    async def open_of(self, partitions: Sequence[int]) -> set[int]:
        """Those of these partitions that have open runs. Of many runs those that are longest overdue are looked at:
        they are the ones that nobody owns.
        """
        if not partitions:
            return set()
        far = self._clock.now() + timedelta(days=36_500)
        return {summary.partition for summary in await self._journal.overdue(far, partitions=partitions)}

    async def give_up(self, partitions: Iterable[int]) -> None:
        """Own these no more, for others to claim them at once; whoever calls sees to it that nothing is being written.

        Raises StoreUnavailable: they are left all the same, and free when their leases have run out.
        """
        async with self._moving:
            given = [self.fences.pop(one) for one in partitions if one in self.fences]
            self.losses += len(given)
            for fence in given:
                if self.lost is not None:
                    await self.lost(fence.partition)
            if given:
                await self._journal.release(given)

    async def shut_out(self, partition: int) -> None:
        """End the lease of an owner whose time has run out: it can append nothing any more, and nobody owns it now."""
        if partition in self.fences:
            return
        fence = await self._journal.claim(self._owner, partition=partition, now=self._clock.now(), ttl=self._ttl)
        if fence is not None:
            await self._journal.release([fence])

    def surely_ours(self, partition: int) -> bool:
        """Whether nobody else can have become the owner yet: our lease has not run out."""
        until = self._until.get(partition)
        return partition in self.fences and until is not None and self._clock.now() < until

    async def _claimed(self, partition: int | None) -> Fence | None:
        now = self._clock.now()
        fence = await self._journal.claim(self._owner, partition=partition, now=now, ttl=self._ttl)
        if fence is not None:
            self._until[fence.partition] = now + self._ttl
        return fence

    async def _take_over(self, fences: Sequence[Fence]) -> None:
        if self.gained is not None and fences:
            await self.gained(fences)
        self.fences.update({fence.partition: fence for fence in fences})
        self.gains += len(fences)

    async def check(self) -> None:
        """Renew what is ours, and leave what is not any more. While the store is away nothing can be written anyway."""
        async with self._moving:
            ours, now = list(self.fences.values()), self._clock.now()
            try:
                kept = await self._journal.renew(ours, now=now, ttl=self._ttl)
            except StoreUnavailable:
                return
            self._until.update({fence.partition: now + self._ttl for fence in kept})
            for partition in sorted({fence.partition for fence in ours} - {fence.partition for fence in kept}):
                del self.fences[partition]
                self._dropped.add(partition)
                self.losses += 1
                if self.lost is not None:
                    await self.lost(partition)

    async def claim_dropped(self) -> None:
        """Become the owner again of what was lost while this process stood still, unless somebody else is by now."""
        async with self._moving:
            dropped, self._dropped = sorted(self._dropped - self.fences.keys()), set()
            claimed = [await self._claimed(one) for one in dropped]
            await self._take_over([fence for fence in claimed if fence is not None])

    async def release(self) -> None:
        """Give everything back, so that others need not wait for the leases to run out."""
        fences = list(self.fences.values())
        self.fences.clear()
        await self._journal.release(fences)

    def new_run(self) -> RunId:
        """The id for a new run in one of our partitions, in one that replicas share if we have any: the others are to
        become idle.
        """
        within = self.fences.keys() & set(SHARED) or self.fences
        while True:
            run = run_within(within, self._ids.token())
            if run is not None:
                return run
