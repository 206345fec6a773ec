"""The newest value of everything that changes, for any number of watchers: each remembers a number, and no queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

import msgspec

from accord.errors import Overloaded

K = TypeVar("K")
V = TypeVar("V")

PAUSE_S: Final = 0.25
"""So long a watcher is told nothing after it was told something: what changes meanwhile is told once, as it is then."""

PAGE: Final = 500
"""Values in one message."""


class Told(msgspec.Struct, frozen=True):
    """One message of a feed."""

    event: str
    value: Any
    id: str | None = None
    """Where to go on after this message; None where it is no place to go on from."""


class Latest(Generic[K, V]):
    """The newest value of each key, in the order in which they changed, each under a number of its own."""

    def __init__(self, limit: int) -> None:
        self._values: dict[K, tuple[int, V]] = {}
        self._limit = limit
        self._floor = 0
        self._changed = asyncio.Event()
        self.number = 0
        """That of the newest change."""

    def get(self, key: K) -> V | None:
        """The newest value, None where there is none."""
        found = self._values.get(key)
        return found[1] if found is not None else None

    def put(self, key: K, value: V) -> None:
        """This is the newest value; of more than the limit, the one that has not changed for longest is forgotten."""
        self._values.pop(key, None)
        self.number += 1
        self._values[key] = (self.number, value)
        if len(self._values) > self._limit:
            self._floor, _ = self._values.pop(next(iter(self._values)))
        self._changed.set()
        self._changed = asyncio.Event()

    def since(self, number: int) -> list[V]:
        """What has changed after this number. Raises Overloaded where some of it was forgotten."""
        if number < self._floor:
            raise Overloaded.of(
                "ACC980",
                f"more than {self._limit} have changed that this watcher was not told of",
                hint="begin again from the last place",
            )
        found: list[V] = []
        for changed, value in reversed(self._values.values()):
            if changed <= number:
                break
            found.append(value)
        return found[::-1]

    async def changes(self, number: int) -> AsyncGenerator[list[V]]:
        """What changes after this number, a few times a second at most. Raises Overloaded."""
        while True:
            while self.number <= number:
                await self._changed.wait()
            found, number = self.since(number), self.number
            yield found
            await asyncio.sleep(PAUSE_S)


class Lookout:
    """Keeps a coroutine running while somebody watches."""

    def __init__(self, look: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._look = look
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Somebody watches."""
        self._watchers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._task.cancel()
                self._task = None


def pages(values: list[V]) -> list[list[V]]:
    """The values in pieces of one message each; one empty piece where there are none."""
    return [values[first : first + PAGE] for first in range(0, len(values), PAGE)] or [[]]
