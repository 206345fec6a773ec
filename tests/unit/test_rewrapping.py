"""Another wrapping key: every data key is wrapped anew, what is read, erased and proven is so as before, and what
breaks off is taken up.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.domain.ids import RunId
from accord.encryption import Cipher
from accord.engine.data_keys import DataKeys
from accord.engine.rewrapping import PAGE, WITHIN_ANOTHER, Rewrapping, rewrapping
from accord.errors import KeysUnavailable, NotFound
from accord.keys.file import REPLACED
from accord.store.memory import MemoryJournal
from accord.testing.keys import MemoryKeyWrapper
from accord.views.proof import proof_of
from accord.views.result import value_of

from .test_erasure import PERSON, WAITS, WORK, opened, run_of, started

COUNT = 2 * PAGE + 3


class Interrupted(MemoryKeyWrapper):
    """A key store that goes away, and what somebody does meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None
        """After so many more keys it is away."""

    async def rewrap(self, wrapped: bytes, context: bytes) -> bytes | None:
        if self.left == 0:
            raise KeysUnavailable.of("ACC630", "away")
        self.left = self.left - 1 if self.left is not None else None
        return await super().rewrap(wrapped, context)


@pytest.fixture
def wrapper() -> Interrupted:
    return Interrupted()


@pytest.fixture
def store() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
async def ciphers(store: MemoryJournal, wrapper: Interrupted) -> dict[RunId, Cipher]:
    """Of many runs, by their ids."""
    keys = DataKeys(store, wrapper, every_run=True)
    runs = [RunId(f"run-{number:03}") for number in range(COUNT)]
    return {run: await keys.own(run) for run in runs}


async def all_of(store: MemoryJournal, wrapper: MemoryKeyWrapper) -> Rewrapping:
    return [so_far async for so_far in rewrapping(store, wrapper)][-1]


async def test_what_breaks_off_is_taken_up_and_then_nothing_needs_the_key_before(
    store: MemoryJournal, wrapper: Interrupted, ciphers: dict[RunId, Cipher]
) -> None:
    await wrapper.new_wrapping_key()
    wrapper.left = PAGE + 10
    steps = rewrapping(store, wrapper)
    assert [await anext(steps), await anext(steps)] == [Rewrapping(COUNT), Rewrapping(COUNT, PAGE, PAGE)]
    with pytest.raises(KeysUnavailable):
        await anext(steps)
    wrapper.left = None
    assert await all_of(store, wrapper) == Rewrapping(COUNT, COUNT, COUNT - PAGE - 10)
    wrapper.forget_before()
    assert await all_of(store, wrapper) == Rewrapping(COUNT, COUNT, 0)
    keys = DataKeys(store, wrapper, every_run=True)
    for run, cipher in ciphers.items():
        found = await keys.find(run)
        assert found is not None
        assert found.decrypted(*cipher.encrypted(b"said before")) == b"said before"


async def test_what_is_erased_meanwhile_stays_erased(
    store: MemoryJournal, wrapper: Interrupted, ciphers: dict[RunId, Cipher]
) -> None:
    keys, gone = DataKeys(store, wrapper, every_run=True), list(ciphers)[:2]
    unwrap = MemoryKeyWrapper.rewrap

    class Erasing(Interrupted):
        async def rewrap(self, wrapped: bytes, context: bytes) -> bytes | None:
            if context == gone[0].encode():
                await keys.erase(gone)
            return await unwrap(wrapper, wrapped, context)

    await wrapper.new_wrapping_key()
    assert (await all_of(store, Erasing())).rewrapped == COUNT - 2
    assert await store.data_keys(gone) == dict.fromkeys(gone)
    for run in gone:
        with pytest.raises(NotFound, match="ACC872"):
            await keys.find(run)


async def test_a_key_that_nobody_unwraps_stays_as_it_is_is_told_and_stops_no_others(
    store: MemoryJournal, wrapper: Interrupted, ciphers: dict[RunId, Cipher]
) -> None:
    await store.keep_data_key(RunId("run-elsewhere"), b"wrapped elsewhere")
    await wrapper.new_wrapping_key()
    told = await all_of(store, wrapper)
    assert (told.total, told.rewrapped, told.failed) == (COUNT + 1, COUNT, 1)
    assert [(one.code, "run-elsewhere" in one.message) for one in told.problems] == [("ACC876", True)]
    assert await store.data_keys([RunId("run-elsewhere")]) == {"run-elsewhere": b"wrapped elsewhere"}


async def test_what_another_data_key_wraps_goes_on_with_that_one(store: MemoryJournal, wrapper: Interrupted) -> None:
    keys = DataKeys(store, wrapper, every_run=False)
    root, name = await keys.own(RunId("planner")), RunId(f"{WITHIN_ANOTHER}1")
    cipher = await keys.keep_under(root, name)
    with pytest.raises(ValueError, match="another"):
        await keys.keep_under(root, RunId("another"))
    await wrapper.new_wrapping_key()
    assert await all_of(store, wrapper) == Rewrapping(2, 2, 1)
    wrapper.forget_before()
    found = await keys.find_under(await keys.own(RunId("planner")), [name])
    assert found[name].decrypted(*cipher.encrypted(b"words")) == b"words"


async def test_runs_go_on_under_a_new_wrapping_key_and_are_read_erased_and_proven_as_before(tmp_path: Path) -> None:
    async with opened(tmp_path) as node:
        done = await run_of(node, {"name": "work", "tasks": WORK, "output": "${ tasks.second.output }"}, PERSON)
        waiting = await started(node, WAITS, PERSON)
        (*_, told) = [so_far async for so_far in node.rewrap(new_key=True)]
        assert (told.failed, told.rewrapped, told.done) == (0, told.total, told.total)
        (before,) = (tmp_path / "keys" / REPLACED).glob("wrapping-*.key")
        before.unlink()
        await node.signal(waiting.id, "went on", by="test", name="go")
        assert (await node.ended(waiting.id)).phase == "completed"
    async with opened(tmp_path) as node:
        assert done.output is not None
        assert await value_of(node, done.output) == PERSON
        for run in (done.id, waiting.id):
            assert (await proof_of(node, run)).ok
        await node.erase(done.id, by="test")
        assert not (await proof_of(node, done.id)).problems
        (*_, told) = [so_far async for so_far in node.rewrap(new_key=True)]
        assert (told.failed, told.rewrapped) == (0, told.total)
        with pytest.raises(NotFound, match="ACC872"):
            await node.parts.data_keys.find(done.id)
        again = await run_of(node, {"name": "work", "tasks": WORK, "output": "${ tasks.second.output }"}, PERSON)
        assert again.phase == "completed"
