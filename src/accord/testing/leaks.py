"""Leaks: what an orchestrator must not hold any more once every run has ended."""

from __future__ import annotations

from collections.abc import Iterator

from accord.engine.node import Node


def leaks_of(name: str, node: Node) -> Iterator[str]:
    """What the orchestrator still holds, and which of its loops have ended."""
    parts, dispatcher = node.parts, node.parts.dispatcher
    held = {agent: load.held for agent, load in parts.router._loads.items() if load.held}
    kept = {
        "the router holds": held,
        "the router has reserved": {run: held for run, held in parts.router._reserved.items() if held},
        "the router has lent": sorted(parts.router._lent),
        "calls": sorted(node.orchestrator.calls._under_way),
        "lanes": [f"{lane.wanted}: {dict(lane.runs())}" for lane in dispatcher.lanes()],
        "parked": dispatcher._parked,
        "back-offs": dispatcher._later,
        "orders of tasks": list(dispatcher._waits),
        "payloads to be sent": sorted(parts.outgoing),
        "runs in memory": [f"{slot.run.id} {slot.run.phase}" for slot in parts.ledger.slots()],
        "timers": parts.timers._at,
        "documents to be stored": sorted(parts.documents._unstored),
    }
    for what, left in kept.items():
        if left:
            yield f"{name}: {what} {left}"
    orchestrator = node.orchestrator
    for task in (*orchestrator._tasks, *orchestrator._listener._pumps.values(), *node._rounds._tasks):
        if task.done():
            yield f"{name}: {task.get_name()} has ended: {task!r}"
