"""What would have to differ: the requests that differ from one in a single fact, and are decided otherwise. Each is
asked of Cedar, so what is told is true; what takes two facts at once is not looked for. A fact is tried with the values
that the policies compare it with, and with no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec

from accord.domain.access import ROLES
from accord.domain.ids import AgentId
from accord.domain.policy import Act, AgentFacts, HandOff, OrchestratorFacts, Request, RunFacts, agent_facts
from accord.policy.cedar import CedarSet
from accord.policy.named import Named

TRIED_MOST: Final = 1000
"""Requests that are tried; what a set names beyond that is not told."""


class Neighbour(msgspec.Struct, frozen=True):
    """A request that is decided otherwise, and the one fact in which it differs."""

    difference: str
    request: Request


def neighbours(policies: CedarSet, request: Request) -> list[Neighbour]:
    """All of them, each fact once with each value that the policies compare it with."""
    decided = policies.decide(request).allowed
    tried = islice(_changed(request, policies), TRIED_MOST)
    found = (one for one in tried if policies.decide(one.request).allowed != decided)
    return list({one.difference: one for one in found}.values())


def _changed(request: Request, policies: CedarSet) -> Iterator[Neighbour]:
    if isinstance(request, HandOff):
        named = Named(policies.rules, "Agent")
        labels = named.values("context.labels")
        yield from _of_hand_off(request, named)
    else:
        named = Named(policies.rules, "Principal")
        labels = named.values("resource.labels") if isinstance(request.to, RunFacts) else ()
        yield from _of_act(request, named)
    for other, told in _toggled(request.labels, labels, "label"):
        yield Neighbour(told, msgspec.structs.replace(request, labels=other))


def _of_hand_off(request: HandOff, named: Named) -> Iterator[Neighbour]:
    for told, agent in _of_agent(request.agent, named):
        yield Neighbour(f"the agent{told}", msgspec.structs.replace(request, agent=agent))
    yield from _versioned(request, "capability", "Capability", named)
    yield from _members(request, "capability", "resource", named)
    yield from _members(request, "run", "context.run", named)


def _of_agent(agent: AgentFacts, named: Named) -> Iterator[tuple[str, AgentFacts]]:
    def called(id_: str) -> AgentFacts:
        return agent_facts(AgentId(id_), agent.tags, quarantined=agent.quarantined)

    for id_ in named.entities("Agent"):
        if id_ != agent.id:
            yield f" {id_}", called(id_)
    for organisation in named.values("principal.organisation"):
        yield f"'s organisation {organisation}", called(f"spiffe://{organisation}/agent/{agent.name}")
    for name in named.values("principal.name"):
        yield f"'s name {name}", called(f"spiffe://{agent.organisation}/agent/{name}")
    told = "no quarantine" if agent.quarantined else "quarantine"
    yield f"'s {told}", msgspec.structs.replace(agent, quarantined=not agent.quarantined)
    for tags, told in _toggled(agent.tags, named.values("principal.tags"), "tag"):
        yield f"'s {told}", msgspec.structs.replace(agent, tags=tags)


def _of_act(request: Act, named: Named) -> Iterator[Neighbour]:
    for role in ROLES:
        if role != request.principal.role:
            other = msgspec.structs.replace(request.principal, role=role)
            yield Neighbour(f"the principal's role {role}", msgspec.structs.replace(request, principal=other))
    for name in named.entities("Principal"):
        other = msgspec.structs.replace(request.principal, name=name)
        yield Neighbour(f"the principal {name}", msgspec.structs.replace(request, principal=other))
    yield from _members(request, "principal", "principal", named)
    if not isinstance(request.to, OrchestratorFacts):
        yield from _versioned(request, "to", "Run" if isinstance(request.to, RunFacts) else "Template", named)
        yield from _members(request, "to", "resource", named)


def _versioned(request: Request, of: str, kind: str, named: Named) -> Iterator[Neighbour]:
    """Of what is known by `NAME@VERSION`, the other ones that are named as such."""
    facts = getattr(request, of)
    of_name = "template" if kind == "Run" else "name"
    for one in named.entities(kind):
        name, _, version = one.partition("@")
        other = msgspec.structs.replace(facts, **{of_name: name, "version": version})
        told = f"a run of {one}" if kind == "Run" else f"the {kind.lower()} {one}"
        yield Neighbour(told, msgspec.structs.replace(request, **{of: other}))


def _members(request: Request, of: str, variable: str, named: Named) -> Iterator[Neighbour]:
    facts = getattr(request, of)
    what = {"to": "its", "capability": "the capability's", "run": "the run's", "principal": "the principal's"}[of]
    for name in facts.__struct_fields__:
        for value in named.values(f"{variable}.{name}"):
            if value != getattr(facts, name) and name != "role":
                other = msgspec.structs.replace(facts, **{name: value})
                yield Neighbour(f"{what} {name} {value}", msgspec.structs.replace(request, **{of: other}))


def _toggled(present: frozenset[str], values: Iterable[str], what: str) -> Iterator[tuple[frozenset[str], str]]:
    for one in sorted(present):
        yield present - {one}, f"{what} {one} left out"
    for value in values:
        if value not in present:
            yield present | {value}, f"{what} {value} added"
