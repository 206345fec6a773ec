"""The gate: an incoming message is authenticated, then admitted. Nothing is parsed before it is authenticated;
every check fails closed.

`authenticate` needs no state but the registry; `admit` looks at the run.
The order of the checks is that of `docs/protocol.md`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from accord.domain import command as c
from accord.domain.contract import Contract
from accord.domain.delegation import problem_of
from accord.domain.delegation import refusal as refusal_of_delegate
from accord.domain.diagnosis import DIAGNOSE, Case, Diagnosis
from accord.domain.document import Document
from accord.domain.ids import AgentId, Digest, KeyId, TaskId
from accord.domain.ingress import claims_flaw, payload_flaw
from accord.domain.labels import join, told
from accord.domain.message import PAYLOAD_MAX_BYTES, Claims, Kind, Message, decode_claims, refusal, strict_json
from accord.domain.payloads import FailurePayload, decode_payload
from accord.domain.policy import AgentAction
from accord.domain.progress import work_of
from accord.domain.recourse import NOT_OF_SCHEMA, OVERPRICED, UNSURE
from accord.domain.run import Attempt, Run
from accord.domain.signature import Parsed, parse_statement
from accord.engine.authority import Authority, actions_for, labels_of
from accord.engine.data_keys import DataKeys, too_large_to_encrypt
from accord.engine.documents import Documents
from accord.engine.large import MISSING, Large, is_by_reference
from accord.engine.registry import Registry
from accord.errors import AccordError, MessageRefused, Place, Problem
from accord.ports import Delivery
from accord.service import KnownKey
from accord.statements import Verifier

REFUSALS: dict[str, str] = {
    "ACC340": "the key is unknown, revoked, or replaced by another one",
    "ACC341": "the statement is not by the agent that the key belongs to",
    "ACC342": "the message is for somebody else",
    "ACC343": "the message has expired",
    "ACC344": "the message is from the future",
    "ACC345": "an orchestrator does not take messages of this kind",
    "ACC346": "a claim that this kind needs is missing",
    "ACC347": "there is no such run, task or attempt",
    "ACC348": "the attempt was assigned to another agent",
    "ACC349": "the lease is another one",
    "ACC350": "capability or contract are not those of the attempt",
    "ACC351": "another answer to this attempt was accepted already",
    "ACC352": "the transport is at fault: the payload is not the one that was signed",
    "ACC353": "the agent may not do this",
    "ACC354": "it met a fault of Accord's",
    "ACC664": "the key has expired: its agent needs a new one",
    "ACC675": "the policy does not let the agent do this",
    "ACC692": "the result claims a declassification that the task does not allow",
    "ACC355": "a claim is there that this kind has not",
}
"""What makes a message an incident, by code; ACC30x to ACC32x are those of the statement itself."""

REFUSED_INPUT = "input-contract"
"""The failure code of an agent that refuses its input. The input was checked before: the consumer is at fault."""

_DEEDS: Final[Mapping[AgentAction, str]] = {
    "execute": "execute",
    "see": "see the input of",
    "declassify": "declassify by",
}
"""What an agent may not do with a capability, in words."""

CODES = {"audience": "ACC342", "expired": "ACC343", "future": "ACC344", "payload": "ACC352"}

_ABOUT_ATTEMPTS: frozenset[Kind] = frozenset({"accept", "progress", "result", "failure"})
_ABOUT_AGENTS: frozenset[Kind] = frozenset({"card", "heartbeat", "delegate"})
_SENT: frozenset[Kind] = _ABOUT_ATTEMPTS | _ABOUT_AGENTS
"""What comes over the bus."""


class Authentic(msgspec.Struct, frozen=True, gc=False):
    """A message whose statement is by whom it says, for us, and in time."""

    delivery: Delivery
    claims: Claims

    @property
    def message(self) -> Message:
        """The message itself."""
        return self.delivery.message


class Suspect(msgspec.Struct, frozen=True):
    """A message that was refused, as evidence for an incident."""

    delivery: Delivery
    problem: Problem
    claims: Claims | None = None
    """Only of a statement whose signature holds."""
    signer: AgentId | None = None
    """Whose key has signed it, where the signature holds."""


class _Signed(msgspec.Struct, frozen=True, gc=False):
    """A message with a statement whose signature is still to be verified, under a key that may sign."""

    delivery: Delivery
    parsed: Parsed
    key: KnownKey


class Late(msgspec.Struct, frozen=True):
    """An honest answer that comes after the attempt has ended: a redelivery, or too late. It is acknowledged, no
    more.
    """

    claims: Claims


class Damaged(msgspec.Struct, frozen=True):
    """An authentic answer whose payload is not the one that was signed: an incident, and no fault of the agent's."""

    suspect: Suspect
    command: c.Damage


