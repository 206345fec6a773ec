"""Keys, cards and contracts, as the events of `sys:registry` and delegations tell: whose statement is whose, and since
when.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec
from msgspec.structs import replace

from accord.domain.agent import decode_card
from accord.domain.contract import Contract
from accord.domain.delegation import LIFETIME_MAX, OF_AGENTS, Delegated, delegation_of, problem_of, refusal
from accord.domain.ids import AgentId, Digest, KeyId
from accord.domain.ingress import CLOCK_SKEW
from accord.domain.message import Claims, decode_claims
from accord.domain.signature import PublicKey, parse_statement, verify
from accord.domain.system import AgentEnrolled, CardAccepted, KeyDelegated, KeyRetired, KeyRevoked, SystemEvent
from accord.errors import MessageRefused, Problem


class KeyHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A key of an agent, and what has become of it."""

    agent: AgentId
    public: PublicKey
    since: datetime
    revoked_at: datetime | None = None
    retires_at: datetime | None = None
    expires_at: datetime | None = None
    doubtful_from: datetime | None = None
    reason: str = ""
    delegation: Delegated | None = None
    """What bounds it, where another key lets it sign."""


class Keyring:
    """All keys that agents ever had, and what their cards have offered."""

    def __init__(self) -> None:
        self._keys: dict[KeyId, KeyHistory] = {}
        self._revoked: dict[KeyId, list[KeyRevoked]] = {}
        """What was said of keys that nobody knows yet: of delegated ones, whose delegations come behind all else, or
        not at all where nothing is signed with them.
        """
        self._offers: dict[AgentId, set[Digest]] = {}
        self.contracts: dict[Digest, Contract] = {}

    def apply(self, event: SystemEvent) -> None:
        """Fold what is said of a key; a delegation may come behind what was said of the delegated key.

        Raises KeyUnusable, and MessageRefused where nobody knows a key that has to be known.
        """
        if isinstance(event, AgentEnrolled):
            public = PublicKey.from_jwk(event.jwk)
            if public.kid != event.key:
                raise MessageRefused.of("ACC848", f"the key that was enrolled is {public.kid}, not {event.key}")
            self._keys[event.key] = KeyHistory(
                agent=event.agent, public=public, since=event.at, expires_at=event.expires_at
            )
        elif isinstance(event, KeyRevoked):
            self._revoke(event)
        elif isinstance(event, KeyRetired):
            self._keys[event.key] = replace(self._known(event.key), retires_at=event.until)
        elif isinstance(event, KeyDelegated) and event.parent in self._keys:  # else it is the orchestrator's own
            self._keys.setdefault(event.key, self._delegated(event))
            for said in self._revoked.pop(event.key, ()):
                self._revoke(said)

    def _revoke(self, event: KeyRevoked) -> None:
        known = self._keys.get(event.key)
        if known is None:
            self._revoked.setdefault(event.key, []).append(event)
            return
        self._keys[event.key] = replace(
            known,
            revoked_at=known.revoked_at or event.at,
            doubtful_from=_earliest(known.doubtful_from, event.since),
            reason=known.reason or event.reason,
        )

    def _delegated(self, event: KeyDelegated) -> KeyHistory:
        """The key that another one lets sign, by its statement. Raises MessageRefused."""
        claims, parent = self._authentic(event.statement)
        # Whether the key behind it was in other hands is told of each statement under the delegated one.
        MessageRefused.raise_if(_untimely(claims, replace(parent, doubtful_from=None), event.at))
        delegation = delegation_of(claims, parent.public.kid, OF_AGENTS, LIFETIME_MAX)
        said = Delegated(event.parent, event.until, event.kinds)
        told = (parse_statement(event.statement.encode()).kid, delegation.issuer, delegation.key.kid, delegation.bounds)
        if told != (event.parent, event.agent, event.key, said):
            raise MessageRefused.of("ACC541", "the statement delegates something else")
        return KeyHistory(agent=event.agent, public=delegation.key, since=event.at, delegation=said)

    def accept(self, event: CardAccepted, data: bytes) -> None:
        """Take over what a card offers. Raises MessageRefused where the agent has not signed it, or it is none."""
        claims = self.claims(event.statement, event.at)
        if claims.kind != "card" or claims.issuer != event.agent:
            raise MessageRefused.of("ACC541", f"{claims.issuer} has signed a {claims.kind}, no card of {event.agent}")
        if claims.payload is None or claims.payload.sha256 != event.card.sha256:
            raise MessageRefused.of("ACC542", "the card is not the one that was signed")
        contracts = decode_card(data).contracts()
        self._offers.setdefault(event.agent, set()).update(contract.digest for contract in contracts)
        self.contracts.update((contract.digest, contract) for contract in contracts)

    def offers(self, agent: AgentId, contract: Digest) -> bool:
        """Whether a card that the agent has signed offers the contract."""
        return contract in self._offers.get(agent, ())

    def claims(self, statement: str, at: datetime) -> Claims:
        """The claims of an agent's statement that was accepted at this time.

        Raises:
            MessageRefused: the signature does not hold (ACC30x, ACC31x); ACC540 nobody knows the key; ACC541 it is
                another agent's; ACC543 it may have been in other hands; ACC848 it was not to be accepted then.
        """
        claims, known = self._authentic(statement)
        MessageRefused.raise_if(_untimely(claims, known, at))
        return claims

    def refuse_ended(self, kid: KeyId, at: datetime) -> None:
        """Raise MessageRefused ACC358 where this is a key that the orchestrator has delegated to, and it was revoked by
        then, or in doubt.
        """
        for said in self._revoked.get(kid, ()):
            if (said.since is not None and said.since <= at) or said.at + CLOCK_SKEW < at:
                raise refusal("ACC358", "/kid", f"{kid} was revoked")

    def _authentic(self, statement: str) -> tuple[Claims, KeyHistory]:
        """The claims, and the key that has signed them, whenever that was."""
        parsed = parse_statement(statement.encode())
        known = self._known(parsed.kid)
        verify(parsed, known.public)
        claims = decode_claims(parsed.claims)
        if claims.issuer != known.agent:
            raise MessageRefused.of("ACC541", f"{claims.issuer} has signed with a key of {known.agent}")
        return claims, known

    def _known(self, kid: KeyId) -> KeyHistory:
        known = self._keys.get(kid)
        if known is None:
            raise MessageRefused.of("ACC540", f"nobody has enrolled the key {kid}")
        parent = self._keys.get(known.delegation.parent) if known.delegation is not None else None
        if parent is None:
            return known
        return replace(
            known,
            revoked_at=_earliest(known.revoked_at, parent.revoked_at),
            retires_at=_earliest(known.retires_at, parent.retires_at),
            expires_at=parent.expires_at,
            doubtful_from=_earliest(known.doubtful_from, parent.doubtful_from),
            reason=known.reason or parent.reason,
        )


