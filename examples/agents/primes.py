"""A plain function: it runs in a thread, tells its progress, and stops when its attempt is cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from accord.sdk import Agent, Context

agent = Agent("primes", description="Counts primes.", concurrency=2)


@dataclass
class Primes:
    """How many there are, and the greatest one."""

    count: int
    greatest: int | None


@agent.capability("number.primes@1.0.0", deadline=timedelta(minutes=1))
def primes(below: Annotated[int, Field(ge=0, le=10_000_000)], context: Context) -> Primes:
    """Counts the primes below a number, with the sieve of Eratosthenes."""
    sieve = bytearray([1]) * below
    sieve[:2] = bytes(min(below, 2))
    for number in range(2, int(below**0.5) + 1):
        if sieve[number]:
            context.raise_if_cancelled()
            sieve[number * number :: number] = bytes(len(range(number * number, below, number)))
            context.progress(number * number / below)
    greatest = sieve.rfind(1)
    return Primes(count=sum(sieve), greatest=greatest if greatest >= 0 else None)
