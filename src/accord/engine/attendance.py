"""Attendance: the instances that are present, and what can be said of their agents because of them. It is found anew
for an agent when one of its instances changes, and for no other.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from accord.domain.agent import AgentCard, Capacity
from accord.domain.capability import CapabilityRange
from accord.domain.contract import Contract
from accord.domain.ids import AgentId, Digest, InstanceId, KeyId
from accord.engine.peers import Candidate, Peers
from accord.engine.presence import FOR_EVER, Presence, Rooms, rooms_of


class Attendance:
    """Who is present: the live half of the registry, which changes it and settles whose instances it has changed."""

    def __init__(self) -> None:
        self._present: dict[InstanceId, Presence] = {}
        self._instances: dict[AgentId, dict[InstanceId, Presence]] = {}
        self._serving: dict[AgentId, tuple[Presence, ...]] = {}
        self._capacities: dict[AgentId, Capacity] = {}
        self._batching: set[AgentId] = set()
        self._trusting: dict[AgentId, frozenset[KeyId]] = {}
        self._rooms: dict[AgentId, dict[Digest, Rooms]] = {}
        self._offering: dict[str, set[AgentId]] = {}
        """By the capability's name: the agents that take assignments of it, in whatever version."""
        self._peers: dict[str, dict[str, Peers]] = {}
        """By name and range."""
        self._full: set[AgentId] = set()
        """Who is shut among some of its peers."""
        self._until: dict[AgentId, datetime] = {}
        """When a report that kept an agent shut is not believed any more; `_in_turn` has the same as a heap."""
        self._in_turn: list[tuple[datetime, AgentId]] = []

    def _put(self, presence: Presence) -> None:
        """This instance is present, as this says."""
        instance = presence.card.instance
        self._present[instance] = presence
        self._instances.setdefault(presence.agent, {})[instance] = presence

    def _drop(self, instance: InstanceId) -> Presence:
        """This instance, which was present, is not any more; returns what was known of it."""
        presence = self._present.pop(instance)
        theirs = self._instances[presence.agent]
        del theirs[instance]
        if not theirs:
            del self._instances[presence.agent]
        return presence

    def _settle(self, agent: AgentId) -> None:
        """Find anew what rests on the agent's instances."""
        before = _names(self._serving.get(agent, ()))
        instances = self.instances(agent).values()
        serving = tuple(one for one in instances if not one.draining)
        self._rooms.pop(agent, None)
        self._full.discard(agent)
        if serving:
            self._serving[agent], self._capacities[agent] = serving, _sum(one.capacity for one in serving)
        else:
            self._serving.pop(agent, None)
            self._capacities.pop(agent, None)
        if instances and all(one.card.batches for one in instances):
            self._batching.add(agent)
        else:
            self._batching.discard(agent)
        trusted = frozenset().union(*(one.trusts for one in instances))
        self._trusting.pop(agent, None)
        if trusted:
            self._trusting[agent] = trusted.intersection(*(one.trusts for one in instances))
        after = _names(serving)
        for name in before | after:
            self._peers.pop(name, None)
        for name in before - after:
            self._offering[name].discard(agent)
        for name in after - before:
            self._offering.setdefault(name, set()).add(agent)

    # -- what is known -------------------------------------------------------------------------------------------

    def present(self) -> tuple[int, int]:
        """How many agents have an instance here, and how many instances that makes."""
        return len(self._instances), len(self._present)

    def all_instances(self) -> list[tuple[InstanceId, Presence]]:
        """All instances that are present."""
        return list(self._present.items())

    def instances(self, agent: AgentId) -> Mapping[InstanceId, Presence]:
        """The agent's instances that are present."""
        return self._instances.get(agent, {})

    def serving(self, agent: AgentId) -> tuple[Presence, ...]:
        """The agent's instances that take assignments."""
        return self._serving.get(agent, ())

    def capacity(self, agent: AgentId) -> Capacity | None:
        """What all instances of the agent can take together; None where none is present."""
        return self._capacities.get(agent)

    def verifies_batches(self, agent: AgentId) -> bool:
        """Whether every instance that could take a message for the agent verifies batches."""
        return agent in self._batching

    def trusts(self, agent: AgentId, kid: KeyId) -> bool:
        """Whether every instance that could take a message for the agent knows that this key was delegated to."""
        return kid in self._trusting.get(agent, ())

    def rooms(self, agent: AgentId, contract: Digest, now: datetime) -> Rooms:
        """The room of these instances, and of those that offer this contract; asked for at every assignment."""
        known = self._rooms.get(agent)
        if known is None:
            known = self._rooms[agent] = {}
        found = known.get(contract)
        if found is None or found.until <= now:
            found = known[contract] = rooms_of(self.serving(agent), contract, now)
        return found

    def _forget_rooms(self, agent: AgentId) -> None:
        """An instance of the agent has reported another load."""
        self._rooms.pop(agent, None)
        self.reopen(agent)

    # -- who may have room ---------------------------------------------------------------------------------------

    def peers(self, wanted: CapabilityRange) -> Peers:
        """The agents present that offer the capability in a version of the range, by id; the best version of each
        instance, the newest first.
        """
        known = self._peers.setdefault(wanted.name, {})
        text = str(wanted)
        found = known.get(text)
        if found is None:
            found = known[text] = Peers(wanted.name, tuple(self._find(wanted)))
        return found

    def candidates(self, wanted: CapabilityRange) -> Sequence[Candidate]:
        """What these peers offer."""
        return self.peers(wanted).candidates

    def shut(self, peers: Peers, place: int, until: datetime) -> None:
        """The open agent at this place has no room; it is looked at again when one of its attempts has ended, when an
        instance says something else, and from this time on.
        """
        agent = peers.at(place)[0].agent
        peers.shut(place)
        self._full.add(agent)
        if until < FOR_EVER and self._until.get(agent) != until:
            self._until[agent] = until
            heapq.heappush(self._in_turn, (until, agent))

    def reopen(self, agent: AgentId) -> None:
        """The agent may have room again."""
        if agent in self._full:
            self._full.remove(agent)
            for name in _names(self.serving(agent)):
                for peers in self._peers.get(name, {}).values():
                    peers.reopen(agent)

    def reopen_due(self, now: datetime) -> None:
        """Whoever was full by a report that is not believed any more may have room again."""
        while self._in_turn and self._in_turn[0][0] <= now:
            until, agent = heapq.heappop(self._in_turn)
            if self._until.get(agent) == until:
                del self._until[agent]
            self.reopen(agent)

    def _find(self, wanted: CapabilityRange) -> Iterator[Candidate]:
        for agent in sorted(self._offering.get(wanted.name, ())):
            best = {contract for one in self._serving[agent] if (contract := best_of(one.card, wanted)) is not None}
            for contract in sorted(best, key=lambda contract: contract.version, reverse=True):
                yield Candidate(agent, contract, str(contract.ref))


def best_of(card: AgentCard, wanted: CapabilityRange) -> Contract | None:
    """The newest version in the range that the card offers."""
    matching = (contract for contract in card.contracts() if wanted.matches(contract.ref))
    return max(matching, key=lambda contract: contract.version, default=None)


def _names(instances: Iterable[Presence]) -> set[str]:
    return {contract.capability for one in instances for contract in one.card.contracts()}


def _sum(capacities: Iterable[Capacity]) -> Capacity:
    known = list(capacities)
    return Capacity(concurrency=sum(one.concurrency for one in known), queue=sum(one.queue for one in known))
