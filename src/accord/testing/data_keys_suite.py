"""What every store of data keys, and of what they encrypt beside events, must do; proved like `JournalSuite`."""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from accord.domain.ids import Digest, RunId
from accord.ports import USE_PENDING, DataKeyUse, Head, Journal, Rewrapped, Upload
from accord.testing.journal_values import NOON, TTL, claimed, run_append, run_id, summary_of

ONE, TWO = RunId("run-one"), RunId("run-two")
DOCUMENT = Digest("d" * 64)


class DataKeysSuite:
    """The contract of `DataKeys` and `Uploads`."""

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

    async def test_every_key_is_told_page_by_page_but_those_that_are_erased(self, journal: Journal) -> None:
        assert (await journal.every_data_key(), await journal.count_data_keys()) == ({}, 0)
        names = [RunId(name) for name in ("", "Run-A", "example:1", "run-b", "run-é")]
        for name in reversed(names):
            await journal.keep_data_key(name, b"\0" + name.encode())
        await journal.erase_data_keys([names[2]])
        kept = [name for name in names if name != names[2]]
        assert await journal.count_data_keys() == 4
        found: list[RunId] = []
        after: RunId | None = None
        while page := await journal.every_data_key(after=after, limit=3):
            assert all(wrapped == b"\0" + name.encode() for name, wrapped in page.items())
            found += page
            after = list(page)[-1]
        assert found == kept

    async def test_a_key_is_kept_as_it_is_wrapped_anew_unless_it_was_changed_meanwhile(self, journal: Journal) -> None:
        gone = RunId("run-three")
        for run in (ONE, TWO):
            await journal.keep_data_key(run, b"first")
        await journal.erase_data_keys([TWO])
        anew = [Rewrapped(run, b"first", b"anew") for run in (ONE, TWO, gone)]
        assert await journal.rewrap_data_keys(anew) == 1
        assert await journal.data_keys([ONE, TWO, gone]) == {ONE: b"anew", TWO: None}
        assert await journal.rewrap_data_keys(anew) == 0
        assert await journal.rewrap_data_keys([Rewrapped(ONE, b"other", b"another")]) == 0
        assert await journal.rewrap_data_keys([]) == 0
        assert await journal.keep_data_key(ONE, b"again") == b"anew"
        await journal.erase_data_keys([ONE])
        assert await journal.rewrap_data_keys([Rewrapped(ONE, b"anew", b"back")]) == 0
        assert await journal.data_keys([ONE]) == {ONE: None}

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

    async def test_an_upload_is_found_by_its_run_and_its_document(self, journal: Journal) -> None:
        await journal.keep_data_key(ONE, b"first")
        await journal.keep_data_key(TWO, b"other")
        assert await journal.upload(ONE, DOCUMENT) is None
        first, again = (Upload(DOCUMENT, 1 << 40, Digest(digit * 64)) for digit in "12")
        for upload in (first, first, again):
            await journal.keep_upload(ONE, upload)
            assert await journal.upload(ONE, DOCUMENT) == upload
        assert await journal.upload(TWO, DOCUMENT) is None
        assert await journal.upload(ONE, Digest("e" * 64)) is None
        await journal.keep_upload(RunId("run-three"), first)
        assert await journal.upload(RunId("run-three"), DOCUMENT) is None, "it has no data key"

    async def test_an_upload_goes_with_the_data_key(self, journal: Journal) -> None:
        fork, upload = run_id(2), Upload(DOCUMENT, 7, Digest("1" * 64))
        for ended, run in ((NOON, 1), (NOON + TTL, 2)):
            await journal.keep_data_key(run_id(run), b"key")
            await journal.keep_upload(run_id(run), upload)
            await self._ended(journal, run, ended)
        await journal.use_data_keys(fork, [run_id(1)], part=False, now=NOON)
        await journal.retire(ended_before=NOON + TTL)
        assert await journal.upload(run_id(1), DOCUMENT) == upload
        await journal.retire(ended_before=NOON + 2 * TTL)
        assert [await journal.upload(run_id(run), DOCUMENT) for run in (1, 2)] == [None, None]

    async def _ended(self, journal: Journal, number: int, at: datetime) -> None:
        fence = await claimed(journal)
        summary = summary_of(number, state="completed", wake_at=None, updated_at=at)
        await journal.append([run_append(fence, summary, Head(), b"started", b"done")])
