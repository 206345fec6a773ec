"""What the verifier is told of the world: the contracts of known agents, and other templates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Protocol

import msgspec

from accord.domain.capability import CapabilityName, CapabilityRange
from accord.domain.contract import Contract
from accord.domain.graph import Graph


class Capabilities(Protocol):
    """The contracts that known agents keep. The registry is one."""

    def contracts(self, wanted: CapabilityRange) -> Sequence[Contract]:
        """Every contract in the range, each once, the highest version first."""
        ...

    def versions(self, name: CapabilityName) -> Sequence[str]:
        """All known versions of a capability, the highest first; empty where it is not known."""
        ...

    def names(self) -> Iterable[str]:
        """All known capabilities."""
        ...


class Templates(Protocol):
    """The graphs of known templates."""

    def graph(self, wanted: str) -> Graph | None:
        """The graph of the best version in a range such as `source-audit@^1`; None where there is none."""
        ...

    def names(self) -> Iterable[str]:
        """The names of all known templates."""
        ...


class NoTemplates:
    """No templates at all."""

    def graph(self, _wanted: str) -> Graph | None:
        """None."""
        return None

    def names(self) -> Iterable[str]:
        """No names."""
        return ()


class ContractTable:
    """The capabilities of a fixed set of contracts: of declared agents, before any of them is online."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        self._by_name: dict[str, list[Contract]] = {}
        for contract in {each.digest: each for each in contracts}.values():
            self._by_name.setdefault(contract.capability, []).append(contract)
        for known in self._by_name.values():
            known.sort(key=lambda contract: contract.version, reverse=True)

    def contracts(self, wanted: CapabilityRange) -> Sequence[Contract]:
        """Every contract in the range, the highest version first."""
        return [each for each in self._by_name.get(wanted.name, ()) if wanted.matches(each.ref)]

    def versions(self, name: CapabilityName) -> Sequence[str]:
        """All versions of a capability, the highest first."""
        return list(dict.fromkeys(str(each.version) for each in self._by_name.get(name, ())))

    def names(self) -> Iterable[str]:
        """All capabilities."""
        return self._by_name.keys()


START = "start an agent that offers it (`accord agents list` shows who is known)"
"""What to do where nobody offers something."""


class Missing(msgspec.Struct, frozen=True):
    """Why there is no contract in a range: the code, what to say, and the way out."""

    code: str
    message: str
    hint: str


def missing(wanted: CapabilityRange, capabilities: Capabilities) -> Missing:
    """Why there is no contract in this range."""
    versions = capabilities.versions(wanted.name)
    if versions:
        hint = f"write `{wanted.name}@^{versions[0]}`, or start an agent with another version"
        known = ", ".join(versions[:8])
        return Missing("ACC821", f"no known version of `{wanted.name}` is in `{wanted.versions}`: {known}", hint)
    names = list(capabilities.names())
    close = get_close_matches(wanted.name, names, n=3, cutoff=0.6)
    same_end = [name for name in names if name.rpartition(".")[2] == wanted.name.rpartition(".")[2]]
    near = list(dict.fromkeys([*close, *same_end]))[:3]
    nearest = f"did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else None
    return Missing("ACC820", f"no known agent offers `{wanted.name}`", nearest or START)
