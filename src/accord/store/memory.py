"""A journal in memory: for the simulation and for tests, never for work that matters."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Final, Literal, Self

import msgspec

from accord.domain.ids import PARTITIONS, AgentId, Digest, RunId, StreamId, TaskId
from accord.domain.log import LogGap, Tally
from accord.errors import StoreUnavailable
from accord.ports import (
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
from accord.store.frontier import EMPTY, Frontier, check_shape, check_trim
from accord.store.search import search_words, searched_text, storable

ENDED: frozenset[RunState] = frozenset(("completed", "failed", "cancelled"))

Fault = Literal["refused", "lost_answer"]
"""`refused`: nothing was written. `lost_answer`: it was. The caller sees the same StoreUnavailable."""


class Faults:
    """Which fault the next calls meet: a list for tests to fill; a simulation passes its own callable."""

    def __init__(self) -> None:
        self._planned: dict[str, deque[Fault | None]] = {}

    def plan(self, operation: str, *faults: Fault | None) -> None:
        """The next calls of the method `operation` meet these, in order; None is a call that goes well."""
        self._planned.setdefault(operation, deque()).extend(faults)

    def __call__(self, operation: str) -> Fault | None:
        planned = self._planned.get(operation)
        return planned.popleft() if planned else None


RELISTED: Final = ("tasks_done", "origin", "by", "labels", "acknowledged")
"""What of a summary an earlier version has not written, or otherwise."""


class _Owner(msgspec.Struct):
    epoch: int = 0
    name: str | None = None
    until: datetime | None = None

    def free(self, now: datetime) -> bool:
        return self.name is None or self.until is None or self.until <= now


class MemoryJournal:
    """The journal of one process; it lives as long as the object, whoever opens and closes it."""

    def __init__(self, faults: Callable[[str], Fault | None] | None = None) -> None:
        self._faults = faults or Faults()
        self._frontier = Frontier()
        self._records: dict[StreamId, list[Record]] = {}
        self._floors: dict[StreamId, Head] = {}
        self._runs: dict[RunId, bytes] = {}
        self._agents: dict[RunId, set[AgentId]] = {}
        self._wakes: dict[RunId, tuple[datetime, int]] = {}
        self._snapshots: dict[StreamId, Snapshot] = {}
        self._owners: dict[int, _Owner] = {}
        self._letters: dict[str, Letter] = {}
        self._answers: dict[str, Answer] = {}
        self._sightings: dict[str, tuple[datetime, tuple[Sighting, ...]]] = {}
        self._replicas: dict[str, datetime] = {}
        self._data_keys: dict[RunId, bytes | None] = {}
        self._key_uses: dict[tuple[RunId, RunId], tuple[bool, datetime]] = {}
        self._uploads: dict[tuple[RunId, Digest], Upload] = {}
        self._tallies: dict[tuple[RunId, TaskId, int], Tally] = {}
        self._log_parts: dict[RunId, list[LogPart]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def append(self, appends: Sequence[Append]) -> None:
        check_shape(appends)
        with self._fault("append"):
            self._frontier.admit(appends)
            for append in appends:
                if append.records:
                    self._records.setdefault(append.stream, []).extend(append.records)
                if append.summary is not None:
                    self._project(append.summary, append.agents)
                self._answer(append.answers)
        # As with a journal on a disk: others go on before the caller learns of the write.
        await asyncio.sleep(0)

    async def read(self, stream: StreamId, *, after: int = 0, limit: int | None = None) -> list[Record]:
        with self._fault("read"):
            first = max(after - self._floors.get(stream, EMPTY).sequence, 0)
            return self._records.get(stream, [])[first : None if limit is None else first + limit]

    async def head(self, stream: StreamId) -> Head:
        with self._fault("head"):
            return self._frontier.heads.get(stream, EMPTY)

    async def floor(self, stream: StreamId) -> Head:
        with self._fault("floor"):
            return self._floors.get(stream, EMPTY)

    async def run(self, run: RunId) -> RunSummary | None:
        with self._fault("run"):
            data = self._runs.get(run)
            return None if data is None else _decode(data)

    async def runs(self, query: RunQuery) -> list[RunSummary]:
        with self._fault("runs"):
            newest_first = (_decode(self._runs[run]) for run in sorted(self._runs, reverse=True))
            return list(islice((summary for summary in newest_first if self._matches(summary, query)), query.limit))

    async def count_runs(self, query: RunQuery) -> dict[RunState, int]:
        with self._fault("runs"):
            whole = msgspec.structs.replace(query, after=None)
            return dict(Counter(one.state for one in map(_decode, self._runs.values()) if self._matches(one, whole)))

    async def count_kinds(self, query: RunQuery) -> list[RunKind]:
        with self._fault("runs"):
            whole = msgspec.structs.replace(query, after=None)
            found = (one for one in map(_decode, self._runs.values()) if self._matches(one, whole))
            kinds = Counter((one.state, one.template, one.by, one.labels) for one in found)
            return [RunKind(*kind, runs) for kind, runs in kinds.items()]

    async def unlisted(self, *, after: RunId | None = None, limit: int = 100) -> list[RunId]:
        with self._fault("unlisted"):
            behind = (run for run in sorted(self._runs) if after is None or run > after)
            return list(islice((run for run in behind if _decode(self._runs[run]).by is None), limit))

    async def relist(self, summary: RunSummary, agents: Sequence[AgentId], *, at: Head) -> bool:
        with self._fault("relist"):
            data = self._runs.get(summary.run)
            if data is None or self._frontier.heads.get(StreamId(summary.run)) != at:
                return False
            known = _decode(data)
            if known.by is not None:
                return False
            told = {name: getattr(summary, name) for name in RELISTED}
            self._runs[summary.run] = _encode(msgspec.structs.replace(known, **told))
            self._agents.setdefault(summary.run, set()).update(agents)
            return True

    async def overdue(self, now: datetime, *, partitions: Sequence[int], limit: int = 1000) -> list[RunSummary]:
        with self._fault("overdue"):
            wanted = set(partitions)
            due = sorted(
                (wake_at, run)
                for run, (wake_at, partition) in self._wakes.items()
                if wake_at <= now and partition in wanted
            )
            return [_decode(self._runs[run]) for _, run in due[:limit]]

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        with self._fault("save_snapshot"):
            kept = self._snapshots.get(snapshot.stream)
            if kept is None or kept.sequence <= snapshot.sequence:
                self._snapshots[snapshot.stream] = snapshot

    async def snapshot(self, stream: StreamId) -> Snapshot | None:
        with self._fault("snapshot"):
            return self._snapshots.get(stream)

    async def retire(self, *, ended_before: datetime, limit: int = 100) -> list[RunId]:
        with self._fault("retire"):
            summaries = {run: _decode(data) for run, data in self._runs.items()}
            open_ = {run for run, summary in summaries.items() if summary.state not in ENDED}
            ended = sorted(
                (summary.updated_at, run)
                for run, summary in summaries.items()
                if run not in open_ and summary.updated_at < ended_before and summary.parent not in open_
            )
            for _, run in ended[:limit]:
                self._forget(run)
            self._forget_letters(ended_before)
            self._forget_keys(ended_before - USE_PENDING)
            return [run for _, run in ended[:limit]]

    async def trim(self, stream: StreamId, *, until: int) -> int:
        check_trim(stream)
        with self._fault("trim"):
            floor = self._floors.get(stream, EMPTY)
            gone = self._records.get(stream, [])[: max(until - floor.sequence, 0)]
            if gone:
                del self._records[stream][: len(gone)]
                self._floors[stream] = Head(gone[-1].sequence, gone[-1].digest)
            return len(gone)

    async def claim(self, owner: str, *, partition: int | None, now: datetime, ttl: timedelta) -> Fence | None:
        with self._fault("claim"):
            candidates = range(PARTITIONS) if partition is None else (partition,)
            for number in candidates:
                held = self._owners.setdefault(number, _Owner())
                if held.free(now) or (partition is not None and held.name == owner):
                    self._owners[number] = _Owner(held.epoch + 1, owner, now + ttl)
                    self._frontier.epochs[number] = held.epoch + 1
                    return Fence(number, held.epoch + 1)
            return None

    async def renew(self, fences: Sequence[Fence], *, now: datetime, ttl: timedelta) -> list[Fence]:
        with self._fault("renew"):
            ours = [fence for fence in fences if self._holds(fence)]
            for fence in ours:
                self._owners[fence.partition].until = now + ttl
            return ours

    async def release(self, fences: Sequence[Fence]) -> None:
        with self._fault("release"):
            for fence in fences:
                if self._holds(fence):
                    self._owners[fence.partition].name = None

    async def owners(self) -> list[Owner]:
        with self._fault("owners"):
            return [
                Owner(partition, held.epoch, held.name, held.until)
                for partition, held in sorted(self._owners.items())
                if held.name is not None and held.until is not None
            ]

    async def post(self, letter: Letter) -> None:
        with self._fault("post"):
            self._letters.setdefault(letter.id, letter)

    async def letters(self, partitions: Sequence[int], *, limit: int = 100) -> list[Letter]:
        with self._fault("letters"):
            waiting = (
                letter
                for letter in self._letters.values()
                if letter.partition in partitions and letter.id not in self._answers
            )
            return list(islice(waiting, limit))

    async def answer(self, answers: Sequence[Answer]) -> None:
        with self._fault("answer"):
            self._answer(answers)

    async def answered(self, letter: str) -> Answer | None:
        with self._fault("answered"):
            return self._answers.get(letter)

    async def report(self, process: str, seen: Sequence[Sighting], *, now: datetime, ttl: timedelta) -> None:
        with self._fault("report"):
            held = {name: one for name, one in self._sightings.items() if one[0] > now and name != process}
            self._sightings = {**held, process: (now + ttl, tuple(seen))} if seen else held

    async def sightings(self, now: datetime) -> list[Sighting]:
        with self._fault("sightings"):
            found = (one for until, seen in self._sightings.values() if until > now for one in seen)
            return sorted(found, key=lambda one: (one.agent, one.instance))

    async def attend(self, replica: str, *, now: datetime, ttl: timedelta) -> None:
        with self._fault("attend"):
            held = {name: until for name, until in self._replicas.items() if until > now}
            self._replicas = {**held, replica: now + ttl}

    async def depart(self, replica: str) -> None:
        with self._fault("depart"):
            self._replicas.pop(replica, None)

    async def replicas(self, now: datetime) -> list[str]:
        with self._fault("replicas"):
            return sorted(name for name, until in self._replicas.items() if until > now)

    async def keep_data_key(self, run: RunId, wrapped: bytes) -> bytes | None:
        with self._fault("keep_data_key"):
            return self._data_keys.setdefault(run, wrapped)

    async def data_keys(self, runs: Sequence[RunId]) -> dict[RunId, bytes | None]:
        with self._fault("data_keys"):
            return {run: self._data_keys[run] for run in runs if run in self._data_keys}

    async def erase_data_keys(self, runs: Sequence[RunId]) -> None:
        with self._fault("erase_data_keys"):
            self._data_keys.update((run, None) for run in runs if run in self._data_keys)

    async def every_data_key(self, *, after: RunId | None = None, limit: int = 500) -> dict[RunId, bytes]:
        with self._fault("every_data_key"):
            behind = sorted(run for run in self._data_keys if after is None or run > after)
            kept = ((run, self._data_keys[run]) for run in behind)
            return dict(islice(((run, wrapped) for run, wrapped in kept if wrapped is not None), limit))

    async def count_data_keys(self) -> int:
        with self._fault("count_data_keys"):
            return sum(wrapped is not None for wrapped in self._data_keys.values())

    async def rewrap_data_keys(self, changes: Sequence[Rewrapped]) -> int:
        with self._fault("rewrap_data_keys"):
            found = [one for one in changes if self._data_keys.get(one.run) == one.before]
            self._data_keys.update((one.run, one.after) for one in found)
            return len(found)

    async def use_data_keys(self, run: RunId, keys: Sequence[RunId], *, part: bool, now: datetime) -> list[RunId]:
        with self._fault("use_data_keys"):
            there = [key for key in keys if key in self._data_keys]
            for key in there:
                self._key_uses.setdefault((key, run), (part, now))
            return there

    async def data_key_uses(self, run: RunId) -> list[DataKeyUse]:
        with self._fault("data_key_uses"):
            return [DataKeyUse(*use, part) for use, (part, _) in sorted(self._key_uses.items()) if run in use]

    async def keep_upload(self, run: RunId, upload: Upload) -> None:
        with self._fault("keep_upload"):
            if run in self._data_keys:
                self._uploads[run, upload.sha256] = upload

    async def upload(self, run: RunId, digest: Digest) -> Upload | None:
        with self._fault("upload"):
            return self._uploads.get((run, digest))

    async def keep_lines(self, entries: Sequence[LogEntry]) -> None:
        with self._fault("keep_lines"):
            for entry in entries:
                key = (entry.run, entry.task, entry.attempt)
                if entry.run in self._runs and self._tallies.get(key, Tally()).said < entry.tally.said:
                    self._tallies[key] = entry.tally
                    self._add_part(entry)

    async def tally(self, run: RunId, task: TaskId, attempt: int) -> Tally:
        with self._fault("tally"):
            return self._tallies.get((run, task, attempt), Tally())

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
        with self._fault("log_parts"):
            wanted = (
                part
                for part in self._log_parts.get(run, ())
                if part.position > after
                and part.worst >= least
                and (task is None or part.task == task or part.task.startswith(f"{task}["))
                and attempt in (None, part.attempt)
            )
            return list(islice(wanted, limit))

    async def log_gaps(self, run: RunId, *, task: TaskId | None = None, attempt: int | None = None) -> list[LogGap]:
        with self._fault("log_gaps"):
            found = (
                LogGap(task=name, attempt=number, missing=tally.said - tally.kept)
                for (of, name, number), tally in sorted(self._tallies.items())
                if of == run
                and tally.said > tally.kept
                and (task is None or name == task or name.startswith(f"{task}["))
                and attempt in (None, number)
            )
            return list(islice(found, 1000))

    async def erase_logs(self, runs: Sequence[RunId]) -> None:
        with self._fault("erase_logs"):
            for run in runs:
                self._forget_log(run)

    @contextmanager
    def _fault(self, operation: str) -> Iterator[None]:
        fault = self._faults(operation)
        if fault == "refused":
            raise StoreUnavailable.of("ACC519", f"{operation} was refused, as planned")
        yield
        if fault == "lost_answer":
            raise StoreUnavailable.of("ACC519", f"the answer to {operation} was lost, as planned")

    def _project(self, summary: RunSummary, agents: Iterable[AgentId]) -> None:
        self._agents.setdefault(summary.run, set()).update(agents)
        self._runs[summary.run] = _encode(msgspec.structs.replace(summary, title=storable(summary.title)))
        if summary.wake_at is not None and summary.state not in ENDED:
            self._wakes[summary.run] = (summary.wake_at, summary.partition)
        else:
            self._wakes.pop(summary.run, None)

    def _answer(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            if answer.letter in self._letters:
                self._answers.setdefault(answer.letter, answer)

    def _forget(self, run: RunId) -> None:
        stream = StreamId(run)
        del self._runs[run], self._agents[run]
        self._records.pop(stream, None)
        self._snapshots.pop(stream, None)
        self._forget_log(run)
        self._frontier.retired.add(stream)

    def _add_part(self, entry: LogEntry) -> None:
        if entry.data:
            parts = self._log_parts.setdefault(entry.run, [])
            parts.append(
                LogPart(
                    position=len(parts) + 1,
                    task=entry.task,
                    attempt=entry.attempt,
                    worst=entry.worst,
                    data=entry.data,
                    encrypted=entry.encrypted,
                )
            )

    def _forget_log(self, run: RunId) -> None:
        self._log_parts.pop(run, None)
        self._tallies = {key: tally for key, tally in self._tallies.items() if key[0] != run}

    def _forget_letters(self, before: datetime) -> None:
        for id_ in [id_ for id_ in self._answers if self._letters[id_].posted_at < before]:
            del self._letters[id_], self._answers[id_]

    def _forget_keys(self, begun_since: datetime) -> None:
        """Keys of retired runs go that no run uses which is there, or has been to begin since."""
        retired = self._frontier.retired
        used = {
            key
            for (key, run), (_, since) in self._key_uses.items()
            if run in self._runs or (since >= begun_since and StreamId(run) not in self._frontier.heads)
        }
        gone = {run for run in self._data_keys if StreamId(run) in retired and run not in used}
        self._data_keys = {run: kept for run, kept in self._data_keys.items() if run not in gone}
        self._key_uses = {use: told for use, told in self._key_uses.items() if use[0] not in gone}
        self._uploads = {key: upload for key, upload in self._uploads.items() if key[0] not in gone}

    def _matches(self, summary: RunSummary, query: RunQuery) -> bool:
        return _matches(summary, query) and (query.agent is None or query.agent in self._agents[summary.run])

    def _holds(self, fence: Fence) -> bool:
        held = self._owners.get(fence.partition)
        return held is not None and held.name is not None and held.epoch == fence.epoch


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(RunSummary).decode


def _matches(summary: RunSummary, query: RunQuery) -> bool:
    return (
        (not query.states or summary.state in query.states)
        and (query.template in (None, summary.template) or summary.template.startswith(f"{query.template}@"))
        and (not query.templates or summary.template in query.templates)
        and (query.since is None or summary.started_at >= query.since)
        and (query.updated_since is None or summary.updated_at >= query.updated_since)
        and query.parent in (None, summary.parent)
        and (query.origin is None or (summary.origin is not None and summary.origin.run == query.origin))
        and (query.label is None or query.label in summary.labels)
        and query.acknowledged in (None, summary.acknowledged)
        and (query.after is None or summary.run < query.after)
        and all(word in searched_text(summary) for word in search_words(query.text))
    )
