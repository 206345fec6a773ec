"""What is on its way to a collector: a bounded queue, and a thread that sends from it. Whoever puts something never
waits, whatever has become of the collector; what does not fit, or is not taken, is counted and gone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Outbound(Generic[T]):
    """Sends in batches: as soon as one is full, and every so often."""

    def __init__(self, name: str, send: Callable[[Sequence[T]], bool], most: int, batch: int, every_s: float) -> None:
        """`send` is called in the thread, and tells whether the batch was taken: not where it raises something."""
        self._send = send
        self._most, self._batch, self._every_s = most, batch, every_s
        self._waiting: deque[T] = deque()
        self._awake = threading.Event()
        self._closing = False
        self._given_up = False
        self.made = 0
        """How many were put."""
        self.dropped = 0
        """How many of them did not fit, or were not taken."""
        self._thread = threading.Thread(target=self._run, name=f"accord-{name}", daemon=True)
        self._thread.start()

    def put(self, one: T) -> None:
        """Send this, some time soon."""
        self.made += 1
        if len(self._waiting) >= self._most or self._closing:
            self.dropped += 1
            return
        self._waiting.append(one)
        if len(self._waiting) >= self._batch and not self._awake.is_set():
            self._awake.set()

    def close(self, within_s: float) -> None:
        """Send what waits, as far as that is done in this time; blocks as long."""
        self._closing = True
        self._awake.set()
        self._thread.join(within_s)
        self._given_up = True

    def _run(self) -> None:
        while not self._closing:
            self._awake.wait(self._every_s)
            self._awake.clear()
            self._empty()
        self._empty()

    def _empty(self) -> None:
        while self._waiting and not self._given_up:
            batch = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            if not self._is_taken(batch):
                self.dropped += len(batch)

    def _is_taken(self, batch: Sequence[T]) -> bool:
        try:
            return self._send(batch)
        except Exception:
            # A thread that ends would send nothing any more; whoever sends has told of it.
            return False
