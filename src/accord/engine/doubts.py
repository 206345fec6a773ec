"""Doubts: runs whose words are not to be relied on, because they rest on a key that may be in other hands."""

from __future__ import annotations

from accord.domain.ids import RunId
from accord.domain.system import RunCleared, RunDoubted, SystemEvent


class Doubts:
    """The marks; they are durable in `sys:control`."""

    def __init__(self) -> None:
        self._doubted: dict[RunId, RunDoubted] = {}

    def apply(self, event: SystemEvent) -> None:
        """Fold an event of the stream `sys:control`."""
        if isinstance(event, RunDoubted):
            self._doubted.setdefault(event.run, event)
        elif isinstance(event, RunCleared):
            self._doubted.pop(event.run, None)

    def all(self) -> list[RunDoubted]:
        """All runs that are in doubt, the oldest mark first."""
        return sorted(self._doubted.values(), key=lambda doubt: (doubt.at, doubt.run))

    def __contains__(self, run: RunId) -> bool:
        return run in self._doubted
