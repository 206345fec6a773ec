"""The disk is full, damaged or wiped, the clock is set: clear errors with codes, nothing hangs, nothing is lost, and
runs go on as soon as they can.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from accord import app
from accord.codec import follow
from accord.domain import command as c
from accord.domain.document import document_of
from accord.domain.ids import Digest, RunId
from accord.domain.template import Template
from accord.engine.node import Node
from accord.engine.parts import Tuning
from accord.errors import AccordError, KeyUnusable, NotFound, StoreCorrupt, StoreUnavailable
from accord.ports import Head
from accord.sdk import Agent
from accord.settings import Settings

LARGE = 300_000
"""Characters: a document that goes to the blob store."""


class Mill:
    """An agent whose work waits until a test lets it go."""

    def __init__(self) -> None:
        self.agent = agent = Agent("mill")
        self.begun = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

        @agent.capability("disk.fill@1.0.0")
        async def fill(number: int) -> str:
            self.begun.set()
            await self.open.wait()
            return str(number % 10) * LARGE

        @agent.capability("disk.short@1.0.0")
        async def short(number: int) -> str:
            self.begun.set()
            await self.open.wait()
            return str(number % 10) * 10_000

        @agent.capability("disk.length@1.0.0")
        async def length(text: str) -> int:
            return len(text)


TASKS = {
    "make": {"uses": "disk.fill@^1", "with": {"number": "${ input.number }"}},
    "count": {"uses": "disk.length@^1", "with": {"text": "${ tasks.make.output }"}},
}
SHORT = {"make": {"uses": "disk.short@^1", "with": {"number": "${ input.number }"}}}
WAITING = {
    "make": {"uses": "disk.fill@^1", "with": {"number": "${ input.number }"}},
    "wait": {"signal": {"name": "go"}, "needs": ["make"]},
    "short": {"uses": "disk.short@^1", "with": {"number": 1}, "needs": ["wait"]},
    "count": {
        "uses": "disk.length@^1",
        "with": {"text": "${ tasks.make.output }"},
        "needs": ["short"],
    },
}


@pytest.fixture
def mill() -> Mill:
    return Mill()


@asynccontextmanager
async def opened(home: Path, mill: Mill) -> AsyncIterator[Node]:
    tuning = Tuning(sweep_every=timedelta(milliseconds=200), lease=timedelta(seconds=2))
    async with app.open_node(Settings(home=home), tuning) as node, app.host(node, [mill.agent]):
        await node.parts.partitions.claim_all()
        yield node


async def start(node: Node, tasks: dict[str, Any], number: int = 1) -> RunId:
    document = {"accord": "template/1", "name": "disk", "input": True, "tasks": tasks}
    document["version"] = f"{len(tasks)}.0.0"
    digest = await node.publish(msgspec.convert(document, Template), orjson.dumps(document))
    return (await node.start_run(digest, {"number": number})).id


@contextmanager
def told(logger: str, words: str) -> Iterator[asyncio.Event]:
    """An event that is set when this is logged."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if words in record.getMessage():
                loop.call_soon_threadsafe(event.set)

    handler = Told()
    logging.getLogger(logger).addHandler(handler)
    try:
        yield event
    finally:
        logging.getLogger(logger).removeHandler(handler)


def codes(error: AccordError) -> set[str]:
    return {problem.code for problem in error.problems}


# -- no space ----------------------------------------------------------------------------------------------------


async def bounded(node: Node, pages: int | None) -> None:
    """The database may have this many pages; None: no more than it has."""
    journal: Any = node.parts.ports.journal

    def limit(connection: sqlite3.Connection) -> None:
        (count,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages or count}")

    await journal._commits.submit(limit)


async def test_a_full_database_refuses_new_runs_and_keeps_old_ones(tmp_path: Path, mill: Mill) -> None:
    async with opened(tmp_path / "home", mill) as node:
        mill.open.clear()
        run = await start(node, SHORT)
        await mill.begun.wait()
        await bounded(node, None)
        with told("accord.committer", "was given up") as given_up:
            mill.open.set()
            await given_up.wait()
        assert (await node.run(run)).phase == "running"
        with pytest.raises(StoreUnavailable) as refused:
            await node.start_run((await node.run(run)).started.graph, {"number": 2})
        assert codes(refused.value) == {"ACC511"}
        await bounded(node, 1_000_000)
        assert (await node.ended(run)).phase == "completed"
        assert await node.parts.incidents.recent() == []
        follow(await node.records(run), Head())


