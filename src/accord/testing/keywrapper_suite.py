"""The suite that proves an adapter of the port `KeyWrapper`.

Derive a test class from `KeyWrapperSuite` and give it two fixtures: `wrapper`, an open adapter where nothing has been
wrapped yet, and `other`, what another process has that wraps under the same key. `forget` takes all wrapping keys but
the last one away from where they are, as an operator would.
"""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from accord.errors import KeyUnusable
from accord.ports import KeyWrapper

CONTEXTS = (b"", b"run_1", b"\x00\xff/", b"r" * 200)


class KeyWrapperSuite:
    """What everything does that wraps data keys."""

    @pytest.mark.parametrize("context", CONTEXTS, ids=len)
    async def test_what_was_wrapped_is_unwrapped(self, wrapper: KeyWrapper, context: bytes) -> None:
        made = await wrapper.data_key(context)
        assert len(made.plain) == 32
        assert made.plain not in made.wrapped
        assert await wrapper.unwrap(made.wrapped, context) == made.plain

    async def test_each_data_key_is_another_one(self, wrapper: KeyWrapper) -> None:
        made = [await wrapper.data_key(b"run_1") for _ in range(3)]
        assert len({key.plain for key in made}) == len({key.wrapped for key in made}) == 3

    async def test_another_context_is_refused(self, wrapper: KeyWrapper) -> None:
        made = await wrapper.data_key(b"run_1")
        for context in (b"", b"run_2", b"run_10", b"RUN_1"):
            with pytest.raises(KeyUnusable, match="ACC876"):
                await wrapper.unwrap(made.wrapped, context)

    async def test_what_was_changed_is_refused(self, wrapper: KeyWrapper) -> None:
        wrapped = (await wrapper.data_key(b"run_1")).wrapped
        changed = bytes([wrapped[-4] ^ 1])
        for damaged in (wrapped[:-4] + changed + wrapped[-3:], wrapped[:-8], wrapped[:24]):
            with pytest.raises(KeyUnusable, match="ACC876"):
                await wrapper.unwrap(damaged, b"run_1")
        for foreign in (b"x" * 60, b"x"):
            with pytest.raises(KeyUnusable, match=r"ACC87[56]"):
                await wrapper.unwrap(foreign, b"run_1")

    async def test_two_processes_wrap_under_one_key(self, wrapper: KeyWrapper, other: KeyWrapper) -> None:
        made = await asyncio.gather(*(each.data_key(b"run_1") for each in (wrapper, other) for _ in range(4)))
        for key in made:
            for each in (wrapper, other):
                assert await each.unwrap(key.wrapped, b"run_1") == key.plain

    async def test_a_new_key_wraps_from_now_on_in_every_process(self, wrapper: KeyWrapper, other: KeyWrapper) -> None:
        before = [await each.data_key(b"run_1") for each in (wrapper, other)]
        await wrapper.new_wrapping_key()
        after = [await each.data_key(b"run_1") for each in (wrapper, other)]
        for each in (other, wrapper):
            for key in (*before, *after):
                assert await each.unwrap(key.wrapped, b"run_1") == key.plain
            assert [await each.rewrap(key.wrapped, b"run_1") for key in after] == [None, None]
            assert None not in [await each.rewrap(key.wrapped, b"run_1") for key in before]

    async def test_what_was_wrapped_anew_needs_no_older_key(
        self, wrapper: KeyWrapper, other: KeyWrapper, forget: Callable[[], Awaitable[None]]
    ) -> None:
        made = [await wrapper.data_key(context) for context in CONTEXTS]
        await wrapper.new_wrapping_key()
        await other.new_wrapping_key()
        rewrapped = [await other.rewrap(key.wrapped, context) for key, context in zip(made, CONTEXTS, strict=True)]
        await forget()
        for key, anew, context in zip(made, rewrapped, CONTEXTS, strict=True):
            assert anew is not None
            assert key.plain not in anew
            for each in (wrapper, other):
                assert await each.unwrap(anew, context) == key.plain
                assert await each.rewrap(anew, context) is None
                with pytest.raises(KeyUnusable, match="ACC876"):
                    await each.unwrap(anew, b"run_2")

    async def test_what_is_not_as_it_was_wrapped_is_not_wrapped_anew(self, wrapper: KeyWrapper) -> None:
        wrapped = (await wrapper.data_key(b"run_1")).wrapped
        await wrapper.new_wrapping_key()
        for damaged, context in ((wrapped[:-8], b"run_1"), (wrapped, b"run_2")):
            with pytest.raises(KeyUnusable, match="ACC876"):
                await wrapper.rewrap(damaged, context)
        with pytest.raises(KeyUnusable, match=r"ACC87[56]"):
            await wrapper.rewrap(b"x" * 60, b"run_1")

    async def test_where_nothing_wraps_yet_nothing_takes_its_place(self, wrapper: KeyWrapper) -> None:
        with pytest.raises(KeyUnusable, match="ACC884"):
            await wrapper.new_wrapping_key()
