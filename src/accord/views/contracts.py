"""Contracts that are compared, for whoever evolves a capability."""

from __future__ import annotations

import msgspec

from accord.domain.contract import Contract
from accord.domain.difference import Difference, differences
from accord.verifier.evolution import Evolution, of_contracts


class ContractDiff(msgspec.Struct, frozen=True):
    """What is different between two versions of a capability."""

    before: str
    """`name@version`."""
    after: str
    changes: tuple[Difference, ...]
    """By JSON pointer into the contracts."""
    evolution: Evolution


def contract_diff(before: Contract, after: Contract) -> ContractDiff:
    """What is different in `after`."""
    changes = tuple(differences(before.document(), after.document()))
    return ContractDiff(str(before.ref), str(after.ref), changes, of_contracts(before, after))
