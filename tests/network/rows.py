"""Agents for `accord agent`: one makes rows, too many for a message, and one adds them up. The first time that it has
come half way the maker makes the file `half`, and waits for the file `go-on`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import BaseModel

from accord.sdk import Agent, Stream

TEXT = "x" * 1000


def first_time() -> bool:
    """Whether nobody has come half way before; then somebody has now."""
    try:
        Path("half").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def may_go_on() -> bool:
    """Whether whoever waits for the half has done what they wanted."""
    return Path("go-on").exists()


class Row(BaseModel):
    number: int
    text: str


agent = Agent("rows")


@agent.capability("rows.make@1.0.0")
async def make(count: int) -> AsyncIterator[Row]:
    """So many rows."""
    for number in range(count):
        if number == count // 2 and first_time():
            while not may_go_on():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.02)
        yield Row(number=number, text=TEXT)


@agent.capability("rows.sum@1.0.0")
async def sum_(rows: Stream[Row]) -> int:
    """All their numbers together."""
    return sum([row.number async for row in rows])
