"""Replicas share the partitions: whoever joins, leaves, crashes or stands still, they come out even and then stay."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest

from accord.domain.shares import SHARED
from accord.testing.world import World, simulated

SEEDS = 12
CALM_S = 20
"""In so much simulated time everything comes out even: a lease runs out, and some rounds."""


def serving(world: World) -> None:
    """Whoever starts from now on is a replica."""
    world.tuning = msgspec.structs.replace(world.tuning, serves=True, shared_bus=True)


async def owned(world: World) -> dict[int, tuple[str, int]]:
    """Who owns which partition, under which epoch."""
    now = world.clock.now()
    return {one.partition: (one.name, one.epoch) for one in await world.disk.owners() if one.until > now}


async def even(world: World) -> dict[int, tuple[str, int]]:
    """Who owns what once it has come out even; it must stay as it is."""
    await asyncio.sleep(CALM_S)
    before = await owned(world)
    counts = Counter(name for name, _ in before.values())
    running = {host.parts.identity.owner for host in world.hosts.values()}
    assert set(before) == set(SHARED)
    assert counts.keys() == running
    assert max(counts.values()) - min(counts.values()) <= 1
    await asyncio.sleep(CALM_S)
    assert await owned(world) == before, "nothing moves once it is even"
    return before


def test_who_joins_gets_its_share_and_no_more_than_that_moves() -> None:
    async def scene(world: World) -> None:
        serving(world)
        for number in range(1, 6):
            before = await owned(world)
            await world.start(f"r{number}", claims=False)
            after = await even(world)
            moved = [partition for partition in SHARED if before.get(partition) not in (None, after[partition])]
            assert len(moved) <= len(SHARED) // number

    simulated(1, scene)


@pytest.mark.parametrize("crashes", [False, True])
def test_who_leaves_is_followed_by_the_others_and_nothing_else_moves(crashes: bool) -> None:
    async def scene(world: World) -> None:
        serving(world)
        for name in ("a", "b", "c"):
            await world.start(name, claims=False)
        before = await even(world)
        gone = world.hosts["b"].parts.identity.owner
        await (world.crash("b") if crashes else world.stop("b"))
        after = await even(world)
        assert all(after[one] == before[one] for one in SHARED if before[one][0] != gone)

    simulated(2, scene)


def test_a_store_that_was_away_shuffles_nothing() -> None:
    """All leases have run out: whoever is back first leaves the others the time to say that they are still there."""

    async def scene(world: World) -> None:
        serving(world)
        for name in ("a", "b", "c"):
            await world.start(name, claims=False)
            await asyncio.sleep(0.3)  # so that their rounds are not the same
        before = await even(world)
        world.weather.refuse_other = 1.0
        await asyncio.sleep(30)
        world.weather.refuse_other = 0.0
        assert {name: who for name, (who, _) in (await even(world)).items()} == {
            name: who for name, (who, _) in before.items()
        }

    simulated(3, scene)


def test_what_others_than_replicas_own_is_left_to_them() -> None:
    async def scene(world: World) -> None:
        command = await world.start("command", claims=False)
        await command.parts.partitions.claim(5)
        serving(world)
        for name in ("a", "b"):
            await world.start(name, claims=False)
        await asyncio.sleep(CALM_S)
        counts = Counter(name for name, _ in (await owned(world)).values())
        assert sorted(counts.values()) == [1, 23, 24]
        await world.stop("command")
        await even(world)

    simulated(4, scene)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_it_comes_out_even(seed: int) -> None:
    async def scene(world: World) -> None:
        serving(world)
        world.weather.refuse_other = world.rng.choice((0, 0.1))
        for number in range(20):
            act = world.rng.choice(("join", "join", "leave", "crash", "freeze", "wait"))
            name = world.rng.choice(sorted(world.hosts)) if world.hosts else ""
            if act == "join" and len(world.hosts) < 7:
                await world.start(f"r{number}", claims=False)
            elif act == "leave" and name:
                await world.stop(name)
            elif act == "crash" and name:
                await world.crash(name)
            elif act == "freeze" and name:
                world.hosts[name].freeze()
                await asyncio.sleep(world.rng.random() * 12)
                world.hosts[name].thaw()
            await asyncio.sleep(world.rng.random() * 4)
        await world.start("last", claims=False)
        world.weather.clear_up()
        await even(world)

    simulated(seed, scene)
