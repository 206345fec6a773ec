"""The journal in a PostgreSQL database, which any number of processes on any number of machines share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, get_args

import msgspec

from accord.domain.ids import PARTITIONS, Digest, RunId, StreamId
from accord.ports import (
    GENESIS,
    SEQUENCE_MAX,
    Answer,
    Append,
    DataKeyUse,
    Fence,
    Head,
    Letter,
    Owner,
    Record,
    RunQuery,
    RunState,
    RunSummary,
    Sighting,
    Snapshot,
)
from accord.postgres.database import Database
from accord.queries import named_queries
from accord.store.frontier import check_shape, check_trim
from accord.store.postgres_commit import GroupCommit
from accord.store.search import search_words


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
        conditions, given = _filters(query)
        if not all(map(_findable, given)):
            return []
        sql = self._queries["runs"].replace("{filters}", " AND ".join(conditions) or "true")
        return [_summary(row) for row in await self._database.rows(sql, query.limit, *given)]

    async def count_runs(self, query: RunQuery) -> dict[RunState, int]:
        conditions, given = _filters(msgspec.structs.replace(query, after=None))
        if not all(map(_findable, given)):
            return {}
        sql = self._queries["count_runs"].replace("{filters}", " AND ".join(conditions) or "true")
        return dict(await self._database.rows(sql, len(get_args(RunState)), *given))

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

    async def use_data_keys(self, run: RunId, keys: Sequence[RunId], *, part: bool, now: datetime) -> list[RunId]:
        return [RunId(key) for (key,) in await self._rows("use_data_keys", run, list(keys), part, now)]

    async def data_key_uses(self, run: RunId) -> list[DataKeyUse]:
        return [DataKeyUse(*row) for row in await self._rows("data_key_uses", run)]

    async def _rows(self, query: str, *given: object) -> list[Any]:
        return await self._database.rows(self._queries[query], *given)


def _head(rows: Sequence[Any]) -> Head:
    if not rows:
        return Head(0, GENESIS)
    sequence, digest = rows[0]
    return Head(sequence, Digest(digest.hex()))


def _columns(fences: Sequence[Fence]) -> tuple[list[int], list[int]]:
    return [fence.partition for fence in fences], [fence.epoch for fence in fences]


def _summary(row: Sequence[Any]) -> RunSummary:
    """The summary in the columns that the queries of `runs` name."""
    run, partition, template, title, state, started_at, updated_at, wake_at, total, done, failed, parent = row
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
    )


def _findable(value: object) -> bool:
    """False for a text that PostgreSQL cannot hold, so that nothing can have it."""
    return not isinstance(value, str) or not any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in value)


def _filters(query: RunQuery) -> tuple[list[str], list[object]]:
    """The conditions of a query, and their parameters from $2 on."""
    wanted: list[tuple[str, object]] = []
    if query.states:
        wanted.append(("state = ANY ({}::text[])", list(query.states)))
    if query.template is not None:
        wanted.append(("(template = {0} OR starts_with(template, {0} || '@'))", query.template))
    if query.templates:
        wanted.append(("template = ANY ({}::text[])", list(query.templates)))
    if query.since is not None:
        wanted.append(("started_at >= {}", query.since))
    if query.updated_since is not None:
        # The two halves have an index each: runs that have ended by time, the others because they are few.
        wanted.append(("(ended_at >= {0} OR ended_at IS NULL AND updated_at >= {0})", query.updated_since))
    if query.parent is not None:
        wanted.append(("parent = {}", query.parent))
    if query.after is not None:
        wanted.append(("run < {}", query.after))
    wanted += [("strpos(searched, {}) > 0", word) for word in search_words(query.text)]
    conditions = [condition.format(f"${number}") for number, (condition, _) in enumerate(wanted, start=2)]
    return conditions, [value for _, value in wanted]
