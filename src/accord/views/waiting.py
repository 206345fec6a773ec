"""What a run waits for: people, and signals."""

from __future__ import annotations

from accord.domain.graph import Wait
from accord.domain.ids import TaskId
from accord.domain.signal import REVIEW_FORM
from accord.domain.state import Run, TaskState


def waiting_tasks(run: Run) -> list[TaskId]:
    """Tasks that wait for a human, or for a signal, by name."""
    found = []
    for task in sorted(run.busy):
        waiting = run.state(task).waiting
        if waiting is not None and waiting.for_ != "time":
            found.append(task)
    return found


def is_idle(run: Run) -> bool:
    """Whether nothing goes on until somebody answers: no attempt is under way or wanted, nobody sleeps."""
    if run.live or run.subruns:
        return False
    states = (run.state(task) for task in run.busy)
    return all(_waits(state) or state.phase == "expanded" for state in states)


def _waits(state: TaskState) -> bool:
    return state.waiting is not None and state.waiting.for_ != "time"


def answer_schema(run: Run, task: TaskId) -> dict[str, object] | bool:
    """The JSON Schema of what a waiting task is to be told."""
    waiting = run.state(task).waiting
    action = run.graph.task(task).action
    if waiting is not None and waiting.for_ == "review":
        return REVIEW_FORM
    return action.schema if isinstance(action, Wait) else True
