"""Group commit: one thread writes, and what gathers while it commits goes into its next commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from accord.errors import StoreUnavailable
from accord.ports import Head
from accord.queries import named_queries
from accord.store.frontier import Frontier
from accord.store.group import Appends, Group, admitted, assumed, settle
from accord.store.sqlite_errors import as_store_error, closed, store_errors
from accord.store.sqlite_file import connect, transaction
from accord.store.sqlite_rows import as_json, summary_row

Job = Callable[[sqlite3.Connection], Any]
"""A change that is no append: it gets a transaction of its own."""

_STALE = "stale"
"""What the trigger in `sqlite_commit.sql` says when a head or an epoch is not the assumed one."""


class _Data:
    """The bytes of a commit one behind the other, each known by where it begins (from 1) and how long it is."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._free = 1

    def hold(self, data: bytes) -> tuple[int, int]:
        """Add bytes; returns where they are."""
        at = self._free
        self._held.append(data)
        self._free += len(data)
        return at, len(data)

    def __bytes__(self) -> bytes:
        return b"".join(self._held)


def parameters(group: Group) -> tuple[str, str, str, bytes, str, str, str]:
    """What the one statement that writes the group is given: the form of `sqlite_commit.sql`."""
    heads = [
        (stream, head.sequence, head.digest, group.ends[stream].sequence, group.ends[stream].digest)
        for stream, head in group.expected.items()
    ]
    data = _Data()
    records = [(record.stream, record.sequence, record.digest, *data.hold(record.data)) for record in group.records]
    answers = [(letter, *data.hold(answer)) for letter, answer in group.answers.items()]
    return (
        as_json(heads),
        as_json(group.epochs.items()),
        as_json(records),
        bytes(data),
        as_json([summary_row(summary) for summary in group.summaries.values()]),
        as_json(group.agents),
        as_json(answers),
    )


class GroupCommit:
    """The one writer of a process: a thread with its own connection, fed from the event loop that it is made in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect(path, writes=True)
        self._queries = named_queries("accord.store", "sqlite.sql")
        commit = named_queries("accord.store", "sqlite_commit.sql")
        for part in ("view", "writing", "working", "answering"):
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

    async def empty_log(self) -> None:
        """Have nothing left in the write-ahead log of what was written before, as far as no reader needs it."""

        def checkpoint() -> None:
            with closing(connect(self._path, writes=True)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        with store_errors(self._path):
            await asyncio.to_thread(checkpoint)

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
        group, refusals = admitted(calls, assumed(calls))
        if not any(refusals):
            try:
                self._connection.execute(self._insert, parameters(group))
            except sqlite3.IntegrityError as error:
                if str(error) != _STALE:
                    raise
            else:
                return refusals
        with transaction(self._connection):
            group, refusals = admitted(calls, self._actual(calls))
            self._connection.execute(self._insert, parameters(group))
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
            self._loop.call_soon_threadsafe(settle, futures, outcomes)
