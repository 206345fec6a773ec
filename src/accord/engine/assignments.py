"""What agents are told: assignments, withdrawals and rejections, made from events alone, so that made again they
say the same; and the answers to their heartbeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from accord.domain.assignment import VALID_FOR, assignment_claims
from accord.domain.effects import Reject, Send, Withdraw
from accord.domain.event import RunStarted
from accord.domain.ids import AgentId, Digest, InstanceId, LeaseToken, TaskId
from accord.domain.message import Claims, Kind, Message, encode_claims, payload_ref
from accord.domain.payloads import AckPayload, CancelPayload, RejectPayload, ReplyPayload, bounded, encode_payload
from accord.domain.run import Attempt
from accord.domain.signature import statement_digest
from accord.errors import Problem
from accord.ports import ORCHESTRATORS_SUBJECT, Parcel, agent_subject, notice_subject
from accord.recent import Recent
from accord.statements import Draft, Signer

ASSIGNED_MAX: Final = 65_536


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A message that is not signed yet, and where it goes."""

    subject: str
    claims: Claims
    payload: bytes


class Secretary:
    """Signs what the orchestrator says, many statements in one call."""

    def __init__(
        self,
        identity: AgentId,
        signer: Signer,
        verifies_batches: Callable[[AgentId], bool],
        stands_in: Callable[[Claims], int | None] = lambda claims: None,
    ) -> None:
        self.identity = identity
        self.key = signer.key
        self._signer = signer
        self._verifies_batches = verifies_batches
        self._stands_in = stands_in
        self.assigned: Recent[LeaseToken, Digest] = Recent(ASSIGNED_MAX)
        """What answers to the assignments that were signed here name, by their leases."""

    async def sign(self, drafts: Sequence[tuple[Claims, bytes]]) -> list[Message]:
        """The messages of these claims and payloads, in order."""
        statements = await self._signer.sign([self._draft(claims) for claims, _ in drafts])
        return [Message(statement, payload) for statement, (_, payload) in zip(statements, drafts, strict=True)]

    def _draft(self, claims: Claims) -> Draft:
        data, audience = encode_claims(claims), claims.audience
        if claims.kind == "assign" and claims.lease is not None:
            self.assigned[claims.lease] = statement_digest(data)
        alone = audience != self.identity and not self._verifies_batches(audience)
        return Draft(data, alone, self._stands_in(claims))

    async def parcels(self, envelopes: Sequence[Envelope]) -> list[Parcel]:
        """The signed messages, each for its subject."""
        messages = await self.sign([(one.claims, one.payload) for one in envelopes])
        return [Parcel(one.subject, message) for one, message in zip(envelopes, messages, strict=True)]

    def assignment(self, run: RunStarted, effect: Send, payload: bytes) -> Envelope:
        """An assignment, from the event of its attempt alone."""
        claims = assignment_claims(self.identity, run, effect.task, effect.attempt)
        return Envelope(agent_subject(effect.attempt.agent), claims, payload)

    def withdrawal(self, run: RunStarted, effect: Withdraw, now: datetime) -> Envelope:
        """Tell the agent to stop: all its instances, for nobody knows which of them has taken the assignment."""
        payload = encode_payload(CancelPayload(bounded(effect.reason)))
        return self._news_of(assignment_claims(self.identity, run, effect.task, effect.attempt), "cancel", payload, now)

    def rejection(self, run: RunStarted, effect: Reject, now: datetime) -> Envelope:
        """Tell the agent what was wrong with its result."""
        payload = encode_payload(RejectPayload(effect.problems))
        return self._news_of(assignment_claims(self.identity, run, effect.task, effect.attempt), "reject", payload, now)

    def reply(self, run: RunStarted, task: TaskId, attempt: Attempt, content: ReplyPayload, now: datetime) -> Envelope:
        """Tell the agent what came of what it has asked for: all its instances, for one of them waits for it."""
        payload = encode_payload(content)
        assigned = assignment_claims(self.identity, run, task, attempt)
        return self._news_of(assigned, "reply", payload, now, f"/{content.asked}")

    def refusal(
        self, agent: AgentId, to: AgentId | InstanceId, problems: Iterable[Problem], token: str, now: datetime
    ) -> Envelope:
        """Tell an agent, or one instance of it, why a message that is about no attempt was refused."""
        return self._news("reject", agent, to, RejectPayload(tuple(problems)), token, now)

    def acknowledgement(
        self, agent: AgentId, to: AgentId | InstanceId, content: AckPayload, token: str, now: datetime
    ) -> Envelope:
        """Tell an agent, or one instance of it, what has ended, and which delegated keys may sign."""
        return self._news("ack", agent, to, content, token, now)

    def holdings(self, payload: bytes, token: str, now: datetime, until: datetime) -> Envelope:
        """Tell the other processes of this orchestrator what this one holds."""
        claims = Claims(
            issuer=self.identity,
            audience=self.identity,
            id=token,
            issued_at=int(now.timestamp()),
            expires_at=int(until.timestamp()) + 1,
            kind="holdings",
            payload=payload_ref(payload),
        )
        return Envelope(ORCHESTRATORS_SUBJECT, claims, payload)

    def _news(
        self,
        kind: Kind,
        agent: AgentId,
        to: AgentId | InstanceId,
        content: RejectPayload | AckPayload,
        token: str,
        now: datetime,
    ) -> Envelope:
        payload = encode_payload(content)
        claims = Claims(
            issuer=self.identity,
            audience=agent,
            id=token,
            issued_at=int(now.timestamp()),
            expires_at=int((now + VALID_FOR).timestamp()),
            kind=kind,
            payload=payload_ref(payload),
        )
        return Envelope(notice_subject(to), claims, payload)

    def _news_of(self, assigned: Claims, kind: Kind, payload: bytes, now: datetime, which: str = "") -> Envelope:
        """News about an assignment, for its agent; `which` tells one of several of a kind from the others."""
        claims = msgspec.structs.replace(
            assigned,
            id=f"{assigned.id.removesuffix(assigned.kind)}{kind}{which}",
            issued_at=int(now.timestamp()),
            expires_at=int((now + VALID_FOR).timestamp()) + 1,
            kind=kind,
            payload=payload_ref(payload),
        )
        return Envelope(notice_subject(assigned.audience), claims, payload)
