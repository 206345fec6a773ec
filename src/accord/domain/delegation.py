"""Delegation: a long-lived key says that a short-lived one may sign for it, what, and until when.

    long-lived key ── delegate: `dlg` holds the key and the kinds that it may sign ──► whoever verifies
    delegated key ── heartbeat, result, … ──► the same

So a key in a slow or dear store signs one statement in some minutes, and a key in memory all others. A chain has two
links and no more: what is delegated can be delegated no further, and ends with the key that stands behind it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from accord.domain.ids import AgentId, KeyId
from accord.domain.message import Claims, Grant, Kind
from accord.domain.signature import PublicKey
from accord.errors import KeyUnusable, MessageRefused, Problem

LIFETIME: Final = timedelta(minutes=10)
"""How long a delegated key may sign, where nothing else is said."""

LIFETIME_MAX: Final = timedelta(hours=1)
"""Nobody may accept a delegation for longer."""

OF_AGENTS: Final[frozenset[Kind]] = frozenset(
    ("heartbeat", "accept", "progress", "ask", "result", "failure", "upload", "fetch")
)
"""What an agent's delegated key may sign: neither who it is, nor what it offers."""

IMPLIED: Final[dict[Kind, Kind]] = {"log": "progress", "certificate": "assign"}
"""What a key may sign because it may sign something else: so a delegation says what it said before there were logs, and
before delegated keys signed what was proven of a run."""

OF_ORCHESTRATORS: Final[frozenset[Kind]] = frozenset(("assign", "cancel", "ack", "reject", "reply", "holdings"))
"""What an orchestrator's delegated key may sign: no welcome, and no seal of a run, which is to hold for ever."""


def is_among(kind: Kind, kinds: Collection[Kind]) -> bool:
    """Whether who may sign these kinds may sign this one."""
    return IMPLIED.get(kind, kind) in kinds


REFUSALS: Final[dict[str, str]] = {
    "ACC356": "the delegation is none that may be made",
    "ACC357": "the delegated key may not sign this",
    "ACC358": "the delegated key has ended, or the key behind it has",
}
"""Why a delegation, or a statement under a delegated key, is refused: by agents and by orchestrators."""


class Delegated(msgspec.Struct, frozen=True):
    """What bounds a key that another one has delegated to."""

    parent: KeyId
    """The long-lived key, which has said so."""
    until: datetime
    kinds: tuple[Kind, ...]

    def problem(self, kind: Kind) -> Problem | None:
        """Why the key may not sign a statement of this kind."""
        return None if is_among(kind, self.kinds) else problem_of("ACC357", "/knd", kind)


class Delegation(msgspec.Struct, frozen=True):
    """A statement of kind `delegate` that keeps the rules."""

    issuer: AgentId
    key: PublicKey
    bounds: Delegated


def delegation_claims(  # noqa: PLR0913 - what a delegation says, spelled out once
    issuer: AgentId, audience: AgentId, key: PublicKey, kinds: frozenset[Kind], token: str, now: datetime,
    lifetime: timedelta,
) -> Claims:  # fmt: skip
    """What a long-lived key signs, so that this key may sign these kinds for it."""
    issued_at = int(now.timestamp())
    return Claims(
        issuer=issuer,
        audience=audience,
        id=token,
        issued_at=issued_at,
        expires_at=issued_at + int(lifetime.total_seconds()),
        kind="delegate",
        grant=Grant(key.to_jwk(), tuple(sorted(kinds))),
    )


def delegation_of(claims: Claims, parent: KeyId, allowed: frozenset[Kind], most: timedelta) -> Delegation:
    """What the authentic claims of a `delegate` under this key delegate; `allowed` are the kinds that may be, `most`
    is how long. Raises MessageRefused.
    """
    grant = claims.grant
    if claims.kind != "delegate" or grant is None:
        raise refusal("ACC356", "/dlg", "it names no key")
    if claims != claims.only("grant"):
        raise refusal("ACC356", "", "it has claims that a delegation has not")
    if not grant.kinds or list(grant.kinds) != sorted(set(grant.kinds)):
        raise refusal("ACC356", "/dlg/knd", "the kinds are not in order, each once")
    if not allowed.issuperset(grant.kinds):
        raise refusal("ACC356", "/dlg/knd", f"{', '.join(sorted(set(grant.kinds) - allowed))} cannot be delegated")
    lives_s = claims.expires_at - claims.issued_at
    if not 0 < lives_s <= most.total_seconds():
        raise refusal("ACC356", "/exp", f"{lives_s} s, at most {most.total_seconds():.0f} s are allowed")
    try:
        key = PublicKey.from_jwk(grant.jwk)
    except KeyUnusable as error:
        raise refusal("ACC356", "/dlg/jwk", str(error.problems[0].message)) from None
    if key.kid == parent:
        raise refusal("ACC356", "/dlg/jwk", "the key delegates to itself")
    until = datetime.fromtimestamp(claims.expires_at, UTC)
    return Delegation(claims.issuer, key, Delegated(parent, until, grant.kinds))


def refusal(code: str, pointer: str, seen: str) -> MessageRefused:
    """The error for one of `REFUSALS`, with what was seen instead."""
    return MessageRefused(problem_of(code, pointer, seen))


def problem_of(code: str, pointer: str, seen: str) -> Problem:
    """One of `REFUSALS`, with what was seen instead."""
    return Problem.ruled(REFUSALS, code, pointer, seen)
