"""Absence: agents that are gone, and what becomes of their attempts: here, and at the replicas that own their runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from accord.domain import command as c
from accord.domain.ids import AgentId, InstanceId, LeaseToken, partition_of, run_of
from accord.domain.run import Attempt
from accord.engine.departures import Gone
from accord.engine.orchestrator import Orchestrator
from accord.engine.order import Order
from accord.ports import Letter

_BEGINNING: Final = b'{"letter":"gone"'


class GoneLetter(msgspec.Struct, frozen=True, tag_field="letter", tag="gone"):
    """What a replica that has held the connections of agents tells the others."""

    instances: tuple[tuple[InstanceId, datetime], ...] = ()
    """Who did not come back, and after when nothing was heard."""
    leases: tuple[tuple[LeaseToken, datetime], ...] = ()
    """What they had of runs of the reader's, and beyond when heartbeats must have kept it to be nobody's loss."""


def is_about_gone(data: bytes) -> bool:
    """Whether a letter says that agents are gone."""
    return data.startswith(_BEGINNING)


class Presence:
    """Notices that agents are gone, and takes their attempts back."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self.every = orchestrator.parts.tuning.absent_after / 4
        self._orchestrator = orchestrator

    async def go(self) -> None:
        """Take back what agents had of which no instance is left that offers it."""
        parts = self._orchestrator.parts
        fewer = frozenset(parts.registry.expire(parts.ports.clock.now()))
        if fewer:
            _take_back(self._orchestrator, fewer, frozenset())


class Departed:
    """Notices that instances whose connection has closed do not come back, and takes their attempts back."""

    every = timedelta(seconds=1)

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self._parts = orchestrator.parts

    async def go(self) -> None:
        """Take back what they had, and what their agents have that nobody offers any more; other replicas do so too."""
        gone = self._parts.departures.gone(self._parts.ports.clock.now())
        if gone.agents or gone.leases:
            _take_back(self._orchestrator, gone.agents, frozenset(gone.leases))
            if self._parts.tuning.shared_bus:
                await self._tell(gone)

    async def heed(self, data: bytes) -> None:
        """Do the same for what another replica has noticed, and heartbeats do not tell otherwise."""
        told = msgspec.json.decode(data, type=GoneLetter)
        registry = self._parts.registry
        agents = {registry.dismiss(instance, at) for instance, at in told.instances} - {None}
        _take_back(
            self._orchestrator,
            frozenset(agent for agent in agents if agent is not None),
            frozenset(self._parts.departures.unkept(dict(told.leases))),
        )

    async def _tell(self, gone: Gone) -> None:
        """Post what is gone to each other owner, and to where the runs are."""
        ports, ours = self._parts.ports, self._parts.partitions.fences
        letters: dict[int, list[tuple[LeaseToken, datetime]]] = {}
        for lease, until in gone.leases.items():
            run = run_of(lease)
            if run is not None and partition_of(run) not in ours:
                letters.setdefault(partition_of(run), []).append((lease, until))
        now, told = ports.clock.now(), {self._parts.identity.owner}
        owners = [one for one in await ports.journal.owners() if one.until > now]
        told.update(one.name for one in owners if one.partition in letters)
        for one in owners:
            if one.name not in told:
                told.add(one.name)
                letters[one.partition] = []
        for partition, leases in letters.items():
            data = msgspec.json.encode(GoneLetter(gone.instances, tuple(leases)))
            await ports.journal.post(Letter(id=ports.ids.token(), partition=partition, data=data, posted_at=now))


def _take_back(orchestrator: Orchestrator, fewer: frozenset[AgentId], leases: frozenset[LeaseToken]) -> None:
    """Take back the attempts under these leases, and those of agents that have fewer instances now, and none that
    offers what the attempt is of.
    """
    registry = orchestrator.parts.registry

    def is_lost(attempt: Attempt) -> bool:
        if attempt.lease in leases:
            return True
        return attempt.agent in fewer and not registry.is_served(attempt.agent, attempt.contract)

    for slot in orchestrator.parts.ledger.slots():
        lost = tuple(
            (task, attempt.number)
            for task in sorted(slot.run.busy)
            for attempt in slot.run.state(task).attempts
            if attempt.live and is_lost(attempt)
        )
        if lost:
            orchestrator.order(Order(slot.run.id, c.AgentLost(attempts=lost)))
