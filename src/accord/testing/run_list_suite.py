"""What every journal must do for lists of runs and for their retention; proved like `JournalSuite`."""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from accord.domain.event import Origin
from accord.domain.ids import AgentId, StreamId
from accord.errors import SequenceConflict
from accord.ports import (
    GENESIS,
    Head,
    Journal,
    RunKind,
    RunQuery,
    RunSummary,
    Snapshot,
)
from accord.testing.journal_values import (
    NOON,
    TTL,
    claimed,
    end,
    found,
    run_append,
    run_id,
    start,
    summary_of,
)

BOB, EVE = AgentId("spiffe://local/agent/bob"), AgentId("spiffe://local/agent/eve")


class RunListSuite:
    """The part of the contract of `Journal` that is about runs, their summaries, and their end."""

    @pytest.fixture
    @abstractmethod
    def journal(self) -> AsyncIterator[Journal]:
        """An open, empty journal."""

    async def test_a_summary_comes_back_as_it_was(self, journal: Journal) -> None:
        fence = await claimed(journal)
        first = RunSummary(
            run=run_id(1),
            partition=3,
            template="analysis@1.0.0",
            title="Größe, 'quotes', % and _, 日本",
            state="running",
            started_at=NOON + timedelta(microseconds=1),
            updated_at=datetime(2999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            wake_at=NOON + timedelta(microseconds=999_999),
            tasks_total=10_000,
            tasks_done=0,
            tasks_failed=0,
            parent=run_id(0),
            origin=Origin(run_id(0), 17),
            by="Größe@example",
            labels=("confidential", "personal", "under-seal"),
            acknowledged=True,
        )
        append = run_append(fence, first, Head(), b"started")
        await journal.append([append])
        assert await journal.run(run_id(1)) == first
        second = summary_of(1, state="completed", wake_at=None)
        await journal.append([run_append(fence, second, end(append), b"completed")])
        assert await journal.run(run_id(1)) == second

    async def test_nul_is_not_lost_without_a_trace(self, journal: Journal) -> None:
        fence = await claimed(journal)
        await journal.append([run_append(fence, summary_of(1, title="a\x00b"), Head(), b"started")])
        assert await journal.run(run_id(1)) == summary_of(1, title="a\ufffdb")

    async def test_a_refused_append_leaves_the_summary(self, journal: Journal) -> None:
        fence = await claimed(journal)
        await journal.append([run_append(fence, summary_of(1), Head(), b"started")])
        with pytest.raises(SequenceConflict):
            await journal.append([run_append(fence, summary_of(1, state="failed"), Head(), b"started")])
        assert await journal.run(run_id(1)) == summary_of(1)

    async def test_listing_in_pages(self, journal: Journal) -> None:
        await start(journal, *(summary_of(number) for number in range(7)))
        assert await found(journal, RunQuery(limit=3)) == [6, 5, 4]
        assert await found(journal, RunQuery(limit=3, after=run_id(4))) == [3, 2, 1]
        assert await found(journal, RunQuery(limit=3, after=run_id(1))) == [0]
        assert await found(journal, RunQuery(limit=3, after=run_id(0))) == []

    async def test_listing_with_conditions(self, journal: Journal) -> None:
        await start(
            journal,
            summary_of(1, template="analysis@1.0.0", state="running"),
            summary_of(2, template="analysis@2.0.0", state="paused"),
            summary_of(3, template="analysis-short@1.0.0", state="failed", wake_at=None),
        )
        assert await found(journal, RunQuery(template="analysis")) == [2, 1]
        assert await found(journal, RunQuery(template="analysis@1.0.0")) == [1]
        assert await found(journal, RunQuery(template="analys")) == []
        assert await found(journal, RunQuery(templates=("analysis@1.0.0", "analysis-short@1.0.0"))) == [3, 1]
        assert await found(journal, RunQuery(template="analysis", templates=("analysis@2.0.0",))) == [2]
        assert await found(journal, RunQuery(templates=("analysis",))) == []
        assert await found(journal, RunQuery(states=("failed", "paused"))) == [3, 2]
        assert await found(journal, RunQuery(since=NOON + timedelta(seconds=2))) == [3, 2]
        assert await found(journal, RunQuery(template="analysis", states=("paused",), limit=9)) == [2]
        assert await found(journal, RunQuery(parent=run_id(1))) == []

    async def test_counting_by_state(self, journal: Journal) -> None:
        assert await journal.count_runs(RunQuery()) == {}
        await start(
            journal,
            summary_of(1, template="analysis@1.0.0", state="running"),
            summary_of(2, template="analysis@2.0.0", state="running"),
            summary_of(3, template="analysis@1.0.0", state="failed", wake_at=None),
            summary_of(4, template="other@1.0.0", state="failed", wake_at=None),
        )
        assert await journal.count_runs(RunQuery(limit=1, after=run_id(1))) == {"running": 2, "failed": 2}
        assert await journal.count_runs(RunQuery(template="analysis")) == {"running": 2, "failed": 1}
        assert await journal.count_runs(RunQuery(states=("failed", "paused"), text="OTHER")) == {"failed": 1}
        assert await journal.count_runs(RunQuery(text="a\x00b")) == {}

    async def test_listing_what_was_updated_since(self, journal: Journal) -> None:
        await start(
            journal,
            summary_of(1, updated_at=NOON + timedelta(seconds=9)),
            summary_of(2, updated_at=NOON + timedelta(seconds=5), state="completed", wake_at=None),
            summary_of(3, updated_at=NOON + timedelta(seconds=4), state="failed", wake_at=None),
            summary_of(4, updated_at=NOON + timedelta(seconds=4), state="paused"),
        )
        since = RunQuery(updated_since=NOON + timedelta(seconds=5))
        assert await found(journal, since) == [2, 1]
        assert await found(journal, replace(since, states=("running",))) == [1]
        assert await found(journal, replace(since, after=run_id(2))) == [1]

    async def test_searching(self, journal: Journal) -> None:
        await start(
            journal,
            summary_of(1, title="Compare FastAPI and Flask"),
            summary_of(2, title="ÄRGER mit der Straße"),
            summary_of(3, title="100% of _all_ 'quotes'"),
        )
        for text, expected in {
            "flask compare": [1],
            "COMPARE": [1],
            "ärger STRASSE": [2],
            "100%": [3],
            "_": [3, 2, 1],
            "'quotes'": [3],
            "%": [3],
            "analysis": [3, 2, 1],
            run_id(2): [2],
            "flask django": [],
            "  ": [3, 2, 1],
        }.items():
            assert await found(journal, RunQuery(text=text)) == expected, text

    async def test_children_of_a_run(self, journal: Journal) -> None:
        fence = await claimed(journal)
        child = RunSummary(
            run=run_id(2), partition=3, template="part@1.0.0", title="", state="running", started_at=NOON,
            updated_at=NOON, wake_at=NOON, tasks_total=1, tasks_done=0, tasks_failed=0, parent=run_id(1),
        )  # fmt: skip
        await journal.append([run_append(fence, child, Head(), b"started")])
        assert await found(journal, RunQuery(parent=run_id(1))) == [2]

    async def test_listing_by_agent(self, journal: Journal) -> None:
        fence = await claimed(journal)
        runs = [summary_of(number, template=f"part-{number % 2}@1.0.0") for number in range(4)]
        appends = [run_append(fence, run, Head(), b"started") for run in runs]
        await journal.append(
            [replace(one, agents=(BOB,) if number else (BOB, EVE)) for number, one in enumerate(appends)]
        )
        assert await found(journal, RunQuery(agent=BOB)) == [3, 2, 1, 0]
        assert await found(journal, RunQuery(agent=BOB, limit=2, after=run_id(3))) == [2, 1]
        assert await found(journal, RunQuery(agent=BOB, template="part-1", text="part")) == [3, 1]
        assert await found(journal, RunQuery(agent=EVE)) == [0]
        more = run_append(fence, replace(runs[2], state="completed", wake_at=None), end(appends[2]), b"more")
        await journal.append([replace(more, agents=(EVE, BOB))])
        assert await found(journal, RunQuery(agent=EVE)) == [2, 0], "kept beside those that came before"
        assert await journal.count_runs(RunQuery(agent=BOB)) == {"running": 3, "completed": 1}
        assert await journal.retire(ended_before=NOON + TTL) == [run_id(2)]
        assert await found(journal, RunQuery(agent=EVE)) == [0]
        assert await found(journal, RunQuery(agent=AgentId("spiffe://local/agent/nobody"))) == []

    async def test_listing_by_label_origin_and_acknowledgement(self, journal: Journal) -> None:
        await start(
            journal,
            replace(summary_of(1), labels=("confidential", "personal")),
            replace(summary_of(2), labels=("internal", "personal-data"), origin=Origin(run_id(1), 3)),
            replace(summary_of(3, state="failed", wake_at=None), acknowledged=True),
            replace(summary_of(4, state="failed", wake_at=None), origin=Origin(run_id(1), 9), labels=()),
        )
        assert await found(journal, RunQuery(label="personal")) == [1]
        assert await found(journal, RunQuery(label="internal")) == [3, 2]
        assert await found(journal, RunQuery(label="person")) == []
        assert await found(journal, RunQuery(label="")) == []
        assert await found(journal, RunQuery(origin=run_id(1))) == [4, 2]
        assert await found(journal, RunQuery(origin=run_id(1), limit=1, after=run_id(4))) == [2]
        assert await found(journal, RunQuery(states=("failed",), acknowledged=False)) == [4]
        assert await found(journal, RunQuery(acknowledged=True)) == [3]

    async def test_counting_by_kind(self, journal: Journal) -> None:
        await start(
            journal,
            summary_of(1),
            summary_of(2),
            replace(summary_of(3), by="eve"),
            replace(summary_of(4), labels=("confidential", "personal")),
            replace(summary_of(5), by=None, labels=()),
            summary_of(6, template="other@1.0.0"),
        )
        kinds = await journal.count_kinds(RunQuery(template="analysis", limit=1, after=run_id(2)))
        assert sorted(kinds, key=str) == sorted(
            [
                RunKind("running", "analysis@1.0.0", "ada", ("internal",), 2),
                RunKind("running", "analysis@1.0.0", "eve", ("internal",), 1),
                RunKind("running", "analysis@1.0.0", "ada", ("confidential", "personal"), 1),
                RunKind("running", "analysis@1.0.0", None, (), 1),
            ],
            key=str,
        )
        assert await journal.count_kinds(RunQuery(text="a\x00b")) == []

    async def test_what_an_earlier_version_has_written_is_told_anew(self, journal: Journal) -> None:
        """A summary without `by` stands for one of a version that did not know of it."""
        fence = await claimed(journal)
        old = [replace(summary_of(number), by=None, labels=()) for number in (1, 2)]
        appends = [run_append(fence, one, Head(), b"started") for one in old]
        await journal.append([*appends, run_append(fence, summary_of(3), Head(), b"started")])
        assert await journal.unlisted() == [run_id(1), run_id(2)]
        assert await journal.unlisted(limit=1) == [run_id(1)]
        assert await journal.unlisted(after=run_id(1)) == [run_id(2)]
        told = replace(summary_of(1), tasks_done=1, origin=Origin(run_id(0), 4), labels=("public",), acknowledged=True)
        assert not await journal.relist(told, [BOB], at=Head(1, GENESIS)), "the stream does not end there"
        assert await journal.relist(told, [BOB], at=end(appends[0]))
        assert await journal.run(run_id(1)) == told
        assert await found(journal, RunQuery(agent=BOB)) == [1]
        assert not await journal.relist(replace(told, by="eve"), [EVE], at=end(appends[0])), "it lacks nothing"
        assert await journal.run(run_id(1)) == told
        assert await found(journal, RunQuery(agent=EVE)) == []
        assert await journal.unlisted() == [run_id(2)]
        assert not await journal.relist(summary_of(7), [], at=Head()), "there is no such run"

    async def test_overdue_runs(self, journal: Journal) -> None:
        late, very_late = NOON - timedelta(seconds=1), NOON - timedelta(days=1)
        await start(
            journal,
            summary_of(1, wake_at=late),
            summary_of(2, wake_at=NOON + timedelta(microseconds=1)),
            summary_of(3, wake_at=very_late),
            summary_of(4, wake_at=None, state="completed"),
            summary_of(5, wake_at=very_late, state="failed"),
            summary_of(6, wake_at=NOON, state="paused"),
        )
        overdue = await journal.overdue(NOON, partitions=[1, 3])
        assert [summary.run for summary in overdue] == [run_id(3), run_id(1), run_id(6)]
        assert len(await journal.overdue(NOON, partitions=[3], limit=2)) == 2
        assert await journal.overdue(NOON, partitions=[1, 2]) == []

    async def test_retiring_removes_whole_ended_runs(self, journal: Journal) -> None:
        later = NOON + timedelta(days=1)
        await start(
            journal,
            summary_of(1, state="completed", wake_at=None),
            summary_of(2, state="running", wake_at=NOON),
            summary_of(3, state="cancelled", wake_at=None, updated_at=NOON - timedelta(days=1)),
            summary_of(4, state="failed", wake_at=None, updated_at=later),
        )
        await journal.save_snapshot(Snapshot(StreamId(run_id(1)), 1, b"state"))
        head = await journal.head(StreamId(run_id(1)))
        assert await journal.retire(ended_before=later, limit=1) == [run_id(3)]
        assert await journal.retire(ended_before=later) == [run_id(1)]
        assert await journal.retire(ended_before=later) == []
        assert await found(journal, RunQuery()) == [4, 2]
        assert await journal.read(StreamId(run_id(1))) == []
        assert await journal.run(run_id(1)) is None
        assert await journal.snapshot(StreamId(run_id(1))) is None
        assert await journal.head(StreamId(run_id(1))) == head, "the head stays as a tombstone"

    async def test_a_run_stays_while_its_parent_has_not_ended(self, journal: Journal) -> None:
        parent, child = summary_of(1), replace(summary_of(2, state="failed", wake_at=None), parent=run_id(1))
        orphan = replace(summary_of(3, state="completed", wake_at=None), parent=run_id(0))
        appends = await start(journal, parent, child, orphan)
        later = NOON + timedelta(days=1)
        assert await journal.retire(ended_before=later) == [run_id(3)]
        fence = await claimed(journal)
        ended = summary_of(1, state="cancelled", wake_at=None)
        await journal.append([run_append(fence, ended, end(appends[0]), b"cancelled")])
        assert await journal.retire(ended_before=later) == [run_id(1), run_id(2)]

    async def test_a_retired_run_stays_retired(self, journal: Journal) -> None:
        append = (await start(journal, summary_of(1, state="completed", wake_at=None)))[0]
        await journal.retire(ended_before=NOON + TTL)
        fence = await claimed(journal)
        for expected in (Head(), end(append)):
            with pytest.raises(SequenceConflict):
                await journal.append([run_append(fence, summary_of(1), expected, b"again")])
        assert await journal.run(run_id(1)) is None
