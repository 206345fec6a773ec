"""The agents of a command: the built-in ones, and those that `--agents` names."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from accord.builtin import agents as built_in
from accord.domain.contract import Contract
from accord.errors import AccordError, BadInput, Place, Problem
from accord.sdk import Agent
from accord.sdk.declared import declared_agent
from accord.sdk.load import load_agents
from accord.templates.documents import read_document

DOCUMENTS = (".yaml", ".yml", ".json")


def hosted_agents(targets: Sequence[str]) -> list[Agent]:
    """All agents that this process will host. Raises BadInput with the problems of all targets."""
    return [*built_in(), *named_agents(targets)]


def named_agents(targets: Sequence[str]) -> list[Agent]:
    """The agents of these modules and files. Raises BadInput with the problems of all of them."""
    agents: list[Agent] = []
    problems: list[Problem] = []
    for target in targets:
        try:
            agents.extend(agents_of(target))
        except AccordError as error:
            problems.extend(error.problems)
    problems.extend(_twice(agents))
    BadInput.raise_if(problems)
    return agents


def agents_of(target: str) -> list[Agent]:
    """The agents of a module, a Python file or a declaration; code is executed. Raises BadInput."""
    if target.endswith(DOCUMENTS):
        return [agent_of_document(Path(target))]
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does: modules beside the caller are found
    return load_agents(target)


def agent_of_document(path: Path) -> Agent:
    """The agent that a file declares. Raises BadInput with lines and columns."""
    document = read_document(path)
    if not isinstance(document.value, dict):
        hint = "it starts with `accord: agent/1`"
        raise BadInput.of("ACC740", "this declares no agent, it is no mapping", place=Place(str(path), 1, 1), hint=hint)
    try:
        return declared_agent(document.value)
    except BadInput as error:
        raise BadInput(*document.located(error.problems)) from None


def contracts_of(agents: Sequence[Agent]) -> list[Contract]:
    """The contracts that these agents keep."""
    return [capability.contract for agent in agents for capability in agent.capabilities.values()]


def _twice(agents: Sequence[Agent]) -> Iterator[Problem]:
    named = Counter(agent.id for agent in (*built_in(), *agents))
    for name, count in named.items():
        if count > 1:
            yield Problem("ACC734", f"there are {count} agents {name}", hint="give each of them a name of its own")