class Barred(msgspec.Struct, frozen=True):
    """An authentic message of an agent that may not do this any more: an incident, and somebody else gets the task."""

    suspect: Suspect
    command: c.Bar


class Unchecked(msgspec.Struct, frozen=True):
    """A result whose payload was uploaded, and of which nobody has found out yet whether it keeps the contract."""

    digest: Digest
    contract: Contract


class News(msgspec.Struct, frozen=True):
    """Progress: for those who watch, not for the journal."""

    claims: Claims
    payload: bytes


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
        audiences: frozenset[AgentId],
        authority: Authority,
    ) -> None:
        self._registry = registry
        self._documents = documents
        self._keys = keys
        self._large = large
        self._audiences = audiences
        self._authority = authority
        self._verifier = Verifier()
        self.follow: Follow | None = None
        """Asked when a key is not known here: it may have been enrolled at another replica just now."""

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
                raise refused("ACC340", "/kid", parsed.kid)
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
            return _problem("ACC341", "/iss", claims.issuer)
        if signer.delegation is not None and claims.kind not in signer.delegation.kinds:
            return problem_of("ACC357", "/knd", claims.kind)
        if claims.grant is not None and claims.kind != "delegate":
            return _problem("ACC355", "/dlg", claims.kind)
        flaw = claims_flaw(claims, self._audiences, now)
        if flaw is not None:
            return _problem(CODES[flaw.kind], flaw.pointer, flaw.seen)
        if claims.kind not in kinds:
            return _problem("ACC345", "/knd", claims.kind)
        if claims.kind not in _ABOUT_AGENTS and None in (claims.run, claims.task, claims.attempt, claims.lease):
            return _problem("ACC346", "", claims.kind)
        return None

    # -- admission -----------------------------------------------------------------------------------------------

    def admit(
        self, run: Run | None, authentic: Authentic
    ) -> c.Command | Late | News | Damaged | Barred | Unchecked | Suspect:
        """What the run is to do about an authentic message about one of its attempts."""
        try:
            attempt = self.attempt_of(run, authentic.claims)
            if run is None or attempt is None:
                return Late(authentic.claims)
            is_large = is_by_reference(authentic.claims, authentic.message.payload)
            problem = None if is_large else _payload_problem(authentic.claims, authentic.message.payload)
            if problem is not None:
                return _damaged(authentic, attempt, problem)
            denied = self.denial(run, authentic.claims.task or TaskId(""), attempt)
            if denied is not None:
                return _barred(authentic, attempt, denied)
            cipher = self._keys.at_hand(run.id)
            if is_large and cipher is not None:
                return _unencrypted(attempt, authentic)
            if is_large:
                return self._large_result(run, attempt, authentic)
            with self._documents.under(cipher):
                return self._command(run, attempt, authentic)
        except AccordError as error:
            return Suspect(authentic.delivery, error.problems[0], authentic.claims, authentic.claims.issuer)

    def attempt_of(self, run: Run | None, claims: Claims) -> Attempt | None:
        """The live attempt that the message is about; None when it has ended and the message is only late."""
        attempt = run.attempt(claims.task or TaskId(""), claims.attempt or 0) if run is not None else None
        if attempt is None:
            raise refused("ACC347", "/att", f"{claims.run}/{claims.task}/{claims.attempt}")
        if claims.issuer != attempt.agent:
            raise refused("ACC348", "/iss", claims.issuer)
        if claims.lease != attempt.lease:
            raise refused("ACC349", "/lea", str(claims.lease))
        if claims.capability != attempt.capability or claims.contract != attempt.contract:
            raise refused("ACC350", "/cap", str(claims.capability))
        if attempt.live:
            return attempt
        answered = attempt.output.sha256 if attempt.output is not None else None
        given = claims.payload.sha256 if claims.payload is not None else None
        if claims.kind == "result" and answered is not None and answered != given:
            raise refused("ACC351", "/pld", str(given))
        return None

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
        return _problem("ACC675", "/cap", f"{what}: {decision.words()}")

    def _command(self, run: Run, attempt: Attempt, authentic: Authentic) -> c.Command | News:
        claims, payload = authentic.claims, authentic.message.payload
        task = claims.task or TaskId("")
        statement = authentic.message.statement.decode("ascii")
        if claims.kind == "result":
            return self._result(run, task, attempt, authentic)
        if claims.kind == "failure":
            failure = decode_payload(FailurePayload, payload)
            problem = Problem("ACC420", f"{failure.code}: {failure.message}")
            return c.Fail(
                task=task,
                attempt=attempt.number,
                statement=statement,
                problem=problem,
                retryable=failure.retryable,
                cost=_cost(claims),
                refuses=failure.code == REFUSED_INPUT,
                peers=len(self._peers(run, task, attempt) - _refusing(run, task)),
            )
        if claims.kind == "accept":
            return c.Accept(task=task, attempt=attempt.number)
        return News(claims, payload)

    def _result(self, run: Run, task: TaskId, attempt: Attempt, authentic: Authentic) -> c.Command:
        payload = authentic.message.payload
        contract = self._registry.contract(attempt.contract)
        confidence, cost = _confidence(authentic.claims), _cost(authentic.claims)
        value, problems = _parsed(payload)
        if not problems:
            problems = (*_overpriced(contract, cost), *contract.violations_of_output(value))
        if not problems and _below(contract.limits.min_confidence, confidence):
            problems = (_unsure(contract),)
        if attempt.want.purpose == "diagnose" and not problems:
            return self._diagnosis(run, task, attempt, authentic)
        diagnosable = bool(problems) and problems[0].code not in NOT_OF_SCHEMA
        is_json = not problems or not problems[0].code.startswith("ACC32")
        output = self._documents.document(payload) if is_json else self._documents.opaque(payload)
        return c.Deliver(
            task=task,
            attempt=attempt.number,
            statement=authentic.message.statement.decode("ascii"),
            output=output,
            confidence=confidence,
            cost=cost,
            problems=problems,
            diagnosis=self._case(run, task, attempt, value, problems) if diagnosable else None,
            labels=_labels(contract, authentic.claims),
            declassifies=None if problems else self._declassifies(run, attempt, authentic.claims),
        )

    def _declassifies(self, run: Run, attempt: Attempt, claims: Claims) -> c.Permitted | None:
        """The permission to take away what the statement claims to, which is what the template allows; None where it
        claims nothing. Whether the agent may was asked before. Raises MessageRefused.
        """
        if not claims.declassifies:
            return None
        task = claims.task or TaskId("")
        wanted = run.graph.task(task).declassify
        if (
            wanted is None
            or wanted.claim != claims.declassifies
            or "declassify" not in actions_for(run, task, attempt.want)
        ):
            raise refused("ACC692", "/dcl", ", ".join(claims.declassifies))
        labels = labels_of(attempt.want)
        decision = self._authority.of_agent("declassify", run, attempt.agent, attempt.capability, labels)
        return c.Permitted(self._authority.authorization(decision))

    def _large_result(
        self, run: Run, attempt: Attempt, authentic: Authentic
    ) -> c.Command | Damaged | Suspect | Unchecked:
        claims, contract = authentic.claims, self._registry.contract(attempt.contract)
        assert claims.payload is not None  # noqa: S101 - else it is not by reference
        problems = self._large.verdict(claims.payload.sha256, contract.digest)
        if problems is None:
            return Unchecked(claims.payload.sha256, contract)
        if problems is MISSING:
            return _damaged(authentic, attempt, problems[0])
        confidence, cost = _confidence(claims), _cost(claims)
        problems = problems or tuple(_overpriced(contract, cost))
        if not problems and _below(contract.limits.min_confidence, confidence):
            problems = (_unsure(contract),)
        return c.Deliver(
            task=claims.task or TaskId(""),
            attempt=attempt.number,
            statement=authentic.message.statement.decode("ascii"),
            output=Document(claims.payload.sha256, claims.payload.length_bytes),
            confidence=confidence,
            cost=cost,
            problems=problems,
            labels=_labels(contract, claims),
            declassifies=None if problems else self._declassifies(run, attempt, claims),
        )

    def _diagnosis(self, run: Run, task: TaskId, attempt: Attempt, authentic: Authentic) -> c.Command:
        payload = authentic.message.payload
        try:
            # Whoever offers the capability has written its contract: what passes it may still be no diagnosis.
            diagnosis = decode_payload(Diagnosis, payload)
        except MessageRefused as error:
            return self._no_diagnosis(task, attempt, authentic, error.problems)
        repaired: Document | None = None
        problems: tuple[Problem, ...] = ()
        if diagnosis.verdict == "repaired" and diagnosis.output is msgspec.UNSET:
            problems = (Problem("ACC330", "a repair without an output", Place(pointer="/output")),)
        elif diagnosis.verdict == "repaired":
            broken = _last_rejected(run, task)
            contract = self._registry.contract(broken.contract)
            problems = contract.violations_of_output(diagnosis.output)
            if not problems and _below(contract.limits.min_confidence, _confidence(authentic.claims)):
                problems = (_unsure(contract),)
            repaired = self._documents.document(msgspec.json.encode(diagnosis.output))
        if problems:
            return self._no_diagnosis(task, attempt, authentic, problems)
        return c.Diagnose(
            task=task,
            attempt=attempt.number,
            statement=authentic.message.statement.decode("ascii"),
            verdict=diagnosis.verdict,
            output=self._documents.document(payload),
            repaired=repaired,
            explanation=diagnosis.explanation,
            confidence=_confidence(authentic.claims),
            cost=_cost(authentic.claims),
            labels=_labels(self._registry.contract(attempt.contract), authentic.claims),
        )

    def _no_diagnosis(
        self, task: TaskId, attempt: Attempt, authentic: Authentic, problems: tuple[Problem, ...]
    ) -> c.Command:
        output = self._documents.document(authentic.message.payload)
        statement = authentic.message.statement.decode("ascii")
        return c.Deliver(
            task=task,
            attempt=attempt.number,
            statement=statement,
            output=output,
            cost=_cost(authentic.claims),
            problems=problems,
            labels=_labels(self._registry.contract(attempt.contract), authentic.claims),
        )

    def _case(
        self, run: Run, task: TaskId, attempt: Attempt, value: object, problems: tuple[Problem, ...]
    ) -> Document | None:
        """What a diagnostic agent is to be told; None where nobody could be asked, or the attempt is a diagnosis
        itself.
        """
        if attempt.want.purpose == "diagnose" or not self._registry.candidates(DIAGNOSE):
            return None
        work = work_of(run, task)
        worked = [one for one in run.state(task).current() if one.want.purpose == "work"]
        tried = [one.agent for one in worked if one.phase == "rejected"]
        case = Case(
            task=task,
            capability=attempt.capability,
            agent=attempt.agent,
            output_schema=self._registry.contract(attempt.contract).output.document,
            output=value,
            is_json=not problems[0].code.startswith("ACC32"),
            problems=problems,
            attempts_used=len(worked),
            attempts_allowed=work.retry.attempts,
            agents_tried=(*tried, attempt.agent),
            earlier=tuple(one.problems for one in worked if one.phase == "rejected"),
            peers=len(self._peers(run, task, attempt)),
        )
        return self._documents.document(msgspec.json.encode(case))

    def _peers(self, run: Run, task: TaskId, attempt: Attempt) -> set[AgentId]:
        """The other agents here that could do it."""
        capability = work_of(run, task).options[attempt.want.option].capability
        peers = {one.agent for one in self._registry.candidates(capability)} if capability else set()
        return peers - {attempt.agent}


