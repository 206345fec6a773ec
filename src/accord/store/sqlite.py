"""The journal in a SQLite file: the embedded default. Several processes may share the file, on a local disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec

from accord.domain.ids import PARTITIONS, AgentId, Digest, RunId, StreamId, TaskId
from accord.domain.log import LogGap, Tally
from accord.ports import (
    GENESIS,
    SEQUENCE_MAX,
    USE_PENDING,
    Answer,
    Append,
    DataKeyUse,
    Fence,
    Head,
    Letter,
    LogEntry,
    LogPart,
    Owner,
    Record,
    Rewrapped,
    RunKind,
    RunQuery,
    RunState,
    RunSummary,
    Sighting,
    Snapshot,
    Upload,
)
from accord.queries import named_queries
from accord.store.frontier import check_shape, check_trim
from accord.store.sqlite_commit import GroupCommit
from accord.store.sqlite_errors import closed, store_errors
from accord.store.sqlite_file import connect, prepare_file
from accord.store.sqlite_filters import filters_of
from accord.store.sqlite_rows import (
    as_json,
    instant,
    log_entry_row,
    log_part_of,
    microseconds,
    relisted,
    summary_of,
)

READERS = 2
"""Connections that read beside the writer; WAL lets them see the last commit without waiting for the next."""


class SqliteJournal:
    """A journal that is durable when a call returns: WAL with `synchronous = FULL`, all writes by group commit."""

    def __init__(self, commits: GroupCommit, readers: Readers) -> None:
        self._commits = commits
        self._readers = readers
        self._queries = named_queries("accord.store", "sqlite.sql")

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[SqliteJournal]:
        """The journal at `path`, made or brought to this version where necessary.

        Raises:
            StoreUnavailable: the file cannot be opened or written.
            StoreCorrupt: it is no journal, is damaged, or is of a newer version.
        """
        await asyncio.to_thread(prepare_file, path)
        async with AsyncExitStack() as opened:
            readers = Readers(path)
            opened.push_async_callback(readers.close)
            with store_errors(path):
                commits = GroupCommit(path)
            opened.push_async_callback(commits.close)
            yield cls(commits, readers)

    async def append(self, appends: Sequence[Append]) -> None:
        check_shape(appends)
        await self._commits.submit(appends)

    async def read(self, stream: StreamId, *, after: int = 0, limit: int | None = None) -> list[Record]:
        most = -1 if limit is None else min(limit, SEQUENCE_MAX)
        rows = await self._rows("read", stream=stream, after=min(after, SEQUENCE_MAX), limit=most)
        return [Record(*row) for row in rows]

    async def head(self, stream: StreamId) -> Head:
        rows = await self._rows("head", stream=stream)
        return Head(*rows[0]) if rows else Head(0, GENESIS)

    async def floor(self, stream: StreamId) -> Head:
        rows = await self._rows("floor", stream=stream)
        return Head(*rows[0]) if rows else Head(0, GENESIS)

    async def run(self, run: RunId) -> RunSummary | None:
        rows = await self._rows("run", run=run)
        return summary_of(rows[0]) if rows else None

    async def runs(self, query: RunQuery) -> list[RunSummary]:
        return [summary_of(row) for row in await self._listed("runs", query, limit=query.limit)]

    async def count_runs(self, query: RunQuery) -> dict[RunState, int]:
        return dict(await self._listed("count_runs", msgspec.structs.replace(query, after=None)))

    async def count_kinds(self, query: RunQuery) -> list[RunKind]:
        rows = await self._listed("count_kinds", msgspec.structs.replace(query, after=None))
        return [RunKind(state, template, by, tuple(labels.split()), runs) for state, template, by, labels, runs in rows]

    async def unlisted(self, *, after: RunId | None = None, limit: int = 100) -> list[RunId]:
        return [RunId(run) for (run,) in await self._rows("unlisted", after=after or "", limit=limit)]

    async def relist(self, summary: RunSummary, agents: Sequence[AgentId], *, at: Head) -> bool:
        queries, told = self._queries, {**relisted(summary), "sequence": at.sequence, "digest": at.digest}

        def write(connection: sqlite3.Connection) -> bool:
            lacked = connection.execute(queries["relist"], told).rowcount > 0
            if lacked:
                connection.execute(queries["relist_agents"], {"run": summary.run, "agents": as_json(agents)})
            return lacked

        lacked: bool = await self._commits.submit(write)
        return lacked

    async def overdue(self, now: datetime, *, partitions: Sequence[int], limit: int = 1000) -> list[RunSummary]:
        rows = await self._rows("overdue", now=microseconds(now), partitions=as_json(partitions), limit=limit)
        return [summary_of(row) for row in rows]

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        await self._change(
            "save_snapshot", {"stream": snapshot.stream, "sequence": snapshot.sequence, "data": snapshot.data}
        )

    async def snapshot(self, stream: StreamId) -> Snapshot | None:
        rows = await self._rows("snapshot", stream=stream)
        return Snapshot(*rows[0]) if rows else None

    async def retire(self, *, ended_before: datetime, limit: int = 100) -> list[RunId]:
        queries, before = self._queries, microseconds(ended_before)

        def remove(connection: sqlite3.Connection) -> list[RunId]:
            found = connection.execute(queries["to_retire"], {"before": before, "limit": limit}).fetchall()
            runs = [run for (run,) in found]
            parameters = {"runs": as_json(runs), "before": before}
            for step in ("retire_streams", "remove_events", "remove_snapshots", "remove_runs", "remove_letters"):
                connection.execute(queries[step], parameters)
            connection.execute(queries["retire_data_keys"], parameters)
            begun_since = microseconds(ended_before - USE_PENDING)
            gone = connection.execute(queries["remove_data_keys"], {"begun_since": begun_since}).fetchall()
            for step in ("remove_data_key_uses", "remove_uploads"):
                connection.execute(queries[step], {"runs": as_json([run for (run,) in gone])})
            return runs

        runs: list[RunId] = await self._commits.submit(remove)
        return runs

    async def trim(self, stream: StreamId, *, until: int) -> int:
        check_trim(stream)
        queries, parameters = self._queries, {"stream": stream, "until": until}

        def remove(connection: sqlite3.Connection) -> int:
            connection.execute(queries["raise_floor"], parameters)
            return connection.execute(queries["trim"], parameters).rowcount

        gone: int = await self._commits.submit(remove)
        return gone

    async def claim(self, owner: str, *, partition: int | None, now: datetime, ttl: timedelta) -> Fence | None:
        parameters = {"owner": owner, "now": microseconds(now), "until": microseconds(now + ttl)}
        if partition is None:
            rows = await self._change("claim_any", {**parameters, "partitions": as_json(range(PARTITIONS))})
        else:
            rows = await self._change("claim", {**parameters, "partition": partition})
        return Fence(*rows[0]) if rows else None

    async def renew(self, fences: Sequence[Fence], *, now: datetime, ttl: timedelta) -> list[Fence]:
        until = microseconds(now + ttl)
        changes = [{"partition": fence.partition, "epoch": fence.epoch, "until": until} for fence in fences]
        return [Fence(*row) for row in await self._change("renew", *changes)]

    async def release(self, fences: Sequence[Fence]) -> None:
        await self._change("release", *({"partition": fence.partition, "epoch": fence.epoch} for fence in fences))

    async def owners(self) -> list[Owner]:
        rows = await self._rows("owners")
        return [Owner(partition, epoch, name, instant(until)) for partition, epoch, name, until in rows]

    async def post(self, letter: Letter) -> None:
        await self._change(
            "post",
            {
                "id": letter.id,
                "partition": letter.partition,
                "data": letter.data,
                "posted_at": microseconds(letter.posted_at),
            },
        )

    async def letters(self, partitions: Sequence[int], *, limit: int = 100) -> list[Letter]:
        rows = await self._rows("letters", partitions=as_json(partitions), limit=limit)
        return [
            Letter(id=id_, partition=partition, data=data, posted_at=instant(posted_at))
            for id_, partition, data, posted_at in rows
        ]

    async def answer(self, answers: Sequence[Answer]) -> None:
        await self._change("answer", *({"letter": answer.letter, "data": answer.data} for answer in answers))

    async def answered(self, letter: str) -> Answer | None:
        rows = await self._rows("answered", letter=letter)
        return Answer(*rows[0]) if rows else None

    async def report(self, process: str, seen: Sequence[Sighting], *, now: datetime, ttl: timedelta) -> None:
        queries, parameters = self._queries, {"process": process, "now": microseconds(now)}
        told = {"process": process, "until": microseconds(now + ttl), "data": msgspec.json.encode(seen)}

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(queries["forget_sightings"], parameters)
            if seen:
                connection.execute(queries["report"], told)

        await self._commits.submit(write)

    async def sightings(self, now: datetime) -> list[Sighting]:
        rows = await self._rows("sightings", now=microseconds(now))
        found = (one for (data,) in rows for one in msgspec.json.decode(data, type=list[Sighting]))
        return sorted(found, key=lambda one: (one.agent, one.instance))

    async def attend(self, replica: str, *, now: datetime, ttl: timedelta) -> None:
        queries, told = self._queries, {"process": replica, "until": microseconds(now + ttl)}

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(queries["forget_replicas"], {"now": microseconds(now)})
            connection.execute(queries["attend"], told)

        await self._commits.submit(write)

    async def depart(self, replica: str) -> None:
        await self._change("depart", {"process": replica})

    async def replicas(self, now: datetime) -> list[str]:
        return [name for (name,) in await self._rows("replicas", now=microseconds(now))]

    async def keep_data_key(self, run: RunId, wrapped: bytes) -> bytes | None:
        queries, told = self._queries, {"run": run, "wrapped": wrapped}

        def keep(connection: sqlite3.Connection) -> bytes | None:
            connection.execute(queries["keep_data_key"], told)
            ((_, kept),) = connection.execute(queries["data_keys"], {"runs": as_json([run])}).fetchall()
            return kept  # type: ignore[no-any-return]  # the column's type

        kept: bytes | None = await self._commits.submit(keep)
        return kept

    async def data_keys(self, runs: Sequence[RunId]) -> dict[RunId, bytes | None]:
        return dict(await self._rows("data_keys", runs=as_json(runs)))

    async def erase_data_keys(self, runs: Sequence[RunId]) -> None:
        await self._change("erase_data_keys", {"runs": as_json(runs)})
        await self._commits.empty_log()

    async def every_data_key(self, *, after: RunId | None = None, limit: int = 500) -> dict[RunId, bytes]:
        return dict(await self._rows("every_data_key", after=after, limit=limit))

    async def count_data_keys(self) -> int:
        ((count,),) = await self._rows("count_data_keys")
        return int(count)

    async def rewrap_data_keys(self, changes: Sequence[Rewrapped]) -> int:
        query = self._queries["rewrap_data_key"]

        def rewrap(connection: sqlite3.Connection) -> int:
            return sum(connection.execute(query, msgspec.structs.asdict(one)).rowcount for one in changes)

        changed: int = await self._commits.submit(rewrap)
        await self._commits.empty_log()
        return changed

    async def use_data_keys(self, run: RunId, keys: Sequence[RunId], *, part: bool, now: datetime) -> list[RunId]:
        queries, told = self._queries, {"runs": as_json(keys)}

        def use(connection: sqlite3.Connection) -> list[RunId]:
            used = {**told, "run": run, "part": part, "since": microseconds(now)}
            connection.execute(queries["use_data_keys"], used)
            return [RunId(key) for key, _ in connection.execute(queries["data_keys"], told).fetchall()]

        there: list[RunId] = await self._commits.submit(use)
        return there

    async def data_key_uses(self, run: RunId) -> list[DataKeyUse]:
        rows = await self._rows("data_key_uses", run=run)
        return [DataKeyUse(key, by, bool(part)) for key, by, part in rows]

    async def keep_upload(self, run: RunId, upload: Upload) -> None:
        await self._change("keep_upload", {"run": run, **msgspec.structs.asdict(upload)})

    async def upload(self, run: RunId, digest: Digest) -> Upload | None:
        rows = await self._rows("upload", run=run, sha256=digest)
        return Upload(*rows[0]) if rows else None

    async def keep_lines(self, entries: Sequence[LogEntry]) -> None:
        queries, told = self._queries, [log_entry_row(entry) for entry in entries]

        def keep(connection: sqlite3.Connection) -> None:
            for entry in told:
                connection.execute(queries["keep_lines"], entry)
                connection.execute(queries["keep_tally"], entry)

        await self._commits.submit(keep)

    async def tally(self, run: RunId, task: TaskId, attempt: int) -> Tally:
        rows = await self._rows("tally", run=run, task=task, attempt=attempt)
        return Tally(*rows[0]) if rows else Tally()

    async def log_parts(
        self,
        run: RunId,
        *,
        task: TaskId | None = None,
        attempt: int | None = None,
        least: int = 0,
        after: int = 0,
        limit: int = 100,
    ) -> list[LogPart]:
        rows = await self._rows("log_parts", run=run, task=task, attempt=attempt, least=least, after=after, limit=limit)
        return [log_part_of(row) for row in rows]

    async def log_gaps(self, run: RunId, *, task: TaskId | None = None, attempt: int | None = None) -> list[LogGap]:
        rows = await self._rows("log_gaps", run=run, task=task, attempt=attempt)
        return [LogGap(task=of, attempt=number, missing=missing) for of, number, missing in rows]

    async def erase_logs(self, runs: Sequence[RunId]) -> None:
        queries, told = self._queries, {"runs": as_json(runs)}

        def erase(connection: sqlite3.Connection) -> None:
            for step in ("erase_log_parts", "erase_log_tallies"):
                connection.execute(queries[step], told)

        await self._commits.submit(erase)

    async def _listed(self, name: str, query: RunQuery, **parameters: object) -> list[Any]:
        filters, given = filters_of(query)
        # What an agent has worked at is walked through by that, in the order in which it is wanted.
        by_agent = query.agent is not None
        source, order = ("run_agents CROSS JOIN runs ON run = of_run", "of_run") if by_agent else ("runs", "run")
        sql = self._queries[name].format(source=source, filters=filters, order=order)
        return await self._readers.fetch(sql, {**given, **parameters})

    async def _rows(self, query: str, **parameters: object) -> list[Any]:
        return await self._readers.fetch(self._queries[query], parameters)

    async def _change(self, query: str, *changes: Mapping[str, object]) -> list[Any]:
        sql = self._queries[query]
        if not changes:
            return []

        def execute(connection: sqlite3.Connection) -> list[Any]:
            return [row for change in changes for row in connection.execute(sql, change).fetchall()]

        rows: list[Any] = await self._commits.submit(execute)
        return rows


class Readers:
    """Threads that read, each with a connection that can do nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        with store_errors(path):
            for _ in range(READERS):
                self._idle.put(connect(path, writes=False))
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix=f"reader of {path.name}")
        self._closed = False

    async def fetch(self, sql: str, parameters: Mapping[str, object]) -> list[Any]:
        """All rows of a query."""
        if self._closed:
            raise closed(self._path)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._fetch, sql, parameters)

    async def close(self) -> None:
        """Let the queries under way end, then close the connections."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for _ in range(READERS):
            self._idle.get().close()

    def _fetch(self, sql: str, parameters: Mapping[str, object]) -> list[Any]:
        connection = self._idle.get()
        try:
            with store_errors(self._path):
                return connection.execute(sql, parameters).fetchall()
        finally:
            self._idle.put(connection)
