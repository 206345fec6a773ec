"""Readiness: whether the next request would be served, and what is missing where it would not.

ACC958  the server is not ready
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from accord.domain.system import ACCESS
from accord.errors import Overloaded, Problem, StoreError
from accord.ports import Journal

STORE_WITHIN: Final = timedelta(seconds=2)
"""A store that takes longer to tell the head of a stream does not answer."""


class Readiness:
    """What has to be as it should: the gateway is open and not draining, and the store answers."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
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
        try:
            async with asyncio.timeout(STORE_WITHIN.total_seconds()):
                await self._journal.head(ACCESS)
        except TimeoutError:
            yield Problem("ACC958", "the store does not answer", hint="the operator looks after the database")
        except StoreError as error:
            # Its message may name files and hosts, which are nobody's business here; the code is enough to ask for.
            yield Problem(
                "ACC958",
                f"the store does not serve ({error.problems[0].code})",
                hint="the operator looks after the database",
            )
