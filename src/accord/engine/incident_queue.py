"""The queue of incidents: folded from `sys:incidents` when somebody asks for it, without the evidence.

ACC362  the note of a resolved incident says nothing
ACC363  the incident is resolved already
ACC364  there is no such incident
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from accord.codec import decode_system_event, follow
from accord.domain.incident import ALL, Filed, Sought, Standing, named, standing, stepped
from accord.domain.system import INCIDENTS, Incident, IncidentAcknowledged, IncidentResolved, SystemEvent
from accord.errors import NotFound, TransitionRefused
from accord.ports import Head, Journal, Record

PAGE = 500
"""Events that are read at a time: their evidence is much longer than what is remembered of them."""


class IncidentQueue:
    """What has become of each incident that is kept. Whoever asks makes it follow the stream first."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._head = Head()
        self._standings: dict[int, Standing] = {}
        """By number, in order."""
        self._turn = asyncio.Lock()

    async def follow(self) -> None:
        """Take over what was appended, and forget what was trimmed. Raises StoreCorrupt, StoreUnavailable."""
        async with self._turn:
            floor = await self._journal.floor(INCIDENTS)
            if floor.sequence > self._head.sequence:
                self._head = floor
            while records := await self._journal.read(INCIDENTS, after=self._head.sequence, limit=PAGE):
                self._head = follow(records, self._head)
                for record in records:
                    self._take(record)
            for number in list(self._standings):
                if number > floor.sequence:
                    break
                del self._standings[number]

    def _take(self, record: Record) -> None:
        event = decode_system_event(record)
        if isinstance(event, Incident):
            self._standings[record.sequence] = standing(record.sequence, named(event))
        elif isinstance(event, IncidentAcknowledged | IncidentResolved) and event.incident in self._standings:
            self._standings[event.incident] = stepped(self._standings[event.incident], event)

    def standings(self) -> Iterable[Standing]:
        """All of them, the oldest first, as of the last `follow`."""
        return self._standings.values()

    async def page(self, limit: int, *, before: int | None = None, sought: Sought = ALL) -> list[Filed]:
        """The newest of those that are sought, newest first; of those before a number, where one is given."""
        await self.follow()
        wanted = (
            one
            for one in reversed(self._standings.values())
            if (before is None or one.number < before) and sought.admits(one)
        )
        return await self._with_evidence(list(islice(wanted, limit)))

    async def find(self, number: int) -> Filed:
        """The incident of this number. Raises NotFound."""
        await self.follow()
        return (await self._with_evidence([self._known(number)]))[0]

    async def open(self, number: int) -> Standing:
        """The incident of this number, where there is something to be done. Raises NotFound, TransitionRefused."""
        await self.follow()
        known = self._known(number)
        if known.state == "resolved":
            last = known.steps[-1]
            text = f"incident {number} was resolved by {last.by}: {last.note}"
            raise TransitionRefused.of("ACC363", text, hint=f"accord incidents show {number}")
        return known

    def _known(self, number: int) -> Standing:
        if number not in self._standings:
            raise NotFound.of("ACC364", f"there is no incident {number}", hint="accord incidents list shows them")
        return self._standings[number]

    async def _with_evidence(self, found: Sequence[Standing]) -> list[Filed]:
        """These, newest first, with their events. One that has been trimmed meanwhile is left out."""
        events: dict[int, SystemEvent] = {}
        for first, count in _stretches([one.number for one in found]):
            for record in await self._journal.read(INCIDENTS, after=first - 1, limit=count):
                events[record.sequence] = decode_system_event(record)
        return [
            Filed(number=one.number, event=named(event), severity=one.severity, state=one.state, steps=one.steps)
            for one in found
            if isinstance(event := events.get(one.number), Incident)
        ]


def _stretches(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """These numbers, which fall, as first numbers and lengths of what stands together."""
    begin = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] - 1:
            yield numbers[place - 1], place - begin
            begin = place
