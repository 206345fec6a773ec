"""The policy: who may do what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from accord.domain.ids import Digest
from accord.domain.policy import Decision, Request


class PolicyText(Protocol):
    """A policy set as it is written."""

    @property
    def document(self) -> bytes:
        """All of it, to be kept as evidence: its SHA-256 is the digest."""
        ...

    @property
    def digest(self) -> Digest:
        """Names the set."""
        ...

    @property
    def shipped(self) -> bool:
        """Whether it is the one that comes with Accord."""
        ...


class Policy(Protocol):
    """Says who may do what."""

    @property
    def source(self) -> PolicyText:
        """The set in force."""
        ...

    def decide(self, request: Request) -> Decision:
        """The answer of the set in force: never an error, what cannot be evaluated is denied. Equal requests are
        answered from memory, until another set is in force.
        """
        ...

    async def renew(self, keep: Callable[[PolicyText], Awaitable[None]]) -> bool:
        """Take over what has changed where the set comes from; whether another set is in force now. `keep` is awaited
        with the new set before anything is decided by it; what it raises leaves the one before in force, as well.

        Raises BadInput, once for each change, where the new set has faults.
        """
        ...
