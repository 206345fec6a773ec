"""What an agent says about an attempt: claims copied from the assignment, and the answers that were sent lately."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple, cast

import msgspec

from accord.domain.ids import LeaseToken, RunId, TaskId, partition_of
from accord.domain.message import (
    PAYLOAD_MAX_BYTES,
    Claims,
    Kind,
    Message,
    confidence_text,
    payload_ref,
    statement_id,
)
from accord.domain.payloads import ProgressPayload, encode_payload
from accord.ports import partition_subject
from accord.sdk.intake import Letter
from accord.sdk.outbox import Outgoing
from accord.sdk.outcome import Failure, Output, read_cost

ANSWER_VALID_S = 300
"""How long an answer may take to the gate."""

RECENT_MAX_BYTES = 16 << 20
"""What the answers that are kept for redeliveries may hold together."""


class AttemptKey(NamedTuple):
    """Names an attempt for ever: what is done again after a rollback has another lease."""

    run: RunId
    task: TaskId
    attempt: int
    lease: LeaseToken


class Subject(msgspec.Struct, frozen=True):
    """The assignment that is spoken about."""

    key: AttemptKey
    letter: Letter


def subject_of(letter: Letter) -> Subject:
    """The subject of an assignment; the intake saw to it that all claims are there."""
    claims = letter.claims
    named = (claims.run, claims.task, claims.attempt, claims.lease)
    return Subject(AttemptKey(*cast(tuple[RunId, TaskId, int, LeaseToken], named)), letter)


def answer(subject: Subject, kind: Kind, payload: bytes | None, now: datetime, **estimates: str | None) -> Outgoing:
    """A message about this attempt to whoever assigned it; `estimates` are the claims `confidence` and `cost`."""
    key, assigned = subject.key, subject.letter.claims
    issued_at = int(now.timestamp())
    claims = Claims(
        issuer=assigned.audience,
        audience=assigned.issuer,
        id=statement_id(key.run, key.task, key.attempt, kind),
        issued_at=issued_at,
        expires_at=issued_at + ANSWER_VALID_S,
        kind=kind,
        run=key.run,
        task=key.task,
        attempt=key.attempt,
        lease=key.lease,
        capability=assigned.capability,
        contract=assigned.contract,
        payload=None if payload is None else payload_ref(payload),
        inputs=(subject.letter.digest,),
        **estimates,
        trace=assigned.trace,
    )
    return Outgoing(partition_subject(partition_of(key.run)), claims, payload or b"")


def final_answer(subject: Subject, outcome: Output | Failure, now: datetime) -> Outgoing:
    """The result, or the failure, that ends this attempt for the agent."""
    if isinstance(outcome, Output) and len(outcome.data) > PAYLOAD_MAX_BYTES:
        said = f"{len(outcome.data)} bytes, at most {PAYLOAD_MAX_BYTES} fit"
        outcome = Failure("output-too-large", said, cost=outcome.cost)
    if isinstance(outcome, Failure):
        return answer(subject, "failure", encode_payload(outcome.payload), now, cost=outcome.cost)
    confidence = None if outcome.confidence is None else confidence_text(outcome.confidence)
    return answer(subject, "result", outcome.data, now, confidence=confidence, cost=read_cost(outcome.cost))


def progress_answer(subject: Subject, payload: ProgressPayload, now: datetime, number: int) -> Outgoing:
    """The message that tells how far this attempt is, the `number`th one."""
    outgoing = answer(subject, "progress", encode_payload(payload), now)
    outgoing.claims = msgspec.structs.replace(outgoing.claims, id=f"{outgoing.claims.id}/{number}")
    return outgoing


class RecentAnswers:
    """The final answers that were sent last, by attempt: at most `limit`, and `max_bytes` of payloads."""

    def __init__(self, limit: int, max_bytes: int = RECENT_MAX_BYTES) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._messages: OrderedDict[AttemptKey, Message] = OrderedDict()
        self._bytes = 0

    def keep(self, key: AttemptKey, message: Message) -> None:
        """Keep the answer, in place of the oldest ones where there is no room."""
        replaced = self._messages.pop(key, None)
        if replaced is not None:
            self._bytes -= len(replaced.payload)
        self._messages[key] = message
        self._bytes += len(message.payload)
        while len(self._messages) > self._limit or self._bytes > self._max_bytes:
            _, oldest = self._messages.popitem(last=False)
            self._bytes -= len(oldest.payload)

    def get(self, key: AttemptKey) -> Message | None:
        """The answer that was sent, None where none is kept."""
        return self._messages.get(key)
