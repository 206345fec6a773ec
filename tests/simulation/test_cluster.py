"""The cluster as any of its processes sees it: who serves, who owns what, and what waits for whom."""

from __future__ import annotations

import asyncio

import msgspec

from accord.bus.memory import MemoryBus
from accord.domain.ids import PARTITIONS
from accord.domain.message import Message
from accord.domain.shares import SHARED
from accord.engine.cluster import depths
from accord.errors import BusUnavailable
from accord.ports import Parcel, partition_subject
from accord.testing.world import World, simulated

CALM_S = 20


def test_every_replica_sees_all_members_and_partitions() -> None:
    async def scene(world: World) -> None:
        world.tuning = msgspec.structs.replace(world.tuning, serves=True, shared_bus=True)
        for name in ("a", "b"):
            await world.start(name, claims=False)
        await asyncio.sleep(CALM_S)
        seen = {name: await world.hosts[name].node.cluster() for name in ("a", "b")}
        owners = {name: world.hosts[name].parts.identity.owner for name in ("a", "b")}
        for name, cluster in seen.items():
            assert {one.name: one.partitions for one in cluster.members} == dict.fromkeys(owners.values(), 24)
            assert [one.name for one in cluster.members if one.here] == [owners[name]]
            assert all(one.serves for one in cluster.members)
            assert [one.partition for one in cluster.partitions] == list(range(PARTITIONS))
            assert {one.partition for one in cluster.partitions if one.owner} == set(SHARED)
            assert {one.partition for one in cluster.partitions if one.reserved} == set(range(PARTITIONS)) - set(SHARED)
        await world.crash("b")
        await asyncio.sleep(CALM_S)
        (left,) = (await world.hosts["a"].node.cluster()).members
        assert (left.name, left.partitions) == (owners["a"], len(SHARED))

    simulated(1, scene)


async def test_what_waits_on_the_bus_is_counted_by_partition_and_a_bus_that_is_away_is_left_out() -> None:
    class Away(MemoryBus):
        async def depth(self, subject: str) -> int:
            raise BusUnavailable.of("ACC741", "the bus is away")

    async with MemoryBus() as bus, Away() as away:
        await bus.publish([Parcel(partition_subject(3), Message(f"{number}", b"")) for number in range(2)])
        assert await depths(bus, (3, 4)) == {3: 2, 4: 0}
        assert await depths(away, (3, 4)) == {}
