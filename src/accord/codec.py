"""Events as bytes, and the hash chain over those bytes. What is written here is read for ever: see `tests/replay`.

An event of an older version is turned into the present one step by step, each step an upcaster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal

import msgspec

from accord.domain.event import Event
from accord.domain.ids import Digest, StreamId
from accord.domain.image import Image, image_of
from accord.domain.state import Run
from accord.domain.system import SystemEvent
from accord.errors import StoreCorrupt
from accord.ports import Head, Record, Snapshot

_encode = msgspec.json.Encoder().encode
_decode_event = msgspec.json.Decoder(Event).decode
_decode_system = msgspec.json.Decoder(SystemEvent).decode


def encode_event(event: Event | SystemEvent) -> bytes:
    """The event as JSON; its kind is the member `event`."""
    return _encode(event)


def decode_event(record: Record) -> Event:
    """The event of a run's record. Raises StoreCorrupt."""
    return _decoded(_decode_event, record)  # type: ignore[no-any-return]  # the decoder is typed


def decode_system_event(record: Record) -> SystemEvent:
    """The event of a `sys:*` stream's record. Raises StoreCorrupt."""
    return _decoded(_decode_system, record)  # type: ignore[no-any-return]  # the decoder is typed


def _decoded(decode: Any, record: Record) -> Any:
    try:
        try:
            return decode(record.data)
        except msgspec.ValidationError:
            return decode(_encode(upcast(msgspec.json.decode(record.data))))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError) as error:
        raise StoreCorrupt.of(
            "ACC530",
            f"event {record.sequence} of {record.stream} cannot be read: {error}",
            hint="it may come from a newer version of Accord",
        ) from error


# -- older versions ----------------------------------------------------------------------------------------------

_MAPPING_CODES = frozenset(("ACC250", *(f"ACC{number}" for number in (*range(210, 219), *range(290, 295)))))
"""With what tasks failed whose expressions gave no value, or none that a contract admits."""


def upcast(document: Any) -> Any:
    """The event in its present version; what is none, or has no older version, as it is."""
    while isinstance(document, dict) and document.get("event") in UPCASTERS:
        document = UPCASTERS[document["event"]](document)
    return document


def _failing_with_fault(old: Mapping[str, Any]) -> dict[str, Any]:
    """Version 1 had a mapping's fault in words only; other faults are those of attempts, and are there."""
    fault = {"fault": "mapping"} if old["problem"]["code"] in _MAPPING_CODES else {}
    return {**old, "event": f"{old['event']}@2", **fault}


UPCASTERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "run.failing": _failing_with_fault,
    "task.failed": _failing_with_fault,
}
"""By the wire name of an old version: the event in the version after it."""


# -- snapshots ---------------------------------------------------------------------------------------------------


class _Kept(msgspec.Struct, frozen=True):
    digest: Digest
    image: Image
    version: Literal[5]
    """Raised when the fold gives more than it did: an older image lacks it."""


def encode_snapshot(run: Run, head: Head) -> Snapshot:
    """A snapshot of the run as it is after the event `head`."""
    return Snapshot(StreamId(run.id), head.sequence, _encode(_Kept(head.digest, image_of(run), 5)))


def decode_snapshot(snapshot: Snapshot) -> tuple[Image, Head] | None:
    """The image, and where the stream ended then; None for one that this version cannot read: then all events are
    read.
    """
    try:
        kept = msgspec.json.decode(snapshot.data, type=_Kept)
    except msgspec.DecodeError:
        return None
    return kept.image, Head(snapshot.sequence, kept.digest)


def link(previous: Digest, data: bytes) -> Digest:
    """The digest of the event that follows the one with the digest `previous`: SHA-256 over that (32 bytes) and
    `data`.
    """
    return Digest(sha256(bytes.fromhex(previous) + data).hexdigest())


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
