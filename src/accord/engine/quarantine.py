"""Quarantine: an agent whose doing too many incidents are gets nothing more, until somebody lifts its hold."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol

from accord.domain.ids import AgentId, Digest
from accord.domain.incident import Standing
from accord.engine.parts import Parts
from accord.errors import AccordError

logger = logging.getLogger("accord.quarantine")

BY: Final = "accord"

RETRY: Final = timedelta(seconds=5)
"""After the store was away."""


class Hold(Protocol):
    """Quarantines an agent."""

    async def __call__(self, agent: AgentId, *, by: str, reason: str) -> None:
        """Assign nothing to it any more."""
        ...


class Quarantine:
    """Looks at the queue whenever something in it can be blamed on an agent."""

    def __init__(self, parts: Parts, hold: Hold) -> None:
        self._parts = parts
        self._hold = hold

    async def watch(self) -> None:
        """Look after every incident that somebody is to blame for, for ever."""
        blamed = self._parts.incidents.blamed
        while True:
            await blamed.wait()
            blamed.clear()
            try:
                await self.look()
            except AccordError as error:
                logger.warning("whether an agent is to be quarantined is looked at again: %s", error)
                await asyncio.sleep(RETRY.total_seconds())
                blamed.set()
            except Exception:
                logger.exception("quarantine failed because of a fault of Accord's")

    async def look(self) -> None:
        """Quarantine who has too many incidents. What came before its hold was last lifted counts no more."""
        most, within = self._parts.tuning.quarantine_after, self._parts.tuning.quarantine_within
        if not most:
            return
        queue, holds = self._parts.incidents.queue, self._parts.holds
        await asyncio.gather(queue.follow(), self._parts.control_stream.refresh())
        since = self._parts.ports.clock.now() - within
        for agent, count in doings(queue.standings(), since, holds.lifted_at).items():
            if count >= most and agent not in holds.quarantined:
                seconds = f"{within.total_seconds():g}"
                why = f"{count} incidents within {seconds} s are its doing, {most} are too many"
                await self._hold(agent, by=BY, reason=why)


def doings(
    standings: Iterable[Standing], since: datetime, lifted_at: Callable[[AgentId], datetime | None]
) -> dict[AgentId, int]:
    """By agent: for how many different statements it is to be blamed, of those since a time and since it was last let
    go.
    """
    found: defaultdict[AgentId, set[Digest]] = defaultdict(set)
    for one in standings:
        if one.blamed is None or one.statement is None or one.at < since:
            continue
        lifted = lifted_at(one.blamed)
        if lifted is None or one.at > lifted:
            found[one.blamed].add(one.statement)
    return {agent: len(statements) for agent, statements in found.items()}
