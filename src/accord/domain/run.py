"""The state of a run: what its events add up to. Frozen, and cheap to change: `evolve` shares all that stays the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

import msgspec
from immutables import Map
from msgspec.structs import replace

from accord.domain import event as e
from accord.domain.document import Document
from accord.domain.graph import Graph, Task, node_of, undo_id
from accord.domain.ids import AgentId, Digest, LeaseToken, RunId, TaskId, item_id, split_item
from accord.domain.machine import (
    ENDED,
    LIVE,
    SETTLED,
    AttemptPhase,
    RunPhase,
    TaskPhase,
    next_attempt,
    next_run,
    next_task,
)
from accord.errors import Problem, TransitionRefused

E = TypeVar("E", bound=e.Event)

NEVER_WOKEN = timedelta(minutes=5)
"""A run that waits for nothing with a time of its own is looked at again this often."""


class Want(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt that is wanted and not yet assigned."""

    input: Document
    since: datetime
    purpose: e.Purpose = "work"
    option: int = 0
    not_before: datetime | None = None
    agent: AgentId | None = None
    avoid: tuple[AgentId, ...] = ()
    errors: tuple[Problem, ...] = ()


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One assignment of a task to an agent under a lease."""

    number: int
    phase: AttemptPhase
    agent: AgentId
    lease: LeaseToken
    lease_until: datetime
    capability: str
    contract: Digest
    want: Want
    payload: Digest
    payload_bytes: int
    assigned_at: datetime
    epoch: int
    timeout_at: datetime | None = None
    statement: str | None = None
    """Of the answer that ended it."""
    output: Document | None = None
    confidence: float | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def live(self) -> bool:
        """Whether the agent may still answer."""
        return self.phase in LIVE


class Waiting(msgspec.Struct, frozen=True):
    """What a waiting task waits for."""

    for_: Literal["signal", "approval", "review", "time"]
    title: str
    signal: str | None
    until: datetime | None
    candidate: Document | None


class TaskState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One task, item or compensation of a run."""

    phase: TaskPhase = "pending"
    epoch: int = 0
    """How often the task was rolled back."""
    needs_done: int = 0
    """Needs that completed, or failed with `on_failure: continue`."""
    needs_settled: int = 0
    wants: tuple[Want, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    """Of all epochs, by number."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    waiting: Waiting | None = None
    subrun: RunId | None = None
    items: Document | None = None
    item_count: int = 0
    items_started: int = 0
    items_settled: int = 0
    items_failed: int = 0
    output: Document | None = None
    attempt: int | None = None
    """The attempt that made the output."""
    source: Digest | None = None
    confidence: float | None = None
    by: str = ""
    problem: Problem | None = None

    def current(self) -> Iterator[Attempt]:
        """The attempts of the present epoch, oldest first."""
        return (attempt for attempt in self.attempts if attempt.epoch == self.epoch)


_PENDING = TaskState()


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of a graph, after some number of events."""

    graph: Graph
    started: e.RunStarted
    phase: RunPhase
    paused: bool = False
    tasks: Map[TaskId, TaskState] = Map()
    """Only tasks to which something has happened."""
    busy: Map[TaskId, None] = Map()
    """Tasks that are active, waiting or expanded."""
    epoch: int = 0
    live: int = 0
    """Attempts under way."""
    settled: int = 0
    """Nodes of the graph that have settled; with all of them the run ends."""
    completed: int = 0
    failed: int = 0
    items: int = 0
    """Items of all expansions."""
    signals: tuple[e.SignalReceived, ...] = ()
    """Signals that no task has taken yet, oldest first."""
    undoing: tuple[TaskId, ...] = ()
    """Nodes of a rollback under way, in topological order."""
    output: Document | None = None
    problem: Problem | None = None
    updated_at: datetime

    @property
    def id(self) -> RunId:
        """The run's id."""
        return self.started.run

    @property
    def ended(self) -> bool:
        """Whether nothing will happen unless somebody asks for it."""
        return self.phase in ENDED

    def state(self, task: TaskId) -> TaskState:
        """The task's state; that of a task to which nothing has happened is pending."""
        return self.tasks.get(task, _PENDING)

    def attempt(self, task: TaskId, number: int) -> Attempt | None:
        """The attempt of this number."""
        attempts = self.state(task).attempts
        return attempts[number - 1] if 0 < number <= len(attempts) else None

    def instances(self, node: TaskId) -> Iterator[TaskId]:
        """The node itself, then its items that have started."""
        yield node
        for index in range(self.state(node).items_started):
            yield item_id(node, index)


def begin(graph: Graph, event: e.RunStarted) -> Run:
    """The state after a run's first event."""
    return Run(graph=graph, started=event, phase=next_run(None, event), updated_at=event.at)


def evolve(run: Run, event: e.Event) -> Run:
    """The state after one more event. Raises TransitionRefused for an event that cannot follow."""
    return replace(_EVOLVE[type(event)](run, event), updated_at=event.at)


def done(task: Task, state: TaskState) -> bool:
    """Whether a settled task lets those behind it start: it completed, or may fail without harm."""
    return state.phase == "completed" or (state.phase == "failed" and not task.fails_run)


# -- run ---------------------------------------------------------------------------------------------------------


def _phase(run: Run, event: e.Event) -> Run:
    return replace(run, phase=next_run(run.phase, event))


def _pause(run: Run, event: e.RunPaused) -> Run:
    if run.paused or run.ended:
        raise TransitionRefused.of("ACC402", f"the run is {'paused already' if run.paused else run.phase}")
    return replace(run, paused=True)


def _resume(run: Run, event: e.RunResumed) -> Run:
    if not run.paused:
        raise TransitionRefused.of("ACC403", "the run is not paused", hint="see `accord runs show`")
    return replace(run, paused=False)


def _run_failing(run: Run, event: e.RunFailing) -> Run:
    return replace(_phase(run, event), problem=event.problem)


def _run_failed(run: Run, event: e.RunFailed) -> Run:
    return replace(_phase(run, event), problem=event.problem, paused=False)


def _run_cancelled(run: Run, event: e.RunCancelled) -> Run:
    return replace(_phase(run, event), paused=False)


def _run_completed(run: Run, event: e.RunCompleted) -> Run:
    return replace(_phase(run, event), output=event.output)


def _rollback_started(run: Run, event: e.RollbackStarted) -> Run:
    undoing = set(run.undoing) | set(event.tasks)
    ordered = tuple(task for task in run.graph.order if task in undoing)
    return replace(_phase(run, event), undoing=ordered, problem=None, output=None)


def _rollback_finished(run: Run, event: e.RollbackFinished) -> Run:
    after = replace(_phase(run, event), undoing=(), epoch=event.epoch)
    for node in event.tasks:
        after = _reset_node(after, node, event)
    return after


def _reset_node(run: Run, node: TaskId, event: e.RollbackFinished) -> Run:
    before = run.state(node)
    group, index = split_item(node)
    if index is not None and group not in event.tasks:
        run = _reopen(run, group)
    for task in list(run.instances(node)):
        run = _reset(_reset(run, task, event), undo_id(task), event)
    if before.phase in SETTLED:
        run = _count_settled(run, node, before, step=-1)
    return replace(run, items=run.items - before.item_count)


def _reopen(run: Run, group: TaskId) -> Run:
    """The group of an item that is done again is open again."""
    state = run.state(group)
    if state.phase not in SETTLED:
        return run
    run = _count_settled(run, group, state, step=-1)
    return _put(run, group, replace(state, phase="expanded", output=None, problem=None, ended_at=None))


def _reset(run: Run, task: TaskId, event: e.RollbackFinished) -> Run:
    state = run.tasks.get(task)
    if state is None:
        return run
    phase = "pending" if state.phase == "pending" else next_task(state.phase, event)
    fresh = TaskState(
        phase=phase,
        epoch=state.epoch + 1,
        attempts=state.attempts,
        needs_done=state.needs_done,
        needs_settled=state.needs_settled,
    )
    return _put(run, task, fresh)


# -- task --------------------------------------------------------------------------------------------------------


def _put(run: Run, task: TaskId, state: TaskState) -> Run:
    idle = state.phase == "pending" or state.phase in SETTLED
    busy = run.busy
    if idle and task in busy:
        busy = busy.delete(task)
    elif not idle and task not in busy:
        busy = busy.set(task, None)
    return replace(run, tasks=run.tasks.set(task, state), busy=busy)


def _expanded(run: Run, event: e.TaskExpanded) -> Run:
    state = run.state(event.task)
    changed = replace(
        state,
        phase=next_task(state.phase, event),
        items=event.items,
        item_count=event.count,
        started_at=event.at,
    )
    return replace(_put(run, event.task, changed), items=run.items + event.count)


def _wanted(run: Run, event: e.AttemptWanted) -> Run:
    state = run.state(event.task)
    want = Want(
        input=event.input,
        since=event.at,
        purpose=event.purpose,
        option=event.option,
        not_before=event.not_before,
        agent=event.agent,
        avoid=event.avoid,
        errors=event.errors,
    )
    changed = replace(
        state,
        phase=next_task(state.phase, event),
        wants=state.wants + (want,) * event.copies,
        waiting=None,
        started_at=state.started_at or event.at,
    )
    return _put(_count_item_start(run, event.task, state), event.task, changed)


def _waiting(run: Run, event: e.TaskWaiting) -> Run:
    state = run.state(event.task)
    changed = replace(
        state,
        phase=next_task(state.phase, event),
        waiting=Waiting(event.for_, event.title, event.signal, event.until, event.candidate),
        started_at=state.started_at or event.at,
    )
    return _put(_count_item_start(run, event.task, state), event.task, changed)


def _subrun(run: Run, event: e.SubrunStarted) -> Run:
    state = run.state(event.task)
    changed = replace(state, phase=next_task(state.phase, event), subrun=event.run, started_at=event.at)
    return _put(_count_item_start(run, event.task, state), event.task, changed)


def _task_completed(run: Run, event: e.TaskCompleted) -> Run:
    return _settle(run, event, output=event.output, attempt=event.attempt, confidence=event.confidence, by=event.by)


def _task_adopted(run: Run, event: e.TaskAdopted) -> Run:
    return _settle(run, event, output=event.output, source=event.source, confidence=event.confidence)


def _task_failed(run: Run, event: e.TaskFailed) -> Run:
    return _settle(run, event, problem=event.problem)


def _task_ended(run: Run, event: e.TaskSkipped | e.TaskCancelled) -> Run:
    return _settle(run, event, by=event.reason)


TaskEnd = e.TaskCompleted | e.TaskAdopted | e.TaskFailed | e.TaskSkipped | e.TaskCancelled


def _settle(run: Run, event: TaskEnd, **changes: Any) -> Run:
    before = run.state(event.task)
    after = replace(before, phase=next_task(before.phase, event), wants=(), waiting=None, ended_at=event.at, **changes)
    run = _put(_count_item_start(run, event.task, before), event.task, after)
    return _count_settled(run, event.task, after, step=1)


def _count_item_start(run: Run, task: TaskId, before: TaskState) -> Run:
    node, index = split_item(task)
    if index is None or before.phase != "pending" or node_of(task) != node:
        return run
    group = run.state(node)
    return _put(run, node, replace(group, items_started=max(group.items_started, index + 1)))


def _count_settled(run: Run, task: TaskId, state: TaskState, *, step: int) -> Run:
    """Tell the group of an item, or the dependents of a node, that a task has settled (`step` 1) or no longer has
    (-1).
    """
    if node_of(task) not in run.graph.tasks or task.startswith("undo:"):
        return run
    node, index = split_item(task)
    if index is not None:
        return _count_item(run, node, state, step)
    good = step if done(run.graph.tasks[task], state) else 0
    for dependent in run.graph.dependents.get(task, ()):
        counts = run.state(dependent)
        changed = replace(counts, needs_done=counts.needs_done + good, needs_settled=counts.needs_settled + step)
        run = replace(run, tasks=run.tasks.set(dependent, changed))
    return replace(
        run,
        settled=run.settled + step,
        completed=run.completed + (step if state.phase == "completed" else 0),
        failed=run.failed + (step if state.phase == "failed" else 0),
    )


def _count_item(run: Run, node: TaskId, state: TaskState, step: int) -> Run:
    group = run.state(node)
    failed = step if state.phase == "failed" else 0
    changed = replace(group, items_settled=group.items_settled + step, items_failed=group.items_failed + failed)
    return _put(run, node, changed)


# -- attempt -----------------------------------------------------------------------------------------------------


def want_for(state: TaskState, event: e.AttemptAssigned) -> int:
    """Which of the task's wants an assignment satisfies: the first one of its purpose and option."""
    for position, want in enumerate(state.wants):
        if want.purpose == event.purpose and want.option == event.option:
            return position
    raise TransitionRefused.of("ACC404", f"task {event.task} wants no attempt now")


def _assigned(run: Run, event: e.AttemptAssigned) -> Run:
    state = run.state(event.task)
    position = want_for(state, event)
    if event.attempt != len(state.attempts) + 1:
        raise TransitionRefused.of("ACC405", f"attempt {event.attempt} of task {event.task} is out of order")
    attempt = Attempt(
        number=event.attempt,
        phase=next_attempt(None, event),
        agent=event.agent,
        lease=event.lease,
        lease_until=event.lease_until,
        capability=event.capability,
        contract=event.contract,
        want=state.wants[position],
        payload=event.payload,
        payload_bytes=event.payload_bytes,
        assigned_at=event.at,
        epoch=state.epoch,
        timeout_at=event.timeout_at,
    )
    changed = replace(
        state,
        wants=state.wants[:position] + state.wants[position + 1 :],
        attempts=(*state.attempts, attempt),
    )
    return replace(_put(run, event.task, changed), live=run.live + 1)


def _attempt(run: Run, event: Any, **changes: Any) -> Run:
    state = run.state(event.task)
    number = event.attempt
    attempt = run.attempt(event.task, number)
    after = next_attempt(attempt.phase if attempt else None, event)
    if attempt is None:
        raise TransitionRefused.of("ACC406", f"task {event.task} has no attempt {number}")
    changed = replace(attempt, phase=after, **changes)
    attempts = (*state.attempts[: number - 1], changed, *state.attempts[number:])
    live = run.live - 1 if attempt.live and not changed.live else run.live
    return replace(run, tasks=run.tasks.set(event.task, replace(state, attempts=attempts)), live=live)


def _succeeded(run: Run, event: e.AttemptSucceeded) -> Run:
    return _attempt(run, event, statement=event.statement, output=event.output, confidence=event.confidence)


def _rejected(run: Run, event: e.AttemptRejected) -> Run:
    return _attempt(
        run,
        event,
        statement=event.statement,
        output=event.output,
        confidence=event.confidence,
        problems=event.problems,
    )


def _failed(run: Run, event: e.AttemptFailed) -> Run:
    return _attempt(run, event, statement=event.statement, problems=(event.problem,))


def _signal(run: Run, event: e.SignalReceived) -> Run:
    if event.task is None:
        return replace(run, signals=(*run.signals, event))
    kept = tuple(signal for signal in run.signals if signal.name != event.name)
    same = [signal for signal in run.signals if signal.name == event.name]
    return replace(run, signals=(*kept, *same[1:]))


_EVOLVE: dict[type, Callable[[Run, Any], Run]] = {
    e.RunPaused: _pause,
    e.RunResumed: _resume,
    e.RunCancelling: _phase,
    e.RunCancelled: _run_cancelled,
    e.RunFailing: _run_failing,
    e.RunFailed: _run_failed,
    e.RunCompleted: _run_completed,
    e.RollbackStarted: _rollback_started,
    e.RollbackFinished: _rollback_finished,
    e.TaskExpanded: _expanded,
    e.AttemptWanted: _wanted,
    e.TaskWaiting: _waiting,
    e.SubrunStarted: _subrun,
    e.TaskCompleted: _task_completed,
    e.TaskAdopted: _task_adopted,
    e.TaskFailed: _task_failed,
    e.TaskSkipped: _task_ended,
    e.TaskCancelled: _task_ended,
    e.AttemptAssigned: _assigned,
    e.AttemptAccepted: _attempt,
    e.AttemptSucceeded: _succeeded,
    e.AttemptRejected: _rejected,
    e.AttemptFailed: _failed,
    e.AttemptExpired: _attempt,
    e.AttemptCancelled: _attempt,
    e.SignalReceived: _signal,
}
