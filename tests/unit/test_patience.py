"""Patience: one timer for all attempts that may take too long to be silent about."""

import asyncio
from datetime import timedelta
from typing import Any

from accord.sdk.attempt import Patience


class Told:
    """An attempt, as far as patience knows it."""

    def __init__(self, *, closed: bool = False) -> None:
        self.closed = closed


class Steps:
    """Takes the attempts that patience has an end with."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[Any] = asyncio.Queue()
        self.patience = Patience(timedelta(milliseconds=1), self.taken.put_nowait)

    async def next(self) -> Any:
        async with asyncio.timeout(60):
            return await self.taken.get()


async def test_open_attempts_are_told_of_in_order() -> None:
    steps = Steps()
    attempts: list[Any] = [Told(), Told(), Told()]
    for attempt in attempts:
        steps.patience.add(attempt)
    assert [await steps.next() for _ in attempts] == attempts


async def test_closed_attempts_are_not_told_of() -> None:
    steps = Steps()
    ended, still_open = Told(), Told()
    for attempt in (ended, still_open, Told(closed=True)):
        steps.patience.add(attempt)  # type: ignore[arg-type]  # all that patience asks an attempt for
    ended.closed = True
    assert await steps.next() is still_open
    assert steps.taken.empty()


async def test_who_comes_when_nobody_waits_any_more_is_told_of_too() -> None:
    steps = Steps()
    for attempt in (Told(), Told()):
        steps.patience.add(attempt)  # type: ignore[arg-type]  # as before
        assert await steps.next() is attempt
