"""The deputy of a long-lived key in a slow store: a short-lived one in memory, which it delegates to in time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from accord.domain.delegation import LIFETIME, delegation_claims
from accord.domain.ids import AgentId, KeyId
from accord.domain.message import Claims, Kind
from accord.domain.signature import Algorithm
from accord.statements import ShortKey, Signer, StandIn

RENEWED_AFTER: Final = 0.4
"""The share of its life after which a delegated key has a successor: what it has signed until then can wait for longer
than the rest of it nowhere but at orchestrators that are all away."""

ASKED_AGAIN_AFTER: Final = timedelta(seconds=30)
"""How long a delegation may be without an answer until another one is proposed."""

MakeKey = Callable[[Algorithm], ShortKey]
"""Makes a key that lives in this process's memory alone."""

DelegateKeys = Literal["never", "auto", "always"]
"""Whether a long-lived key lets short-lived ones sign for it: `auto` where its store has proved to be slow."""


class Delegating(msgspec.Struct, frozen=True, kw_only=True):
    """How a signer delegates."""

    when: DelegateKeys
    make: MakeKey
    kinds: frozenset[Kind]
    """What the short-lived key may sign."""
    lifetime: timedelta = LIFETIME


class Proposal(msgspec.Struct, frozen=True, eq=False):
    """A delegation that nobody knows of yet."""

    key: ShortKey
    claims: Claims
    proposed_at: datetime

    @property
    def kid(self) -> KeyId:
        """Of the delegated key."""
        return self.key.public.kid


class Deputy:
    """Keeps a short-lived key beside a signer's: a new one is proposed in time, and stands in once those who verify
    know it. Until then, and whenever there is none, the long-lived key signs.
    """

    def __init__(self, signer: Signer, how: Delegating) -> None:
        self._signer = signer
        self._how = how
        self._proposal: Proposal | None = None
        self._renew_at: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Whether a new key is to be proposed; one that nobody has accepted is proposed anew after a while."""
        if self._how.when == "never" or (self._how.when == "auto" and not self._signer.is_slow and not self._renew_at):
            return False
        if self._proposal is not None and timedelta() <= now - self._proposal.proposed_at < ASKED_AGAIN_AFTER:
            return False
        return self._renew_at is None or now >= self._renew_at

    def propose(self, issuer: AgentId, audience: AgentId, token: str, now: datetime) -> Proposal:
        """A new key, with the claims that the long-lived one has to sign before it stands in."""
        key, how = self._how.make(self._signer.key.algorithm), self._how
        claims = delegation_claims(issuer, audience, key.public, how.kinds, token, now, how.lifetime)
        self._proposal = Proposal(key, claims, now)
        return self._proposal

    def accepted(self, kids: Iterable[KeyId]) -> None:
        """Those who verify know these keys; nothing happens where none is the last one that was proposed."""
        proposal = self._proposal
        if proposal is not None and proposal.kid in kids:
            self._proposal = None
            self._signer.stand_in = StandIn(proposal.key, proposal.claims.expires_at)
            self._renew_at = proposal.proposed_at + self._how.lifetime * RENEWED_AFTER

    def drop(self) -> None:
        """The short-lived key signs nothing more; another one is due."""
        self._proposal = self._renew_at = self._signer.stand_in = None

    def give_up(self) -> None:
        """Delegations are refused: the long-lived key signs everything, and proposes nothing more."""
        self._how = msgspec.structs.replace(self._how, when="never")
        self.drop()
