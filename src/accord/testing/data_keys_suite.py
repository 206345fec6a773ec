"""What every store of data keys must do; proved like `JournalSuite`."""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from accord.domain.ids import RunId
from accord.ports import USE_PENDING, DataKeyUse, Head, Journal
from accord.testing.journal_values import NOON, TTL, claimed, run_append, run_id, summary_of

ONE, TWO = RunId("run-one"), RunId("run-two")


class DataKeysSuite:
    """The contract of `DataKeys`."""

    @pytest.fixture
    @abstractmethod
    def journal(self) -> AsyncIterator[Journal]:
        """An open, empty store."""

    async def test_the_first_key_of_a_run_is_kept(self, journal: Journal) -> None:
        assert await journal.data_keys([ONE]) == {}
        assert await journal.keep_data_key(ONE, b"first") == b"first"
        assert await journal.keep_data_key(ONE, b"second") == b"first"
        assert await journal.keep_data_key(TWO, b"\0other") == b"\0other"
        assert await journal.data_keys([ONE, TWO, RunId("run-three")]) == {ONE: b"first", TWO: b"\0other"}

    async def test_what_is_erased_never_comes_back(self, journal: Journal) -> None:
        await journal.keep_data_key(ONE, b"first")
        await journal.keep_data_key(TWO, b"other")
        for _ in range(2):
            await journal.erase_data_keys([ONE, RunId("run-three")])
            assert await journal.data_keys([ONE, TWO, RunId("run-three")]) == {ONE: None, TWO: b"other"}
            assert await journal.keep_data_key(ONE, b"again") is None

    async def test_a_key_goes_with_its_retired_run(self, journal: Journal) -> None:
        fence = await claimed(journal)
        await journal.append(
            [run_append(fence, summary_of(1, state="completed", wake_at=None), Head(), b"started", b"done")]
        )
        await journal.keep_data_key(run_id(1), b"key")
        await journal.keep_data_key(TWO, b"other")
        assert await journal.retire(ended_before=NOON + TTL) == [run_id(1)]
        assert await journal.data_keys([run_id(1), TWO]) == {TWO: b"other"}

    async def test_a_key_stays_until_the_last_run_that_uses_it_is_retired(self, journal: Journal) -> None:
        fork, whole = run_id(2), run_id(3)
        for ended, run in ((NOON, 1), (NOON + TTL, 2), (NOON + 2 * TTL, 3)):
            await journal.keep_data_key(run_id(run), b"key %d" % run)
            await self._ended(journal, run, ended)
        assert await journal.use_data_keys(fork, [run_id(1)], part=False, now=NOON) == [run_id(1)]
        for _ in range(2):
            assert await journal.use_data_keys(whole, [run_id(1), TWO], part=True, now=NOON) == [run_id(1)]
        assert await journal.retire(ended_before=NOON + TTL) == [run_id(1)]
        uses = [DataKeyUse(run_id(1), fork), DataKeyUse(run_id(1), whole, part=True)]
        assert await journal.data_key_uses(run_id(1)) == uses
        assert await journal.retire(ended_before=NOON + 2 * TTL) == [fork]
        assert await journal.data_keys([run_id(1), fork, whole]) == {run_id(1): b"key 1", whole: b"key 3"}
        assert await journal.data_key_uses(run_id(1)) == uses, "it is still said whose part it is"
        assert await journal.data_key_uses(fork) == uses[:1]
        assert await journal.retire(ended_before=NOON + 3 * TTL) == [whole]
        assert await journal.data_keys([run_id(1), fork, whole]) == {}
        assert await journal.data_key_uses(run_id(1)) == []
        assert await journal.use_data_keys(TWO, [run_id(1)], part=False, now=NOON) == []

    async def test_a_key_that_is_kept_for_others_can_be_erased(self, journal: Journal) -> None:
        for ended, run in ((NOON, 1), (NOON + TTL, 2)):
            await journal.keep_data_key(run_id(run), b"key %d" % run)
            await self._ended(journal, run, ended)
        await journal.use_data_keys(run_id(2), [run_id(1)], part=False, now=NOON)
        await journal.retire(ended_before=NOON + TTL)
        for _ in range(2):
            await journal.erase_data_keys([run_id(1)])
            assert await journal.data_keys([run_id(1), run_id(2)]) == {run_id(1): None, run_id(2): b"key 2"}
        assert await journal.keep_data_key(run_id(1), b"again") is None
        assert await journal.retire(ended_before=NOON + TTL) == []
        assert await journal.data_keys([run_id(1)]) == {run_id(1): None}
        await journal.retire(ended_before=NOON + 2 * TTL)
        assert await journal.data_keys([run_id(1)]) == {}

    async def test_a_run_that_is_to_begin_keeps_a_key_for_a_day(self, journal: Journal) -> None:
        await journal.keep_data_key(run_id(1), b"key")
        await self._ended(journal, 1, NOON)
        await journal.use_data_keys(TWO, [run_id(1)], part=False, now=NOON)
        await journal.retire(ended_before=NOON + USE_PENDING)
        assert await journal.data_keys([run_id(1)]) == {run_id(1): b"key"}
        await journal.retire(ended_before=NOON + USE_PENDING + TTL)
        assert await journal.data_keys([run_id(1)]) == {}

    async def _ended(self, journal: Journal, number: int, at: datetime) -> None:
        fence = await claimed(journal)
        summary = summary_of(number, state="completed", wake_at=None, updated_at=at)
        await journal.append([run_append(fence, summary, Head(), b"started", b"done")])
