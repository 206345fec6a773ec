"""Appends, summaries and claims to test a journal with."""
# ruff: noqa: S101  # a claim that fails is a failed test

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from accord.codec import chained
from accord.domain.ids import RunId, StreamId
from accord.ports import Append, Fence, Head, Journal, Letter, RunQuery, RunState, RunSummary

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TTL = timedelta(seconds=15)
SYSTEM = StreamId("sys:registry")


def run_id(number: int) -> RunId:
    """A run's id; higher numbers are newer."""
    return RunId(f"run_{number:026d}")


def system_append(head: Head, *events: bytes, stream: StreamId = SYSTEM) -> Append:
    """An append to a stream that needs no fence."""
    return Append(stream=stream, expected=head, records=chained(stream, head, events))


def run_append(fence: Fence, summary: RunSummary, head: Head, *events: bytes) -> Append:
    """An append to a run's stream, with its summary."""
    stream = StreamId(summary.run)
    records = chained(stream, head, events)
    return Append(stream=stream, expected=head, records=records, fence=fence, summary=summary)


def summary_of(
    number: int,
    *,
    state: RunState = "running",
    title: str = "Compare three frameworks",
    template: str = "analysis@1.0.0",
    wake_at: datetime | None = NOON,
    updated_at: datetime = NOON,
) -> RunSummary:
    """The summary of a run of partition 3, started `number` seconds after noon."""
    return RunSummary(
        run=run_id(number),
        partition=3,
        template=template,
        title=title,
        state=state,
        started_at=NOON + timedelta(seconds=number),
        updated_at=updated_at,
        wake_at=wake_at,
        tasks_total=5,
        tasks_done=2,
        tasks_failed=1,
        by="ada",
        labels=("internal",),
    )


def end(append: Append) -> Head:
    """The head when the append is written."""
    return Head(append.records[-1].sequence, append.records[-1].digest)


async def claimed(journal: Journal, partition: int = 3, owner: str = "one") -> Fence:
    """A fresh claim of the partition."""
    fence = await journal.claim(owner, partition=partition, now=NOON, ttl=TTL)
    assert fence is not None
    return fence


def letter_to(partition: int, id_: str) -> Letter:
    """A letter posted at noon."""
    return Letter(id=id_, partition=partition, data=b'{"pause":true}\x00', posted_at=NOON)


async def start(journal: Journal, *summaries: RunSummary) -> list[Append]:
    """Runs with these summaries, each with one event."""
    fence = await claimed(journal)
    appends = [run_append(fence, summary, Head(), b"started") for summary in summaries]
    await journal.append(appends)
    return appends


async def found(journal: Journal, query: RunQuery) -> list[int]:
    """The numbers of the runs that the query finds."""
    return [int(summary.run[4:]) for summary in await journal.runs(query)]
