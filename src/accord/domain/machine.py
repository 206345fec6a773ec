"""The transition tables of run, task and attempt. A pair that is not in its table is an error; the diagrams in the
docs are drawn from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NoReturn

from accord.domain import event as e
from accord.errors import TransitionRefused

RunPhase = Literal["running", "rolling_back", "failing", "cancelling", "completed", "failed", "cancelled"]
TaskPhase = Literal["pending", "active", "waiting", "expanded", "completed", "failed", "skipped", "cancelled"]
AttemptPhase = Literal["assigned", "working", "succeeded", "rejected", "failed", "expired", "cancelled"]

ENDED: frozenset[RunPhase] = frozenset({"completed", "failed", "cancelled"})
SETTLED: frozenset[TaskPhase] = frozenset({"completed", "failed", "skipped", "cancelled"})
BUSY: frozenset[TaskPhase] = frozenset({"active", "waiting", "expanded"})
LIVE: frozenset[AttemptPhase] = frozenset({"assigned", "working"})

RUN: Mapping[tuple[RunPhase | None, type], RunPhase] = {
    (None, e.RunStarted): "running",
    ("running", e.RunCompleted): "completed",
    ("running", e.RunFailing): "failing",
    ("running", e.RunCancelling): "cancelling",
    ("running", e.RollbackStarted): "rolling_back",
    ("rolling_back", e.RollbackStarted): "rolling_back",
    ("rolling_back", e.RollbackFinished): "running",
    ("rolling_back", e.RunFailing): "failing",
    ("rolling_back", e.RunCancelling): "cancelling",
    ("failing", e.RunFailing): "failing",
    ("failing", e.RunFailed): "failed",
    ("failing", e.RunCancelling): "cancelling",
    ("failing", e.RollbackStarted): "rolling_back",
    ("cancelling", e.RunCancelling): "cancelling",
    ("cancelling", e.RunCancelled): "cancelled",
    ("cancelling", e.RunFailing): "failing",
    ("completed", e.RollbackStarted): "rolling_back",
    ("failed", e.RollbackStarted): "rolling_back",
    ("cancelled", e.RollbackStarted): "rolling_back",
}
"""A run. Whether it is paused is told apart: a pause holds back assignments in any phase, it does not change the
phase.
"""

TASK: Mapping[tuple[TaskPhase, type], TaskPhase] = {
    ("pending", e.TaskExpanded): "expanded",
    ("pending", e.AttemptWanted): "active",
    ("pending", e.TaskWaiting): "waiting",
    ("pending", e.SubrunStarted): "active",
    ("pending", e.TaskFailed): "failed",
    ("pending", e.TaskSkipped): "skipped",
    ("pending", e.TaskAdopted): "completed",
    ("active", e.AttemptWanted): "active",
    ("active", e.InputRefused): "active",
    ("active", e.TaskWaiting): "waiting",
    ("active", e.TaskDeclassified): "active",
    ("active", e.TaskCompleted): "completed",
    ("active", e.TaskFailed): "failed",
    ("active", e.TaskCancelled): "cancelled",
    ("waiting", e.AttemptWanted): "active",
    ("waiting", e.TaskCompleted): "completed",
    ("waiting", e.TaskFailed): "failed",
    ("waiting", e.TaskSkipped): "skipped",
    ("waiting", e.TaskCancelled): "cancelled",
    ("expanded", e.TaskCompleted): "completed",
    ("expanded", e.TaskFailed): "failed",
    ("expanded", e.TaskCancelled): "cancelled",
    ("expanded", e.TaskReopened): "expanded",
    ("completed", e.TaskReopened): "expanded",
    ("failed", e.TaskReopened): "expanded",
    ("cancelled", e.TaskReopened): "expanded",
    ("failed", e.RollbackStarted): "pending",
    ("cancelled", e.RollbackStarted): "pending",
    ("completed", e.RollbackFinished): "pending",
    ("failed", e.RollbackFinished): "pending",
    ("skipped", e.RollbackFinished): "pending",
    ("cancelled", e.RollbackFinished): "pending",
}
"""A task, an item of a `for_each`, or a compensation. A rollback's start makes ready again only compensations that
failed or were given up; its end, all that was undone.
"""

ATTEMPT: Mapping[tuple[AttemptPhase | None, type], AttemptPhase] = {
    (None, e.AttemptAssigned): "assigned",
    ("assigned", e.AttemptAccepted): "working",
    ("assigned", e.AttemptDamaged): "assigned",
    ("assigned", e.AttemptSucceeded): "succeeded",
    ("assigned", e.AttemptRejected): "rejected",
    ("assigned", e.AttemptFailed): "failed",
    ("assigned", e.AttemptExpired): "expired",
    ("assigned", e.AttemptCancelled): "cancelled",
    ("working", e.AttemptDamaged): "working",
    ("working", e.AttemptSucceeded): "succeeded",
    ("working", e.AttemptRejected): "rejected",
    ("working", e.AttemptFailed): "failed",
    ("working", e.AttemptExpired): "expired",
    ("working", e.AttemptCancelled): "cancelled",
}
"""One assignment of a task to one agent, under one lease."""

PHASELESS: frozenset[type] = frozenset(
    {
        e.RunPaused,
        e.RunResumed,
        e.RunErased,
        e.RunAcknowledged,
        e.BudgetSet,
        e.SubrunEnded,
        e.CallMade,
        e.CallEnded,
        e.SignalReceived,
        e.SignalTaken,
    }
)
"""Events that change the phase of nothing."""


def next_run(phase: RunPhase | None, event: e.Event) -> RunPhase:
    """The run's phase after the event. Raises TransitionRefused."""
    following = RUN.get((phase, type(event)))
    return following if following is not None else _refuse("run", phase, event)


def next_task(phase: TaskPhase, event: e.Event) -> TaskPhase:
    """The task's phase after the event. Raises TransitionRefused."""
    following = TASK.get((phase, type(event)))
    return following if following is not None else _refuse("task", phase, event)


def next_attempt(phase: AttemptPhase | None, event: e.Event) -> AttemptPhase:
    """The attempt's phase after the event. Raises TransitionRefused."""
    following = ATTEMPT.get((phase, type(event)))
    return following if following is not None else _refuse("attempt", phase, event)


def event_name(kind: type) -> str:
    """The name of a kind of event, without its version: `run.started`."""
    return str(kind.__struct_config__.tag).partition("@")[0]  # type: ignore[attr-defined]  # every event is a tagged msgspec.Struct


def _refuse(what: str, phase: str | None, event: e.Event) -> NoReturn:
    raise TransitionRefused.of(
        "ACC401", f"{event_name(type(event))} is not possible for a {what} that is {phase or 'not there'}"
    )