def _earliest(*times: datetime | None) -> datetime | None:
    return min((time for time in times if time is not None), default=None)


def _untimely(claims: Claims, key: KeyHistory, at: datetime) -> Iterator[Problem]:
    """Why a statement was not to be accepted at this time; clocks may differ by a minute."""
    if key.delegation is not None:
        beyond = key.delegation.problem(claims.kind)
        if beyond is not None:
            yield beyond
        if claims.issued_at >= key.delegation.until.timestamp():
            yield problem_of("ACC358", "/iat", str(claims.issued_at))
    if key.doubtful_from is not None and at >= key.doubtful_from:  # when it was made says whoever holds the key
        since = key.doubtful_from.isoformat()
        why = f": {key.reason}" if key.reason else ""
        hint = f"it was revoked{why}; do the task again: accord runs rollback RUN --to TASK"
        yield Problem("ACC543", f"the key {key.public.kid} may have been in other hands since {since}", hint=hint)
    if at + CLOCK_SKEW < key.since:
        yield Problem("ACC848", f"it was accepted at {at.isoformat()}, before its key was enrolled")
    ends = (("revoked", key.revoked_at), ("replaced", key.retires_at), ("expired", key.expires_at))
    for word, end in ends:
        if end is not None and at > end + CLOCK_SKEW:
            yield Problem("ACC848", f"it was accepted at {at.isoformat()}, after its key was {word}")
    if claims.issued_at > (at + CLOCK_SKEW).timestamp():
        yield Problem("ACC848", f"it was accepted at {at.isoformat()}, before it was made")
    if claims.expires_at <= (at - CLOCK_SKEW).timestamp():
        yield Problem("ACC848", f"it was accepted at {at.isoformat()}, after it had expired")