def _unencrypted(attempt: Attempt, authentic: Authentic) -> c.Command:
    """The result of an encrypted run that was uploaded: it was not taken."""
    claims = authentic.claims
    assert claims.payload is not None  # noqa: S101 - else it is not by reference
    return c.Deliver(
        task=claims.task or TaskId(""),
        attempt=attempt.number,
        statement=authentic.message.statement.decode("ascii"),
        output=Document(claims.payload.sha256, claims.payload.length_bytes),
        cost=_cost(claims),
        problems=(too_large_to_encrypt(),),
    )


def _damaged(authentic: Authentic, attempt: Attempt, problem: Problem) -> Damaged | Suspect:
    """Only a final answer is worth asking for again."""
    suspect, task = Suspect(authentic.delivery, problem, authentic.claims), authentic.claims.task
    if task is None or authentic.claims.kind not in ("result", "failure"):
        return suspect
    return Damaged(suspect, c.Damage(task=task, attempt=attempt.number, problem=problem))


def _barred(authentic: Authentic, attempt: Attempt, problem: Problem) -> Barred:
    task = authentic.claims.task or TaskId("")
    return Barred(
        Suspect(authentic.delivery, problem, authentic.claims),
        c.Bar(task=task, attempt=attempt.number, problem=problem),
    )


