"""The faults that a simulation and tests plan for a journal in memory."""

from __future__ import annotations

import pytest

from accord.errors import StoreUnavailable
from accord.ports import Head
from accord.store.memory import Fault, Faults, MemoryJournal
from accord.testing.journal_values import NOON, SYSTEM, TTL, end, system_append


async def test_a_refused_append_writes_nothing() -> None:
    faults = Faults()
    async with MemoryJournal(faults) as journal:
        faults.plan("append", None, "refused")
        first = system_append(Head(), b"one")
        await journal.append([first])
        second = system_append(end(first), b"two")
        with pytest.raises(StoreUnavailable):
            await journal.append([second])
        assert await journal.head(SYSTEM) == end(first)
        await journal.append([second])
        assert await journal.head(SYSTEM) == end(second)


async def test_a_lost_answer_hides_an_append_that_was_written() -> None:
    faults = Faults()
    async with MemoryJournal(faults) as journal:
        faults.plan("append", "lost_answer")
        append = system_append(Head(), b"one")
        with pytest.raises(StoreUnavailable):
            await journal.append([append])
        assert await journal.head(SYSTEM) == end(append)


async def test_a_simulation_decides_each_call() -> None:
    asked: list[str] = []

    def decide(operation: str) -> Fault | None:
        asked.append(operation)
        return "lost_answer" if operation == "claim" and len(asked) == 1 else None

    async with MemoryJournal(decide) as journal:
        with pytest.raises(StoreUnavailable):
            await journal.claim("one", partition=1, now=NOON, ttl=TTL)
        assert await journal.claim("two", partition=1, now=NOON, ttl=TTL) is None, "the claim had been written"
    assert asked == ["claim", "claim"]


async def test_the_journal_outlives_its_users() -> None:
    journal = MemoryJournal()
    async with journal:
        await journal.append([system_append(Head(), b"one")])
    async with journal:
        assert len(await journal.read(SYSTEM)) == 1
