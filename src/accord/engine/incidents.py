"""Incidents: what the gate refused, kept with its evidence before the message is acknowledged."""

from __future__ import annotations

from datetime import datetime

from accord.codec import decode_system_event
from accord.domain.message import PAYLOAD_MAX_BYTES
from accord.domain.system import INCIDENTS, IncidentRecorded, SystemEvent
from accord.engine.documents import Documents
from accord.engine.gate import Suspect
from accord.engine.streams import SystemStream
from accord.ports import Clock, Journal


class Incidents:
    """Records incidents, and finds them again."""

    def __init__(self, journal: Journal, documents: Documents, clock: Clock) -> None:
        self._journal = journal
        self._documents = documents
        self._clock = clock
        self._stream = SystemStream(journal, INCIDENTS, self._count)
        self.recorded = 0
        """Incidents since this orchestrator started."""

    async def record(self, suspect: Suspect) -> None:
        """Keep the evidence; it is durable when this returns. Raises StoreUnavailable."""
        if not self._stream.sequence:
            await self._stream.catch_up()
        await self._stream.append(await self._incident(suspect, self._clock.now()))

    async def recent(self, limit: int = 50) -> list[tuple[int, IncidentRecorded]]:
        """The newest incidents with their numbers, newest first."""
        head = await self._journal.head(INCIDENTS)
        after = max(head.sequence - limit, 0)
        records = await self._journal.read(INCIDENTS, after=after, limit=limit)
        found = [(record.sequence, decode_system_event(record)) for record in reversed(records)]
        return [(number, event) for number, event in found if isinstance(event, IncidentRecorded)]

    def _count(self, event: SystemEvent) -> None:
        self.recorded += 1

    async def _incident(self, suspect: Suspect, now: datetime) -> IncidentRecorded:
        message, claims = suspect.delivery.message, suspect.claims
        # What was refused is not taken for JSON; of what is too long, as much is evidence as may be sent.
        payload = self._documents.opaque(message.payload[:PAYLOAD_MAX_BYTES])
        await self._documents.store()
        return IncidentRecorded(
            at=now,
            problem=suspect.problem,
            statement=message.statement.decode("ascii", "backslashreplace")[:4096],
            payload=payload,
            claimed_agent=claims.issuer if claims else None,
            authentic=claims is not None,
            run=claims.run if claims else None,
            task=claims.task if claims else None,
        )
