"""What an agent has to be allowed that gets a wanted attempt: which actions, and on data with which labels."""

from __future__ import annotations

from accord.domain.graph import undone_id
from accord.domain.ids import TaskId
from accord.domain.labels import UNLABELLED, Labels
from accord.domain.policy import AgentAction
from accord.domain.state import Run, Want


def actions_for(run: Run, task: TaskId, want: Want) -> tuple[AgentAction, ...]:
    """What an agent has to be allowed that gets this."""
    declassifies = want.purpose == "work" and run.graph.task(task).declassify is not None and undone_id(task) is None
    return ("execute", "see", "declassify") if declassifies else ("execute", "see")


def labels_of(want: Want) -> Labels:
    """The labels of what is wanted to be given."""
    return frozenset(want.labels) if want.labels else UNLABELLED
