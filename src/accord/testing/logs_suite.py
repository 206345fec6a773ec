"""What every store of logs must do; proved like `JournalSuite`."""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator

import pytest

from accord.domain.ids import RunId, TaskId
from accord.domain.log import LogGap, Tally
from accord.ports import Head, Journal, LogEntry, LogPart
from accord.testing.journal_values import NOON, TTL, claimed, run_append, run_id, summary_of

ONE, TWO = TaskId("one"), TaskId("one[1]")


def entry(  # noqa: PLR0913 - each is a column
    number: int, said: int, data: bytes = b"", *, run: int = 1, task: TaskId = ONE, attempt: int = 1, worst: int = 1
) -> LogEntry:
    """An entry after which so many lines are known; the one before was kept whole."""
    return LogEntry(
        run=run_id(run),
        task=task,
        attempt=attempt,
        tally=Tally(said, number, 10 * number),
        worst=worst,
        data=data,
        encrypted=data.startswith(b"\0"),
    )


class LogsSuite:
    """The contract of `Logs`."""

    @pytest.fixture
    @abstractmethod
    def journal(self) -> AsyncIterator[Journal]:
        """An open, empty store."""

    async def test_lines_are_kept_in_the_order_in_which_they_came(self, journal: Journal) -> None:
        await self._begun(journal, 1, 2)
        await journal.keep_lines([entry(1, 1, b"a"), entry(2, 2, b"\0b", task=TWO, worst=3), entry(1, 1, b"z", run=2)])
        await journal.keep_lines([entry(1, 1, b"c", attempt=2, worst=0)])
        found = await journal.log_parts(run_id(1))
        assert [(one.position, one.task, one.attempt, one.data) for one in found] == [
            (1, ONE, 1, b"a"), (2, TWO, 1, b"\0b"), (3, ONE, 2, b"c"),
        ]  # fmt: skip
        assert found[1] == LogPart(position=2, task=TWO, attempt=1, worst=3, data=b"\0b", encrypted=True)
        assert [one.data for one in await journal.log_parts(run_id(2))] == [b"z"]

    async def test_some_of_them_can_be_asked_for(self, journal: Journal) -> None:
        await self._begun(journal, 1)
        other = TaskId("one_more")
        await journal.keep_lines([entry(1, 1, b"a"), entry(1, 1, b"b", task=TWO, worst=3)])
        await journal.keep_lines([entry(1, 1, b"c", task=other), entry(1, 1, b"d", attempt=2, worst=0)])
        run = run_id(1)
        assert [one.data for one in await journal.log_parts(run, task=ONE)] == [b"a", b"b", b"d"], "with its items"
        assert [one.data for one in await journal.log_parts(run, task=TWO)] == [b"b"]
        assert [one.data for one in await journal.log_parts(run, attempt=2)] == [b"d"]
        assert [one.data for one in await journal.log_parts(run, least=2)] == [b"b"]
        assert [one.data for one in await journal.log_parts(run, after=1, limit=2)] == [b"b", b"c"]

    async def test_what_was_kept_before_is_not_kept_again(self, journal: Journal) -> None:
        await self._begun(journal, 1)
        assert await journal.tally(run_id(1), ONE, 1) == Tally()
        for _ in range(2):
            await journal.keep_lines([entry(2, 2, b"a")])
            assert await journal.tally(run_id(1), ONE, 1) == Tally(2, 2, 20)
        assert len(await journal.log_parts(run_id(1))) == 1
        await journal.keep_lines([entry(3, 3, b"b")])
        assert await journal.tally(run_id(1), ONE, 1) == Tally(3, 3, 30)
        assert [one.data for one in await journal.log_parts(run_id(1))] == [b"a", b"b"]

    async def test_lines_that_are_missing_are_told_of(self, journal: Journal) -> None:
        await self._begun(journal, 1)
        await journal.keep_lines([entry(2, 7, b"a"), entry(2, 2, b"b", attempt=2), entry(1, 2, b"c", task=TWO)])
        await journal.keep_lines([entry(2, 9)])
        assert len(await journal.log_parts(run_id(1))) == 3, "nothing was added but what is known"
        first, second = LogGap(task=ONE, attempt=1, missing=7), LogGap(task=TWO, attempt=1, missing=1)
        assert await journal.log_gaps(run_id(1)) == [first, second]
        assert await journal.log_gaps(run_id(1), task=TWO) == [second]
        assert await journal.log_gaps(run_id(1), attempt=2) == []

    async def test_nothing_is_kept_of_a_run_that_is_not_there(self, journal: Journal) -> None:
        await self._begun(journal, 1)
        await journal.keep_lines([entry(1, 1, b"a", run=9), entry(1, 1, b"b")])
        assert await journal.log_parts(run_id(9)) == []
        assert await journal.tally(run_id(9), ONE, 1) == Tally()
        assert [one.data for one in await journal.log_parts(run_id(1))] == [b"b"]

    async def test_lines_go_with_their_run(self, journal: Journal) -> None:
        fence = await claimed(journal)
        ended = summary_of(1, state="completed", wake_at=None)
        await journal.append([run_append(fence, ended, Head(), b"started", b"done")])
        await self._begun(journal, 2)
        await journal.keep_lines([entry(1, 2, b"a"), entry(1, 2, b"b", run=2)])
        assert await journal.retire(ended_before=NOON + TTL) == [run_id(1)]
        await journal.keep_lines([entry(3, 3, b"late")])
        assert await self._all(journal, run_id(1)) == ([], [], Tally())
        assert [one.data for one in await journal.log_parts(run_id(2))] == [b"b"]

    async def test_lines_can_be_erased(self, journal: Journal) -> None:
        await self._begun(journal, 1, 2)
        await journal.keep_lines([entry(1, 2, b"a"), entry(1, 2, b"b", run=2)])
        for _ in range(2):
            await journal.erase_logs([run_id(1), RunId("nobody's")])
            assert await self._all(journal, run_id(1)) == ([], [], Tally())
        assert [one.data for one in await journal.log_parts(run_id(2))] == [b"b"]

    async def _all(self, journal: Journal, run: RunId) -> tuple[list[LogPart], list[LogGap], Tally]:
        return await journal.log_parts(run), await journal.log_gaps(run), await journal.tally(run, ONE, 1)

    async def _begun(self, journal: Journal, *numbers: int) -> None:
        fence = await claimed(journal)
        for number in numbers:
            await journal.append([run_append(fence, summary_of(number), Head(), b"started")])
