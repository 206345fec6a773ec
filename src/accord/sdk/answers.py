"""What an agent says about an attempt: claims copied from the assignment, and the answers that were sent lately."""

from __future__ import annotations

from collections import OrderedDict
from copy import copy
from datetime import datetime
from typing import NamedTuple, cast

import msgspec

from accord.domain.ids import LeaseToken, RunId, TaskId, partition_of
from accord.domain.message import (
    PAYLOAD_MAX_BYTES,
    Claims,
    Kind,
    PayloadRef,
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

UNCERTAIN_MAX_S = 3600
"""How long an answer is sent again of which nobody says that it has arrived."""


class AttemptKey(NamedTuple):
    """Names an attempt for ever: what is done again after a rollback has another lease."""

    run: RunId
    task: TaskId
    attempt: int
    lease: LeaseToken


class Subject(msgspec.Struct, frozen=True, gc=False):
    """The assignment that is spoken about."""

    key: AttemptKey
    letter: Letter


def subject_of(letter: Letter) -> Subject:
    """The subject of an assignment; the intake saw to it that all claims are there."""
    claims = letter.claims
    named = (claims.run, claims.task, claims.attempt, claims.lease)
    return Subject(AttemptKey(*cast(tuple[RunId, TaskId, int, LeaseToken], named)), letter)


def answer(
    subject: Subject,
    kind: Kind,
    payload: bytes | None,
    now: datetime,
    *,
    confidence: str | None = None,
    cost: str | None = None,
) -> Outgoing:
    """A message about this attempt to whoever assigned it."""
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
        confidence=confidence,
        cost=cost,
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
    result = answer(subject, "result", outcome.data, now, confidence=confidence, cost=read_cost(outcome.cost))
    if outcome.labels or outcome.declassifies:
        result.claims = msgspec.structs.replace(result.claims, labels=outcome.labels, declassifies=outcome.declassifies)
    if outcome.blob is not None:
        uploaded = PayloadRef(outcome.blob.sha256, outcome.blob.length_bytes, "application/json")
        result.claims = msgspec.structs.replace(result.claims, payload=uploaded)
    return result


def progress_answer(subject: Subject, payload: ProgressPayload, now: datetime, number: int) -> Outgoing:
    """The message that tells how far this attempt is, the `number`th one."""
    outgoing = answer(subject, "progress", encode_payload(payload), now)
    outgoing.claims = msgspec.structs.replace(outgoing.claims, id=f"{outgoing.claims.id}/{number}")
    return outgoing


class _Uncertain(msgspec.Struct):
    key: AttemptKey
    beats: int = 0
    """How many heartbeats have named the lease since the answer was sent."""


class RecentAnswers:
    """The final answers that were sent last, by attempt: at most `limit`, and `max_bytes` of payloads.

    The bus may lose an answer. Until it is known that its lease has ended, for an hour at most, heartbeats name the
    lease, and the answer is sent again, less and less often.
    """

    def __init__(self, limit: int, max_bytes: int = RECENT_MAX_BYTES) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._kept: OrderedDict[AttemptKey, Outgoing] = OrderedDict()
        self._uncertain: dict[LeaseToken, _Uncertain] = {}
        self._bytes = 0

    def keep(self, key: AttemptKey, outgoing: Outgoing) -> None:
        """Keep the answer, in place of the oldest ones where there is no room; whether it arrives is not certain."""
        self._drop(key)
        self._kept[key] = Outgoing(outgoing.subject, outgoing.claims, outgoing.payload, message=outgoing.message)
        self._uncertain[key.lease] = _Uncertain(key)
        self._bytes += len(outgoing.payload)
        while len(self._kept) > self._limit or self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def get(self, key: AttemptKey) -> Outgoing | None:
        """The answer, to be sent once more; None where none is kept."""
        kept = self._kept.get(key)
        return None if kept is None else copy(kept)

    def certain(self, lease: LeaseToken) -> None:
        """The lease has ended: its answer has arrived, or is not wanted."""
        self._uncertain.pop(lease, None)

    def remind(self, now: datetime) -> tuple[list[LeaseToken], list[Outgoing]]:
        """The leases that the next heartbeat is to name, oldest first, and the answers to be sent again: at the second
        heartbeat that names them, the fourth, the eighth, and so on.
        """
        named: list[LeaseToken] = []
        again: list[Outgoing] = []
        for lease, one in list(self._uncertain.items()):
            kept = self._kept[one.key]
            if kept.claims.issued_at + UNCERTAIN_MAX_S <= now.timestamp():
                del self._uncertain[lease]
                continue
            one.beats += 1
            named.append(lease)
            if one.beats > 1 and one.beats & (one.beats - 1) == 0:
                again.append(copy(kept))
        return named, again

    def _drop(self, key: AttemptKey) -> None:
        dropped = self._kept.pop(key, None)
        if dropped is not None:
            self._bytes -= len(dropped.payload)
            self._uncertain.pop(key.lease, None)