@contextmanager
def no_file_above(length_bytes: int) -> Iterator[None]:
    """Files of this process cannot grow beyond this, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_without_room_for_a_blob(tmp_path: Path, mill: Mill) -> None:
    async with opened(tmp_path / "home", mill) as node:
        mill.open.clear()
        run = await start(node, TASKS)
        await mill.begun.wait()
        with no_file_above(LARGE // 2), told("accord.committer", "was given up") as given_up:
            mill.open.set()
            await given_up.wait()
            assert (await node.run(run)).phase == "running"
        assert (await node.ended(run)).phase == "completed"


async def test_a_disk_without_room_for_a_commit(tmp_path: Path, mill: Mill) -> None:
    home = tmp_path / "home"
    async with opened(home, mill) as node:
        mill.open.clear()
        run = await start(node, SHORT)
        await mill.begun.wait()
        with (
            no_file_above((home / "journal.db-wal").stat().st_size),
            told("accord.committer", "was given up") as given_up,
        ):
            mill.open.set()
            await given_up.wait()
        assert (await node.ended(run)).phase == "completed"
        follow(await node.records(run), Head())
    async with opened(home, mill) as node:
        assert (await node.run(run)).phase == "completed"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_read_only_home(tmp_path: Path, mill: Mill) -> None:
    home = tmp_path / "home"
    async with opened(home, mill) as node:
        await node.ended(await start(node, SHORT))
    home.chmod(0o500)
    (home / "journal.db").chmod(0o400)
    try:
        with pytest.raises(AccordError):
            async with opened(home, mill):
                pass
    finally:
        home.chmod(0o700)
        (home / "journal.db").chmod(0o600)


# -- damaged blobs -----------------------------------------------------------------------------------------------


def blob_of(home: Path, digest: Digest) -> Path:
    return home / "blobs" / digest[:2] / digest


async def waiting(home: Path, mill: Mill) -> tuple[RunId, Path]:
    """A run that waits for a signal, and the blob with the output that it needs after that."""
    async with opened(home, mill) as node:
        run = await start(node, WAITING)
        with node.parts.feed.subscribe(run) as news:
            if (await node.run(run)).state("wait").waiting is None:  # type: ignore[arg-type]  # a task's id
                async for item in news:
                    if item.run.state("wait").waiting is not None:  # type: ignore[union-attr,arg-type]  # as above
                        break
        output = (await node.run(run)).state("make").output  # type: ignore[arg-type]  # as above
        assert output is not None
    return run, blob_of(home, output.sha256)


async def signalled(node: Node, run: RunId) -> None:
    await node.control(run, c.Signal(payload=document_of(b"1"), by="test", name="go"))


async def test_a_blob_that_is_gone_fails_the_run_that_needs_it(tmp_path: Path, mill: Mill) -> None:
    home = tmp_path / "home"
    run, blob = await waiting(home, mill)
    blob.unlink()
    async with opened(home, mill) as node:
        other = await start(node, SHORT, 2)
        await signalled(node, run)
        ended = await node.ended(run)
        assert ended.phase == "failed"
        assert ended.problem is not None
        assert blob.name[:12] in ended.problem.message
        assert (await node.ended(other)).phase == "completed"


async def test_a_blob_that_was_changed_is_not_believed(tmp_path: Path, mill: Mill) -> None:
    home = tmp_path / "home"
    run, blob = await waiting(home, mill)
    whole = blob.read_bytes()
    blob.write_bytes(b"2" + whole[1:])
    async with opened(home, mill) as node:
        await signalled(node, run)
        ended = await node.ended(run)
        assert ended.phase == "failed"
        blob.write_bytes(whole)
        await node.control(run, c.RetryTask(task="count", by="test"))  # type: ignore[arg-type]  # a task's id
        ended = await node.ended(run)
        assert (ended.phase, ended.problem) == ("completed", None)


# -- damaged journal ---------------------------------------------------------------------------------------------


def damage(home: Path, stream: str, sequence: int = 1) -> None:
    """Change an event behind the journal's back."""
    with sqlite3.connect(home / "journal.db") as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        changed = connection.execute(
            "UPDATE events SET data = CAST(data || ' ' AS BLOB) WHERE stream = ? AND sequence = ?",
            (stream, sequence),
        )
        assert changed.rowcount == 1
    connection.close()