def _refusing(run: Run, task: TaskId) -> set[AgentId]:
    """Who has refused the task's input."""
    return {one.agent for one in run.state(task).current() if one.fault == "consumer"}


def _parsed(payload: bytes) -> tuple[object, tuple[Problem, ...]]:
    """The value; or the text and why it is no strict JSON."""
    try:
        return strict_json(payload), ()
    except MessageRefused as error:
        return payload.decode("utf-8", "replace"), error.problems


def _labels(contract: Contract, claims: Claims) -> tuple[str, ...]:
    """What contract and statement say of the output beside the labels of the input."""
    return told(join(contract.labels, claims.labels)) if contract.labels or claims.labels else ()


def _confidence(claims: Claims) -> float | None:
    return None if claims.confidence is None else float(claims.confidence)


def _cost(claims: Claims) -> Decimal | None:
    return None if claims.cost is None else Decimal(claims.cost)


def _overpriced(contract: Contract, cost: Decimal | None) -> Iterator[Problem]:
    """Where the contract limits the cost, a result has to say what it was, and keep within it."""
    most = contract.limits.max_cost
    if most is not None and (cost is None or cost > most):
        said = "does not say what it cost" if cost is None else f"cost {cost}"
        yield Problem(OVERPRICED, f"the result {said}, the contract allows {most}")


def _below(least: Decimal | None, confidence: float | None) -> bool:
    return least is not None and Decimal(str(confidence or 0.0)) < least


def _unsure(contract: Contract) -> Problem:
    return Problem(UNSURE, f"the contract asks for a confidence of {contract.limits.min_confidence}")


def _last_rejected(run: Run, task: TaskId) -> Attempt:
    attempts = run.state(task).attempts
    return next(one for one in reversed(attempts) if one.phase == "rejected" and one.want.purpose == "work")


def _is_strange(suspect: Suspect) -> bool:
    """Whether its key may not sign, as far as is known here."""
    return suspect.problem.code == "ACC340"


def _payload_problem(claims: Claims, payload: bytes) -> Problem | None:
    flaw = payload_flaw(claims, payload)
    return None if flaw is None else _problem(CODES[flaw.kind], flaw.pointer, flaw.seen)


def _problem(code: str, pointer: str, seen: str) -> Problem:
    return Problem(code, f"{REFUSALS[code]}: {seen:.200}", Place(pointer=pointer or None))


def refused(code: str, pointer: str, seen: str) -> MessageRefused:
    return MessageRefused(_problem(code, pointer, seen))
