"""Invariant 6: no agent holds more than it has declared, no run more than its template allows, and what the router
counts is what is held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from accord.domain.ids import AgentId, RunId, TaskId
from accord.domain.run import Attempt, Run
from accord.engine.parts import Parts
from accord.testing.weather import STALL_S

DECIDED_WITHIN = timedelta(seconds=STALL_S)
"""How long a commit takes at most from its decisions on."""


def overloaded(parts: Parts, runs: Mapping[RunId, Run], assigned: Sequence[AgentId]) -> Iterator[str]:
    """Agents that were just given more than they have declared; each orchestrator keeps the bound for itself."""
    if not assigned:
        return
    held: Counter[AgentId] = Counter()
    waits = parts.router._lent
    for slot in parts.ledger.slots():
        known = runs.get(slot.run.id, slot.run)
        held.update(attempt.agent for _, attempt in _live(known) if attempt.lease not in waits)
    for card in parts.registry.agents():
        instances = max(_instances(parts, card.agent), 1)
        if card.agent in assigned and held[card.agent] > instances * card.capacity.total:
            yield f"{card.agent} holds {held[card.agent]} attempts"


def _instances(parts: Parts, agent: AgentId) -> int:
    """How many instances the agent had when what is committed now was decided; the commit may have taken a while."""
    since = parts.ports.clock.now() - parts.tuning.absent_after - DECIDED_WITHIN
    present = sum(one.agent == agent for one in parts.registry._present.values())  # however far the clock was set on
    return present + sum(one.agent == agent and one.last_seen > since for one in parts.registry._silent.values())


def overdriven(run: Run) -> Iterator[str]:
    """More attempts under way than the template allows: whoever assigns keeps this bound, the core does not."""
    if run.live > run.graph.parallel:
        yield f"{run.live} attempts are under way, {run.graph.parallel} are allowed"


def crowded(run: Run) -> Iterator[str]:
    """Expansions that have more items open than their template allows."""
    for node in run.graph.order:
        group, spec = run.state(node), run.graph.tasks[node]
        window = min(spec.parallel or run.graph.parallel, run.graph.parallel)
        if group.phase == "expanded" and run.phase == "running" and group.items_open > window:
            yield f"{node} has {group.items_open} items open, {window} are allowed"


def misreserved(parts: Parts) -> Iterator[str]:
    """Between two turns: attempts under way that the router does not count, and others that it does."""
    router = parts.router
    reserved = [held for attempts in router._reserved.values() for held in attempts.values()]
    counted = Counter(held.agent for held in reserved if held.lease not in router._lent)
    for agent, load in parts.router._loads.items():
        if load.held != counted[agent]:
            yield f"{agent} holds {load.held} attempts, reserved are {counted[agent]}"
    held = {(slot.run.id, task, one.number) for slot in parts.ledger.slots() for task, one in _live(slot.run)}
    places = {(run, *key) for run, attempts in router._reserved.items() for key in attempts}
    for run, task, number in sorted(held - places):
        yield f"{run}: the router does not know of attempt {number} of {task}"
    for run, task, number in sorted(places - held):
        yield f"{run}: the router still counts attempt {number} of {task}"


def _live(run: Run) -> Iterator[tuple[TaskId, Attempt]]:
    for task in run.busy:
        yield from ((task, attempt) for attempt in run.state(task).attempts if attempt.live)
