"""The agents of a command: the built-in ones, and those that `--agents` names."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from accord.builtin import agents as built_in
from accord.domain.contract import Contract
from accord.errors import BadInput, Problem, Problems, in_order
from accord.sdk import Agent
from accord.sdk.load import load_agents
from accord.templates.documents import scan_document
from accord.templates.nodes import Document
from accord.verifier.clearance import Offer
from accord.views.estimating import Crew

DOCUMENTS = (".yaml", ".yml", ".json")


class Staff(msgspec.Struct, frozen=True):
    """The agents that `--agents` names, and what is wrong with those that cannot be had."""

    agents: list[Agent]
    problems: tuple[Problem, ...]


def staff_of(targets: Sequence[str]) -> Staff:
    """The agents of these modules and files, as far as they can be had."""
    agents: list[Agent] = []
    problems = Problems()
    for target in targets:
        agents.extend(problems.attempt(partial(agents_of, target)) or ())
    return Staff(agents, in_order([*problems.found, *twice(agents)]))


def hosted_agents(targets: Sequence[str]) -> list[Agent]:
    """All agents that this process will host. Raises BadInput with the problems of all targets."""
    staff = staff_of(targets)
    BadInput.raise_if(staff.problems)
    return [*built_in(), *staff.agents]


def agents_of(target: str) -> list[Agent]:
    """The agents of a module, a Python file or a declaration; code is executed. Raises BadInput."""
    if target.endswith(DOCUMENTS):
        return [agent_of_document(scan_document(Path(target)))]
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does: modules beside the caller are found
    return load_agents(target)


def agent_of_document(document: Document) -> Agent:
    """The agent that a document declares. Raises BadInput with lines and columns."""
    problems = Problems()
    problems.found.extend(document.problems)
    agent = problems.attempt(lambda: _declared(document))
    problems.refuse()
    assert agent is not None, "there is no agent only where there are problems"  # noqa: S101
    return agent


def _declared(document: Document) -> Agent:
    if not isinstance(document.value, dict):
        hint = "it starts with `accord: agent/1`"
        raise BadInput.of("ACC740", "this declares no agent, it is no mapping", place=document.place(""), hint=hint)
    from accord.sdk.declared import declared_agent  # noqa: PLC0415 - an HTTP client, which few commands need

    return declared_agent(document.value, document.place)


def described_of(agents: Sequence[Agent]) -> dict[str, str]:
    """What these agents offer, `name@version`, each with what it is for."""
    return {str(one.ref): one.terms.description for agent in agents for one in agent.capabilities.values()}


def contracts_of(agents: Sequence[Agent]) -> list[Contract]:
    """The contracts that these agents keep."""
    return [capability.contract for agent in agents for capability in agent.capabilities.values()]


def crews_of(agents: Sequence[Agent]) -> list[Crew]:
    """These agents, as those who have nothing to do yet."""
    return [
        Crew(frozenset(one.ref.name for one in agent.capabilities.values()), agent.capacity.concurrency)
        for agent in agents
    ]


def offers_of(agents: Sequence[Agent]) -> list[Offer]:
    """What each of these agents offers."""
    return [(agent.id, capability.contract) for agent in agents for capability in agent.capabilities.values()]


def twice(agents: Sequence[Agent]) -> Iterator[Problem]:
    """A problem for each name that several of these agents and the built-in ones have."""
    named = Counter(agent.id for agent in (*built_in(), *agents))
    for name, count in named.items():
        if count > 1:
            yield Problem("ACC734", f"there are {count} agents {name}", hint="give each of them a name of its own")
