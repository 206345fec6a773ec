"""The journal in a PostgreSQL database, which any number of processes on any number of machines share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, get_args

import msgspec

from accord.domain.event import Origin
from accord.domain.ids import PARTITIONS, AgentId, Digest, RunId, StreamId, TaskId
from accord.domain.log import LogGap, Tally
from accord.ports import (
    GENESIS,
    SEQUENCE_MAX,
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
from accord.postgres.database import Database
from accord.queries import named_queries
from accord.store.frontier import check_shape, check_trim
from accord.store.postgres_commit import GroupCommit
from accord.store.postgres_filters import filters_of, findable
from accord.store.search import kept_labels, storable


class PostgresJournal:
    """A journal that is durable when a call returns. Appends go by group commit, in the order of the calls; the rest
    goes beside them.
    """

    def __init__(self, database: Database, commits: GroupCommit) -> None:
        self._database = database
        self._commits = commits
        self._queries = named_queries("accord.store", "postgres.sql")

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database) -> AsyncIterator[PostgresJournal]:
        """The journal of an open database."""
        async with GroupCommit.open(database) as commits:
            yield cls(database, commits)

    async def append(self, appends: Sequence[Append]) -> None:
        check_shape(appends)
        await self._commits.submit(appends)

    async def read(self, stream: StreamId, *, after: int = 0, limit: int | None = None) -> list[Record]:
        most = None if limit is None else min(limit, SEQUENCE_MAX)
        rows = await self._rows("read", stream, min(after, SEQUENCE_MAX), most)
        return [Record(stream, sequence, data, Digest(digest.hex())) for sequence, data, digest in rows]

    async def head(self, stream: StreamId) -> Head:
        return _head(await self._rows("head", stream))

    async def floor(self, stream: StreamId) -> Head:
        return _head(await self._rows("floor", stream))

    async def run(self, run: RunId) -> RunSummary | None:
        rows = await self._rows("run", run)
        return _summary(rows[0]) if rows else None

    async def runs(self, query: RunQuery) -> list[RunSummary]:
        return [_summary(row) for row in await self._listed("runs", query, query.limit)]

    async def count_runs(self, query: RunQuery) -> dict[RunState, int]:
        whole = msgspec.structs.replace(query, after=None)
        return dict(await self._listed("count_runs", whole, len(get_args(RunState))))

    async def count_kinds(self, query: RunQuery) -> list[RunKind]:
        rows = await self._listed("count_kinds", msgspec.structs.replace(query, after=None), None)
        return [RunKind(state, template, by, tuple(labels.split()), runs) for state, template, by, labels, runs in rows]

    async def unlisted(self, *, after: RunId | None = None, limit: int = 100) -> list[RunId]:
        return [RunId(run) for (run,) in await self._rows("unlisted", after or "", limit)]

    async def relist(self, summary: RunSummary, agents: Sequence[AgentId], *, at: Head) -> bool:
        origin = summary.origin
        ((lacked,),) = await self._rows(
            "relist",
            summary.run,
            at.sequence,
            bytes.fromhex(at.digest),
            summary.tasks_done,
            origin.run if origin is not None else None,
            origin.sequence if origin is not None else None,
            storable(summary.by) if summary.by is not None else None,
            kept_labels(summary.labels),
            summary.acknowledged,
            list(agents),
        )
        return bool(lacked)

    async def overdue(self, now: datetime, *, partitions: Sequence[int], limit: int = 1000) -> list[RunSummary]:
        return [_summary(row) for row in await self._rows("overdue", now, list(partitions), limit)]

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        await self._rows("save_snapshot", snapshot.stream, snapshot.sequence, snapshot.data)

    async def snapshot(self, stream: StreamId) -> Snapshot | None:
        rows = await self._rows("snapshot", stream)
        return Snapshot(*rows[0]) if rows else None

    async def retire(self, *, ended_before: datetime, limit: int = 100) -> list[RunId]:
        return [RunId(run) for (run,) in await self._rows("retire", ended_before, limit)]

    async def trim(self, stream: StreamId, *, until: int) -> int:
        check_trim(stream)
        ((gone,),) = await self._rows("trim", stream, until)
        return int(gone)

    async def claim(self, owner: str, *, partition: int | None, now: datetime, ttl: timedelta) -> Fence | None:
        rows = await self._rows("claim", owner, partition, PARTITIONS, now, now + ttl)
        return Fence(*rows[0]) if rows else None

    async def renew(self, fences: Sequence[Fence], *, now: datetime, ttl: timedelta) -> list[Fence]:
        rows = await self._rows("renew", *_columns(fences), now + ttl)
        ours = {Fence(*row) for row in rows}
        return [fence for fence in fences if fence in ours]

    async def release(self, fences: Sequence[Fence]) -> None:
        await self._rows("release", *_columns(fences))

    async def owners(self) -> list[Owner]:
        return [Owner(*row) for row in await self._rows("owners")]

    async def post(self, letter: Letter) -> None:
        await self._rows("post", letter.id, letter.partition, letter.data, letter.posted_at)

    async def letters(self, partitions: Sequence[int], *, limit: int = 100) -> list[Letter]:
        rows = await self._rows("letters", list(partitions), limit)
        return [
            Letter(id=id_, partition=partition, data=data, posted_at=posted_at)
            for id_, partition, data, posted_at in rows
        ]

    async def answer(self, answers: Sequence[Answer]) -> None:
        first: dict[str, bytes] = {}
        for answer in answers:
            first.setdefault(answer.letter, answer.data)
        await self._rows("answer", list(first), list(first.values()))

    async def answered(self, letter: str) -> Answer | None:
        rows = await self._rows("answered", letter)
        return Answer(*rows[0]) if rows else None

    async def report(self, process: str, seen: Sequence[Sighting], *, now: datetime, ttl: timedelta) -> None:
        if seen:
            await self._rows("report", process, now + ttl, msgspec.json.encode(seen), now)
        else:
            await self._rows("forget_sightings", process, now)

    async def sightings(self, now: datetime) -> list[Sighting]:
        rows = await self._rows("sightings", now)
        found = (one for (data,) in rows for one in msgspec.json.decode(data, type=list[Sighting]))
        return sorted(found, key=lambda one: (one.agent, one.instance))

    async def attend(self, replica: str, *, now: datetime, ttl: timedelta) -> None:
        await self._rows("attend", replica, now + ttl, now)

    async def depart(self, replica: str) -> None:
        await self._rows("depart", replica)

    async def replicas(self, now: datetime) -> list[str]:
        return [name for (name,) in await self._rows("replicas", now)]

    async def keep_data_key(self, run: RunId, wrapped: bytes) -> bytes | None:
        ((made,),) = await self._rows("keep_data_key", run, wrapped)
        return wrapped if made else (await self.data_keys([run]))[run]

    async def data_keys(self, runs: Sequence[RunId]) -> dict[RunId, bytes | None]:
        return {RunId(run): wrapped for run, wrapped in await self._rows("data_keys", list(runs))}

    async def erase_data_keys(self, runs: Sequence[RunId]) -> None:
        await self._rows("erase_data_keys", list(runs))

    async def every_data_key(self, *, after: RunId | None = None, limit: int = 500) -> dict[RunId, bytes]:
        return {RunId(run): wrapped for run, wrapped in await self._rows("every_data_key", after, limit)}

    async def count_data_keys(self) -> int:
        ((count,),) = await self._rows("count_data_keys")
        return int(count)

    async def rewrap_data_keys(self, changes: Sequence[Rewrapped]) -> int:
        columns = ([one.run for one in changes], [one.before for one in changes], [one.after for one in changes])
        ((changed,),) = await self._rows("rewrap_data_keys", *columns)
        return int(changed)

    async def use_data_keys(self, run: RunId, keys: Sequence[RunId], *, part: bool, now: datetime) -> list[RunId]:
        return [RunId(key) for (key,) in await self._rows("use_data_keys", run, list(keys), part, now)]

    async def data_key_uses(self, run: RunId) -> list[DataKeyUse]:
        return [DataKeyUse(*row) for row in await self._rows("data_key_uses", run)]

    async def keep_upload(self, run: RunId, upload: Upload) -> None:
        await self._rows("keep_upload", run, *msgspec.structs.astuple(upload))

    async def upload(self, run: RunId, digest: Digest) -> Upload | None:
        rows = await self._rows("upload", run, digest)
        return Upload(*rows[0]) if rows else None

    async def keep_lines(self, entries: Sequence[LogEntry]) -> None:
        rows = [
            (one.run, one.task, one.attempt, *msgspec.structs.astuple(one.tally), one.worst, one.encrypted, one.data)
            for one in entries
        ]
        await self._rows("keep_lines", *(list(column) for column in zip(*rows, strict=True)))

    async def tally(self, run: RunId, task: TaskId, attempt: int) -> Tally:
        rows = await self._rows("tally", run, task, attempt)
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
        rows = await self._rows("log_parts", run, task, attempt, least, after, limit)
        return [_log_part(row) for row in rows]

    async def log_gaps(self, run: RunId, *, task: TaskId | None = None, attempt: int | None = None) -> list[LogGap]:
        rows = await self._rows("log_gaps", run, task, attempt)
        return [LogGap(task=of, attempt=number, missing=missing) for of, number, missing in rows]

    async def erase_logs(self, runs: Sequence[RunId]) -> None:
        await self._rows("erase_logs", list(runs))

    async def _listed(self, name: str, query: RunQuery, limit: int | None) -> list[Any]:
        conditions, given = filters_of(query)
        if not all(map(findable, given)):
            return []
        sql = self._queries[name].replace("{filters}", " AND ".join(conditions) or "true")
        return await self._database.rows(sql, limit, *given)

    async def _rows(self, query: str, *given: object) -> list[Any]:
        return await self._database.rows(self._queries[query], *given)


def _head(rows: Sequence[Any]) -> Head:
    if not rows:
        return Head(0, GENESIS)
    sequence, digest = rows[0]
    return Head(sequence, Digest(digest.hex()))


def _log_part(row: Sequence[Any]) -> LogPart:
    position, task, attempt, worst, data, encrypted = row
    return LogPart(
        position=position, task=TaskId(task), attempt=attempt, worst=worst, data=bytes(data), encrypted=encrypted
    )


def _columns(fences: Sequence[Fence]) -> tuple[list[int], list[int]]:
    return [fence.partition for fence in fences], [fence.epoch for fence in fences]


def _summary(row: Sequence[Any]) -> RunSummary:
    """The summary in the columns that the queries of `runs` name."""
    run, partition, template, title, state, started_at, updated_at, wake_at, total, done, failed, parent, *rest = row
    origin, origin_sequence, started_by, labels, acknowledged = rest
    return RunSummary(
        run=RunId(run),
        partition=partition,
        template=template,
        title=title,
        state=state,
        started_at=started_at,
        updated_at=updated_at,
        wake_at=wake_at,
        tasks_total=total,
        tasks_done=done,
        tasks_failed=failed,
        parent=parent,
        origin=None if origin is None else Origin(origin, origin_sequence),
        by=started_by,
        labels=tuple(labels.split()),
        acknowledged=acknowledged,
    )
