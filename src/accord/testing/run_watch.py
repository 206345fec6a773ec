"""A watch over one run: all invariants that can be seen from its events alone, recounted from scratch."""

from __future__ import annotations

from collections.abc import Iterator

from accord.domain import event as e
from accord.domain.run import Run
from accord.domain.timing import next_wake
from accord.testing.invariants.accepted import Acceptances
from accord.testing.invariants.bounds import crowded
from accord.testing.invariants.called import Called
from accord.testing.invariants.folds import miscounts
from accord.testing.invariants.held import forsaken, unheld
from accord.testing.invariants.wakes import unwoken


class RunWatch:
    """Looks at every event of one run, and at the state before and after it."""

    def __init__(self) -> None:
        self.acceptances = Acceptances()
        self.called = Called()

    def event_problems(self, before: Run | None, event: e.Event, after: Run) -> Iterator[str]:
        """Which invariants the event breaks, with their numbers."""
        if before is not None:
            yield from numbered(1, self.acceptances.see(before, event, after))
            yield from numbered(7, unheld(before, event, after))
            yield from numbered(8, self.called.see(before, event))

    def state_problems(self, run: Run) -> Iterator[str]:
        """Which invariants the state breaks, with their numbers."""
        yield from numbered(2, unwoken(run, next_wake(run, {}, run.updated_at), {}, run.updated_at))
        yield from numbered(3, miscounts(run))
        yield from numbered(6, crowded(run))
        yield from numbered(7, forsaken(run))


def numbered(number: int, problems: Iterator[str]) -> Iterator[str]:
    """Problems of an invariant, with its number."""
    return (f"{problem} (invariant {number})" for problem in problems)
