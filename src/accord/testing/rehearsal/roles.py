"""Roles: who is there in a rehearsal, and what each of them offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from accord.domain.capability import CapabilityRange, CapabilityRef
from accord.domain.contract import Contract, Limits, compile_contract
from accord.domain.diagnosis import DIAGNOSE, DIAGNOSTICIAN
from accord.domain.duration import parse_duration
from accord.domain.graph import Graph, capabilities_of
from accord.domain.grounds import short_name
from accord.domain.ids import TaskId
from accord.domain.schema import pointer_of
from accord.domain.workflow_test import Answer, ScriptedContract, WorkflowTest
from accord.errors import AccordError, PlaceOf, Problem
from accord.sdk import Agent, Context, Failure
from accord.sdk.agent import Bound, Capability, Terms
from accord.sdk.outcome import Output
from accord.testing.rehearsal.script import DIAGNOSIS, is_capability

SCRIPTED = "scripted"
"""The name of the agent that gives the answers that name none."""

PLACES = 1000
"""How many attempts each agent of a rehearsal takes at a time, and as many wait: none is ever full."""


class Cast(msgspec.Struct, frozen=True):
    """The agents of a rehearsal."""

    agents: tuple[Agent, ...]
    """In the order of their names; what they do is not for their bodies to say."""
    given: Mapping[str, Capability]
    """By `name@version`: what agents that were given to the test can do really."""


def contracts_in(test: WorkflowTest, place_of: PlaceOf) -> tuple[list[Contract], list[Problem]]:
    """The contracts that a test declares, and what is wrong with the others."""
    found: list[Contract] = []
    problems: list[Problem] = []
    for capability, said in test.contracts.items():
        try:
            found.append(_contract(CapabilityRef.parse(capability), said))
        except AccordError as error:
            at = pointer_of(("contracts", capability))
            problems += [replace(one, place=place_of(at + (one.place.pointer or ""))) for one in error.problems]
    return found, problems


def _contract(ref: CapabilityRef, said: ScriptedContract) -> Contract:
    return compile_contract(
        capability=ref.name,
        version=ref.version,
        input_schema=said.input,
        output_schema=said.output,
        limits=Limits(
            parse_duration(said.deadline) if isinstance(said.deadline, str) else None,
            Decimal(said.max_cost) if isinstance(said.max_cost, str) else None,
            None if said.confidence is UNSET else Decimal(str(said.confidence)),
        ),
        labels=said.labels,
    )


def cast(
    test: WorkflowTest, contracts: Iterable[Contract], given: Iterable[Agent], graphs: Iterable[Graph], *, record: bool
) -> Cast:
    """Who is there: those that the script names, and of those that were given whoever can do what the graphs need and
    no script answers. To `record` an agent that was given does all that it can, whatever the script says.
    """
    agents = list(given)
    real = {str(one.ref): one for agent in agents for one in agent.capabilities.values()}
    known = {str(one.ref): one for one in (*[one.contract for one in real.values()], *contracts)}
    wanted = _Wanted(graphs, known)
    offers: dict[str, dict[str, Contract]] = {}
    for key, answers in test.agents.items():
        for ref in wanted.of_key(key):
            if not (record and ref in real):
                for name in _names(key, answers):
                    offers.setdefault(name, {})[ref] = known[ref]
    scripted = {ref for one in offers.values() for ref in one}
    for agent in agents:
        for ref, capability in agent.capabilities.items():
            if ref in wanted.all and ref not in scripted:
                offers.setdefault(agent.name, {})[ref] = capability.contract
    nobody = [ref for ref in wanted.all if not any(ref in one for one in offers.values())]
    if nobody:
        offers.setdefault(SCRIPTED, {}).update((ref, known[ref]) for ref in nobody)
    return Cast(tuple(_agent(name, offers[name].values()) for name in sorted(offers)), real)


class _Wanted:
    """The capabilities that graphs need, of those that are known."""

    def __init__(self, graphs: Iterable[Graph], known: Mapping[str, Contract]) -> None:
        self._known = known
        self._of_tasks: dict[TaskId, list[CapabilityRange]] = {}
        for graph in graphs:
            for name, task in graph.tasks.items():
                self._of_tasks.setdefault(name, []).extend(capabilities_of(task))
        everything = [DIAGNOSE, *(one for ranges in self._of_tasks.values() for one in ranges)]
        self.all = dict.fromkeys(ref for one in everything for ref in self._within(one))

    def of_key(self, key: str) -> Iterator[str]:
        """The capabilities that the answers of a key may be of."""
        if is_capability(key):
            yield from (ref for ref in self.all if key in (ref, ref.partition("@")[0]))
        elif key.endswith(DIAGNOSIS):
            yield from self._within(DIAGNOSE)
        else:
            for one in self._of_tasks.get(node_of(key), ()):
                yield from self._within(one)

    def _within(self, wanted: CapabilityRange) -> list[str]:
        return [ref for ref, contract in self._known.items() if wanted.matches(contract.ref)]


def node_of(key: str) -> TaskId:
    """The node of its graph that a task's name in a test stands for: `measure` for `inspect[1]/undo:measure[3]!`."""
    own = key.removesuffix(DIAGNOSIS).rpartition("/")[2]
    return TaskId(own.removeprefix("undo:").partition("[")[0])


def _names(key: str, answers: Iterable[Answer]) -> set[str]:
    usual = short_name(DIAGNOSTICIAN) if key.endswith(DIAGNOSIS) else SCRIPTED
    return {one.agent if isinstance(one.agent, str) else usual for one in answers}


def _agent(name: str, contracts: Iterable[Contract]) -> Agent:
    agent = Agent(name, concurrency=PLACES)
    for contract in contracts:
        _offer(agent, contract)
    return agent


def _offer(agent: Agent, contract: Contract) -> None:
    terms = Terms(limits=contract.limits, labels=tuple(sorted(contract.labels)))
    agent.offer(str(contract.ref), terms, lambda: Bound(_unplayed, contract.input.document, contract.output.document))


async def _unplayed(document: bytes, context: Context) -> Output:
    raise Failure("unplayed", "in a rehearsal the script answers")
