"""The hash chain of a stream: a digest is SHA-256 over its predecessor (32 bytes) and the event's bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from accord.domain.ids import Digest, StreamId
from accord.errors import StoreCorrupt
from accord.ports import Head, Record


def link(previous: Digest, data: bytes) -> Digest:
    """The digest of the event that follows the one with the digest `previous`."""
    return Digest(hashlib.sha256(bytes.fromhex(previous) + data).hexdigest())


def chained(stream: StreamId, head: Head, events: Iterable[bytes]) -> tuple[Record, ...]:
    """The events as the records that follow `head`."""
    digest = head.digest
    records = []
    for sequence, data in enumerate(events, head.sequence + 1):
        digest = link(digest, data)
        records.append(Record(stream, sequence, data, digest))
    return tuple(records)


def follow(records: Sequence[Record], head: Head) -> Head:
    """Where the stream ends after these records. Raises StoreCorrupt at the first that does not follow."""
    for record in records:
        expected = link(head.digest, record.data)
        if record.sequence != head.sequence + 1 or record.digest != expected:
            raise StoreCorrupt.of(
                "ACC526",
                f"event {record.sequence} of {record.stream} does not follow event {head.sequence}",
                hint="the journal was changed from outside; restore it from a copy",
            )
        head = Head(record.sequence, record.digest)
    return head
