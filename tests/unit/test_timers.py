"""Timers: what wakes whom, on a clock that only the test moves."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

from accord.domain.ids import RunId
from accord.engine.timers import Timers
from accord.testing.stage import SetClock

RUN = RunId("run_one")
SOON = 60.0


class Woken:
    """Timers at work, and what they have woken."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.due = None
        self.timers = Timers(self.clock, lambda: self.due)
        self.runs: asyncio.Queue[RunId] = asyncio.Queue()
        self.kicked = asyncio.Event()

    async def run(self) -> RunId:
        async with asyncio.timeout(SOON):
            return await self.runs.get()


@asynccontextmanager
async def working():
    woken = Woken()
    task = asyncio.create_task(woken.timers.run(woken.runs.put_nowait, woken.kicked.set))
    await asyncio.sleep(0)  # it waits now
    try:
        yield woken
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_run_that_is_due_is_woken():
    async with working() as woken:
        woken.timers.set(RUN, woken.clock.now())
        assert await woken.run() == RUN


async def test_a_back_off_that_is_over_kicks_the_dispatcher():
    async with working() as woken:
        woken.due = woken.clock.now()
        woken.timers.poke()
        async with asyncio.timeout(SOON):
            await woken.kicked.wait()


async def test_a_poke_without_news_wakes_nobody():
    """While nothing is due earlier than what is waited for, the loop that waits is left alone."""
    async with working() as woken:
        looked = 0

        def next_due():
            nonlocal looked
            looked += 1
            return woken.due

        woken.timers._next_due = next_due
        woken.due = woken.clock.now() + timedelta(hours=1)
        for due in (None, woken.due):
            woken.due = due
            woken.timers.poke()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert looked == 2, "only the pokes have looked"
        assert not woken.kicked.is_set()
