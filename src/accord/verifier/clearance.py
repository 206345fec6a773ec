"""Which known agents offer a capability: half of what a `Clearance` tells the verifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from accord.domain.capability import CapabilityRange
from accord.domain.contract import Contract
from accord.domain.ids import AgentId

Offer: TypeAlias = tuple[AgentId, Contract]
"""An agent, and a contract that it keeps."""


class Offers:
    """The agents that offer a capability, found out once for each; `every` gives all offers, where one is asked for."""

    def __init__(self, every: Callable[[], Iterable[Offer]]) -> None:
        self._every = every
        self._found: dict[str, list[Offer]] = {}

    def offers(self, wanted: CapabilityRange) -> Sequence[Offer]:
        """The known agents that offer a capability in the range, each with every contract of it."""
        key = str(wanted)
        if key not in self._found:
            self._found[key] = [offer for offer in self._every() if wanted.matches(offer[1].ref)]
        return self._found[key]