async def test_a_damaged_run_is_reported_and_the_others_go_on(tmp_path: Path, mill: Mill) -> None:
    home = tmp_path / "home"
    run, _ = await waiting(home, mill)
    async with opened(home, mill) as node:
        healthy = await start(node, WAITING, 3)
    damage(home, run)
    async with opened(home, mill) as node:
        with pytest.raises(StoreCorrupt) as found:
            follow(await node.records(run), Head())
        assert codes(found.value) == {"ACC526"}
        with pytest.raises(StoreCorrupt) as found:
            await signalled(node, run)
        assert codes(found.value) == {"ACC526"}
        await signalled(node, healthy)
        assert (await node.ended(healthy)).phase == "completed"
        assert (await node.ended(await start(node, SHORT, 4))).phase == "completed"


async def test_a_damaged_registry_is_reported_at_once(tmp_path: Path, mill: Mill) -> None:
    home = tmp_path / "home"
    async with opened(home, mill):
        pass
    damage(home, "sys:registry")
    with pytest.raises(StoreCorrupt) as found:
        async with opened(home, mill):
            pass
    assert codes(found.value) == {"ACC526"}


async def test_a_journal_that_is_none(tmp_path: Path, mill: Mill) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "journal.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(StoreCorrupt) as found:
        async with opened(home, mill):
            pass
    assert codes(found.value) == {"ACC520"}


# -- damaged keys ------------------------------------------------------------------------------------------------


async def kept_home(tmp_path: Path, mill: Mill) -> Path:
    home = tmp_path / "home"
    async with opened(home, mill) as node:
        await node.ended(await start(node, SHORT))
    return home


async def refused_keys(home: Path, mill: Mill) -> set[str]:
    with pytest.raises(KeyUnusable) as refused:
        async with opened(home, mill):
            pass
    return codes(refused.value)


async def test_a_truncated_key(tmp_path: Path, mill: Mill) -> None:
    home = await kept_home(tmp_path, mill)
    key = home / "keys" / "orchestrator.pem"
    whole = key.read_bytes()
    key.write_bytes(whole[: len(whole) // 2])
    assert await refused_keys(home, mill) <= {"ACC617", "ACC618", "ACC619", "ACC620"}
    key.write_bytes(whole)
    async with opened(home, mill) as node:
        assert (await node.ended(await start(node, SHORT))).phase == "completed"


async def test_a_wrong_passphrase(tmp_path: Path, mill: Mill) -> None:
    home = await kept_home(tmp_path, mill)
    (home / "passphrase").write_text("another one\n")
    assert await refused_keys(home, mill) <= {"ACC618", "ACC619", "ACC620"}


async def test_a_key_that_others_may_read(tmp_path: Path, mill: Mill) -> None:
    home = await kept_home(tmp_path, mill)
    (home / "keys" / "orchestrator.pem").chmod(0o644)
    assert await refused_keys(home, mill) == {"ACC613"}


# -- time --------------------------------------------------------------------------------------------------------


class ShiftedClock:
    """The machine's clock, set by the test."""

    offset = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset


@pytest.mark.parametrize("shift", [timedelta(hours=-1), timedelta(minutes=-2), timedelta(hours=1)])
async def test_a_clock_that_was_set(
    tmp_path: Path, mill: Mill, monkeypatch: pytest.MonkeyPatch, shift: timedelta
) -> None:
    monkeypatch.setattr(app, "SystemClock", ShiftedClock)
    monkeypatch.setattr(ShiftedClock, "offset", timedelta(0))
    async with opened(tmp_path / "home", mill) as node:
        mill.open.clear()
        run = await start(node, SHORT)
        await mill.begun.wait()
        monkeypatch.setattr(ShiftedClock, "offset", shift)
        mill.open.set()
        assert (await node.ended(run)).phase == "completed"
        assert (await node.ended(await start(node, SHORT, 2))).phase == "completed"
        assert await node.parts.incidents.recent() == []
    async with opened(tmp_path / "home", mill) as node:
        assert (await node.ended(await start(node, TASKS, 3))).phase == "completed"


async def test_a_missing_run_is_said_to_be_missing(tmp_path: Path, mill: Mill) -> None:
    async with opened(tmp_path / "home", mill) as node:
        with pytest.raises(NotFound) as missing:
            await node.ended(RunId("run_00000000000000000000000000"))
        assert codes(missing.value) == {"ACC409"}
