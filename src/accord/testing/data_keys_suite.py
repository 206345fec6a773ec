"""What every store of data keys must do; proved like `JournalSuite`."""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator

import pytest

from accord.domain.ids import RunId
from accord.ports import Head, Journal
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
