"""Presence: the running instances of agents, each with its own card and its own heartbeats, and the room they have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from accord.domain.agent import AgentCard, Capacity
from accord.domain.ids import AgentId, Digest, KeyId


class Report(msgspec.Struct, frozen=True):
    """What an instance says of its work in a heartbeat."""

    queued: int
    """Attempts that wait for a free place, whoever has assigned them."""
    load: float
    """What it holds, as a share of all that it takes: 0 to 1."""
    others: int
    """Places that are taken by what others have assigned, or by what is no attempt."""
    until: datetime
    """From then on it is not believed any more."""


FOR_EVER = datetime.max.replace(tzinfo=UTC)
NOTHING = Report(0, 0.0, 0, datetime.min.replace(tzinfo=UTC))
"""Of an instance that has sent no heartbeat yet."""


class Presence(msgspec.Struct):
    """A running instance of an agent: what its card offers, and its last heartbeat."""

    card: AgentCard
    offers: frozenset[Digest]
    """The contracts on its card."""
    last_seen: datetime
    report: Report = NOTHING
    draining: bool = False
    trusts: frozenset[KeyId] = frozenset()
    """Delegated keys of orchestrators that it knows of."""

    @property
    def agent(self) -> AgentId:
        """Whose instance it is."""
        return self.card.agent

    @property
    def capacity(self) -> Capacity:
        """What it takes at a time."""
        return self.card.capacity

    @property
    def keys(self) -> tuple[KeyId, ...]:
        """With which it may sign."""
        return tuple(key.kid for key in self.card.public_keys)

    def tells(self, now: datetime) -> bool:
        """Whether its last report says anything that matters and is still believed."""
        return bool(self.report.queued or self.report.others) and self.report.until > now

    def is_over_mark(self, now: datetime) -> bool:
        """Whether it says that more waits in it than is to: it gets nothing until that has receded."""
        return self.report.queued > self.capacity.mark and self.report.until > now


class Room(msgspec.Struct, gc=False):
    """What some instances can take together, without those that are over their high-water mark."""

    concurrency: int = 0
    places: int = 0
    """Concurrency, and queues up to their marks."""
    others: int = 0
    """Places of these that others have taken."""
    queued: int = 0


class Rooms(msgspec.Struct, frozen=True):
    """The room of an agent, and that of its instances that offer one contract: the same value where all do."""

    whole: Room
    own: Room
    until: datetime
    """From then on a report that these rest on is not believed any more."""


def rooms_of(instances: Sequence[Presence], contract: Digest, now: datetime) -> Rooms:
    """The rooms of an agent with these instances."""
    offering = [one for one in instances if contract in one.offers]
    whole = room_of(instances, now)
    until = min((one.report.until for one in instances if one.tells(now)), default=FOR_EVER)
    return Rooms(whole, whole if len(offering) == len(instances) else room_of(offering, now), until)


def room_of(instances: Iterable[Presence], now: datetime) -> Room:
    """The room that these instances have."""
    room = Room()
    for one in instances:
        if one.is_over_mark(now):
            continue
        room.concurrency += one.capacity.concurrency
        room.places += one.capacity.concurrency + one.capacity.mark
        if one.tells(now):
            room.others += one.report.others
            room.queued += one.report.queued
    return room
