"""The catalogue: what agents offer, as composition reads it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import msgspec

from accord.domain.capability import RESERVED, CapabilityRange
from accord.domain.contract import Contract
from accord.planner.composition.ability import Ability, ability_of
from accord.planner.composition.index import Index
from accord.planner.composition.lists import with_items
from accord.planner.ways import Objective

CACHED_CATALOGUES = 8


def offered(objective: Objective) -> Iterator[tuple[Contract, str]]:
    """What agents that are there offer: of each capability the newest version, of the system's those that are named."""
    for name in sorted(objective.capabilities.names()):
        if name.startswith(RESERVED) and name not in objective.text:
            continue
        contracts = objective.capabilities.contracts(CapabilityRange.parse(name))
        newest = next((one for one in contracts if str(one.ref) in objective.described), None)
        if newest is not None:
            yield newest, objective.described[str(newest.ref)]


@lru_cache(maxsize=CACHED_CATALOGUES)
def index_of(offered: tuple[tuple[Contract, str], ...]) -> Index:
    """The index of a set of contracts; contracts are equal where their digests are."""
    return Index(_ability(contract, words) for contract, words in offered)


def _ability(contract: Contract, words: str) -> Ability:
    found = ability_of(str(contract.ref), words, contract.input.document, contract.output.document)
    return msgspec.structs.replace(found, outputs=with_items(found.outputs))
