"""A run's events as they stand in the journal, for whoever verifies the hash chain: exact bytes and digests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from accord.codec import decode_event
from accord.domain.ids import Digest, RunId, StreamId
from accord.ports import Record
from accord.views.plain import plain_value


class StoredEvent(msgspec.Struct, frozen=True):
    """One event: its number, the digest that binds it to all before it, and its exact bytes."""

    sequence: int
    digest: Digest
    event: msgspec.Raw

    def record(self, run: RunId) -> Record:
        """The journal's record."""
        return Record(StreamId(run), self.sequence, bytes(self.event), self.digest)


class StoredEvents(msgspec.Struct, frozen=True):
    """A page of a run's events."""

    records: tuple[StoredEvent, ...]
    next: int | None
    """The number behind which the next page begins; None where there is none yet."""


class EventPage(msgspec.Struct, frozen=True):
    """A page of a run's events, as values: their members, and their numbers as `sequence`."""

    events: tuple[dict[str, Any], ...]
    next: int | None
    """The number behind which the next page begins; None where there is none yet."""


def event_documents(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The events as scripts get them: their members, and their numbers as `sequence`."""
    return [{"sequence": record.sequence, **plain_value(decode_event(record))} for record in records]


def stored(record: Record) -> StoredEvent:
    """The record in the form in which it is sent."""
    return StoredEvent(record.sequence, record.digest, msgspec.Raw(record.data))


def page_of(records: Sequence[Record], limit: int) -> StoredEvents:
    """The page of these records, `limit` of which were asked for."""
    more = records[-1].sequence if len(records) == limit else None
    return StoredEvents(tuple(map(stored, records)), more)
