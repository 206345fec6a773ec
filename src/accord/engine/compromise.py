"""A key is compromised: what rests on it, and what is done about that until somebody has looked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from accord.domain import command as c
from accord.domain.ids import KeyId, RunId
from accord.domain.impact import Affected, Impact, Traced, affected, traced
from accord.domain.system import RunCleared, RunDoubted
from accord.engine.controls import Controls
from accord.engine.parts import Parts
from accord.errors import NotFound, TransitionRefused
from accord.ports import RunQuery
from accord.service import KnownKey

PAGE: Final = 200


class Compromise:
    """Finds what rests on a key, and marks it."""

    def __init__(self, parts: Parts, controls: Controls) -> None:
        self._parts = parts
        self._controls = controls

    async def impact(self, kid: KeyId, since: datetime | None) -> Impact:
        """What rests on the key; every run that is kept is read. Raises NotFound, StoreCorrupt."""
        known = await self.known(kid)
        found = affected([one async for one in self._traced(kid, since)])
        await self._parts.control_stream.refresh()
        doubted = tuple(one.run for one in found if one.run in self._parts.doubts)
        return Impact(key=kid, agent=known.agent, since=since, runs=tuple(found), doubted=doubted)

    async def contain(self, kid: KeyId, since: datetime | None, *, by: str, reason: str) -> Impact:
        """Mark every run that rests on the key, and pause those that have not ended."""
        impact = await self.impact(kid, since)
        now, doubts = self._parts.ports.clock.now(), self._parts.doubts
        marks = [RunDoubted(at=now, run=one.run, by=by, reason=reason) for one in impact.runs if one.run not in doubts]
        if marks:
            await self._parts.control_stream.append(*marks)
        for one in impact.runs:
            await self._pause(one, c.Pause(by=by, reason=reason))
        return replace(impact, doubted=tuple(one.run for one in impact.runs))

    async def clear(self, run: RunId, *, by: str, note: str) -> None:
        """Take the mark of a run away. Raises TransitionRefused where it has none."""
        await self._parts.control_stream.refresh()
        if run not in self._parts.doubts:
            raise TransitionRefused.of("ACC365", f"{run} is not in doubt", hint="GET /v1/doubts lists those that are")
        now = self._parts.ports.clock.now()
        await self._parts.control_stream.append(RunCleared(at=now, run=run, by=by, note=note))

    async def _pause(self, one: Affected, pause: c.Pause) -> None:
        if one.ended:
            return
        try:
            await self._controls.control(one.run, pause, once=None)
        except TransitionRefused:
            return  # it is paused, or has ended meanwhile

    async def known(self, kid: KeyId) -> KnownKey:
        """The key. Raises NotFound."""
        await self._parts.refresh_registry()
        known = self._parts.registry.known_key(kid)
        if known is None:
            raise NotFound.of("ACC713", f"no key {kid} is known", hint="accord keys list shows names and ids")
        return known

    async def _traced(self, kid: KeyId, since: datetime | None) -> AsyncIterator[Traced]:
        kids = {kid, *self._parts.registry.delegates_of(kid)}
        after: RunId | None = None
        while page := await self._parts.ports.journal.runs(RunQuery(limit=PAGE, after=after)):
            after = page[-1].run
            for summary in page:
                run, _ = await self._parts.ledger.read(summary.run)
                if run is not None:
                    yield traced(run, kids, since)
