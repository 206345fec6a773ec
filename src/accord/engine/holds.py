"""Holds: what is held back beyond single runs: a template, an agent, everything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from accord.domain.ids import AgentId
from accord.domain.run import Run
from accord.domain.system import HoldLifted, HoldPlaced, SystemEvent
from accord.engine.router import Router


class Holds:
    """The holds in force; they are durable in `sys:control`."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._placed: dict[tuple[str, str], HoldPlaced] = {}
        self._lifted_at: dict[AgentId, datetime] = {}
        self.quarantined: frozenset[AgentId] = frozenset()
        """Agents that are held because they, or keys of theirs, are suspected."""
        self.lifted: list[Callable[[], None]] = []
        """Told when a hold was lifted, here or by another orchestrator."""

    def apply(self, event: SystemEvent) -> None:
        """Fold an event of the stream `sys:control`."""
        if isinstance(event, HoldPlaced):
            self._placed[event.scope, event.subject] = event
        elif isinstance(event, HoldLifted):
            self._placed.pop((event.scope, event.subject), None)
            if event.scope == "agent":
                self._lifted_at[AgentId(event.subject)] = event.at
        held = [hold for hold in self._placed.values() if hold.scope == "agent"]
        self.quarantined = frozenset(AgentId(hold.subject) for hold in held if hold.quarantine)
        self._router.quarantined = self.quarantined
        self._router.held_back = {AgentId(hold.subject) for hold in held}
        if isinstance(event, HoldLifted):
            for tell in self.lifted:
                tell()

    def holds(self, run: Run) -> bool:
        """Whether nothing of this run may be assigned."""
        if not self._placed:
            return False
        name = run.started.template.partition("@")[0]
        held = ("everything", ""), ("template", name), ("template", run.started.template)
        return any(key in self._placed for key in held)

    def lifted_at(self, agent: AgentId) -> datetime | None:
        """When a hold of the agent was lifted last."""
        return self._lifted_at.get(agent)

    def placed(self) -> list[HoldPlaced]:
        """All holds in force, oldest first."""
        return sorted(self._placed.values(), key=lambda hold: hold.at)
