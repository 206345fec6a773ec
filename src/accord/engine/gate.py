"""The gate: an incoming message is authenticated, then admitted. Nothing is parsed before it is authenticated;
every check fails closed.

`authenticate` needs no state but the registry; `admit` looks at the run.
The order of the checks is that of `docs/protocol.md`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from accord.domain import command as c
from accord.domain.agent import organisation_of, registry_id
from accord.domain.assignment import assignment_digest
from accord.domain.delegation import refusal as refusal_of_delegate
from accord.domain.ids import AgentId, Digest, KeyId, LeaseToken, TaskId
from accord.domain.ingress import claims_flaw, payload_flaw
from accord.domain.log import BATCH_MAX_BYTES, LINE_MAX_BYTES, LogPayload
from accord.domain.message import PAYLOAD_MAX_BYTES, Claims, Kind, decode_claims, refusal
from accord.domain.payloads import decode_payload
from accord.domain.policy import AgentAction
from accord.domain.run import Attempt, Run
from accord.domain.signature import Parsed, parse_statement
from accord.engine.authority import Authority
from accord.engine.data_keys import DataKeys
from accord.engine.documents import Documents
from accord.engine.judgement import Judge, damaged
from accord.engine.large import Large, is_by_reference
from accord.engine.registry import Registry
from accord.engine.verdicts import (
    CODES,
    Asked,
    Authentic,
    Barred,
    Damaged,
    Late,
    News,
    Suspect,
    Unchecked,
    problem_at,
    refused,
)
from accord.errors import AccordError, MessageRefused, Problem
from accord.ports import Delivery
from accord.service import KnownKey
from accord.statements import Verifier

_DEEDS: Final[Mapping[AgentAction, str]] = {
    "execute": "execute",
    "see": "see the input of",
    "declassify": "declassify by",
}
"""What an agent may not do with a capability, in words."""

_ABOUT_ATTEMPTS: frozenset[Kind] = frozenset({"accept", "progress", "ask", "result", "failure"})
_NAMING: frozenset[Kind] = frozenset({"log", "ask", "result", "failure"})
"""What names the assignment that it is about."""
_ABOUT_AGENTS: frozenset[Kind] = frozenset({"card", "heartbeat", "delegate"})
_SENT: frozenset[Kind] = _ABOUT_ATTEMPTS | _ABOUT_AGENTS
"""What comes over the bus, but for logs."""

LOGS: frozenset[Kind] = frozenset({"log"})
"""What comes on a subject of its own."""


class _Signed(msgspec.Struct, frozen=True, gc=False):
    """A message with a statement whose signature is still to be verified, under a key that may sign."""

    delivery: Delivery
    parsed: Parsed
    key: KnownKey


Follow = Callable[[], Awaitable[None]]
"""Follows what others have said of agents."""


class Gate:
    """Checks what agents send."""

    def __init__(
        self,
        registry: Registry,
        documents: Documents,
        keys: DataKeys,
        large: Large,
        orchestrator: AgentId,
        authority: Authority,
    ) -> None:
        self._registry = registry
        self._documents = documents
        self._keys = keys
        self._orchestrator = orchestrator
        self._audiences = frozenset((orchestrator, registry_id(organisation_of(orchestrator))))
        self._authority = authority
        self._judge = Judge(registry, documents, large, authority)
        self._verifier = Verifier()
        self.follow: Follow | None = None
        """Asked when a key is not known here: it may have been enrolled at another replica just now."""
        self.assigned: Mapping[LeaseToken, Digest] = {}
        """The digests of assignments that were signed here, see `Secretary`; others are made again."""

    # -- authenticity --------------------------------------------------------------------------------------------

    async def authenticate(
        self, deliveries: Sequence[Delivery], now: datetime, kinds: frozenset[Kind] = _SENT
    ) -> list[Authentic | Suspect]:
        """What each delivery is, in order; messages of other kinds are refused."""
        opened = [self._opened(delivery, now) for delivery in deliveries]
        if self.follow is not None and any(isinstance(one, Suspect) and _is_strange(one) for one in opened):
            await self.follow()
            opened = [self._opened(delivery, now) for delivery in deliveries]
        signed = [one for one in opened if isinstance(one, _Signed)]
        problems = await self._verifier.problems([(one.parsed, one.key.public) for one in signed])
        found = (self._authenticated(one, forged, now, kinds) for one, forged in zip(signed, problems, strict=True))
        return [next(found) if isinstance(one, _Signed) else one for one in opened]

    def _opened(self, delivery: Delivery, now: datetime) -> _Signed | Suspect:
        message = delivery.message
        try:
            if len(message.payload) > PAYLOAD_MAX_BYTES:
                raise refusal("ACC320", f"{len(message.payload)} bytes, at most {PAYLOAD_MAX_BYTES} are allowed")
            parsed = parse_statement(message.statement)
            known = self._registry.key(parsed.kid, now)
            if known is None:
                self._refuse_ended(parsed.kid, now)
                raise refused("ACC340", "/kid", self._said_of(parsed.kid, now))
        except MessageRefused as error:
            return Suspect(delivery, error.problems[0])
        return _Signed(delivery, parsed, known)

    def _refuse_ended(self, kid: KeyId, now: datetime) -> None:
        """Say of a delegated key that it was one, and of one that has expired that it has."""
        known = self._registry.known_key(kid)
        if known is not None and known.delegation is not None:
            raise refusal_of_delegate("ACC358", "/kid", kid)
        if known is not None and known.state(now) == "expired":
            raise refused("ACC664", "/kid", kid)

    def _said_of(self, kid: KeyId, now: datetime) -> str:
        """The key, and where it is known, whose it is and what has become of it."""
        known = self._registry.known_key(kid)
        return kid if known is None else f"{kid} of {known.agent} is {known.state(now)}"

    def _authenticated(
        self, signed: _Signed, forged: Problem | None, now: datetime, kinds: frozenset[Kind]
    ) -> Authentic | Suspect:
        if forged is not None:
            return Suspect(signed.delivery, forged)
        try:
            claims = decode_claims(signed.parsed.claims)
        except MessageRefused as error:
            return Suspect(signed.delivery, error.problems[0], signer=signed.key.agent)
        problem = self._ingress_problem(claims, signed.key, now, kinds)
        if problem is None and claims.kind in _ABOUT_AGENTS:
            problem = _payload_problem(claims, signed.delivery.message.payload)
        if problem is not None:
            return Suspect(signed.delivery, problem, claims, signed.key.agent)
        return Authentic(signed.delivery, claims)

    def _ingress_problem(
        self, claims: Claims, signer: KnownKey, now: datetime, kinds: frozenset[Kind]
    ) -> Problem | None:
        if claims.issuer != signer.agent:
            return problem_at("ACC341", "/iss", claims.issuer)
        barred = signer.delegation.problem(claims.kind) if signer.delegation is not None else None
        if barred is not None:
            return barred
        if claims.grant is not None and claims.kind != "delegate":
            return problem_at("ACC355", "/dlg", claims.kind)
        flaw = claims_flaw(claims, self._audiences, now)
        if flaw is not None:
            return problem_at(CODES[flaw.kind], flaw.pointer, flaw.seen)
        if claims.kind not in kinds:
            return problem_at("ACC345", "/knd", claims.kind)
        if claims.kind not in _ABOUT_AGENTS and None in (claims.run, claims.task, claims.attempt, claims.lease):
            return problem_at("ACC346", "", claims.kind)
        return None

    # -- admission -----------------------------------------------------------------------------------------------

    def admit(
        self, run: Run | None, authentic: Authentic
    ) -> c.Command | Late | Asked | News | Damaged | Barred | Unchecked | Suspect:
        """What the run is to do about an authentic message about one of its attempts."""
        try:
            attempt = self.attempt_of(run, authentic.claims)
            if run is None or attempt is None:
                return Late(authentic.claims)
            claims, payload = authentic.claims, authentic.message.payload
            is_large = is_by_reference(claims, payload)
            problem = None if is_large else _payload_problem(claims, payload)
            if problem is not None:
                return damaged(authentic, attempt, problem)
            denied = self.denial(run, authentic.claims.task or TaskId(""), attempt)
            if denied is not None:
                return _barred(authentic, attempt, denied)
            if is_large:
                return self._judge.large_result(run, attempt, authentic)
            with self._documents.under(self._keys.at_hand(run.id)):
                return self._judge.command(run, attempt, authentic)
        except AccordError as error:
            return Suspect(authentic.delivery, error.problems[0], authentic.claims, authentic.claims.issuer)

    def attempt_of(self, run: Run | None, claims: Claims) -> Attempt | None:
        """The live attempt that the message is about; None when it has ended and the message is only late."""
        attempt = self._assigned(run, claims)
        if attempt.live:
            return attempt
        answered = attempt.output.sha256 if attempt.output is not None else None
        given = claims.payload.sha256 if claims.payload is not None else None
        if claims.kind == "result" and answered is not None and answered != given:
            raise refused("ACC351", "/pld", str(given))
        return None

    def logged(self, run: Run | None, authentic: Authentic) -> LogPayload:
        """The lines that an authentic message brings from an attempt that is, or was, its agent's. Raises
        MessageRefused.
        """
        self._assigned(run, authentic.claims)
        return self.lines_of(authentic)

    def lines_of(self, authentic: Authentic) -> LogPayload:
        """The same, where it is known already whose attempt it is. Raises MessageRefused."""
        payload = authentic.message.payload
        MessageRefused.raise_if(filter(None, [_payload_problem(authentic.claims, payload)]))
        if len(payload) > BATCH_MAX_BYTES:
            raise refused("ACC482", "/pld/len", f"{len(payload)} bytes, at most {BATCH_MAX_BYTES} are allowed")
        lines = decode_payload(LogPayload, payload)
        for index, line in enumerate(lines.lines):
            if len(msgspec.json.encode(line)) > LINE_MAX_BYTES:
                raise refused("ACC483", f"/lines/{index}", f"at most {LINE_MAX_BYTES} bytes are allowed")
        return lines

    def _assigned(self, run: Run | None, claims: Claims) -> Attempt:
        """The attempt that the message is about; it was given to whom the message is from. Raises MessageRefused."""
        attempt = run.attempt(claims.task or TaskId(""), claims.attempt or 0) if run is not None else None
        if attempt is None:
            raise refused("ACC347", "/att", f"{claims.run}/{claims.task}/{claims.attempt}")
        if claims.issuer != attempt.agent:
            raise refused("ACC348", "/iss", claims.issuer)
        if claims.lease != attempt.lease:
            raise refused("ACC349", "/lea", str(claims.lease))
        if claims.capability != attempt.capability or claims.contract != attempt.contract:
            raise refused("ACC350", "/cap", str(claims.capability))
        if run is not None and claims.kind in _NAMING and not self._is_named(run, attempt, claims):
            raise refused("ACC881", "/ins", str(list(claims.inputs)))
        return attempt

    def _is_named(self, run: Run, attempt: Attempt, claims: Claims) -> bool:
        """Whether the answer names the assignment that it is about: what was signed, or would be again."""
        named = self.assigned.get(attempt.lease)
        if named is None:
            named = assignment_digest(self._orchestrator, run.started, claims.task or TaskId(""), attempt)
        return named in claims.inputs

    def denial(self, run: Run, task: TaskId, attempt: Attempt) -> Problem | None:
        """Why the agent may not do this: the policy does not permit it. None where it does.

        Raises MessageRefused where the card that it has signed does not even offer it.
        """
        if not self._registry.offers(attempt.agent, attempt.contract):
            raise refused("ACC353", "/cap", attempt.capability)
        action, decision = self._authority.of_attempt(run, task, attempt)
        if decision.allowed:
            return None
        what = f"{attempt.agent} may not {_DEEDS[action]} {attempt.capability}"
        return problem_at("ACC675", "/cap", f"{what}: {decision.words()}")


def _barred(authentic: Authentic, attempt: Attempt, problem: Problem) -> Barred:
    task = authentic.claims.task or TaskId("")
    return Barred(
        Suspect(authentic.delivery, problem, authentic.claims),
        c.Bar(task=task, attempt=attempt.number, problem=problem),
    )


def _is_strange(suspect: Suspect) -> bool:
    """Whether its key may not sign, as far as is known here."""
    return suspect.problem.code == "ACC340"


def _payload_problem(claims: Claims, payload: bytes) -> Problem | None:
    flaw = payload_flaw(claims, payload)
    return None if flaw is None else problem_at(CODES[flaw.kind], flaw.pointer, flaw.seen)
