"""A process that writes a journal is killed with SIGKILL: what it acknowledged is there, nothing is there by half."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from accord.codec import follow
from accord.domain.ids import StreamId
from accord.ports import Head, RunQuery
from accord.store.sqlite import SqliteJournal
from accord.testing.journal_values import NOON, TTL, run_append, run_id, summary_of

WRITER = '''
"""Appends to 20 runs at once, three events each time, and reports what was acknowledged."""
import asyncio, os, signal, sys
from pathlib import Path
from accord.domain.ids import StreamId
from accord.ports import Head
from accord.codec import chained
from accord.store.sqlite import SqliteJournal
from accord.store.sqlite_commit import GroupCommit
from accord.testing.journal_values import NOON, TTL, end, run_append, run_id, summary_of

path, crash_point, countdown = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
plain_commit = GroupCommit.commit

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def commit(self, calls):
    global countdown
    countdown -= 1
    if countdown == 0 and crash_point == "before the commit":
        die()
    if countdown == 0 and crash_point == "inside of the commit":
        self._connection.set_progress_handler(die, int(sys.argv[4]))
    outcomes = plain_commit(self, calls)
    if countdown == 0 and crash_point == "after the commit":
        die()
    return outcomes

async def write(journal, fence, number):
    stream = StreamId(run_id(number))
    head = await journal.head(stream)
    while True:
        events = (f"{number} {head.sequence + more}".encode() * 20 for more in (1, 2, 3))
        summary = summary_of(number, title=f"at {head.sequence + 3}")
        append = run_append(fence, summary, head, *events)
        await journal.append([append])
        head = end(append)
        print(number, head.sequence, flush=True)

async def main():
    async with SqliteJournal.open(path) as journal:
        # Frequent checkpoints, so that some of the kills hit one.
        await journal._commits.submit(lambda connection: connection.execute("PRAGMA wal_autocheckpoint = 20"))
        fence = await journal.claim("writer", partition=3, now=NOON, ttl=TTL)
        GroupCommit.commit = commit
        await asyncio.gather(*(write(journal, fence, number) for number in range(20)))

asyncio.run(main())
'''

RUNS = 20


async def killed(path: Path, crash_point: str, countdown: int, instructions: int = 0) -> dict[int, int]:
    """Start the writer, have it killed; returns the last acknowledged sequence number of each run."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), crash_point, str(countdown), str(instructions),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert writer.stdout is not None
    acknowledged: dict[int, int] = {}
    seen = 0
    async for line in writer.stdout:
        number, _, sequence = line.decode().partition(" ")
        if not line.endswith(b"\n"):
            break
        acknowledged[int(number)] = int(sequence)
        seen += 1
        if crash_point == "from outside" and seen == countdown:
            writer.kill()
    assert await writer.wait() == -9
    return acknowledged


async def check(path: Path, acknowledged: dict[int, int]) -> None:
    """Everything acknowledged is there, whole; streams, heads and projections agree."""
    async with SqliteJournal.open(path) as journal:
        for number in range(RUNS):
            stream = StreamId(run_id(number))
            records = await journal.read(stream)
            head = await journal.head(stream)
            assert follow(records, Head()) == head
            assert head.sequence >= acknowledged.get(number, 0)
            assert head.sequence % 3 == 0, "no append is there by half"
            summary = await journal.run(run_id(number))
            assert (summary.title if summary else "at 0") == f"at {head.sequence}"
        assert len(await journal.runs(RunQuery())) == len([n for n in range(RUNS + 1) if await journal.run(run_id(n))])
        fence = await journal.claim("heir", partition=3, now=NOON + TTL, ttl=TTL)
        assert fence is not None
        head = await journal.head(StreamId(run_id(RUNS)))
        await journal.append([run_append(fence, summary_of(RUNS), head, b"life goes on")])
        await journal.release([fence])


@pytest.mark.parametrize("crash_point", ["before the commit", "after the commit"])
async def test_killed_around_a_commit(tmp_path: Path, crash_point: str) -> None:
    path = tmp_path / "journal.db"
    for countdown in (1, 2, 7):
        acknowledged = await killed(path, crash_point, countdown)
        await check(path, acknowledged)


@pytest.mark.parametrize("instructions", [1, 40, 300, 2000, 5000])
async def test_killed_inside_of_a_commit(tmp_path: Path, instructions: int) -> None:
    path = tmp_path / "journal.db"
    acknowledged = await killed(path, "inside of the commit", 5, instructions)
    await check(path, acknowledged)


async def test_killed_from_outside_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    known: dict[int, int] = {}
    for seen in (1, 1300, 40, 700, 7, 2000, 150, 350):
        acknowledged = await killed(path, "from outside", seen)
        assert acknowledged
        known |= acknowledged
        await check(path, known)
