"""The simulation itself: it repeats exactly, tells of deadlocks, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys

import pytest

from accord.testing.simulation import Deadlock, LeftOver, SimulatedLoop, run_simulated
from accord.testing.storms import storm
from accord.testing.world import World, simulated

PROGRAM = """
import logging
from accord.testing.storms import storm
from accord.testing.world import simulated
logging.disable(logging.CRITICAL)
print(*(simulated(seed, storm) for seed in (3, 11)))
"""


def _rng() -> random.Random:
    return random.Random(1)  # noqa: S311 - a simulation, not a secret


def _fingerprints(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_same_seed_gives_the_same_history_whatever_the_hashes_are() -> None:
    first, second = _fingerprints("1"), _fingerprints("2")
    assert first == second
    assert len(set(first.split())) == 2


def test_the_same_seed_gives_the_same_history_after_others() -> None:
    before = simulated(5, storm)
    simulated(6, storm)
    assert simulated(5, storm) == before


def test_another_seed_gives_another_history() -> None:
    assert simulated(5, storm) != simulated(6, storm)


def test_a_deadlock_names_who_waits_and_where() -> None:
    async def waits_for_ever(loop: SimulatedLoop) -> None:
        never = asyncio.create_task(asyncio.Event().wait(), name="the one who waits")
        await never

    with pytest.raises(Deadlock, match=r"the one who waits at .*locks\.py"):
        run_simulated(_rng(), waits_for_ever)


def test_waiting_for_ever_by_polling_is_a_deadlock_too() -> None:
    async def polls(loop: SimulatedLoop) -> None:
        while loop.time() >= 0:  # noqa: ASYNC110 - that is what is tested
            await asyncio.sleep(3600)

    with pytest.raises(Deadlock, match="30 simulated days"):
        run_simulated(_rng(), polls)


def test_tasks_that_are_left_are_told() -> None:
    async def leaves_one(loop: SimulatedLoop) -> asyncio.Task[None]:
        return asyncio.create_task(asyncio.sleep(10), name="the one who stays")

    with pytest.raises(LeftOver, match="the one who stays"):
        run_simulated(_rng(), leaves_one)


def test_exceptions_that_nobody_takes_notice_of_are_told() -> None:
    async def breaks(loop: SimulatedLoop) -> None:
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(LeftOver, match="ZeroDivisionError"):
        run_simulated(_rng(), breaks)


def test_time_passes_only_in_the_simulation() -> None:
    async def sleeps(loop: SimulatedLoop) -> float:
        await asyncio.sleep(86_400)
        return loop.time()

    assert run_simulated(_rng(), sleeps) == pytest.approx(86_400)


def test_a_world_closes_cleanly_with_everybody_in_it() -> None:
    async def opens(world: World) -> int:
        for name in ("main", "second"):
            await world.start(name)
        return len(world.hosts)

    assert simulated(1, opens) == 2
