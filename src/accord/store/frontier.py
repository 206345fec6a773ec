"""What an append must meet: the heads of its streams and the epochs of its partitions."""

from __future__ import annotations

from collections.abc import Sequence

from accord.domain.ids import StreamId
from accord.errors import Fenced, SequenceConflict, StoreCorrupt
from accord.ports import Append, Fence, Head

EMPTY = Head()


class Frontier:
    """Heads and epochs as they are, and as they will be when the appends that were admitted are written."""

    def __init__(self) -> None:
        self.heads: dict[StreamId, Head] = {}
        self.epochs: dict[int, int] = {}
        self.retired: set[StreamId] = set()

    def admit(self, appends: Sequence[Append]) -> dict[StreamId, Head]:
        """The new heads, now remembered; raises Fenced or SequenceConflict and then remembers nothing."""
        moved: dict[StreamId, Head] = {}
        for append in appends:
            if append.fence is not None and self.epochs.get(append.fence.partition) != append.fence.epoch:
                raise _fenced(append.fence, self.epochs.get(append.fence.partition, 0))
            stream = append.stream
            head = moved.get(stream) or self.heads.get(stream, EMPTY)
            if head != append.expected or stream in self.retired:
                raise _conflict(append, head, retired=stream in self.retired)
            moved[stream] = end_of(append)
        self.heads.update(moved)
        return moved


def end_of(append: Append) -> Head:
    """The stream's head when `append` is written."""
    if not append.records:
        return append.expected
    return Head(append.records[-1].sequence, append.records[-1].digest)


def check_shape(appends: Sequence[Append]) -> None:
    """Refuse what no journal may hold: gaps, records of another stream, a run's events without a fence."""
    for append in appends:
        if append.fence is None and not append.stream.startswith("sys:"):
            raise Fenced.of("ACC503", f"an append to {append.stream} names no fence; the streams of runs need one")
        sequence = append.expected.sequence
        for record in append.records:
            sequence += 1
            if record.sequence != sequence or record.stream != append.stream:
                raise StoreCorrupt.of(
                    "ACC504",
                    f"record {record.sequence} of {record.stream} is not event {sequence} of {append.stream}",
                    hint="the records of an append are one stream's, in order and without gaps",
                )


def check_trim(stream: StreamId) -> None:
    """Refuse to remove a part of a run."""
    if not stream.startswith("sys:"):
        raise StoreCorrupt.of("ACC506", f"{stream} is a run: its events go together", hint="retire the run")


def _conflict(append: Append, head: Head, *, retired: bool) -> SequenceConflict:
    if retired:
        return SequenceConflict.of("ACC505", f"{append.stream} was retired; nothing can be added to it")
    return SequenceConflict.of(
        "ACC501",
        f"{append.stream} ends at event {head.sequence} ({head.digest[:12]}), "
        f"expected was {append.expected.sequence} ({append.expected.digest[:12]})",
        hint="read the stream again",
    )


def _fenced(fence: Fence, epoch: int) -> Fenced:
    return Fenced.of(
        "ACC502",
        f"partition {fence.partition} is at epoch {epoch}, not {fence.epoch}: somebody else has claimed it",
        hint="stop working on the runs of this partition",
    )
