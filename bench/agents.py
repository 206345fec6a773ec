"""The agents of the bench: they do as little as agents can."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from pydantic import BaseModel
from typing_extensions import TypedDict

from accord.sdk import Agent, Stream


class Hop(TypedDict):
    """What every task of a chain takes and gives."""

    n: int
    text: str


class Row(BaseModel):
    """An item of a large array."""

    number: int
    text: str


async def hop(n: int, text: str) -> Hop:
    """The least that an agent can do."""
    return {"n": n + 1, "text": text}


async def items(count: int) -> list[int]:
    """The items of a fan."""
    return list(range(count))


async def total(numbers: list[int]) -> int:
    """The end of a fan."""
    return len(numbers)


async def stamp(n: int) -> int:
    """When the assignment has come: nanoseconds of the clock that all processes of a machine share."""
    return time.perf_counter_ns()


async def rows(count: int, text: str) -> AsyncIterator[Row]:
    """An array of so many rows."""
    for number in range(count):
        yield Row(number=number, text=text)


async def read(rows: Stream[Row]) -> int:
    """The sum of the numbers of an array of any size."""
    found = 0
    async for row in rows:
        found += row.number
    return found


def worker(name: str = "bench") -> Agent:
    """Does all that chains, fans and graphs want, as much at once as it is given."""
    agent = Agent(name, concurrency=2_000, queue=20_000)
    for ref, body in (("bench.hop", hop), ("bench.items", items), ("bench.total", total), ("bench.stamp", stamp)):
        agent.capability(f"{ref}@1.0.0", description=body.__doc__)(body)
    return agent


def hopper(name: str) -> Agent:
    """One of many: does two hops at a time."""
    agent = Agent(name, concurrency=2, queue=10)
    agent.capability("bench.hop@1.0.0", description=hop.__doc__)(hop)
    return agent


def maker(name: str = "maker") -> Agent:
    """Makes large arrays."""
    agent = Agent(name, concurrency=1)
    agent.capability("bench.rows@1.0.0", description=rows.__doc__)(rows)
    return agent


def reader(name: str = "reader") -> Agent:
    """Reads large arrays."""
    agent = Agent(name, concurrency=1)
    agent.capability("bench.read@1.0.0", description=read.__doc__)(read)
    return agent
