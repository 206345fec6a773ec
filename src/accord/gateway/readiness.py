"""Readiness: whether the next request would be served, and what is missing where it would not.

ACC958  the server is not ready
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Final

from accord.domain.system import ACCESS
from accord.errors import BusUnavailable, Overloaded, Problem, StoreError
from accord.ports import Bus, Journal, partition_subject

ANSWERS_WITHIN: Final = timedelta(seconds=2)
"""A store that takes longer to tell the head of a stream does not answer, nor does a bus to tell a depth."""


class Readiness:
    """What has to be as it should: the gateway is open and not draining, and store and bus answer."""

    def __init__(self, journal: Journal, bus: Bus) -> None:
        self._journal = journal
        self._bus = bus
        self.open = False
        """Whether everything that the gateway runs has started."""
        self.draining = asyncio.Event()
        """Set once the server is told to stop: whatever streams ends, whoever is connected goes elsewhere."""

    async def check(self) -> None:
        """Nothing where all is ready. Raises Overloaded with everything that is not."""
        Overloaded.raise_if([problem async for problem in self._missing()])

    async def _missing(self) -> AsyncIterator[Problem]:
        if self.draining.is_set():
            yield Problem("ACC958", "the server is draining: it stops soon", hint="ask another one, or try again later")
        elif not self.open:
            yield Problem("ACC958", "the server is starting", hint="try again soon")
        for problem in await asyncio.gather(self._of_store(), self._of_bus()):
            if problem is not None:
                yield problem

    async def _of_store(self) -> Problem | None:
        hint = "the operator looks after the database"
        return await _why_not("store", self._journal.head(ACCESS), hint)

    async def _of_bus(self) -> Problem | None:
        hint = "the operator looks after the bus"
        return await _why_not("bus", self._bus.depth(partition_subject(0)), hint)


async def _why_not(what: str, asked: Awaitable[object], hint: str) -> Problem | None:
    """Why it does not serve, None where it answers what it is asked."""
    try:
        async with asyncio.timeout(ANSWERS_WITHIN.total_seconds()):
            await asked
    except TimeoutError:
        return Problem("ACC958", f"the {what} does not answer", hint=hint)
    except (StoreError, BusUnavailable) as error:
        # Its message may name files and hosts, which are nobody's business here; the code is enough to ask for.
        return Problem("ACC958", f"the {what} does not serve ({error.problems[0].code})", hint=hint)
    return None
