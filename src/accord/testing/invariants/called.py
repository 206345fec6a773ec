"""Invariant 8: what agents ask for while they work is bounded, journalled before it is done, verified, and done neither
twice nor in vain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from accord.domain import event as e
from accord.domain.ids import RunId
from accord.domain.progress import work_of
from accord.domain.run import Run


class Called:
    """The calls of one run, as its events have them."""

    def __init__(self) -> None:
        self.made: dict[RunId, e.CallMade] = {}
        """By the runs that do them."""
        self.ended: Counter[RunId] = Counter()

    def see(self, before: Run, event: e.Event) -> Iterator[str]:
        """What is wrong with a call that is made, or ends, in this state."""
        if isinstance(event, e.CallMade):
            yield from self._made(before, event)
            self.made[event.run] = event
        elif isinstance(event, e.CallEnded):
            self.ended[event.run] += 1
            if event.run not in self.made:
                yield f"the end of {event.run} is told, which nobody has asked for"
            elif self.ended[event.run] > 1:
                yield f"the end of {event.run} is told twice"

    def _made(self, before: Run, event: e.CallMade) -> Iterator[str]:
        state = before.state(event.task)
        allowed = work_of(before, event.task).calls
        if allowed is None or len(state.calls) >= allowed.at_most:
            yield f"{event.task} makes call {len(state.calls) + 1} of at most {allowed and allowed.at_most}"
        if event.run in self.made:
            yield f"{event.run} does two calls"
        same = [one for one in state.calls if one.call == event.call]
        if any(one.ended_at is None or one.problem is None for one in same):
            yield f"{event.task} makes a call again that is under way, or has come to something"

    def left(self, run: Run, runs: Mapping[RunId, Run]) -> Iterator[str]:
        """What is wrong when all is over: calls that were lost, and runs that are not as they were asked for."""
        for called, event in self.made.items():
            done = runs.get(called)
            if done is None:
                if run.phase == "completed" and self.ended[called]:
                    yield f"{called} has ended for {run.id}, and was never there"
                continue
            started = done.started
            if not done.ended:
                yield f"{called} goes on, and {run.id} is {run.phase}"
            if started.graph != event.graph or started.certificate is None:
                yield f"{called} has not the graph that was verified for {event.wanted}"
            if started.parent is None or (started.parent.run, started.parent.task) != (run.id, event.task):
                yield f"{called} is not below the task that has asked for it"


def unasked(runs: Mapping[RunId, Run], made: Mapping[RunId, Called]) -> Iterator[str]:
    """Runs below others that were started for a call that no journal has."""
    for run in runs.values():
        parent = run.started.parent
        if parent is None or parent.run not in runs:
            continue
        if run.started.depth > runs[parent.run].started.depth and run.id not in made[parent.run].made:
            yield f"{run.id} does a call that {parent.run} has not journalled"
