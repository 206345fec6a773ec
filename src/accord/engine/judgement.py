"""Judging what agents answer: a result against its contract, a diagnosis against the verdicts that there are; and what
the run is to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from accord.domain import command as c
from accord.domain.contract import Contract
from accord.domain.diagnosis import DIAGNOSE, Case, Diagnosis
from accord.domain.document import Document
from accord.domain.ids import AgentId, TaskId
from accord.domain.labels import join, told
from accord.domain.message import Claims, strict_json
from accord.domain.payloads import AskPayload, FailurePayload, decode_payload
from accord.domain.progress import work_of
from accord.domain.recourse import NOT_OF_SCHEMA, OVERPRICED, UNSURE
from accord.domain.run import Attempt, Run
from accord.domain.wanted import actions_for, labels_of
from accord.engine.authority import Authority
from accord.engine.documents import Documents
from accord.engine.large import Large
from accord.engine.registry import Registry
from accord.engine.verdicts import Asked, Authentic, Damaged, News, Suspect, Unchecked, refused
from accord.errors import MessageRefused, Place, Problem

REFUSED_INPUT: Final = "input-contract"
"""The failure code of an agent that refuses its input. The input was checked before: the consumer is at fault."""


class Judge:
    """Judges what an admitted message says of an attempt under way."""

    def __init__(self, registry: Registry, documents: Documents, large: Large, authority: Authority) -> None:
        self._registry = registry
        self._documents = documents
        self._large = large
        self._authority = authority

    def command(self, run: Run, attempt: Attempt, authentic: Authentic) -> c.Command | Asked | News:
        """What the run is to do about an answer, or news. Raises MessageRefused."""
        claims, message = authentic.claims, authentic.message
        task = claims.task or TaskId("")
        if claims.kind == "result":
            return self._result(run, task, attempt, authentic)
        payload, statement = message.payload, message.statement.decode("ascii")
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
        if claims.kind == "ask":
            return Asked(authentic, decode_payload(AskPayload, payload))
        return News(claims, payload)

    def _result(self, run: Run, task: TaskId, attempt: Attempt, authentic: Authentic) -> c.Command:
        claims, payload = authentic.claims, authentic.message.payload
        contract = self._registry.contract(attempt.contract)
        confidence, cost = _confidence(claims), _cost(claims)
        value, problems = _parsed(payload)
        if not problems:
            problems = tuple(_overpriced(contract, cost)) + contract.violations_of_output(value)
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
        granted = self._authority.authorization("declassify", run, attempt.agent, attempt.capability, labels)
        return c.Permitted(granted)

    def large_result(
        self, run: Run, attempt: Attempt, authentic: Authentic
    ) -> c.Command | Damaged | Suspect | Unchecked:
        """The same about a result whose payload was uploaded."""
        claims, contract = authentic.claims, self._registry.contract(attempt.contract)
        assert claims.payload is not None  # noqa: S101 - else it is not by reference
        verdict = self._large.verdict(run.id, claims.payload.sha256, contract.digest)
        if verdict is None:
            return Unchecked(run.id, claims.payload.sha256, contract)
        if verdict.output is None or verdict.output.length_bytes != claims.payload.length_bytes:
            return damaged(authentic, attempt, _not_as_signed(verdict.output))
        confidence, cost = _confidence(claims), _cost(claims)
        problems = verdict.problems or tuple(_overpriced(contract, cost))
        if not problems and _below(contract.limits.min_confidence, confidence):
            problems = (_unsure(contract),)
        return c.Deliver(
            task=claims.task or TaskId(""),
            attempt=attempt.number,
            statement=authentic.message.statement.decode("ascii"),
            output=verdict.output,
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


def damaged(authentic: Authentic, attempt: Attempt, problem: Problem) -> Damaged | Suspect:
    """What is to be done about a payload that is not the one that was signed: only a final answer is worth asking for
    again.
    """
    suspect, task = Suspect(authentic.delivery, problem, authentic.claims), authentic.claims.task
    if task is None or authentic.claims.kind not in ("result", "failure"):
        return suspect
    return Damaged(suspect, c.Damage(task=task, attempt=attempt.number, problem=problem))


def _not_as_signed(uploaded: Document | None) -> Problem:
    """The problem that a result's payload is not there, or is there in another length than was signed."""
    if uploaded is None:
        return Problem("ACC352", "the payload was not sent, and nobody has uploaded it")
    return Problem("ACC352", f"the payload was uploaded, and has {uploaded.length_bytes} bytes: others were signed")


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
