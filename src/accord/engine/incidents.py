"""Incidents: what the gate refused, kept with its evidence before the message is acknowledged."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from accord.codec import decode_system_event
from accord.domain.document import INLINE_BYTES, Document
from accord.domain.ids import AgentId, Digest
from accord.domain.incident import BLAMED, Filed
from accord.domain.system import (
    INCIDENTS,
    AgentQuarantined,
    AgentTakenOut,
    Incident,
    IncidentAcknowledged,
    IncidentRecorded,
    IncidentResolved,
    IncidentsSuppressed,
    SystemEvent,
)
from accord.engine.breakers import FAULTS
from accord.engine.data_keys import DataKeys
from accord.engine.documents import Documents
from accord.engine.incident_queue import IncidentQueue
from accord.engine.streams import SystemStream
from accord.engine.verdicts import Suspect
from accord.errors import BadInput, Place, Problem
from accord.ports import Clock, Journal
from accord.service import TakenOut

EVIDENCE_MAX_BYTES = 64 << 10
"""Of a payload that is longer, the beginning is kept, with the length and the digest of the whole."""

FULL_PER_MINUTE = 100
"""So many incidents of one agent with one code are kept a minute; the others are counted."""

_Key = tuple[AgentId | None, str]


class Incidents:
    """Records incidents, and finds them again."""

    def __init__(self, journal: Journal, documents: Documents, keys: DataKeys, clock: Clock) -> None:
        self._journal = journal
        self._documents = documents
        self._keys = keys
        self._clock = clock
        self._stream = SystemStream(journal, INCIDENTS, self._count)
        self.queue = IncidentQueue(journal)
        self.blamed = asyncio.Event()
        """Set when something was recorded that is an agent's doing."""
        self._minute: datetime | None = None
        self._seen: Counter[_Key] = Counter()
        self._counting = asyncio.Lock()
        self.recorded = 0
        """Incidents since this orchestrator started."""
        self.refused: Counter[str] = Counter()
        """Messages that were refused since then, by code; those that are not kept with their evidence included."""

    async def record_all(self, suspects: Sequence[Suspect], taken_out: Sequence[tuple[AgentId, TakenOut]] = ()) -> None:
        """Keep the evidence, and who was taken out, with one append; it is durable when this returns. Raises
        StoreUnavailable.

        Of one agent with one code, what comes after the first `FULL_PER_MINUTE` is counted only, and the count recorded
        by the first call after that minute: it is lost where the process ends before.
        """
        async with self._counting:
            await self._record_all(suspects, taken_out)

    async def _record_all(self, suspects: Sequence[Suspect], taken_out: Sequence[tuple[AgentId, TakenOut]]) -> None:
        now = self._clock.now()
        minute = now.replace(second=0, microsecond=0)
        same = minute == self._minute
        if same and not suspects and not taken_out:
            return
        # Replaced only after the append: what could not be appended comes again, and counts then.
        seen = self._seen.copy() if same else Counter[_Key]()
        events: list[SystemEvent] = [] if same else self._suppressed(now)
        for suspect in suspects:
            key = (_sender(suspect), suspect.problem.code)
            seen[key] += 1
            if seen[key] <= FULL_PER_MINUTE:
                events.append(self._incident(suspect, now))
        events += [_taken_out(agent, told, now) for agent, told in taken_out]
        await self._append(events)
        self._minute, self._seen = minute, seen
        self.refused.update(suspect.problem.code for suspect in suspects)

    async def newest(self, limit: int = 50, *, before: int | None = None) -> list[tuple[int, Incident]]:
        """The newest incidents with their numbers, newest first; of those before a number, where one is given."""
        return [(one.number, one.event) for one in await self.queue.page(limit, before=before)]

    async def recent(self, limit: int = 50) -> list[tuple[int, IncidentRecorded]]:
        """Those of the newest incidents that have evidence."""
        found = await self.newest(limit)
        return [(number, event) for number, event in found if isinstance(event, IncidentRecorded)]

    # -- the queue -----------------------------------------------------------------------------------------------

    async def acknowledge(self, number: int, *, by: str, note: str = "") -> Filed:
        """Somebody looks after it; again, by whomever, changes nothing. Raises NotFound, TransitionRefused."""
        if (await self.queue.open(number)).state == "open":
            await self._append([IncidentAcknowledged(at=self._clock.now(), incident=number, by=by, note=note)])
        return await self.queue.find(number)

    async def resolve(self, number: int, *, by: str, note: str) -> Filed:
        """It is dealt with. Raises NotFound, TransitionRefused, and BadInput where the note says nothing."""
        if not note.strip():
            raise BadInput.of("ACC362", "a note says what it was, or what was done", place=Place(pointer="/note"))
        await self.queue.open(number)
        await self._append([IncidentResolved(at=self._clock.now(), incident=number, by=by, note=note)])
        return await self.queue.find(number)

    async def tell_of_quarantine(self, agent: AgentId, *, by: str, why: str) -> None:
        """Record that the agent was quarantined."""
        hint = f"see accord incidents list --agent {agent}; it is let go with: accord runs resume --agent {agent}"
        problem = Problem("ACC360", f"{agent} is quarantined: {why}", hint=hint)
        await self._append([AgentQuarantined(at=self._clock.now(), agent=agent, by=by, problem=problem)])

    async def events(self, after: int, limit: int) -> list[tuple[int, SystemEvent]]:
        """What the stream has behind a number, the steps that were taken included, in order."""
        records = await self._journal.read(INCIDENTS, after=after, limit=limit)
        return [(record.sequence, decode_system_event(record)) for record in records]

    async def evidence(self, incident: IncidentRecorded) -> bytes:
        """What is kept of the payload. Raises NotFound, StoreCorrupt, StoreUnavailable."""
        if incident.inline is not None:
            return b64decode(incident.inline)
        return await self._documents.data(incident.payload) if incident.payload else b""

    def _count(self, event: SystemEvent) -> None:
        if isinstance(event, Incident):
            self.recorded += event.count if isinstance(event, IncidentsSuppressed) else 1
        if isinstance(event, IncidentRecorded) and event.signer is not None and event.problem.code in BLAMED:
            self.blamed.set()

    async def _append(self, events: list[SystemEvent]) -> None:
        if not events:
            return
        await self._documents.store()
        if not self._stream.sequence:
            await self._stream.catch_up()
        await self._stream.append(*events)

    def _suppressed(self, now: datetime) -> list[SystemEvent]:
        """What the minute that is over had too many of."""
        return [
            IncidentsSuppressed(
                at=now, code=code, count=count - FULL_PER_MINUTE, claimed_agent=agent, since=self._minute or now
            )
            for (agent, code), count in self._seen.items()
            if count > FULL_PER_MINUTE
        ]

    def _incident(self, suspect: Suspect, now: datetime) -> IncidentRecorded:
        message, claims = suspect.delivery.message, suspect.claims
        sent, kept = message.payload, message.payload[:EVIDENCE_MAX_BYTES]
        whole, cipher = len(sent) == len(kept), self._keys.at_hand(claims.run if claims else None)
        small = len(kept) <= INLINE_BYTES and cipher is None
        with self._documents.under(cipher):
            # What was refused is not taken for JSON.
            payload = Document(_digest(kept), len(kept)) if small else self._documents.opaque(kept)
        return IncidentRecorded(
            at=now,
            problem=suspect.problem,
            statement=message.statement.decode("ascii", "backslashreplace")[:4096],
            payload=payload,
            inline=b64encode(kept).decode("ascii") if small else None,
            sent_bytes=None if whole else len(sent),
            sent_digest=None if whole else _digest(sent),
            claimed_agent=claims.issuer if claims else None,
            authentic=claims is not None and suspect.signer in (None, claims.issuer),
            signer=suspect.signer,
            run=claims.run if claims else None,
            task=claims.task if claims else None,
        )


def _sender(suspect: Suspect) -> AgentId | None:
    """Who is proven to have sent it, or said so under a signature that holds."""
    return suspect.signer or (suspect.claims.issuer if suspect.claims else None)


def _taken_out(agent: AgentId, told: TakenOut, now: datetime) -> AgentTakenOut:
    last = f"{told.problem.code} {told.problem.message}" if told.problem is not None else "unknown"
    problem = Problem(
        "ACC359",
        f"{agent} has failed at {told.capability} {FAULTS} times in a row, and gets no more of it for now: {last}",
        hint="it is tried again by itself; accord agents show tells when",
    )
    return AgentTakenOut(at=now, agent=agent, capability=told.capability, problem=problem)


def _digest(data: bytes) -> Digest:
    return Digest(sha256(data).hexdigest())
