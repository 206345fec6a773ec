"""Departures: instances whose connection has closed. Who comes back in time goes on with what it has; who does not is
gone, and what it had is given to others before its leases run out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from accord.domain.ids import AgentId, InstanceId, LeaseToken
from accord.domain.message import Message
from accord.engine.registry import Registry

UNDER_WAY: Final = timedelta(seconds=1)
"""What is heard of an instance later than that after its connection has closed came by another one."""


class Belongings(msgspec.Struct, frozen=True):
    """What an instance had when its connection closed."""

    leases: frozenset[LeaseToken] = frozenset()
    """Of the assignments that it was sent over this connection, or over earlier ones, and has not answered."""
    doubtful: tuple[Message, ...] = ()
    """Assignments of which nobody knows whether they have arrived."""


class Gone(msgspec.Struct, frozen=True):
    """Who did not come back, and what they have lost."""

    agents: frozenset[AgentId] = frozenset()
    instances: tuple[tuple[InstanceId, datetime], ...] = ()
    """Each with the time after which nothing was heard of it over this connection."""
    leases: Mapping[LeaseToken, datetime] = {}
    """Each with the time beyond which heartbeats would have had to keep it."""


class _Departed(msgspec.Struct, frozen=True):
    at: datetime
    had: Belongings


class Departures:
    """Who has left, and may come back."""

    def __init__(self, registry: Registry, lease: timedelta, returns_within: timedelta) -> None:
        self._registry = registry
        self._lease = lease
        self._returns_within = returns_within
        self._departed: dict[InstanceId, _Departed] = {}

    def left(self, instance: InstanceId, had: Belongings, now: datetime) -> None:
        """The instance's connection has closed."""
        self._departed[instance] = _Departed(now, had)

    def returned(self, instance: InstanceId) -> Belongings:
        """The instance is connected again, and still has this; nothing where it is new, or comes too late."""
        departed = self._departed.pop(instance, None)
        return departed.had if departed is not None else Belongings()

    def gone(self, now: datetime) -> Gone:
        """Give up those that have been away for too long. What heartbeats have kept since then is nobody's loss: who
        sent them is connected elsewhere.
        """
        due = [name for name, one in self._departed.items() if now - one.at >= self._returns_within]
        agents: set[AgentId] = set()
        instances: list[tuple[InstanceId, datetime]] = []
        leases: dict[LeaseToken, datetime] = {}
        for instance in due:
            one = self._departed.pop(instance)
            last = one.at + UNDER_WAY
            agent = self._registry.dismiss(instance, last)
            if agent is not None:
                agents.add(agent)
                instances.append((instance, last))
            leases.update(self.unkept(dict.fromkeys(one.had.leases, last + self._lease)))
        return Gone(frozenset(agents), tuple(instances), leases)

    def unkept(self, leases: Mapping[LeaseToken, datetime]) -> dict[LeaseToken, datetime]:
        """Those that heartbeats, as far as they were heard here, do not keep beyond this time."""
        renewed = self._registry.renewed()
        return {lease: until for lease, until in leases.items() if renewed.get(lease, until) <= until}
