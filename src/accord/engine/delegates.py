"""Delegates: the short-lived key that signs for this process's orchestrator where its own is in a slow store, and which
agents know of it.

It is in `sys:delegations` before it signs anything, and signs to an agent only what all present instances of that will
believe: each says in its heartbeats which delegated keys it knows, and is told of one that it does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from accord.deputy import Delegating, Deputy
from accord.domain.delegation import OF_ORCHESTRATORS, Delegation, delegation_of, is_among, refusal
from accord.domain.ids import AgentId, InstanceId, KeyId
from accord.domain.ingress import CLOCK_SKEW
from accord.domain.message import Claims, Message, encode_claims
from accord.engine.registry import Registry
from accord.ports import Clock
from accord.statements import Draft, Signer

ON_THE_WAY: Final = timedelta(seconds=60)
"""How long a message may take to its agent: the key that has signed it lives for longer."""


class Delegates:
    """The delegated key of one process, and who is told of it."""

    def __init__(self, identity: AgentId, signer: Signer, clock: Clock, registry: Registry) -> None:
        self._identity = identity
        self._signer = signer
        self._clock = clock
        self._registry = registry
        self._deputy: Deputy | None = None
        self.how: Delegating | None = None
        """How keys are delegated to here; None where none are."""
        self._told: Counter[InstanceId] = Counter()
        """How many heartbeats of an instance did not name the key."""
        self.introduction: Message | None = None
        """The statement that lets the present key sign; None where there is none."""
        registry.revoked.append(self._revoked)

    def use(self, how: Delegating | None) -> None:
        """Let keys that are made this way sign for ours, or none."""
        self._deputy = Deputy(self._signer, how) if how is not None else None
        self.how = how

    async def renewed(self, audience: AgentId, token: str) -> tuple[Delegation, str] | None:
        """A new delegation that has to be made known before `accepted`; None while none is due."""
        now = self._clock.now()
        if self._deputy is None or not self._deputy.due(now):
            return None
        claims = self._deputy.propose(self._identity, audience, token, now).claims
        (statement,) = await self._signer.sign([Draft(encode_claims(claims), alone=True)])
        lifetime = timedelta(seconds=claims.expires_at - claims.issued_at)
        return delegation_of(claims, self._signer.key.kid, OF_ORCHESTRATORS, lifetime), statement.decode("ascii")

    def accepted(self, delegation: Delegation, statement: str) -> None:
        """It is in the journal: the key signs from now on, to whoever knows it."""
        if self._deputy is not None:
            self._deputy.accepted([delegation.key.kid])
            self.introduction = Message(statement.encode(), b"")
            self._told.clear()

    def _revoked(self, kid: KeyId) -> None:
        stand_in = self._signer.stand_in
        if self._deputy is not None and stand_in is not None and stand_in.key.public.kid == kid:
            self._deputy.drop()
            self.introduction = None

    def stands_in(self, claims: Claims) -> int | None:
        """Until when the delegated key has to stand for this, where it may sign it; None where it may not."""
        stand_in = self._signer.stand_in
        if stand_in is None or not is_among(claims.kind, OF_ORCHESTRATORS):
            return None
        if claims.audience != self._identity and not self._registry.trusts(claims.audience, stand_in.key.public.kid):
            return None
        return int((self._clock.now() + ON_THE_WAY).timestamp())

    def refuse_ended(self, kid: KeyId, at: datetime) -> None:
        """Raise MessageRefused ACC358 where this is a delegated key that was revoked by then, or in doubt."""
        known = self._registry.known_key(kid)
        if known is None or known.delegation is None:
            return
        in_doubt = known.doubtful_from is not None and known.doubtful_from <= at
        if in_doubt or (known.revoked_at is not None and known.revoked_at + CLOCK_SKEW < at):
            raise refusal("ACC358", "/kid", f"{kid} was revoked")

    def is_new_to(self, instance: InstanceId, trusts: Iterable[KeyId], now: datetime) -> bool:
        """Whether an instance that trusts these keys is to be told of the present one: at its first heartbeat, and
        then less and less often, because it may not know delegations at all.
        """
        stand_in = self._signer.stand_in
        if stand_in is None or stand_in.key.public.kid in trusts or stand_in.until_s <= now.astimezone(UTC).timestamp():
            return False
        self._told[instance] += 1
        count = self._told[instance]
        return count & (count - 1) == 0
