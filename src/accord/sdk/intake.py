"""What an agent believes: messages are checked in the protocol's order, none is read before it is authentic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final

import msgspec

from accord.domain.agent import orchestrator_id, organisation_of
from accord.domain.delegation import (
    LIFETIME_MAX,
    OF_ORCHESTRATORS,
    Delegation,
    delegation_of,
    problem_of,
    refusal,
)
from accord.domain.ids import AgentId, Digest, KeyId
from accord.domain.ingress import Flaw, claims_flaw, payload_flaw
from accord.domain.message import Claims, Kind, Message, decode_claims
from accord.domain.signature import Parsed, PublicKey, parse_statement, statement_digest
from accord.domain.succession import LINKS_MAX, successor
from accord.domain.succession import refusal as refused_as
from accord.errors import MessageRefused, Problem
from accord.ports import Delivery
from accord.recent import Recent
from accord.statements import Verifier

ASSIGNMENTS: Final[frozenset[Kind]] = frozenset(("assign",))
"""What one instance of an agent takes."""

NOTICES: Final[frozenset[Kind]] = frozenset(("cancel", "ack", "reject", "reply", "delegate", "succeed"))
"""What all instances hear."""

DELEGATED_MAX: Final = 64
"""How many delegated keys are remembered: each process of an orchestrator has one, and for a while the one before."""

_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "assign": ("run", "task", "attempt", "lease", "capability", "contract", "payload"),
    "cancel": ("run", "task", "attempt"),
    "reply": ("run", "task", "attempt", "lease", "payload"),
}
_FOUND: Final = {kind: attrgetter(*names) for kind, names in _NEEDED.items()}

_CODES: Final = {"audience": "ACC381", "expired": "ACC382", "future": "ACC383", "payload": "ACC385"}

REFUSALS: Final[dict[str, str]] = {
    "ACC380": "the key is none of an orchestrator that this agent trusts",
    "ACC381": "the message is for somebody else",
    "ACC382": "the message has expired",
    "ACC383": "the message is from the future",
    "ACC384": "an agent does not take messages of this kind here",
    "ACC385": "the payload is not the one that was signed",
    "ACC386": "a claim that this kind needs is missing",
}
"""Why an authentic-looking message is dropped, by code; ACC30x to ACC32x are those of the statement itself."""


class Refusal(msgspec.Struct, frozen=True):
    """A message that was dropped, and why."""

    message: Message
    problems: tuple[Problem, ...]


class Letter(msgspec.Struct, frozen=True, gc=False):
    """An authentic message of an orchestrator."""

    delivery: Delivery
    claims: Claims
    digest: Digest
    """By what the answer names the assignment."""


class _Signed(msgspec.Struct, frozen=True, gc=False):
    delivery: Delivery
    parsed: Parsed
    key: PublicKey
    bounds: Delegation | None
    """What the key may sign, where it is a delegated one."""


class Intake:
    """Checks what comes for one agent against the keys of the orchestrators that it trusts."""

    def __init__(
        self, agent: AgentId, trust: Mapping[KeyId, PublicKey], verifier: Verifier, registry: AgentId | None = None
    ) -> None:
        self._agent = agent
        self._trust = trust
        self._verifier = verifier
        self._registry = registry
        """Whom delegations are for: they are the same for all who hear of them."""
        self._delegated: Recent[KeyId, Delegation] = Recent(DELEGATED_MAX)
        self._heirs: dict[KeyId, PublicKey] = {}
        """Keys that have taken the place of trusted ones since."""

    def trusts(self, now: datetime) -> tuple[KeyId, ...]:
        """The delegated keys of orchestrators that are believed now, the newest last."""
        for kid in [kid for kid, one in self._delegated.items() if one.bounds.until <= now]:
            del self._delegated[kid]
        return tuple(self._delegated)

    async def check(
        self, deliveries: Sequence[Delivery], now: datetime, kinds: frozenset[Kind], *, whole: bool = True
    ) -> list[Letter | Refusal]:
        """What each delivery is, in order; only messages of these kinds are believed here. Where they are not `whole`,
        their payloads are elsewhere.
        """
        opened = [self._opened(delivery, now) for delivery in deliveries]
        signed = [one for one in opened if isinstance(one, _Signed)]
        problems = await self._verifier.problems([(one.parsed, one.key) for one in signed])
        payloads = [one.delivery.message.payload if whole else None for one in signed]
        found = iter(
            [
                self._checked(one, forged, now, kinds, payload)
                for one, forged, payload in zip(signed, problems, payloads, strict=True)
            ]
        )
        return [next(found) if isinstance(one, _Signed) else one for one in opened]

    def _opened(self, delivery: Delivery, now: datetime) -> _Signed | Refusal:
        try:
            parsed = parse_statement(delivery.message.statement)
            key = self._trusted(parsed.kid)
            bounds = self._bounds(parsed.kid, now) if key is None else None
        except MessageRefused as error:
            return Refusal(delivery.message, error.problems)
        if bounds is not None:
            key = bounds.key
        assert key is not None  # noqa: S101 - it is one or the other
        return _Signed(delivery, parsed, key, bounds)

    def _trusted(self, kid: KeyId) -> PublicKey | None:
        return self._trust.get(kid) or self._heirs.get(kid)

    def _bounds(self, kid: KeyId, now: datetime) -> Delegation:
        """What a key that is none of the trusted ones may sign for one of them. Raises MessageRefused."""
        found = self._delegated.get(kid)
        if found is None:
            raise _refusal("ACC380", "/kid", kid)
        if found.bounds.until <= now or self._trusted(found.bounds.parent) is None:
            raise refusal("ACC358", "/kid", kid)
        return found

    def _checked(
        self, signed: _Signed, forged: Problem | None, now: datetime, kinds: frozenset[Kind], payload: bytes | None
    ) -> Letter | Refusal:
        message = signed.delivery.message
        if forged is not None:
            return Refusal(message, (forged,))
        try:
            claims = decode_claims(signed.parsed.claims)
            if signed.bounds is not None:
                _refuse_beyond(claims, signed.bounds)
            _refuse(claims_flaw(claims, (self._audience(claims.kind),), now))
            if claims.kind not in kinds:
                raise _refusal("ACC384", "/knd", claims.kind)
            if claims.kind == "delegate":
                self._believe(claims, signed.parsed.kid)
            if claims.kind == "succeed":
                self._follow(claims, signed.key)
            if claims.payload is not None and claims.payload.media_type != "application/json":
                raise _refusal("ACC385", "/pld/typ", claims.payload.media_type)
            if payload is not None:
                _refuse(payload_flaw(claims, payload))
            _complete(claims)
        except MessageRefused as error:
            return Refusal(message, error.problems)
        return Letter(signed.delivery, claims, statement_digest(signed.parsed.claims))

    def _audience(self, kind: Kind) -> AgentId:
        """To whom a message of this kind has to be: some are the same for all who hear of them."""
        if kind == "succeed":
            return orchestrator_id(organisation_of(self._agent))
        return self._registry if kind == "delegate" and self._registry else self._agent

    def _follow(self, claims: Claims, before: PublicKey) -> None:
        """Believe the key that takes the place of a trusted one. Raises MessageRefused."""
        key = successor(claims, before.kid, orchestrator_id(organisation_of(self._agent)))
        if self._trusted(key.kid) is None and len(self._heirs) >= LINKS_MAX:
            raise refused_as("ACC667", "/dlg/jwk", f"{LINKS_MAX} were followed since the start")
        self._heirs[key.kid] = key

    def _believe(self, claims: Claims, parent: KeyId) -> None:
        """Believe what a trusted key delegates to another one. Raises MessageRefused."""
        found = delegation_of(claims, parent, OF_ORCHESTRATORS, LIFETIME_MAX)
        kid = found.key.kid
        if self._trusted(kid) is not None or self._delegated.get(kid, found) != found:
            raise refusal("ACC356", "/dlg/jwk", "the key is known already")
        self._delegated.setdefault(kid, found)


def _refuse_beyond(claims: Claims, delegation: Delegation) -> None:
    """Raise MessageRefused for what the delegated key may not sign."""
    problem = delegation.bounds.problem(claims.kind)
    if problem is None and claims.issuer != delegation.issuer:
        problem = problem_of("ACC357", "/iss", claims.issuer)
    if problem is not None:
        raise MessageRefused(problem)


def _complete(claims: Claims) -> None:
    found = _FOUND.get(claims.kind)
    if found is None or None not in found(claims):
        return
    missing = [name for name in _NEEDED[claims.kind] if getattr(claims, name) is None]
    raise MessageRefused(*(Problem("ACC386", f"{REFUSALS['ACC386']}: {name}") for name in missing))


def _refuse(flaw: Flaw | None) -> None:
    if flaw is not None:
        raise _refusal(_CODES[flaw.kind], flaw.pointer, flaw.seen)


def _refusal(code: str, pointer: str, seen: str) -> MessageRefused:
    return MessageRefused(Problem.ruled(REFUSALS, code, pointer, seen))
