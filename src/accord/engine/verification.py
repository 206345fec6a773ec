"""Verification before a run: nothing runs unverified. A report holds for one graph, and for what was known then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Final, TypeAlias

import msgspec

from accord.domain.agent import AgentCard
from accord.domain.capability import CapabilityRange, CapabilityRef
from accord.domain.graph import Graph, Subrun, capabilities_of
from accord.domain.ids import AgentId, Digest
from accord.domain.labels import Labels
from accord.domain.policy import AgentAction, Decision
from accord.domain.template import Template
from accord.engine.authority import Authority
from accord.engine.library import Library
from accord.engine.registry import Registry
from accord.errors import NotFound, PlaceOf, Problem, pointer_only
from accord.verifier.clearance import Offer, Offers
from accord.verifier.known import Templates
from accord.verifier.report import Report
from accord.verifier.revisions import revision, too_low
from accord.verifier.verify import verify


class _Edition(msgspec.Struct, frozen=True):
    template: Template
    digest: Digest
    data: bytes


_Known: TypeAlias = tuple[int, int, Digest, str, frozenset[str], frozenset[tuple[str, Digest]]]

Workflows: TypeAlias = Mapping[str, Digest]
"""Which version is meant by each name of a sub-workflow, `name@range`, in a graph and in all below it."""

_NEWEST: Final[Workflows] = {}


class Verified(msgspec.Struct, frozen=True):
    """What can be proven of a graph, and the versions of the sub-workflows below it for which it was."""

    report: Report
    workflows: Workflows


class Verification:
    """Verifies graphs against the registry, the library and the policy, and remembers the outcome until those change:
    the library only counts for graphs with sub-workflows.
    """

    def __init__(self, registry: Registry, library: Library, authority: Authority) -> None:
        self._registry = registry
        self._library = library
        self._authority = authority
        self._contracts: dict[Digest, tuple[int, tuple[Digest, ...]]] = {}
        self._verified: dict[Digest, tuple[_Known, Verified]] = {}

    async def report(
        self,
        graph: Graph,
        *,
        by: str,
        labels: Iterable[str] = (),
        place_of: PlaceOf = pointer_only,
        among: Templates | None = None,
    ) -> Report:
        """What can be proven of the graph now, for a run that `by` starts with an input of these labels. `place_of`
        gives JSON pointers their places in a file. Its sub-workflows are looked for `among` these templates, else among
        those that are published.
        """
        if place_of is pointer_only and among is None:
            return (await self.verified(graph, by=by, labels=labels)).report
        templates = among if among is not None else await self._templates(_NEWEST, graph)
        return self._report(graph, templates, by, frozenset(labels), place_of=place_of)

    async def verified(
        self, graph: Graph, *, by: str, labels: Iterable[str] = (), workflows: Workflows = _NEWEST
    ) -> Verified:
        """The same, and with what. Of sub-workflows the versions that `workflows` names are taken, else the newest."""
        source, given = self._authority.policy.source, frozenset(labels)
        below = bool(_subruns(graph))
        whose = "" if source.shipped else by
        pinned = frozenset(workflows.items()) if below else frozenset()
        generation = self._library.generation if below else 0
        known: _Known = (self._registry.generation, generation, source.digest, whose, given, pinned)
        remembered = self._verified.get(graph.digest)
        if remembered is not None and remembered[0] == known:
            return remembered[1]
        templates = await self._templates(workflows, graph)
        found = Verified(self._report(graph, templates, by, given), templates.digests)
        self._verified[graph.digest] = (known, found)
        return found

    def _report(
        self, graph: Graph, templates: Templates, by: str, labels: Labels, *, place_of: PlaceOf = pointer_only
    ) -> Report:
        clearance = Cleared(_offers_in(self._registry), self._authority, by)
        return verify(
            graph, self._registry, templates, place_of=place_of, clearance=clearance, labels=labels, slots=self._slots
        )

    async def version(self, template: Template, document: bytes) -> tuple[Problem, ...]:
        """What is wrong with the version that a new document has, by what has changed since the one before."""
        earlier = self._library.before(template)
        if earlier is None:
            return ()
        old = await self._library.template(earlier.digest), earlier.digest, await self._library.document(earlier.digest)
        new = template, Digest(sha256(document).hexdigest()), document
        graphs = await self._library.graph(earlier.digest), self._library.compiled(document)
        found = revision(_Edition(*old), _Edition(*new), self._registry, await self._templates(_NEWEST, *graphs))
        return too_low(template.name, earlier.version, found.evolution)

    def _slots(self, wanted: CapabilityRange) -> int | None:
        """How many tasks the agents that are present here can do at a time; None where nobody is."""
        agents = {card.agent for card in self._registry.agents() if any(map(wanted.matches, _refs(card)))}
        rooms = (self._registry.capacity(agent) for agent in agents)
        return sum(room.concurrency for room in rooms if room is not None) or None

    @property
    def policy(self) -> Digest:
        """The digest of the policy set in force."""
        return self._authority.policy.source.digest

    def contracts(self, graph: Graph) -> tuple[Digest, ...]:
        """The contracts that are known of all that the graph asks agents for, in order; remembered until the registry
        changes.
        """
        remembered, generation = self._contracts.get(graph.digest), self._registry.generation
        if remembered is not None and remembered[0] == generation:
            return remembered[1]
        wanted = {str(one): one for task in graph.tasks.values() for one in capabilities_of(task)}
        found = tuple(sorted({one.digest for wants in wanted.values() for one in self._registry.contracts(wants)}))
        self._contracts[graph.digest] = generation, found
        return found

    async def _templates(self, workflows: Workflows, *graphs: Graph) -> _Templates:
        found: dict[str, Graph] = {}
        open_ = [*graphs]
        while open_:
            for wanted in _subruns(open_.pop()):
                if wanted not in found:
                    try:
                        digest = workflows.get(wanted) or self._library.find(wanted).digest
                        found[wanted] = await self._library.graph(digest)
                    except NotFound:
                        continue
                    open_.append(found[wanted])
        return _Templates(found, {one.name for one in self._library.published()})


class Cleared(Offers):
    """What a policy lets these agents see in the runs of one tenant."""

    def __init__(self, every: Callable[[], Iterable[Offer]], authority: Authority, by: str) -> None:
        super().__init__(every)
        self._authority, self._by = authority, by

    def decide(self, action: AgentAction, agent: AgentId, capability: str, template: str, labels: Labels) -> Decision:
        """Whether the agent may do this with data of these labels in a run of the template."""
        run = self._authority.run_of(template, self._by)
        return self._authority.of_agent_in(run, action, agent, capability, labels)


class _Templates:
    """The graphs that a verification may ask for."""

    def __init__(self, graphs: dict[str, Graph], names: Iterable[str]) -> None:
        self._graphs = graphs
        self._names = sorted(names)

    @property
    def digests(self) -> Workflows:
        """Which version each name stands for."""
        return {wanted: graph.digest for wanted, graph in sorted(self._graphs.items())}

    def graph(self, wanted: str) -> Graph | None:
        """The graph of the best version in a range; None where there is none."""
        return self._graphs.get(wanted)

    def names(self) -> Iterable[str]:
        """The names of all published templates."""
        return self._names


def _refs(card: AgentCard) -> Iterator[CapabilityRef]:
    return (contract.ref for contract in card.contracts())


def _offers_in(registry: Registry) -> Callable[[], Iterable[Offer]]:
    return lambda: ((card.agent, contract) for card in registry.agents() for contract in card.contracts())


def _subruns(graph: Graph) -> list[str]:
    return [task.action.template for task in graph.tasks.values() if isinstance(task.action, Subrun)]
