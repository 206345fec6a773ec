"""The proofs, where the extra is installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Literal, Protocol

import msgspec

from accord.domain.policy import Request
from accord.errors import BadInput, Place
from accord.policy.cedar import CedarSet


class Answer(msgspec.Struct, frozen=True):
    """What was found out of one question."""

    verdict: Literal["never", "sometimes", "unknown"]
    """`never`: no request is like that. `sometimes`: `example` is, Cedar says so, too."""
    example: Request | None = None
    unknown: tuple[str, ...] = ()
    """Why it is not known, by kind of request."""


class Useless(msgspec.Struct, frozen=True):
    """A policy without which the same is allowed."""

    rule: str
    place: Place
    why: Literal["dead", "shadowed"]
    """`dead`: it fits no request. `shadowed`: whatever it says, others say as well."""


class Proofs(Protocol):
    """What can be proven of policy sets; `accord.policy.analysis` does."""

    def allows_more(self, new: CedarSet, old: CedarSet) -> Answer:
        """Whether the new set allows anything that the old one does not."""
        ...

    def ever(self, policies: CedarSet, asked: str) -> Answer:
        """Whether the set ever allows a request that is like this: a Cedar policy without its effect,
        `(principal is Agent, action, resource) when { … }`. Raises BadInput where it is none.
        """
        ...

    def useless(self, policies: CedarSet) -> Iterator[Useless]:
        """The policies that are dead or shadowed, as far as it is known."""
        ...


def proofs(*, required: bool) -> Proofs | None:
    """The proofs; None where they are not installed. Raises BadInput ACC678 where they are required."""
    if find_spec("z3") is not None:
        from accord.policy.analysis.questions import Questions  # noqa: PLC0415 - it needs Z3, which is an extra

        return Questions()
    if required:
        raise BadInput.of(
            "ACC678", "proofs need z3-solver, which is not installed", hint="pip install 'accord-orchestrator[proofs]'"
        )
    return None
