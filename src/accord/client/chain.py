"""A run as it is read from a server: folded from its records, each verified against the one before."""

from __future__ import annotations

from collections.abc import Sequence

from accord.codec import decode_event, follow, link
from accord.domain import event as e
from accord.domain.graph import Graph
from accord.domain.ids import Digest
from accord.domain.news import Happened
from accord.domain.run import Run, begin, evolve
from accord.errors import StoreCorrupt
from accord.ports import Head, Record


class Chain:
    """What is known of a run: its state, and where its chain ends."""

    def __init__(self, graph: Graph) -> None:
        self.head = Head()
        self._graph = graph
        self._run: Run | None = None

    @property
    def run(self) -> Run:
        """The run; something has been added."""
        assert self._run is not None  # noqa: S101 - whoever makes a chain adds its beginning
        return self._run

    def is_next(self, record: Record) -> bool:
        """Whether a record is the one behind the chain's end."""
        return record.sequence == self.head.sequence + 1 and record.digest == link(self.head.digest, record.data)

    def add(self, records: Sequence[Record]) -> Happened:
        """Go on with these records. Raises StoreCorrupt where they do not follow."""
        head = follow(records, self.head)
        events = tuple(decode_event(record) for record in records)
        run = self._run
        if run is None:
            run = begin(self._graph, _start_of(records))
        for event in events if self._run is not None else events[1:]:
            run = evolve(run, event)
        self._run, self.head = run, head
        return Happened(run, head.sequence, events)


def graph_of(records: Sequence[Record]) -> Digest:
    """The digest of the run's template, from the run's first event. Raises StoreCorrupt."""
    return _start_of(records).graph


def _start_of(records: Sequence[Record]) -> e.RunStarted:
    first = decode_event(records[0])
    if not isinstance(first, e.RunStarted):
        raise StoreCorrupt.of("ACC531", f"the first event of {records[0].stream} does not start it")
    return first
