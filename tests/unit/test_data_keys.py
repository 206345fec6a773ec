"""Data keys: whoever begins a run knows whether it is encrypted; whoever goes on with one asks the store."""

from __future__ import annotations

from collections.abc import Sequence

from accord.domain.ids import RunId
from accord.engine.data_keys import DataKeys
from accord.store.memory import MemoryJournal

RUN = RunId("run-1")


class Asked(MemoryJournal):
    """Remembers for which runs it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[RunId] = []

    async def data_keys(self, runs: Sequence[RunId]) -> dict[RunId, bytes | None]:
        self.asked.extend(runs)
        return await super().data_keys(runs)


async def test_what_was_begun_here_is_not_asked_about() -> None:
    store = Asked()
    keys = DataKeys(store, None, every_run=False)
    assert await keys.begin(RUN) is None
    assert await keys.hold_new(RUN) is None
    assert store.asked == []


async def test_what_goes_on_is_asked_about_whatever_was_begun_here() -> None:
    store = Asked()
    keys = DataKeys(store, None, every_run=False)
    await keys.begin(RUN)
    assert await keys.hold(RUN) is None
    assert store.asked == [RUN]
    other = RunId("run-2")
    assert await keys.hold_new(other) is None, "another process has begun it"
    assert store.asked == [RUN, other]
