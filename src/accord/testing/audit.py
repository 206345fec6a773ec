"""An audit: what is wrong with what a store says, once everybody who wrote to it has ended. It needs nothing but the
store, so that it judges processes that nobody could look into.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from accord.codec import decode_event, follow
from accord.domain import event as e
from accord.domain.ids import PARTITIONS, RunId, StreamId, TaskId
from accord.domain.run import Run, begin, evolve
from accord.engine.node import Node
from accord.engine.relisting import Relisting
from accord.engine.unused import UnusedBlobs
from accord.ports import Head, RunQuery, RunSummary
from accord.service import summary_of
from accord.testing.invariants.bounds import overdriven
from accord.testing.invariants.signed import unsigned
from accord.testing.run_watch import RunWatch, numbered

PAGE = 500


class Audit:
    """Reads every run event by event, and checks every invariant that can be seen from there."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.runs: dict[RunId, Run] = {}
        """What the journal says of each run."""
        self.attempts: Counter[tuple[RunId, TaskId, int]] = Counter()
        """How many attempts of each task were assigned, by its epoch."""
        self.problems: list[str] = []

    async def all(self) -> list[str]:
        """What is wrong with all runs, and with what nobody has dealt with."""
        # What an earlier version wrote last, a server of this one lists anew within half a minute, if it lives so long.
        await Relisting(self._node.parts.ports.journal, self._node.parts.ledger).whole()
        query = RunQuery(limit=PAGE)
        while page := await self._node.runs(query):
            for summary in page:
                await self._run(summary)
            query = RunQuery(limit=PAGE, after=page[-1].run)
        letters = await self._node.parts.ports.journal.letters(range(PARTITIONS))
        self.problems.extend(f"nobody has answered the letter {letter.data!r}" for letter in letters)
        return self.problems

    async def _run(self, summary: RunSummary) -> None:
        records = await self._node.records(summary.run)
        if follow(records, Head()) != await self._node.parts.ports.journal.head(StreamId(summary.run)):
            self._found(summary.run, iter(["its chain ends elsewhere (invariant 3)"]))
        first, *events = map(decode_event, records)
        assert isinstance(first, e.RunStarted)  # noqa: S101 - a run begins with its start
        watch, run = RunWatch(), begin(await self._node.graph(first.graph), first)
        for event in events:
            before, run = run, evolve(run, event)
            self._found(run.id, watch.event_problems(before, event, run))
            self._found(run.id, numbered(4, unsigned(before, event, self._node.parts.registry)))
            if isinstance(event, e.AttemptAssigned):
                self.attempts[run.id, event.task, run.state(event.task).epoch] += 1
        self._found(run.id, watch.state_problems(run))
        self._found(run.id, numbered(6, overdriven(run)))
        self._found(run.id, _unlike(run, summary))
        self.runs[run.id] = run

    def _found(self, run: RunId, problems: Iterator[str]) -> None:
        self.problems.extend(f"{run}: {problem}" for problem in problems)


def _unlike(run: Run, summary: RunSummary) -> Iterator[str]:
    """Where lists show something else than the events add up to."""
    if not run.ended:
        yield f"it is {run.phase}, and nobody works on it (invariant 2)"
    told = summary_of(run, summary.wake_at)
    for name in RunSummary.__struct_fields__:
        if getattr(told, name) != getattr(summary, name):
            yield f"lists show {name} {getattr(summary, name)!r}, it is {getattr(told, name)!r} (invariant 3)"


async def swept(node: Node) -> list[str]:
    """Remove the blobs that nothing refers to, as retention does in time; what is wrong with those that are left."""
    ports, found = node.parts.ports, []
    unused = UnusedBlobs(ports.journal, ports.blobs)
    step = await unused.step(await unused.begin(ports.clock.now()))
    while step.search is not None:
        step = await unused.step(step.search)
    for blob in await ports.blobs.stored(limit=1_000_000):
        data = b"".join([chunk async for chunk in ports.blobs.get_stream(blob.digest)])
        if len(data) != blob.size_bytes:
            found.append(f"the blob {blob.digest} has {len(data)} bytes, not {blob.size_bytes}")
    found.extend(f"nothing refers to the blob {one.digest}" for one in await unused.unused_without([], 0))
    return found
