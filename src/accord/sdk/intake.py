"""What an agent believes: messages are checked in the protocol's order, none is read before it is authentic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from accord.domain.ids import AgentId, Digest, KeyId
from accord.domain.ingress import Flaw, claims_flaw, payload_flaw
from accord.domain.message import Claims, Kind, Message, decode_claims
from accord.domain.signature import Parsed, PublicKey, parse_statement, statement_digest
from accord.errors import MessageRefused, Place, Problem
from accord.ports import Delivery
from accord.statements import Verifier

ASSIGNMENTS: Final[frozenset[Kind]] = frozenset(("assign",))
"""What one instance of an agent takes."""

NOTICES: Final[frozenset[Kind]] = frozenset(("cancel", "ack", "reject"))
"""What all instances hear."""

_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "assign": ("run", "task", "attempt", "lease", "capability", "contract", "payload"),
    "cancel": ("run", "task", "attempt"),
}

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


class Intake:
    """Checks what comes for one agent against the keys of the orchestrators that it trusts."""

    def __init__(self, agent: AgentId, trust: Mapping[KeyId, PublicKey], verifier: Verifier) -> None:
        self._agent = agent
        self._trust = trust
        self._verifier = verifier

    async def check(
        self, deliveries: Sequence[Delivery], now: datetime, kinds: frozenset[Kind]
    ) -> list[Letter | Refusal]:
        """What each delivery is, in order; only messages of these kinds are believed here."""
        opened = [self._opened(delivery) for delivery in deliveries]
        signed = [one for one in opened if isinstance(one, _Signed)]
        problems = await self._verifier.problems([(one.parsed, one.key) for one in signed])
        found = (self._checked(one, forged, now, kinds) for one, forged in zip(signed, problems, strict=True))
        return [next(found) if isinstance(one, _Signed) else one for one in opened]

    def _opened(self, delivery: Delivery) -> _Signed | Refusal:
        try:
            parsed = parse_statement(delivery.message.statement)
            key = self._trust.get(parsed.kid)
            if key is None:
                raise _refusal("ACC380", "/kid", parsed.kid)
        except MessageRefused as error:
            return Refusal(delivery.message, error.problems)
        return _Signed(delivery, parsed, key)

    def _checked(
        self, signed: _Signed, forged: Problem | None, now: datetime, kinds: frozenset[Kind]
    ) -> Letter | Refusal:
        message = signed.delivery.message
        if forged is not None:
            return Refusal(message, (forged,))
        try:
            claims = decode_claims(signed.parsed.claims)
            _refuse(claims_flaw(claims, (self._agent,), now))
            if claims.kind not in kinds:
                raise _refusal("ACC384", "/knd", claims.kind)
            if claims.payload is not None and claims.payload.media_type != "application/json":
                raise _refusal("ACC385", "/pld/typ", claims.payload.media_type)
            _refuse(payload_flaw(claims, message.payload))
            _complete(claims)
        except MessageRefused as error:
            return Refusal(message, error.problems)
        return Letter(signed.delivery, claims, statement_digest(signed.parsed.claims))


def _complete(claims: Claims) -> None:
    MessageRefused.raise_if(
        Problem("ACC386", f"{REFUSALS['ACC386']}: {name}")
        for name in _NEEDED.get(claims.kind, ())
        if getattr(claims, name) is None
    )


def _refuse(flaw: Flaw | None) -> None:
    if flaw is not None:
        raise _refusal(_CODES[flaw.kind], flaw.pointer, flaw.seen)


def _refusal(code: str, pointer: str, seen: str) -> MessageRefused:
    return MessageRefused(Problem(code, f"{REFUSALS[code]}: {seen}", Place(pointer=pointer)))
