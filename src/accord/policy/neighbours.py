"""What would have to differ: the requests that differ from one in a single fact, and are decided otherwise. Each is
asked of Cedar, so what is told is true; what takes two facts at once is not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from accord.domain.access import ROLES
from accord.domain.policy import Act, HandOff, OrchestratorFacts, Request, agent_facts
from accord.policy.cedar import CedarSet

_LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
_AGENT = re.compile(r"spiffe://([^/]+)/agent/(.+)")


class Neighbour(msgspec.Struct, frozen=True):
    """A request that is decided otherwise, and the one fact in which it differs."""

    difference: str
    request: Request


def neighbours(policies: CedarSet, request: Request) -> list[Neighbour]:
    """All of them, each fact once with each value that the policies name."""
    decided = policies.decide(request).allowed
    found = (one for one in _changed(request, _words(policies)) if policies.decide(one.request).allowed != decided)
    return list({one.difference: one for one in found}.values())


def _words(policies: CedarSet) -> list[str]:
    """All texts that the policies name, comments left out."""
    text = "\n".join(one.text for one in policies.source.statements())
    return list(dict.fromkeys(_LITERAL.findall(re.sub(r"(?m)^\s*//.*$", "", text))))


def _changed(request: Request, words: Iterable[str]) -> Iterator[Neighbour]:
    if isinstance(request, HandOff):
        yield from _of_hand_off(request, list(words))
    else:
        yield from _of_act(request, list(words))
    for labels, told in _toggled(request.labels, words, "label"):
        yield Neighbour(told, msgspec.structs.replace(request, labels=labels))


def _of_hand_off(request: HandOff, words: list[str]) -> Iterator[Neighbour]:
    agent = request.agent
    for word in words:
        one = _AGENT.fullmatch(word)
        if one is not None:
            other = agent_facts(agent.id.__class__(word), agent.tags, quarantined=agent.quarantined)
            yield Neighbour(f"the agent {word}", msgspec.structs.replace(request, agent=other))
        for organisation, name in ((word, agent.name), (agent.organisation, word)):
            id_ = agent.id.__class__(f"spiffe://{organisation}/agent/{name}")
            other = agent_facts(id_, agent.tags, quarantined=agent.quarantined)
            if one is None and "/" not in word and other != agent:
                what = "organisation" if name == agent.name else "name"
                yield Neighbour(f"the agent's {what} {word}", msgspec.structs.replace(request, agent=other))
    turned = msgspec.structs.replace(agent, quarantined=not agent.quarantined)
    told = "no quarantine" if agent.quarantined else "quarantine"
    yield Neighbour(f"the agent's {told}", msgspec.structs.replace(request, agent=turned))
    for tags, told in _toggled(agent.tags, words, "tag"):
        other = msgspec.structs.replace(agent, tags=tags)
        yield Neighbour(f"the agent's {told}", msgspec.structs.replace(request, agent=other))
    yield from _members(request, "capability", ("name", "version"), words)
    yield from _members(request, "run", ("template", "version", "organisation", "tenant"), words)


def _of_act(request: Act, words: list[str]) -> Iterator[Neighbour]:
    for role in ROLES:
        if role != request.principal.role:
            other = msgspec.structs.replace(request.principal, role=role)
            yield Neighbour(f"the principal's role {role}", msgspec.structs.replace(request, principal=other))
    yield from _members(request, "principal", ("name", "organisation"), words)
    names = () if isinstance(request.to, OrchestratorFacts) else request.to.__struct_fields__
    yield from _members(request, "to", names, words)


def _members(request: Request, of: str, names: Iterable[str], words: list[str]) -> Iterator[Neighbour]:
    facts = getattr(request, of)
    what = {"to": "its", "capability": "the capability's", "run": "the run's", "principal": "the principal's"}[of]
    for name in names:
        for word in words:
            if word != getattr(facts, name):
                other = msgspec.structs.replace(facts, **{name: word})
                yield Neighbour(f"{what} {name} {word}", msgspec.structs.replace(request, **{of: other}))


def _toggled(present: frozenset[str], words: Iterable[str], what: str) -> Iterator[tuple[frozenset[str], str]]:
    for one in sorted(present):
        yield present - {one}, f"{what} {one} left out"
    for word in words:
        if word not in present:
            yield present | {word}, f"{what} {word} added"
