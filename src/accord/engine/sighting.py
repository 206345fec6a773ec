"""Sightings: which instances this process hears, told to every process that shares the store."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from accord.domain.ids import InstanceId
from accord.engine.parts import Parts
from accord.ports import Sighting

TELL_EVERY: Final = timedelta(seconds=5)
"""How often it is told that nothing has changed but the load."""


class Sighted:
    """Tells who is present here: at once when somebody comes or goes, else every few seconds."""

    every = timedelta(seconds=1)

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._told: dict[InstanceId, bool] = {}
        self._told_at: datetime | None = None

    async def go(self) -> None:
        """Tell it, where that is due."""
        now, seen = self._parts.ports.clock.now(), self._seen()
        present = {one.instance: one.draining for one in seen}
        late = self._told_at is None or not timedelta() <= now - self._told_at < TELL_EVERY
        if present != self._told or (present and late):
            await self._tell(seen, now)
            self._told, self._told_at = present, now

    async def leave(self) -> None:
        """Nobody is present here any more."""
        if self._told:
            await self._tell([], self._parts.ports.clock.now())

    async def _tell(self, seen: list[Sighting], now: datetime) -> None:
        await self._parts.ports.journal.report(self._parts.identity.owner, seen, now=now, ttl=4 * TELL_EVERY)

    def _seen(self) -> list[Sighting]:
        return [
            Sighting(
                agent=one.agent,
                instance=name,
                process=self._parts.identity.owner,
                seen_at=one.last_seen,
                concurrency=one.capacity.concurrency,
                queue=one.capacity.queue,
                queued=one.report.queued,
                load=one.report.load,
                draining=one.draining,
                capabilities=tuple(offer.capability for offer in one.card.capabilities),
            )
            for name, one in self._parts.registry.all_instances()
        ]
