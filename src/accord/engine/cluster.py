"""The cluster as this process sees it: from the store, the bus, and what it has itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from accord.domain.cluster import Cluster, Member, PartitionStanding
from accord.domain.ids import PARTITIONS
from accord.domain.shares import RESERVED
from accord.engine.parts import Parts
from accord.errors import BusUnavailable
from accord.ports import Bus, Owner, partition_subject
from accord.release import release

BUS_WITHIN_S: Final = 1.0
"""A bus that takes longer to tell its depths is not waited for."""


async def cluster_seen(parts: Parts) -> Cluster:
    """Who works on the store now. Raises StoreError; a bus that does not answer is left out."""
    now, journal = parts.ports.clock.now(), parts.ports.journal
    replicas, owners = await journal.replicas(now), await journal.owners()
    known = {one.partition: one for one in owners}
    held = {one.partition: one for one in owners if one.until > now}
    queued = await depths(parts.ports.bus, range(PARTITIONS))
    return Cluster(
        at=now,
        organisation=parts.identity.organisation,
        release=release(),
        store=parts.identity.store,
        bus=parts.identity.bus,
        members=tuple(_members(replicas, held.values(), parts.identity.owner)),
        partitions=tuple(_standing(one, known.get(one), held.get(one), queued) for one in range(PARTITIONS)),
        runs=sum(1 for _ in parts.ledger.slots()),
        waiting=parts.dispatcher.waiting,
    )


async def depths(bus: Bus, partitions: Iterable[int]) -> dict[int, int]:
    """How many messages wait for the owner of each of these partitions; nothing where the bus does not tell soon."""
    asked = list(partitions)
    with suppress(BusUnavailable, TimeoutError):
        async with asyncio.timeout(BUS_WITHIN_S):
            counts = await asyncio.gather(*(bus.depth(partition_subject(one)) for one in asked))
            return dict(zip(asked, counts, strict=True))
    return {}


def _members(replicas: Sequence[str], held: Iterable[Owner], here: str) -> list[Member]:
    owned = Counter(one.name for one in held)
    return [
        Member(name=name, serves=name in replicas, here=name == here, partitions=owned[name])
        for name in sorted({*replicas, *owned, here})
    ]


def _standing(partition: int, known: Owner | None, held: Owner | None, queued: Mapping[int, int]) -> PartitionStanding:
    return PartitionStanding(
        partition=partition,
        reserved=partition in RESERVED,
        owner=held.name if held is not None else None,
        epoch=known.epoch if known is not None else 0,
        until=held.until if held is not None else None,
        queued=queued.get(partition),
    )
