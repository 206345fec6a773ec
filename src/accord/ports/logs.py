"""Log lines of agents: kept beside the journal, and no part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from accord.domain.ids import RunId, TaskId
from accord.domain.log import LogGap, Tally


class LogEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is added to the log of one attempt."""

    run: RunId
    task: TaskId
    attempt: int
    tally: Tally
    """What is known of the attempt's lines after it."""
    worst: int = 0
    """The rank of the level that matters most of these lines."""
    data: bytes = b""
    """The lines; empty where there are none, and only the tally has changed."""
    encrypted: bool = False


class LogPart(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Lines as they were added."""

    position: int
    """Among the parts of its run, from 1 on, in the order in which they were added."""
    task: TaskId
    attempt: int
    worst: int
    data: bytes
    encrypted: bool


class Logs(Protocol):
    """What the agents of runs have logged. It goes with its run when `retire` removes that. No hash chain, and no run,
    depends on it.
    """

    async def keep_lines(self, entries: Sequence[LogEntry]) -> None:
        """Add these, at most one of each attempt, all or nothing. One whose tally has not more lines than the one that
        is kept was added before, and changes nothing; so does one of a run that is not there.
        """
        ...

    async def tally(self, run: RunId, task: TaskId, attempt: int) -> Tally:
        """What is known of an attempt's lines."""
        ...

    async def log_parts(
        self,
        run: RunId,
        *,
        task: TaskId | None = None,
        attempt: int | None = None,
        least: int = 0,
        after: int = 0,
        limit: int = 100,
    ) -> list[LogPart]:
        """The parts behind this position, in order: of a task and its items, of attempts of this number, with a line
        whose level has this rank or a higher one.
        """
        ...

    async def log_gaps(self, run: RunId, *, task: TaskId | None = None, attempt: int | None = None) -> list[LogGap]:
        """The attempts of which lines are not kept, by task and attempt; at most a thousand."""
        ...

    async def erase_logs(self, runs: Sequence[RunId]) -> None:
        """Remove all that is kept of these runs. Again is no error."""
        ...
