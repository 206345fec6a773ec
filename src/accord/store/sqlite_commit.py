"""Group commit: one thread writes, and what gathers while it commits goes into its next commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from accord.domain.ids import RunId, StreamId
from accord.errors import Fenced, SequenceConflict, StoreUnavailable
from accord.ports import Append, Head, RunSummary
from accord.store.frontier import Frontier, end_of
from accord.store.sqlite_errors import as_store_error, closed
from accord.store.sqlite_file import connect, named_queries, transaction
from accord.store.sqlite_rows import as_json, summary_row

Appends = Sequence[Append]
"""What one caller wants written, all or nothing."""

Job = Callable[[sqlite3.Connection], Any]
"""A change that is no append: it gets a transaction of its own."""

_STALE = "stale"
"""What the trigger in `sqlite_commit.sql` says when a head or an epoch is not the assumed one."""


class Group:
    """What one commit writes: the appends of several callers, in the form of `sqlite_commit.sql`."""

    def __init__(self) -> None:
        self._expected: dict[StreamId, Head] = {}
        self._ends: dict[StreamId, Head] = {}
        self._epochs: dict[int, int] = {}
        self._records: list[tuple[str, int, str, int, int]] = []
        self._summaries: dict[RunId, RunSummary] = {}
        self._answers: list[tuple[str, int, int]] = []
        self._data: list[bytes] = []
        self._free = 1

    def add(self, appends: Appends) -> None:
        """Take up one caller's appends, which the frontier has admitted."""
        for append in appends:
            self._expected.setdefault(append.stream, append.expected)
            self._ends[append.stream] = end_of(append)
            if append.fence is not None:
                self._epochs[append.fence.partition] = append.fence.epoch
            for record in append.records:
                at, size = self._hold(record.data)
                self._records.append((record.stream, record.sequence, record.digest, at, size))
            if append.summary is not None:
                self._summaries[append.summary.run] = append.summary
            for answer in append.answers:
                self._answers.append((answer.letter, *self._hold(answer.data)))

    def parameters(self) -> tuple[str, str, str, bytes, str, str]:
        """What the one statement that writes the group is given."""
        heads = [
            (stream, head.sequence, head.digest, self._ends[stream].sequence, self._ends[stream].digest)
            for stream, head in self._expected.items()
        ]
        return (
            as_json(heads),
            as_json(self._epochs.items()),
            as_json(self._records),
            b"".join(self._data),
            as_json([summary_row(summary) for summary in self._summaries.values()]),
            as_json(self._answers),
        )

    def _hold(self, data: bytes) -> tuple[int, int]:
        at = self._free
        self._data.append(data)
        self._free += len(data)
        return at, len(data)


class GroupCommit:
    """The one writer of a process: a thread with its own connection, fed from the event loop that it is made in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect(path, writes=True)
        self._queries = named_queries("sqlite.sql")
        commit = named_queries("sqlite_commit.sql")
        for part in ("view", "writing", "answering"):
            self._connection.execute(commit[part])
        self._insert = commit["commit"]
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[tuple[Appends | Job, asyncio.Future[Any]] | None] = SimpleQueue()
        self._closed = False
        self._thread = Thread(target=self._write, name=f"writer of {path.name}", daemon=True)
        self._thread.start()

    async def submit(self, work: Appends | Job) -> Any:
        """Have this written by the next commit; returns what a job returns. Cancelling the caller cancels no write."""
        if self._closed:
            raise closed(self._path)
        written: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put((work, written))
        return await written

    async def close(self) -> None:
        """Write what was submitted before, then close the connection."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def commit(self, calls: Sequence[Appends]) -> list[Exception | None]:
        """Write in one commit the appends of all calls that may be written; returns for each call its refusal."""
        try:
            return self._commit(calls)
        except sqlite3.Error as error:
            failures: list[Exception | None] = [as_store_error(error, self._path) for _ in calls]
        except Exception as error:
            failures = [error]
        if len(calls) == 1 or isinstance(failures[0], StoreUnavailable):
            return failures
        # Something in the group cannot be written at all: only the call that it came from may fail.
        return [self.commit([appends])[0] for appends in calls]

    def _commit(self, calls: Sequence[Appends]) -> list[Exception | None]:
        group, refusals = _admitted(calls, _assumed(calls))
        if not any(refusals):
            try:
                self._connection.execute(self._insert, group.parameters())
            except sqlite3.IntegrityError as error:
                if str(error) != _STALE:
                    raise
            else:
                return refusals
        with transaction(self._connection):
            group, refusals = _admitted(calls, self._actual(calls))
            self._connection.execute(self._insert, group.parameters())
        return refusals

    def _actual(self, calls: Sequence[Appends]) -> Frontier:
        """What the database says; it stays true until the end of the transaction."""
        frontier = Frontier()
        streams = {append.stream for appends in calls for append in appends}
        heads = self._connection.execute(self._queries["heads"], {"streams": as_json(streams)})
        for stream, sequence, digest, retired in heads.fetchall():
            frontier.heads[stream] = Head(sequence, digest)
            if retired:
                frontier.retired.add(stream)
        frontier.epochs.update(self._connection.execute(self._queries["epochs"]).fetchall())
        return frontier

    def _perform(self, job: Job) -> Any:
        try:
            with transaction(self._connection):
                return job(self._connection)
        except sqlite3.Error as error:
            return as_store_error(error, self._path)
        except Exception as error:
            return error

    def _write(self) -> None:
        open_ = True
        while open_:
            gathered = [self._queue.get(), *(self._queue.get() for _ in range(self._queue.qsize()))]
            open_ = None not in gathered
            calls = [call for call in gathered if call is not None]
            appends = [(work, written) for work, written in calls if not callable(work)]
            if appends:
                self._answer([written for _, written in appends], self.commit([work for work, _ in appends]))
            for work, written in calls:
                if callable(work):
                    self._answer([written], [self._perform(work)])

    def _answer(self, futures: list[asyncio.Future[Any]], outcomes: Sequence[Any]) -> None:
        with suppress(RuntimeError):  # the loop was closed before the journal: nobody waits for these
            self._loop.call_soon_threadsafe(_settle, futures, outcomes)


def _settle(futures: list[asyncio.Future[Any]], outcomes: Sequence[Any]) -> None:
    for written, outcome in zip(futures, outcomes, strict=True):
        if written.done():
            continue
        if isinstance(outcome, Exception):
            written.set_exception(outcome)
        else:
            written.set_result(outcome)


def _assumed(calls: Sequence[Appends]) -> Frontier:
    """What is so if all callers are right; the commit checks it."""
    frontier = Frontier()
    for appends in calls:
        for append in appends:
            frontier.heads.setdefault(append.stream, append.expected)
            if append.fence is not None:
                frontier.epochs.setdefault(append.fence.partition, append.fence.epoch)
    return frontier


def _admitted(calls: Sequence[Appends], frontier: Frontier) -> tuple[Group, list[Exception | None]]:
    """The group of the calls that the frontier admits, and for each call its refusal."""
    group = Group()
    refusals: list[Exception | None] = []
    for appends in calls:
        try:
            frontier.admit(appends)
        except (SequenceConflict, Fenced) as refusal:
            refusals.append(refusal)
        else:
            group.add(appends)
            refusals.append(None)
    return group, refusals
