"""Group commit on PostgreSQL: one statement is under way, and what gathers meanwhile goes into the next one.

A commit is one call of a function of the server, so one round trip and one transaction, in which no client can be
stopped: no lock outlives it. It carries what the callers assume of heads and epochs. Where that is wrong, nothing is
written; then what is so is read, callers who are wrong are refused, and the rest is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from accord.domain.ids import Digest
from accord.errors import StoreError, StoreUnavailable
from accord.ports import Head
from accord.postgres.database import TRIES, Database
from accord.postgres.errors import closed
from accord.queries import named_queries
from accord.store.frontier import Frontier
from accord.store.group import Appends, Group, admitted, assumed, settle
from accord.store.search import kept_labels, searched_text, storable


class GroupCommit:
    """The one writer of a process: a task, fed from the event loop that it runs in."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = named_queries("accord.store", "postgres.sql")
        self._waiting: list[tuple[Appends, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database) -> AsyncIterator[GroupCommit]:
        """A writer that works until the end, and then writes what was submitted before."""
        commits = cls(database)
        writing = asyncio.create_task(commits._write(), name="writer of the journal")
        try:
            yield commits
        finally:
            commits._closed = True
            commits._wake.set()
            await writing

    async def submit(self, appends: Appends) -> None:
        """Have this written by the next commit. Cancelling the caller cancels no write."""
        if self._closed:
            raise closed(self._database.address)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((appends, written))
        self._wake.set()
        await written

    async def _write(self) -> None:
        gathered: list[tuple[Appends, asyncio.Future[None]]] = []
        try:
            while self._waiting or not self._closed:
                await self._wake.wait()
                gathered, self._waiting = self._waiting, []
                if not self._closed:
                    self._wake.clear()
                if gathered:
                    outcomes = await self.commit([appends for appends, _ in gathered])
                    settle([written for _, written in gathered], outcomes)
        finally:  # also when it is cancelled: nobody waits for ever
            left = [written for _, written in (*gathered, *self._waiting)]
            settle(left, [closed(self._database.address) for _ in left])

    async def commit(self, calls: Sequence[Appends]) -> list[Exception | None]:
        """Write in one commit the appends of all calls that may be written; returns for each call its refusal."""
        try:
            return await self._commit(calls)
        except StoreError as error:
            failures: list[Exception | None] = [type(error)(*error.problems) for _ in calls]
        except Exception as error:
            failures = [error]
        if len(calls) == 1 or isinstance(failures[0], StoreUnavailable):
            return failures
        # Something in the group cannot be written at all: only the call that it came from may fail.
        return [(await self.commit([appends]))[0] for appends in calls]

    async def _commit(self, calls: Sequence[Appends]) -> list[Exception | None]:
        group, refusals = admitted(calls, assumed(calls))
        if not any(refusals) and await self._written(group):
            return refusals
        for _ in range(TRIES):
            group, refusals = admitted(calls, await self._actual(calls))
            if await self._written(group):
                return refusals
        raise StoreUnavailable.of("ACC571", "others changed the same streams each time that this was tried")

    async def _written(self, group: Group) -> bool:
        """Write the group; False, and nothing is written, where a head or an epoch is not as it says."""
        if not group.expected:
            return True
        return await self._database.commit(self._queries["append"], *parameters(group))

    async def _actual(self, calls: Sequence[Appends]) -> Frontier:
        """What the database says now; it may change before the next try, which then says so."""
        frontier = Frontier()
        streams = sorted({append.stream for appends in calls for append in appends})
        partitions = {append.fence.partition for appends in calls for append in appends if append.fence is not None}
        for stream, sequence, digest, retired in await self._database.rows(self._queries["heads"], streams):
            frontier.heads[stream] = Head(sequence, Digest(digest.hex()))
            if retired:
                frontier.retired.add(stream)
        frontier.epochs.update(await self._database.rows(self._queries["epochs"], sorted(partitions)))
        return frontier


def parameters(group: Group) -> tuple[list[Any], ...]:
    """What the function `append` is given: a list for each column. Streams and partitions are in order, so that two
    commits never wait for each other.
    """
    streams = sorted(group.expected)
    expected, ends = [group.expected[one] for one in streams], [group.ends[one] for one in streams]
    partitions = sorted(group.epochs)
    return (
        partitions,
        [group.epochs[one] for one in partitions],
        streams,
        [head.sequence for head in expected],
        [bytes.fromhex(head.digest) for head in expected],
        [head.sequence for head in ends],
        [bytes.fromhex(head.digest) for head in ends],
        [record.stream for record in group.records],
        [record.sequence for record in group.records],
        [bytes.fromhex(record.digest) for record in group.records],
        [record.data for record in group.records],
        *_summaries(group),
        [agent for agent, _ in group.agents],
        [run for _, run in group.agents],
        list(group.answers),
        list(group.answers.values()),
    )


def _summaries(group: Group) -> tuple[list[Any], ...]:
    """The columns of `runs`."""
    runs = [group.summaries[run] for run in sorted(group.summaries)]
    return (
        [one.run for one in runs],
        [one.partition for one in runs],
        [one.template for one in runs],
        [storable(one.title) for one in runs],
        [one.state for one in runs],
        [one.started_at for one in runs],
        [one.updated_at for one in runs],
        [one.wake_at for one in runs],
        [one.tasks_total for one in runs],
        [one.tasks_done for one in runs],
        [one.tasks_failed for one in runs],
        [one.parent for one in runs],
        [storable(searched_text(one)) for one in runs],
        [one.origin.run if one.origin is not None else None for one in runs],
        [one.origin.sequence if one.origin is not None else None for one in runs],
        [storable(one.by) if one.by is not None else None for one in runs],
        [kept_labels(one.labels) for one in runs],
        [one.acknowledged for one in runs],
    )
