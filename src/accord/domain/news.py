"""News of a run: what those are told who watch it."""

from __future__ import annotations

import msgspec

from accord.domain.event import Event
from accord.domain.ids import RunId, TaskId
from accord.domain.run import Run


class Happened(msgspec.Struct, frozen=True, gc=False):
    """Events of a run were committed; `run` is the state after them, `sequence` that of the last one.

    Without events: the run was read again from the journal, and something may have happened unseen.
    """

    run: Run
    sequence: int
    events: tuple[Event, ...]


class Progressed(msgspec.Struct, frozen=True):
    """An agent says how far it is."""

    run: RunId
    task: TaskId
    attempt: int
    fraction: float
    message: str


News = Happened | Progressed
