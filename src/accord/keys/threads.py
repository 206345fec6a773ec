"""Threads for calls that may never return: a process ends without waiting for them, as it would for an executor's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Call = tuple[Future[Any], Callable[[], Any]]


class CallThreads:
    """So many calls at once at most, each in a thread; a thread that is done takes the next one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._started = 0
        self._idle = threading.Semaphore(0)
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()

    async def run(self, call: Callable[[], T]) -> T:
        """What the call gives, or raises. One that is cancelled before it has begun is never made."""
        future: Future[T] = Future()
        self._calls.put((future, call))
        if not self._idle.acquire(blocking=False) and self._started < self._most:
            self._started += 1
            threading.Thread(target=self._work, name=f"accord-keys-{self._started}", daemon=True).start()
        return await asyncio.wrap_future(future)

    def end(self) -> None:
        """Begin nothing more; what is under way is left to itself."""
        while True:
            try:
                waiting = self._calls.get_nowait()
            except Empty:
                break
            if waiting is not None:
                waiting[0].cancel()
        for _ in range(self._started):
            self._calls.put(None)

    def _work(self) -> None:
        while (one := self._calls.get()) is not None:
            _make(*one)
            self._idle.release()


def _make(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        found = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(found)
