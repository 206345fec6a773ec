"""The store: whether the journal opens, may be written and is of this version; whether what is in it still holds, and
whether anything in it is stuck.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from accord.app import open_stores
from accord.cli.doctor.finding import Finding, failures, made
from accord.cli.output import counted, moment, size
from accord.codec import follow
from accord.domain.duration import duration_words
from accord.domain.ids import PARTITIONS, Digest, StreamId
from accord.domain.shares import SHARED
from accord.domain.system import ACCESS, CONTROL, DELEGATIONS, INCIDENTS, POLICIES, REGISTRY, TEMPLATES
from accord.errors import AccordError, Problem
from accord.ports import BlobStore, Head, Journal, Owner, RunQuery, RunSummary
from accord.settings import Settings
from accord.store.sqlite_file import migrations

RUNS_LOOKED_AT: Final = 20
"""Of so many runs, the newest ones, the chain is followed and the blobs are read."""

_SYSTEM: Final = (REGISTRY, DELEGATIONS, TEMPLATES, CONTROL, ACCESS, POLICIES, INCIDENTS)

RESTORE: Final = "restore it from a copy that accord journal backup has made: docs/how-to/backup.md"

BLOBS_MAX_BYTES: Final = 200_000_000
"""Of blobs so much is read at most."""

WAL_WARN_BYTES: Final = 500_000_000
WRITER_WAITS_S: Final = 5.0
AHEAD: Final = timedelta(minutes=1)
LATE: Final = timedelta(minutes=1)
"""A wake-up, or an answer to a letter, may be so late before somebody is asked what is wrong."""

FOREVER: Final = timedelta(days=36_500)

_OUTSIDE: Final = re.compile(rb'"sha256":"([0-9a-f]{64})","len":(\d+)\}')
"""A document of an event whose bytes are in the blob store."""


def store(settings: Settings) -> Iterator[Finding]:
    """All findings about it. What is in it is looked at only where it opens."""
    if settings.store is not None:
        found = list(made(_store, settings))
    elif settings.journal.exists():
        found = list(made(_journal, settings.journal))
        if all(finding.grade != "fail" for finding in found):
            found += [finding for look in (_schema, _writable, _wal) for finding in made(look, settings.journal)]
    else:
        yield Finding("journal", "ok", "none yet")
        return
    yield from found
    if all(finding.grade != "fail" for finding in found):
        yield from made(_contents, settings)


def _store(settings: Settings) -> list[Finding]:
    from accord.cli.doctor.postgres import postgres  # noqa: PLC0415 - it needs the driver, which is an extra

    return list(postgres(settings))


# -- the file ----------------------------------------------------------------------------------------------------


def _journal(path: Path) -> Finding:
    try:
        with closing(_read_only(path)) as connection:
            found = " ".join(connection.execute("PRAGMA quick_check(1)").fetchone()[0].split())
            (runs,) = connection.execute("SELECT count(*) FROM runs").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        found, runs = str(error), 0
    if found != "ok":
        return Finding("journal", "fail", f"{path} is damaged (SQLite says: {found})", RESTORE)
    return Finding("journal", "ok", f"{counted(runs, 'run')}, {size(path.stat().st_size)}")


def _schema(path: Path) -> Finding:
    ours = [(step.number, step.sha256) for step in migrations()]
    with closing(_read_only(path)) as connection:
        applied = connection.execute("SELECT number, sha256 FROM migrations ORDER BY number").fetchall()
    if len(applied) > len(ours):
        hint = "use the newer version of Accord again"
        return Finding("schema", "fail", f"version {len(applied)}, and this Accord knows {len(ours)}", hint)
    if applied != ours[: len(applied)]:
        hint = "use the version of Accord that made this journal"
        return Finding("schema", "fail", "it was made by another line of versions", hint)
    if len(applied) < len(ours):
        return Finding("schema", "ok", f"version {len(applied)}; it is brought to {len(ours)} when it is opened")
    return Finding("schema", "ok", f"version {len(ours)}")


def _writable(path: Path) -> Finding:
    with closing(sqlite3.connect(path, timeout=WRITER_WAITS_S, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            # A file that may not be written is found out by the first write alone.
            connection.execute("CREATE TABLE probe (value)")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                hint = "which process holds it? lsof tells: a copy or a query that never ends"
                return Finding("writing", "fail", f"nobody could write for {duration_words(WRITER_WAITS_S)}", hint)
            return Finding(
                "writing", "fail", f"{path}: {error}", "whose is it? Accord has to own it, and its directory"
            )
    return Finding("writing", "ok", "a commit gets its turn")


def _wal(path: Path) -> Finding:
    log = path.with_name(path.name + "-wal")
    length = log.stat().st_size if log.exists() else 0
    if length > WAL_WARN_BYTES:
        hint = "a reader that never ends keeps it from being taken in; end what reads the file"
        return Finding("write-ahead log", "warn", size(length), hint)
    return Finding("write-ahead log", "ok", size(length))


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2)


# -- what is in it -----------------------------------------------------------------------------------------------


def _contents(settings: Settings) -> list[Finding]:
    async def look() -> list[Finding]:
        async with open_stores(settings) as (journal, blobs):
            return [*await _chains(journal), *await _blobs(journal, blobs), *await _stuck(journal)]

    return asyncio.run(look())


async def _chains(journal: Journal) -> list[Finding]:
    """Whether the newest runs, and what belongs to no run, are as they were written; and how the clock agrees."""
    problems: list[Problem] = []
    runs = await journal.runs(RunQuery(limit=RUNS_LOOKED_AT))
    streams = [*_SYSTEM, *(StreamId(run.run) for run in runs)]
    for stream in streams:
        try:
            floor = await journal.floor(stream)
            end = follow(await journal.read(stream, after=floor.sequence), floor)
            problems.extend(_cut_short(stream, end, await journal.head(stream)))
        except AccordError as error:
            problems.extend(error.problems)
    found = list(failures("chains", problems))
    if not found:
        found = [Finding("chains", "ok", f"{counted(len(runs), 'run')} and {len(streams) - len(runs)} streams hold")]
    newest = max((run.updated_at for run in runs), default=None)
    if newest is not None and newest > datetime.now(UTC) + AHEAD:
        hint = "set the clock: nothing is due before it has caught up"
        found.append(
            Finding("clock", "fail", f"it is behind the journal, whose last event is of {moment(newest)}", hint)
        )
    return found


def _cut_short(stream: StreamId, end: Head, head: Head) -> Iterator[Problem]:
    if end != head:
        text = f"{stream} ends at event {end.sequence}, and should at {head.sequence}"
        yield Problem("ACC526", text, hint="the journal was changed from outside; restore it: docs/how-to/backup.md")


async def _blobs(journal: Journal, blobs: BlobStore) -> list[Finding]:
    """Whether the newest runs' blobs are there, and are what they were."""
    problems: list[Problem] = []
    wanted: dict[Digest, int] = {}
    for run in await journal.runs(RunQuery(limit=RUNS_LOOKED_AT)):
        for record in await journal.read(StreamId(run.run)):
            wanted.update((Digest(found[1].decode()), int(found[2])) for found in _OUTSIDE.finditer(record.data))
    read, read_bytes = 0, 0
    for digest, length_bytes in wanted.items():
        if read_bytes + length_bytes <= BLOBS_MAX_BYTES:
            read, read_bytes = read + 1, read_bytes + length_bytes
            problems.extend(await _unreadable(blobs, digest))
    found = list(failures("blobs", problems))
    return found or [Finding("blobs", "ok", f"{read} of the newest runs read, {size(read_bytes)}")]


