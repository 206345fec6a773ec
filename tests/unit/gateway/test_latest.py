"""What watchers are told of values that change faster than they look."""

from __future__ import annotations

import asyncio

import pytest

from accord.errors import Overloaded
from accord.gateway.feeds import latest
from accord.gateway.feeds.latest import Latest, Lookout, pages


async def test_the_newest_wins_and_each_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest, "PAUSE_S", 0)
    values: Latest[str, int] = Latest(10)
    changes = values.changes(0)
    for number in range(1000):
        values.put("often", number)
    values.put("once", 1)
    assert await anext(changes) == [999, 1]
    values.put("often", 1000)
    assert await anext(changes) == [1000]
    await changes.aclose()


async def test_a_watcher_is_woken_by_a_change() -> None:
    values: Latest[str, int] = Latest(10)
    waiting = asyncio.ensure_future(anext(values.changes(0)))
    await asyncio.sleep(0)
    assert not waiting.done()
    values.put("a", 1)
    assert await waiting == [1]


async def test_whoever_is_behind_what_is_held_is_told_so() -> None:
    values: Latest[int, int] = Latest(3)
    for key in range(5):
        values.put(key, key)
    assert values.since(2) == [2, 3, 4]
    with pytest.raises(Overloaded) as behind:
        values.since(1)
    assert behind.value.problems[0].code == "ACC980"


async def test_somebody_looks_while_somebody_watches() -> None:
    looking = asyncio.Event()
    ended = asyncio.Event()

    async def look() -> None:
        looking.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    lookout = Lookout(look)
    with lookout.watched():
        with lookout.watched():
            await looking.wait()
        await asyncio.sleep(0)
        assert not ended.is_set()
    await ended.wait()


def test_pages() -> None:
    assert pages([]) == [[]]
    assert [len(page) for page in pages(list(range(1001)))] == [500, 500, 1]
