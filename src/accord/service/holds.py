"""Holds and incidents: what is not to go on, and what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from accord.domain.ids import AgentId
from accord.domain.incident import ALL, Filed, Sought
from accord.domain.system import HoldPlaced, Scope


class Holds(Protocol):
    """What may be asked of holds and incidents, and done with them."""

    async def holds(self) -> Sequence[HoldPlaced]:
        """All holds in force, oldest first."""
        ...

    async def hold(self, scope: Scope, subject: str, *, by: str, reason: str = "") -> None:
        """Assign nothing of this scope from now on: when this returns, no process does any more.

        Raises Overloaded where a process that works on runs does not answer; the hold is placed all the same.
        """
        ...

    async def lift(self, scope: Scope, subject: str, *, by: str) -> None:
        """Lift a hold. Raises TransitionRefused where there is none."""
        ...

    async def quarantine(self, agent: AgentId, *, by: str, reason: str) -> None:
        """Assign nothing to an agent that is suspected, until its hold is lifted with `lift`; it is an incident, too.
        Again is no error. Raises what `hold` raises.
        """
        ...

    async def incidents(self, limit: int, *, after: int | None = None, sought: Sought = ALL) -> list[Filed]:
        """The newest of the incidents that are sought, newest first; of those older than the one of number `after`,
        where that is given.
        """
        ...

    async def incident(self, number: int) -> Filed:
        """The incident of this number. Raises NotFound."""
        ...

    async def acknowledge(self, incident: int, *, by: str, note: str = "") -> Filed:
        """Say that somebody looks after an incident; again is no error. Raises NotFound, and TransitionRefused where it
        is resolved.
        """
        ...

    async def resolve(self, incident: int, *, by: str, note: str) -> Filed:
        """Say that an incident is dealt with. Raises NotFound, TransitionRefused where it is already, and BadInput
        where the note says nothing.
        """
        ...
