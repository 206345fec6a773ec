"""A decision in the making: events, the run as it is after them, and the tasks whose settling is still to be
followed up.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime

import msgspec

from accord.domain import event as e
from accord.domain.ids import TaskId
from accord.domain.run import Run, evolve
from accord.domain.scope import Values

_SETTLING = (e.TaskCompleted, e.TaskFailed, e.TaskSkipped, e.TaskCancelled)


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Events, in order, and the run after them."""

    run: Run
    events: tuple[e.Event, ...]


class Draft:
    """Collects the events of one decision."""

    def __init__(self, run: Run, now: datetime, values: Values, events: list[e.Event] | None = None) -> None:
        self.before = run
        """The run before the decision."""
        self.run = run
        self.now = now
        self.values = values
        self.events = events if events is not None else []
        self.settled: deque[TaskId] = deque()
        """Tasks that have settled in this decision and whose consequences have not been drawn yet."""

    def emit(self, event: e.Event) -> None:
        """Add an event; from here on the run is the one after it."""
        self.run = evolve(self.run, event)
        self.events.append(event)
        if isinstance(event, _SETTLING):
            self.settled.append(event.task)

    def decision(self) -> Decision:
        """All that was decided."""
        return Decision(self.run, tuple(self.events))