async def _unreadable(blobs: BlobStore, digest: Digest) -> Sequence[Problem]:
    try:
        async for _ in blobs.get_stream(digest):
            pass
    except AccordError as error:
        return error.problems
    return ()


async def _stuck(journal: Journal) -> list[Finding]:
    """Runs that nobody works on, wake-ups and commands that nobody deals with, and who owns what."""
    now = datetime.now(UTC)
    held = {owner.partition: owner for owner in await journal.owners() if owner.until > now}
    open_ = await journal.overdue(now + FOREVER, partitions=range(PARTITIONS))
    left = [run for run in open_ if run.partition not in held]
    late = [run for run in await journal.overdue(now - LATE, partitions=sorted(held)) if run.state != "paused"]
    letters = [one for one in await journal.letters(range(PARTITIONS)) if now - one.posted_at > LATE]
    processes = {owner.name for owner in held.values()}
    told = f"{counted(len(processes), 'process')} on {counted(len(held), 'partition')}".replace("processs", "processes")
    found = [Finding("owners", "ok", told), *_of_replicas(await journal.replicas(now), held.values())]
    found.append(
        _of_runs("left runs", left, "no process works on them", "accord runs resume {}, or start accord serve")
    )
    found.append(_of_runs("wake-ups", late, "their process lets them wait", "is it stopped? accord runs show {}"))
    if letters:
        since = moment(letters[0].posted_at)
        text = f"{counted(len(letters), 'command')} of other processes wait, the oldest since {since}"
        found.append(Finding("commands", "warn", text, "whoever takes up the run carries them out"))
    return found


def _of_replicas(replicas: Sequence[str], owners: Iterable[Owner]) -> Iterator[Finding]:
    """What each replica owns of the partitions that they share; nothing where nobody serves."""
    if replicas:
        owned = Counter(owner.name for owner in owners if owner.partition in SHARED)
        told = ", ".join(f"{name} has {owned[name]}" for name in replicas)
        uneven = max(owned[name] for name in replicas) - min(owned[name] for name in replicas) > 1
        hint = "without a shared bus, partitions with open runs stay where they are; else look again in some seconds"
        yield Finding("replicas", "warn" if uneven else "ok", told, hint if uneven else "")


def _of_runs(what: str, runs: Sequence[RunSummary], told: str, hint: str) -> Finding:
    if not runs:
        return Finding(what, "ok", "none")
    names = ", ".join(run.run for run in runs[:3]) + (", …" if len(runs) > 3 else "")
    return Finding(what, "warn", f"{len(runs)}: {told}: {names}", hint.format(runs[0].run))
