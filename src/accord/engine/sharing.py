"""Sharing: each replica has its fair share of the partitions. Who has more gives some up, who has less claims what is
free; nobody decides for another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from zlib import crc32

from accord.domain.ids import partition_of
from accord.domain.shares import RESERVED, SHARED, share_of
from accord.engine.orchestrator import Orchestrator
from accord.errors import BusUnavailable
from accord.ports import partition_subject

BUSY_AT_ONCE: Final = 4
"""So many partitions with open runs are given up at a time, and more only when others have them: their runs wait."""


class Sharing:
    """Attends as a replica, and moves its number of partitions towards its share."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self.every = orchestrator.parts.tuning.share_every
        self._orchestrator = orchestrator
        self._parts = orchestrator.parts
        self._name = orchestrator.parts.identity.owner
        self._attended_at: datetime | None = None
        self._patient_until: datetime | None = None
        self._idle_since: dict[int, datetime] = {}
        """Of our reserved partitions that nothing happens in."""

    async def go(self) -> None:
        """Take a step, where one is to be taken."""
        now, journal = self._parts.ports.clock.now(), self._parts.ports.journal
        await self._attend(now)
        replicas = await journal.replicas(now)
        ours = self._parts.partitions.fences
        theirs = {one.partition: one.name for one in await journal.owners() if one.until > now}
        owners = {partition: name for partition, name in theirs.items() if name != self._name}
        owners |= dict.fromkeys(ours, self._name)
        if self._name not in replicas:
            return  # the store was slow to answer: what it says is old
        missing = share_of(self._name, replicas, owners) - sum(partition in SHARED for partition in ours)
        if not self._is_patient(now):
            await self._claim(missing, owners)
        idle = self._idle_for_long(now)
        await self._orchestrator.give_up([*self._to_give(-missing, owners), *idle])

    async def leave(self) -> None:
        """Serve no more."""
        await self._parts.ports.journal.depart(self._name)

    async def _attend(self, now: datetime) -> None:
        """Say that we serve, in good time before it is not believed any more.

        Who was away for so long that it was not has perhaps been away together with the store, and so have all others:
        they get the time to say that they are still there before anything of theirs is claimed.
        """
        ttl, before = self._parts.tuning.partition_ttl, self._attended_at
        if before is not None and timedelta() <= now - before < ttl / 3:
            return
        await self._parts.ports.journal.attend(self._name, now=now, ttl=ttl)
        if before is not None and now - before > ttl:
            self._patient_until = now + ttl / 2
        self._attended_at = now

    def _is_patient(self, now: datetime) -> bool:
        if self._patient_until is not None and now >= self._patient_until:
            self._patient_until = None
        return self._patient_until is not None

    async def _claim(self, missing: int, owners: Mapping[int, str]) -> None:
        """Claim what is missing in our share, first what has open runs; and, whatever our share is, reserved
        partitions in which somebody has left something: open runs, letters, answers of agents.
        """
        free = [one for one in SHARED if one not in owners] if missing > 0 else []
        reserved = [one for one in RESERVED if one not in owners]
        open_ = await self._parts.partitions.open_of([*free, *reserved])
        order = sorted(free, key=lambda one: (one not in open_, self._rank(one)))
        await self._parts.partitions.claim_some(order, max(0, missing))
        told = {letter.partition for letter in await self._parts.ports.journal.letters(reserved)}
        left = [one for one in reserved if one in open_ or one in told or await self._is_answered(one)]
        await self._parts.partitions.claim_some(left)

    async def _is_answered(self, partition: int) -> bool:
        """Whether answers of agents wait for an owner of the partition, as far as the bus can be asked."""
        try:
            return await self._parts.ports.bus.depth(partition_subject(partition)) > 0
        except BusUnavailable:
            return False

    def _rank(self, partition: int) -> int:
        """An order of our own, so that replicas that claim at the same time seldom ask for the same one."""
        return crc32(f"{self._name} {partition}".encode())

    def _to_give(self, surplus: int, owners: Mapping[int, str]) -> Iterator[int]:
        """Which of ours to give up now, because they are beyond our share."""
        ours, runs = self._parts.partitions.fences, self._runs()
        shared = sorted((one for one in ours if one in SHARED), key=lambda one: (runs[one], one))
        idle = [one for one in shared if not runs[one]]
        yield from idle[: max(0, surplus)]
        if all(one in owners for one in SHARED):
            yield from self._busy(shared[len(idle) :], surplus - len(idle))

    def _busy(self, partitions: Sequence[int], surplus: int) -> Sequence[int]:
        """Runs go elsewhere only where their agents' answers do."""
        return partitions[: max(0, min(surplus, BUSY_AT_ONCE))] if self._parts.tuning.shared_bus else ()

    def _idle_for_long(self, now: datetime) -> list[int]:
        """Our reserved partitions whose last run has ended so long ago that all agents know it by now; none while we
        have no others.
        """
        ours, runs = self._parts.partitions.fences, self._runs()
        since = {one: self._idle_since.get(one, now) for one in ours if one in RESERVED and not runs[one]}
        self._idle_since = since
        if since.keys() == ours.keys():
            return []
        return [one for one, at in since.items() if now - at >= self._parts.tuning.lease]

    def _runs(self) -> Counter[int]:
        """How many open runs there are in each of our partitions."""
        ledger = self._parts.ledger
        known = {slot.run.id for slot in ledger.slots()} | ledger.unread
        return Counter(map(partition_of, known))
