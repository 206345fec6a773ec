"""Proving a run: its hash chain, every statement in it, and the bytes that the statements are about.

ACC540  a statement is signed with a key that nobody knows
ACC541  a statement is not about the attempt that it stands with
ACC542  a payload is not the one that was signed
ACC543  a statement was signed when the key may have been in other hands
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import msgspec

from accord.codec import decode_event, follow
from accord.domain import event as e
from accord.domain.delegation import Delegated, problem_of
from accord.domain.document import Document
from accord.domain.ids import AgentId, RunId, TaskId
from accord.domain.message import Claims, decode_claims
from accord.domain.signature import parse_statement, verify
from accord.errors import AccordError, MessageRefused, Place, Problem
from accord.ports import Head
from accord.service import Service

Answered = e.AttemptSucceeded | e.AttemptRejected | e.AttemptFailed


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What has been verified of a run, and what does not hold."""

    run: RunId
    events: int
    head: str
    statements: int
    payloads: int
    signers: tuple[AgentId, ...]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.problems


async def proof_of(service: Service, run: RunId) -> Proof:
    """Verify everything that can be verified of a run. Raises StoreCorrupt where its chain does not hold."""
    records = await service.records(run)
    head = follow(records, Head())
    found = _Findings(service, run)
    for record in records:
        await found.take(record.sequence, decode_event(record))
    return Proof(
        run=run,
        events=head.sequence,
        head=head.digest,
        statements=found.statements,
        payloads=found.payloads,
        signers=tuple(sorted(found.signers)),
        problems=tuple(found.problems),
    )


def _beyond(claims: Claims, bounds: Delegated) -> Iterator[Problem]:
    """Why a delegated key may not have signed this."""
    problem = bounds.problem(claims.kind)
    if problem is not None:
        yield problem
    if claims.issued_at >= bounds.until.timestamp():
        yield problem_of("ACC358", "/iat", str(claims.issued_at))


class _Findings:
    def __init__(self, service: Service, run: RunId) -> None:
        self._service = service
        self._run = run
        self._assigned: dict[tuple[TaskId, int], e.AttemptAssigned] = {}
        self.statements = 0
        self.payloads = 0
        self.signers: set[AgentId] = set()
        self.problems: list[Problem] = []

    async def take(self, sequence: int, event: e.Event) -> None:
        """Verify what the event rests on."""
        if isinstance(event, e.AttemptAssigned):
            self._assigned[event.task, event.attempt] = event
        elif isinstance(event, Answered):
            place = Place(pointer=f"/{sequence}/statement")
            try:
                claims = await self._claims(event.statement)
            except AccordError as error:
                self.problems.extend(msgspec.structs.replace(problem, place=place) for problem in error.problems)
                return
            self.statements += 1
            self.signers.add(claims.issuer)
            self.problems.extend(self._mismatches(claims, event, place))
            if not isinstance(event, e.AttemptFailed):
                await self._check_payload(claims, event.output, place)

    async def _claims(self, statement: str) -> Claims:
        """The claims of a statement whose signature holds. Raises MessageRefused."""
        parsed = parse_statement(statement.encode())
        known = await self._service.key(parsed.kid)
        if known is None:
            raise MessageRefused.of("ACC540", f"the key {parsed.kid} is not known here")
        verify(parsed, known.public)
        claims = decode_claims(parsed.claims)
        if claims.issuer != known.agent:
            raise MessageRefused.of("ACC541", f"{claims.issuer} has signed with a key of {known.agent}")
        if known.delegation is not None:
            MessageRefused.raise_if(_beyond(claims, known.delegation))
        if known.doubtful_from is not None and claims.issued_at >= known.doubtful_from.timestamp():
            text = f"the key {parsed.kid} may have been in other hands since {known.doubtful_from.isoformat()}"
            hint = (
                f"it was revoked{f': {known.reason}' if known.reason else ''}; do the task again: accord runs rollback"
            )
            raise MessageRefused.of("ACC543", text, hint=hint)
        return claims

    def _mismatches(self, claims: Claims, event: Answered, place: Place) -> Iterator[Problem]:
        assigned = self._assigned.get((event.task, event.attempt))
        wanted = {
            "run": (claims.run, self._run),
            "task": (claims.task, event.task),
            "attempt": (claims.attempt, event.attempt),
            "issuer": (claims.issuer, assigned.agent if assigned else None),
            "lease": (claims.lease, assigned.lease if assigned else None),
            "contract": (claims.contract, assigned.contract if assigned else None),
        }
        for name, (said, known) in wanted.items():
            if said != known:
                yield Problem("ACC541", f"the statement's {name} is {said}, the journal's is {known}", place)

    async def _check_payload(self, claims: Claims, output: Document, place: Place) -> None:
        data = await self._service.data(output)
        if claims.payload is None or sha256(data).hexdigest() != claims.payload.sha256:
            self.problems.append(Problem("ACC542", "the payload is not the one that was signed", place))
        else:
            self.payloads += 1
