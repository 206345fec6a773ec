"""Plain progress: one line on stderr for everything that people care about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

from accord.cli.output import Screen, agent_name, attempt_words, counted, took
from accord.cli.watching import Watched
from accord.domain import event as e
from accord.domain.approval import waiting_tasks
from accord.domain.graph import node_of
from accord.domain.ids import TaskId, split_item
from accord.domain.news import News
from accord.domain.state import Run


class Lines(AbstractAsyncContextManager["Lines"]):
    """A view for pipes and logs. Of a run that `began` just now everything is told; of another one nothing of what had
    happened before, but for the attempts of tasks that are under way: they are counted on.
    """

    def __init__(self, screen: Screen, *, began: bool = False) -> None:
        self._screen = screen
        self._began = began
        self._watched = Watched()
        self._tenths: dict[TaskId, int] = {}
        """By node: how many tenths of its items were told."""

    def show(self, news: News) -> None:
        """Write a line for each event that is worth one."""
        first = self._watched.run is None
        events = self._watched.absorb(news)
        if first and self._watched.run is not None:
            self._begin(self._watched.run, events)
        else:
            for event in events:
                self._tell(event)

    def _begin(self, run: Run, events: Sequence[e.Event]) -> None:
        is_new = self._began or not (run.settled or run.epoch or run.ended)
        if is_new:
            self._note(run.started.at, f"{run.id} of {run.started.template} started")
        is_whole = is_new and run.started.origin is None  # what a fork shares was told of another run
        for event in events:
            if is_whole or (isinstance(event, _OF_ATTEMPTS) and run.state(event.task).busy):
                self._tell(event)
        if run.ended:
            self._note(run.updated_at, f"{run.id} of {run.started.template} has ended: {run.phase}")
        elif not is_whole:
            self._go_on(run)

    def _go_on(self, run: Run) -> None:
        now = datetime.now(UTC)
        if run.settled or run.epoch:
            self._note(now, f"{run.id} goes on: {run.tasks_done} of {counted(len(run.graph.order), 'task')} done")
        for task in waiting_tasks(run):
            waiting = run.state(task).waiting
            if waiting is not None:
                self._note(now, _waits(task, waiting.for_, waiting.title or waiting.signal or ""))

    def _note(self, at: datetime, said: str) -> None:
        self._screen.note(f"{at.astimezone():%H:%M:%S}  {said}", style="")

    def _tell(self, event: e.Event) -> None:
        run = self._watched.run
        assert run is not None  # noqa: S101 - the event belongs to a run
        if isinstance(event, e.TaskCompleted):
            said = self._completed(run, event)
        elif isinstance(event, e.TaskFailed):
            said = _failed(run, event)
        else:
            said = _said(run, event)
        if said:
            self._note(event.at, said)

    def _completed(self, run: Run, event: e.TaskCompleted) -> str:
        if split_item(event.task)[1] is not None:
            return self._item_completed(run, node_of(event.task))
        words = took(run, event.task)
        by = agent_name(event.by) if event.by else self._watched.by(event.task)
        return f"{event.task} completed{f' by {by}' if by else ''}{f' in {words}' if words else ''}"

    def _item_completed(self, run: Run, node: TaskId) -> str:
        """One line for every tenth of the items."""
        state = run.state(node)
        tenth = 10 * state.items_settled // max(state.item_count, 1)
        if tenth <= self._tenths.get(node, 0) or tenth == 10:
            return ""
        self._tenths[node] = tenth
        return f"{node} {state.items_settled}/{state.item_count}"

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def _said(run: Run, event: e.Event) -> str:
    if isinstance(event, _OF_ATTEMPTS):
        return f"{event.task}: {attempt_words(run.state(event.task), event.attempt)} {OF_ATTEMPTS[type(event)](event)}"
    say = SAID.get(type(event))
    return say(event) if say is not None else ""


def _failed(run: Run, event: e.TaskFailed) -> str:
    """With why, but for what its last attempt has just said."""
    why = event.problem.message
    for attempt in run.state(event.task).attempts[-1:]:
        for problem in attempt.problems[:1]:
            why = why.replace(problem.message, "").strip("; ")
    return f"{event.task} failed{_blamed(event.fault)}: {event.problem.code} {why}".rstrip()


def _blamed(fault: str | None) -> str:
    return f" ({fault})" if fault else ""


def _first(event: e.AttemptRejected | e.InputRefused) -> str:
    return event.problems[0].message


def _waiting(event: e.TaskWaiting) -> str:
    return _waits(event.task, event.for_, event.title or event.signal or "")


def _waits(task: TaskId, what: str, title: str) -> str:
    if what == "time":
        return f"{task} sleeps"
    return f"{task} waits for {'an' if what == 'approval' else 'a'} {what}: {title}"


def _because(event: e.RunPaused | e.RunCancelling) -> str:
    return f" by {event.by}{f': {event.reason}' if event.reason else ''}"


SAID: Final[Mapping[type, Callable[[Any], str]]] = {
    e.RunPaused: lambda event: f"paused{_because(event)}",
    e.TaskDeclassified: lambda event: (
        f"{event.task}: {', '.join(event.before)} → {', '.join(event.labels)}, by {agent_name(event.by)}: {event.why}"
    ),
    e.BudgetSet: lambda event: f"may cost {event.max_cost} in all, by {event.by}",
    e.RunResumed: lambda event: f"resumed by {event.by}",
    e.RunCancelling: lambda event: f"cancelled{_because(event)}",
    e.RunFailing: lambda event: f"the run fails{_blamed(event.fault)}: {event.problem.code}",
    e.RollbackStarted: lambda event: f"rolling back to {event.to}: {counted(len(event.tasks), 'task')}",
    e.RollbackFinished: lambda _: "rolled back, going on from there",
    e.TaskExpanded: lambda event: f"{event.task}: {counted(event.count, 'item')}",
    e.TaskSkipped: lambda event: f"{event.task} skipped: {event.reason}",
    e.TaskCancelled: lambda event: f"{event.task} cancelled: {event.reason}",
    e.TaskWaiting: _waiting,
    e.InputRefused: lambda event: (
        f"{event.task}: no input for {event.capability}{_blamed(event.fault)}: {_first(event)}"
    ),
}
"""What events mean, in words; those that are not here or below matter to the journal alone."""

_OF_ATTEMPTS: Final = (e.AttemptRejected, e.AttemptFailed, e.AttemptDamaged, e.AttemptExpired)
OF_ATTEMPTS: Final[Mapping[type, Callable[[Any], str]]] = {
    e.AttemptRejected: lambda event: f"rejected{_blamed(event.fault)}: {_first(event)}",
    e.AttemptFailed: lambda event: f"failed{_blamed(event.fault)}: {event.problem.message}",
    e.AttemptDamaged: lambda event: f"was answered, and the answer damaged on the way{_blamed(event.fault)}",
    e.AttemptExpired: lambda event: f"expired ({event.cause.replace('_', ' ')})",
}
"""What became of an attempt, after its name."""
