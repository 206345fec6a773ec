"""Peers: the agents present that offer a capability, and which of them may have room."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from accord.domain.contract import Contract
from accord.domain.ids import AgentId


class Candidate(msgspec.Struct, frozen=True):
    """An agent that offers a capability, with the best version that one of its instances offers."""

    agent: AgentId
    contract: Contract
    capability: str


Offers = Sequence[Candidate]
"""What one agent offers of a capability, the newest version first; never empty."""


class Peers:
    """Who offers a capability. Those that may have room are open; whoever was found to have none is shut until
    something has changed for it. So a search looks at nobody in vain twice, however many are full.
    """

    def __init__(self, capability: str, candidates: Sequence[Candidate]) -> None:
        self.capability = capability
        self.candidates = candidates
        """Of one agent together, the newest version first."""
        self._offers: dict[AgentId, list[Candidate]] = {}
        for one in candidates:
            self._offers.setdefault(one.agent, []).append(one)
        self._open: list[Offers] = list(self._offers.values())
        self._shut: dict[AgentId, Offers] = {}

    def __len__(self) -> int:
        """How many agents."""
        return len(self._offers)

    def __contains__(self, agent: AgentId) -> bool:
        return agent in self._offers

    def of(self, agent: AgentId) -> Offers:
        """What this agent offers; it is one of them."""
        return self._offers[agent]

    def agents(self) -> Iterable[AgentId]:
        """Who they are, open or shut."""
        return self._offers

    def all(self) -> list[Offers]:
        """What each offers, open or shut, by agent."""
        return list(self._offers.values())

    @property
    def open(self) -> int:
        """How many may have room."""
        return len(self._open)

    def at(self, place: int) -> Offers:
        """What the open agent at this place offers; places go from 0 to below `open`."""
        return self._open[place]

    def draw(self, place: int, share: float) -> Offers:
        """Put one of the open agents from this place on here, the one at this share (0 to below 1) of them. Drawn place
        by place it is a shuffle (Fisher and Yates), as far as it is needed.
        """
        there, drawn = self._open, place + int(share * (len(self._open) - place))
        there[place], there[drawn] = there[drawn], there[place]
        return there[place]

    def shut(self, place: int) -> None:
        """The open agent at this place has no room; the last one takes the place."""
        offers, last = self._open[place], self._open.pop()
        if last is not offers:
            self._open[place] = last
        self._shut[offers[0].agent] = offers

    def shut_agents(self) -> Collection[AgentId]:
        """Those that have no room, or may be given nothing."""
        return self._shut

    def reopen(self, agent: AgentId) -> None:
        """The agent may have room again; no error where it is open, or none of these."""
        offers = self._shut.pop(agent, None)
        if offers is not None:
            self._open.append(offers)
