"""On PostgreSQL: processes are killed, the server is pulled out, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest

from accord.engine.parts import Point
from accord.postgres.address import StoreAddress
from accord.testing.postgres import PostgresServer

from .test_sigkill import LIVES, Lives, Pause, check


async def test_processes_that_are_killed(tmp_path: Path, store: StoreAddress) -> None:
    """At every named point of a commit, and at any moment."""
    lives = Lives(tmp_path / "home", store)
    rng = random.Random(11)  # noqa: S311 - the same moments every time
    for point in get_args(Point):
        await lives.live(2, point=point, countdown=rng.choice((1, 2, 3, 5, 8)))
    for _ in range(LIVES):
        await lives.live(rng.randint(1, 5), kill_at=rng.randint(1, 25))
    assert lives.ends["killed"] > 0
    assert await lives.live(1) == "done"
    await check(lives)


async def test_two_processes_on_one_store(tmp_path: Path, store: StoreAddress) -> None:
    """One is killed while the other goes on: the runs of both are done in the end, by the one that is left."""
    lives = Lives(tmp_path / "home", store)
    await lives.live(1)
    killed, left = await asyncio.gather(lives.live(4, point="after_append", countdown=6), lives.live(4))
    assert left == "done"
    assert killed in ("killed", "done")
    assert await lives.live(0) == "done"
    await check(lives)


async def test_a_process_that_stands_still_and_wakes_up(tmp_path: Path, store: StoreAddress) -> None:
    """It is stopped, and another one ends its runs; then it goes on, in the belief that they are its own."""
    lives = Lives(tmp_path / "home", store)
    await lives.live(1)
    pause = Pause()
    still = asyncio.create_task(lives.live(6, pause=pause))
    await pause.reached.wait()
    assert await lives.live(2) == "done"
    pause.over.set()
    assert await still == "done"
    assert await lives.live(0) == "done"
    await check(lives)


@asynccontextmanager
async def pulled_out_again_and_again(
    server: PostgresServer, times: int, since: asyncio.Event | None = None
) -> AsyncIterator[asyncio.Event]:
    """The server stops at once and recovers, so many times, `since` this; the event is set when it has."""
    over = asyncio.Event()

    async def pull() -> None:
        if since is not None:
            await since.wait()
        for _ in range(times):
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
        over.set()

    pulling = asyncio.create_task(pull())
    try:
        yield over
    finally:
        await pulling


async def test_a_server_that_is_pulled_out(tmp_path: Path, store: StoreAddress, postgres: PostgresServer) -> None:
    """The process lives on, and so do its runs. While there is no store, nothing is started: who asks is told."""
    lives = Lives(tmp_path / "home", store)
    await lives.live(1)
    lives.all_started.clear()
    async with pulled_out_again_and_again(postgres, 4, lives.all_started):
        end = await lives.live(20)
    assert end == "done"
    await check(lives)


@pytest.mark.parametrize("kill_at", [5, 60])
async def test_both_at_once(tmp_path: Path, store: StoreAddress, postgres: PostgresServer, kill_at: int) -> None:
    lives = Lives(tmp_path / "home", store)
    await lives.live(1)
    async with pulled_out_again_and_again(postgres, 2):
        await lives.live(10, kill_at=kill_at)
    assert await lives.live(2) == "done"
    await check(lives)
