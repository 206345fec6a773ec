"""Whether a run waits for nobody but people, and programs that send signals."""

from __future__ import annotations

from accord.domain.state import Run, TaskState


def is_idle(run: Run) -> bool:
    """Whether nothing goes on until somebody answers: no attempt is under way or wanted, nobody sleeps."""
    if run.live or run.subruns:
        return False
    states = (run.state(task) for task in run.busy)
    return all(_waits(state) or state.phase == "expanded" for state in states)


def _waits(state: TaskState) -> bool:
    return state.waiting is not None and state.waiting.for_ != "time"
