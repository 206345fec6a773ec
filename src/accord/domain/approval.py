"""Approvals that are open: what runs ask people, and the programs that send signals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec

from accord.domain.graph import Graph, Wait, Work
from accord.domain.ids import RunId, TaskId
from accord.domain.signal import REVIEW_FORM
from accord.domain.state import Run
from accord.domain.template import JsonSchema

ApprovalKind = Literal["approval", "review", "signal"]


class OpenApproval(msgspec.Struct, frozen=True, kw_only=True):
    """A task that waits for an approval, for a review of a result, or for a signal."""

    run: RunId
    task: TaskId
    kind: ApprovalKind
    template: str
    """`name@version` of the run's template."""
    title: str
    """The run's title."""
    question: str
    """What is asked; empty for a signal."""
    signal: str | None
    """The name of the signal that it waits for."""
    since: datetime
    until: datetime | None
    """When it is too late for an answer."""
    schema: JsonSchema
    """That of the answer."""


class ApprovalQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which open approvals to list: those of the newest run first, of a run by task."""

    kinds: tuple[ApprovalKind, ...] = ()
    template: str | None = None
    """A template's name, or `name@version`."""
    run: RunId | None = None
    since: datetime | None = None
    """Only what waits since then or later."""
    limit: int = 50
    after: str | None = None
    """Where the page before has ended, as it says."""

    def admits(self, one: OpenApproval) -> bool:
        """Whether it is one of those, whichever run it is of."""
        return (
            (not self.kinds or one.kind in self.kinds)
            and (self.template in (None, one.template) or one.template.startswith(f"{self.template}@"))
            and (self.since is None or one.since >= self.since)
        )


class OpenApprovals(msgspec.Struct, frozen=True):
    """A page of open approvals. Where another one follows it may be short, or empty: it looks at so many runs."""

    approvals: tuple[OpenApproval, ...]
    next: str | None
    """Where the next page begins; None where there is none."""
    damaged: tuple[RunId, ...] = ()
    """Runs of which nobody can tell what they ask: their histories do not hold."""


def may_ask(graph: Graph) -> bool:
    """Whether a run of this graph may ever wait for somebody; the runs that do its tasks are not meant."""
    for task in graph.tasks.values():
        action = task.action
        if isinstance(action, Wait):
            return True
        if isinstance(action, Work) and action.confidence is not None and action.confidence.otherwise == "review":
            return True
    return False


def waiting_tasks(run: Run) -> list[TaskId]:
    """Tasks that wait for a human, or for a signal, by name."""
    return [one.task for one in open_approvals(run)]


def open_approvals(run: Run) -> Iterator[OpenApproval]:
    """What the run asks, by task."""
    for task in sorted(run.busy):
        waiting = run.state(task).waiting
        if waiting is not None and waiting.for_ != "time":
            yield OpenApproval(
                run=run.id,
                task=task,
                kind=waiting.for_,
                template=run.started.template,
                title=run.started.title,
                question=waiting.title,
                signal=waiting.signal,
                since=waiting.since or run.state(task).started_at or run.updated_at,
                until=waiting.until,
                schema=answer_schema(run, task),
            )


def answer_schema(run: Run, task: TaskId) -> JsonSchema:
    """The JSON Schema of what a waiting task is to be told."""
    waiting = run.state(task).waiting
    action = run.graph.task(task).action
    if waiting is not None and waiting.for_ == "review":
        return REVIEW_FORM
    return action.schema if isinstance(action, Wait) else True
