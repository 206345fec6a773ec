"""What a plan takes and costs: what the domain's estimate needs of agents, contracts and input."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from accord.domain.expression import evaluate
from accord.domain.graph import Graph, capabilities_of
from accord.domain.ids import TaskId
from accord.errors import ExpressionInvalid
from accord.planner.estimate import Estimate, Given, Pool, estimate
from accord.service import KnownAgent, Service
from accord.verifier.known import Capabilities


class Crew(msgspec.Struct, frozen=True):
    """An agent that is here, or is about to be."""

    capabilities: frozenset[str]
    """Their names."""
    places: int
    held: int = 0
    """Attempts that it has already."""


def crews_of(agents: Iterable[KnownAgent]) -> Iterator[Crew]:
    """Those of the agents that are present."""
    for agent in agents:
        if agent.capacity is not None:
            names = frozenset(offer.capability.partition("@")[0] for offer in agent.card.capabilities)
            yield Crew(names, agent.capacity.concurrency, agent.work.held if agent.work is not None else 0)


async def estimated(
    service: Service, graph: Graph, value: Any, capabilities: Capabilities, crews: Iterable[Crew]
) -> Estimate:
    """What a run of the graph with this input takes, by the runs that have ended so far and by who is here."""
    known = await service.experience(graph.template)
    wanted = {str(one.name) for task in graph.tasks.values() for one in capabilities_of(task)}
    given = Given(
        pools=tuple(pools_of(crews, wanted, known.waiting)),
        widths=dict(widths_of(graph, value)),
        prices=dict(prices_of(graph, capabilities)),
    )
    return estimate(graph, known, given, seed=graph.digest)


def pools_of(crews: Iterable[Crew], wanted: set[str], waiting: Mapping[str, int]) -> Iterator[Pool]:
    """Who shares places, as far as these capabilities are concerned, with all that waits for them."""
    concerned = [(crew, crew.capabilities & wanted) for crew in crews if not crew.capabilities.isdisjoint(wanted)]
    of = {name: name for _, names in concerned for name in names}

    def root(name: str) -> str:
        while of[name] != name:
            name = of[name]
        return name

    for _, names in concerned:
        first, *others = sorted(names)
        for other in others:
            of[root(other)] = root(first)
    groups: dict[str, list[Crew]] = defaultdict(list)
    for crew, names in concerned:
        groups[root(min(names))].append(crew)
    for group in sorted(groups):
        names = frozenset(name for name in of if root(name) == group)
        ahead = sum(crew.held for crew in groups[group]) + sum(waiting.get(name, 0) for name in names)
        yield Pool(capabilities=names, places=sum(crew.places for crew in groups[group]), ahead=ahead)


def widths_of(graph: Graph, value: Any) -> Iterator[tuple[TaskId, int]]:
    """How many items each `for_each` has that reads nothing but the input."""
    for name, task in graph.tasks.items():
        if task.for_each is None or any(one.root != "input" for one in task.for_each.references):
            continue
        try:
            items = evaluate(task.for_each, {"input": value})
        except ExpressionInvalid:
            continue  # the run would fail; that is not for an estimate to say
        if isinstance(items, Sequence) and not isinstance(items, str):
            yield name, len(items)


def prices_of(graph: Graph, capabilities: Capabilities) -> Iterator[tuple[str, Decimal]]:
    """What an attempt at each of the graph's capabilities costs at most, where its newest contract says it."""
    for wanted in {str(one): one for task in graph.tasks.values() for one in capabilities_of(task)}.values():
        newest = next(iter(capabilities.contracts(wanted)), None)
        if newest is not None and newest.limits.max_cost is not None:
            yield wanted.name, newest.limits.max_cost
