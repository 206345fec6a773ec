"""Tasks of a plan that nobody who is present could do: told before it starts, as it would wait.

ACC497  nobody is present who could do a task of the plan
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from accord.domain.capability import CapabilityRange, CapabilityRef
from accord.domain.compile import compile_graph
from accord.domain.contract import Contract
from accord.domain.graph import Graph, Subrun, Task, Work
from accord.domain.grounds import short_name
from accord.domain.ids import AgentId
from accord.errors import Problem
from accord.service import KnownAgent, Service
from accord.verifier.known import Templates
from accord.views.planning import Planned

NAMED: Final = 5
"""So many agents, and tasks, are named in a warning."""


class _Offer(msgspec.Struct, frozen=True):
    """An agent that offers something."""

    agent: AgentId
    ref: CapabilityRef
    hindered: str
    """Why it would not get a task; empty where it would."""


async def unstaffed(service: Service, found: Planned, hosted: Iterable[Contract] = ()) -> tuple[Problem, ...]:
    """A warning for each capability that nobody offers who is present, may get a task, or is about to be `hosted`. A
    task that could be done in another way that its template names is not missed.
    """
    graph = compile_graph(found.entry.template, found.entry.digest)
    offers = await _offers(service)
    there = [*(one.ref for one in offers if not one.hindered), *(one.ref for one in hosted)]
    missing: dict[CapabilityRange, list[str]] = {}
    for name, ways in _works(graph, found.catalogue):
        if not any(way is None or any(way.matches(ref) for ref in there) for way in ways) and ways[0] is not None:
            missing.setdefault(ways[0], []).append(name)
    return tuple(_warning(wanted, tasks, offers) for wanted, tasks in missing.items())


def _works(graph: Graph, templates: Templates, above: str = "", path: tuple[str, ...] = ()) -> Iterator[_Work]:
    """What agents are asked for, in topological order: each task with its ways; those of sub-workflows included."""
    for name in graph.order:
        task = graph.tasks[name]
        if isinstance(task.action, Work):
            yield f"{above}{name}", _ways(task)
        elif isinstance(task.action, Subrun) and task.action.template not in path:
            inner = templates.graph(task.action.template)
            if inner is not None:
                yield from _works(inner, templates, f"{above}{name}/", (*path, task.action.template))


def _ways(task: Task) -> list[CapabilityRange | None]:
    """The capabilities any of which will do; None for a value that stands for the output."""
    return [option.capability for option in task.action.options] if isinstance(task.action, Work) else []


_Work = tuple[str, list[CapabilityRange | None]]


async def _offers(service: Service) -> list[_Offer]:
    held = {one.subject: one.quarantine for one in await service.holds() if one.scope == "agent"}
    sightings = await service.sightings()
    serving = {(one.agent, name) for one in sightings if not one.draining for name in one.capabilities}
    found = [
        _Offer(known.card.agent, contract.ref, _hindrance(known, str(contract.ref), held, serving))
        for known in await service.agents()
        for contract in known.card.contracts()
    ]
    carded = {(one.agent, str(one.ref)) for one in found}
    return found + [
        _Offer(agent, CapabilityRef.parse(name), _held(held.get(agent))) for agent, name in sorted(serving - carded)
    ]


def _hindrance(known: KnownAgent, capability: str, held: dict[str, bool], serving: set[tuple[AgentId, str]]) -> str:
    agent = known.card.agent
    there = known.capacity is not None or (agent, capability) in serving
    return _held(held.get(agent)) if there else "is not there"


def _held(quarantined: bool | None) -> str:
    return {None: "", True: "is quarantined", False: "is held back"}[quarantined]


def _warning(wanted: CapabilityRange, tasks: Sequence[str], offers: Iterable[_Offer]) -> Problem:
    who = {one.agent: one.hindered for one in offers if wanted.matches(one.ref)}
    named = ", ".join(f"{short_name(agent)} {why}" for agent, why in list(who.items())[:NAMED])
    absent = [short_name(agent) for agent, why in who.items() if why == "is not there"]
    start = f"start an instance of {' or '.join(absent[:NAMED])}" if absent else f"start an agent that offers {wanted}"
    lift = "" if len(absent) == len(who) else ", or lift the hold"
    more = f" and {len(tasks) - NAMED} more" if len(tasks) > NAMED else ""
    text = f"nobody is present who could do {', '.join(tasks[:NAMED])}{more}: {named or f'nobody offers {wanted}'}"
    return Problem("ACC497", text, hint=f"{start}{lift}; until then the run waits")
