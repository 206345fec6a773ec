"""Agents: who is known and present, what they offer, and what the policy lets them do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Protocol

import msgspec

from accord.domain.agent import AgentCard, Capacity
from accord.domain.capability import CapabilityRange
from accord.domain.cluster import Cluster
from accord.domain.contract import Contract
from accord.domain.ids import AgentId
from accord.domain.labels import Labels
from accord.domain.policy import AgentAction, Decision
from accord.errors import Problem
from accord.ports import Sighting
from accord.service.keys import KnownKey


class Question(msgspec.Struct, frozen=True):
    """May this agent do this with data of these labels, for a capability, in a run of the template?"""

    MOST: ClassVar[int] = 1000
    """Asked at once."""

    action: AgentAction
    agent: AgentId
    capability: str
    """`name@version`."""
    template: str
    """`name@version`."""
    labels: Labels


class TakenOut(msgspec.Struct, frozen=True, kw_only=True):
    """A capability of which an agent gets nothing, as it has failed at it again and again."""

    capability: str
    """Its name."""
    since: datetime
    until: datetime
    """From then on it is tried with one attempt at a time; earlier where nobody else is left."""
    on_trial: bool
    """Whether it has such an attempt."""
    problem: Problem | None
    """What went wrong last."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent has done for the process that is asked, since that began."""

    held: int
    """Attempts that it has, and that have not ended."""
    succeeded: int
    failed: int
    """Attempts that failed, and those whose result was rejected."""
    latency_ms: float | None
    """How long its work took up to a result: smoothed, the last ones counting most; None where it has brought none."""
    failed_latency_ms: float | None = None
    """The same up to a failure, or to a result that was rejected; None where none was. It is told apart: who fails fast
    is not quick.
    """
    trust: dict[str, float]
    """By capability: the confidence in its results, from 0 to 1, the last ones counting most."""


class KnownAgent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that has been accepted once: its newest card, and its keys, oldest first."""

    card: AgentCard
    keys: tuple[KnownKey, ...]
    capacity: Capacity | None
    """What all its instances can take together; None where none is present."""
    taken_out: tuple[TakenOut, ...] = ()
    """What it is out of, in the process that is asked."""
    work: Work | None = None
    """What it has done there; None where it has done nothing."""

    @property
    def revoked(self) -> bool:
        """Whether all keys that it has had are revoked: it cannot come back without a new one."""
        return bool(self.keys) and all(key.revoked_at is not None for key in self.keys)


class Agents(Protocol):
    """What may be asked of agents, and of the policy about them."""

    async def agents(self, wanted: CapabilityRange | None = None) -> list[KnownAgent]:
        """All known agents by id, or those whose newest card offers a capability in this range."""
        ...

    async def cluster(self) -> Cluster:
        """Who works on the store, and what waits for them, seen from one process."""
        ...

    async def sightings(self) -> list[Sighting]:
        """Every instance of an agent that is present in any process that shares the store, as of the last few
        seconds, by agent. What is in another process gets nothing from this one.
        """
        ...

    async def contracts(self) -> list[Contract]:
        """Every contract that an agent has ever offered, by capability, the newest version first."""
        ...

    async def decisions(self, questions: Sequence[Question], *, by: str) -> list[Decision]:
        """What the policy in force says to these, in their order, in runs that `by` would start; at most
        `Question.MOST`.
        """
        ...
