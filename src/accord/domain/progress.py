"""How a run advances by itself: tasks begin when their needs are met, expansions start items, compensations follow
one another, runs end.
"""

from __future__ import annotations

from base64 import b32hexencode
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Literal

from accord.domain import event as e
from accord.domain.capability import CapabilityRange
from accord.domain.diagnosis import DIAGNOSE
from accord.domain.draft import Draft
from accord.domain.duration import parse_duration, parse_moment
from accord.domain.expression import evaluate
from accord.domain.fault import Fault, classify
from accord.domain.graph import Sleep, Subrun, Task, Wait, Work, node_of, undo_id, undone_id
from accord.domain.ids import RunId, TaskId, item_id, partition_of, split_item
from accord.domain.machine import LIVE, SETTLED
from accord.domain.retry import DEFAULT_RETRY
from accord.domain.run import Run, Want
from accord.domain.scope import evaluated, item_scope, mapping_problem, run_scope, undo_scope
from accord.errors import ExpressionInvalid, Problem

UNDO_WINDOW = 256
"""How many compensations may be wanted at once."""


def advance(draft: Draft) -> None:
    """Draw all consequences of what has settled, until the run waits for somebody or has ended."""
    before = -1
    while before != len(draft.events):
        before = len(draft.events)
        while draft.settled:
            _follow_up(draft, draft.settled.popleft())
        if draft.run.phase == "running":
            _complete_if_done(draft)
        elif not draft.run.ended:
            _undo_step(draft)


def relaunch(draft: Draft) -> None:
    """Begin everything that may begin: at the start of a run, and after a rollback."""
    for node in draft.run.graph.order:
        state = draft.run.state(node)
        if state.phase == "pending":
            _consider(draft, node)
        elif state.phase == "expanded":
            _go_on(draft, node)
        elif state.phase == "failed" and draft.run.graph.tasks[node].fails_run:
            fail_run(draft, _problem_of(draft.run, node), node, state.fault)
        if draft.run.phase != "running":
            return


def _problem_of(run: Run, task: TaskId) -> Problem:
    return run.state(task).problem or Problem("ACC410", f"task {task} failed")


def fail_task(draft: Draft, task: TaskId, problem: Problem, fault: Fault | None = None) -> None:
    """The task has failed for good; unless it may, so does the run."""
    draft.emit(e.TaskFailed(at=draft.now, task=task, problem=problem, fault=fault))
    if undone_id(task) is not None:
        _fail_undo(draft, task, problem, fault)
    elif draft.run.graph.task(task).fails_run:
        fail_run(draft, problem, task, fault)


def fail_unmapped(draft: Draft, task: TaskId, error: ExpressionInvalid) -> None:
    """The task's expressions gave no value: it has failed for good, and the template is at fault."""
    fail_task(draft, task, mapping_problem(task, error), classify("input"))


def fail_run(draft: Draft, problem: Problem, task: TaskId | None, fault: Fault | None = None) -> None:
    """Stop what is under way; the run fails as soon as it is undone. While a rollback is under way, that ends first."""
    if draft.run.phase == "running":
        draft.emit(e.RunFailing(at=draft.now, problem=problem, task=task, fault=fault))
        stop_tasks(draft, draft.run.busy, "the run is failing")


def stop_tasks(draft: Draft, tasks: Iterable[TaskId], reason: str) -> None:
    """Take these busy tasks back from their agents and cancel them."""
    for task in sorted(tasks):
        stop_attempts(draft, task, reason)
        draft.emit(e.TaskCancelled(at=draft.now, task=task, reason=reason))


def stop_attempts(draft: Draft, task: TaskId, reason: str) -> None:
    """Take the task's live attempts back from their agents."""
    for attempt in draft.run.state(task).attempts:
        if attempt.phase in LIVE:
            draft.emit(e.AttemptCancelled(at=draft.now, task=task, attempt=attempt.number, reason=reason))


def work_of(run: Run, task: TaskId) -> Work:
    """How an agent does the task, the item of one, or its compensation."""
    spec = run.graph.task(task)
    if spec.id != task and undone_id(task) is not None:
        assert spec.compensate is not None, "only tasks with a compensation are undone"  # noqa: S101
        retry = spec.action.retry if isinstance(spec.action, Work) else DEFAULT_RETRY
        return Work(options=(spec.compensate,), retry=retry)
    assert isinstance(spec.action, Work), "only work has attempts"  # noqa: S101
    return spec.action


def capability_of(run: Run, task: TaskId, want: Want) -> CapabilityRange:
    """The capability that an attempt is wanted of."""
    if want.purpose == "diagnose":
        return DIAGNOSE
    capability = work_of(run, task).options[want.option].capability
    assert capability is not None, "a value is no attempt"  # noqa: S101
    return capability


def scope_of(draft: Draft, task: TaskId) -> dict[str, object]:
    """What the expressions of the task may read."""
    undone = undone_id(task)
    if undone is not None:
        return undo_scope(draft.run, undone, draft.values)
    return item_scope(draft.run, task, draft.values)


# -- after a task has settled ------------------------------------------------------------------------------------


def _follow_up(draft: Draft, task: TaskId) -> None:
    if undone_id(task) is not None or draft.run.phase != "running":
        return
    node, index = split_item(task)
    if index is not None:
        _advance_group(draft, node)
        return
    for dependent in draft.run.graph.dependents.get(task, ()):
        _consider(draft, dependent)


def _consider(draft: Draft, node: TaskId) -> None:
    """Begin the node if its needs are met, skip it if they can no longer be."""
    state = draft.run.state(node)
    if draft.run.phase != "running" or state.phase != "pending":
        return
    spec = draft.run.graph.tasks[node]
    total = len(spec.needs)
    if spec.join.settled:
        ready, hopeless = state.needs_settled == total, False
    else:
        required = total if spec.join.at_least is None else min(spec.join.at_least, total)
        ready = state.needs_done >= required
        hopeless = state.needs_done + total - state.needs_settled < required
    if ready:
        _launch(draft, spec)
    elif hopeless:
        draft.emit(e.TaskSkipped(at=draft.now, task=node, reason=_why_hopeless(draft.run, spec)))


def _why_hopeless(run: Run, spec: Task) -> str:
    lost = [need for need in spec.needs if run.state(need).phase in SETTLED and run.state(need).phase != "completed"]
    return ", ".join(f"{need} was {run.state(need).phase}" for need in lost[:5])


def _launch(draft: Draft, spec: Task) -> None:
    try:
        if spec.when is not None and not _holds(draft, spec):
            draft.emit(e.TaskSkipped(at=draft.now, task=spec.id, reason=f"{spec.when.source} is false"))
        elif spec.for_each is not None:
            _expand(draft, spec)
        else:
            begin_task(draft, spec.id)
    except ExpressionInvalid as error:
        fail_unmapped(draft, spec.id, error)


def _holds(draft: Draft, spec: Task) -> bool:
    assert spec.when is not None  # noqa: S101 - narrowed by the caller
    value = spec.when.evaluate(run_scope(draft.run, draft.values))
    if not isinstance(value, bool):
        raise ExpressionInvalid(Problem("ACC291", f"`when` must be true or false, it is {value!r}"))
    return value


def begin_task(draft: Draft, task: TaskId) -> None:
    """Begin a task, or one item of it. Raises ExpressionInvalid."""
    spec = draft.run.graph.task(task)
    action = spec.action
    scope = item_scope(draft.run, task, draft.values)
    if isinstance(action, Work):
        copies = action.redundancy.copies if action.redundancy else 1
        first = evaluated(action.options[0].binding, scope, draft.values)
        draft.emit(e.AttemptWanted(at=draft.now, task=task, input=first, copies=copies))
    elif isinstance(action, Wait):
        _wait(draft, task, action, str(evaluate(action.title, scope)))
    elif isinstance(action, Sleep):
        until = _until(draft.now, evaluate(action.until, scope))
        draft.emit(e.TaskWaiting(at=draft.now, task=task, for_="time", until=until))
    else:
        _start_subrun(draft, task, action, scope)


def _wait(draft: Draft, task: TaskId, action: Wait, title: str) -> None:
    until = draft.now + action.timeout if action.timeout else None
    kind: Literal["signal", "approval"] = "approval" if action.signal is None else "signal"
    draft.emit(e.TaskWaiting(at=draft.now, task=task, for_=kind, title=title, signal=action.signal, until=until))
    kept = next((signal for signal in draft.run.signals if signal.name == action.signal), None)
    if kept is not None:
        draft.emit(e.SignalTaken(at=draft.now, name=kept.name, task=task))
        draft.emit(e.TaskCompleted(at=draft.now, task=task, output=kept.payload, by=kept.by))


def _until(now: datetime, value: object) -> datetime:
    text = str(value)
    duration = parse_duration(text)
    moment = now + duration if duration is not None else parse_moment(text)
    if moment is None:
        raise ExpressionInvalid(
            Problem(
                "ACC292",
                f"{text!r} is neither a duration nor a time",
                hint="`90s`, or `2026-01-31T08:00:00Z`",
            )
        )
    return moment


def _start_subrun(draft: Draft, task: TaskId, action: Subrun, scope: dict[str, object]) -> None:
    draft.emit(
        e.SubrunStarted(
            at=draft.now,
            task=task,
            run=subrun_id(draft.run.id, task, draft.run.state(task).epoch, draft.now),
            template=action.template,
            input=evaluated(action.binding, scope, draft.values),
        )
    )


def subrun_id(parent: RunId, task: TaskId, epoch: int, now: datetime) -> RunId:
    """The id of the run that does a task from now on: as sortable as that of any run, and in the parent's partition."""
    partition, salt = partition_of(parent), 0
    start = f"run_{int(now.timestamp() * 1000):011x}"
    while True:
        digest = sha256(f"{parent}/{task}/{epoch}/{salt}".encode()).digest()
        run = RunId(start + b32hexencode(digest).decode().lower()[:15])
        if partition_of(run) == partition:
            return run
        salt += 1


# -- expansions --------------------------------------------------------------------------------------------------


def _expand(draft: Draft, spec: Task) -> None:
    assert spec.for_each is not None  # noqa: S101 - narrowed by the caller
    items = evaluated(spec.for_each, run_scope(draft.run, draft.values), draft.values)
    value = draft.values.value(items)
    if not isinstance(value, list):
        raise ExpressionInvalid(Problem("ACC293", f"`for_each` must be a list, it is {type(value).__name__}"))
    total = len(draft.run.graph.tasks) + draft.run.items + len(value)
    if total > draft.run.graph.max_tasks:
        raise ExpressionInvalid(
            Problem("ACC294", f"with {len(value)} items the run has {total} tasks", hint="raise `limits.tasks`")
        )
    draft.emit(e.TaskExpanded(at=draft.now, task=spec.id, items=items, count=len(value)))
    _advance_group(draft, spec.id)


def _advance_group(draft: Draft, node: TaskId) -> None:
    """Start items while the window has room, those first that are done again; complete the group after its last
    item.
    """
    spec = draft.run.graph.tasks[node]
    window = min(spec.parallel or draft.run.graph.parallel, draft.run.graph.parallel)
    while draft.run.phase == "running":
        group = draft.run.state(node)
        if group.phase != "expanded":
            return
        if group.items_settled == group.item_count:
            draft.emit(e.TaskCompleted(at=draft.now, task=node))
            return
        if group.items_open >= window:
            return
        if group.again_begun < len(group.again):
            _begin_item(draft, item_id(node, group.again[group.again_begun]))
        elif group.items_started < group.item_count:
            _begin_item(draft, item_id(node, group.items_started))
        else:
            return


def _begin_item(draft: Draft, task: TaskId) -> None:
    try:
        begin_task(draft, task)
    except ExpressionInvalid as error:
        fail_unmapped(draft, task, error)


def _go_on(draft: Draft, node: TaskId) -> None:
    """The group goes on after a rollback. An item that failed meanwhile fails the run now, if it does so at all."""
    state = draft.run.state(node)
    if state.items_failed and draft.run.graph.tasks[node].fails_run:
        lost = next(item for item in draft.run.started_items(node) if draft.run.state(item).phase == "failed")
        fail_run(draft, _problem_of(draft.run, lost), lost, draft.run.state(lost).fault)
    else:
        _advance_group(draft, node)


# -- the end of a run --------------------------------------------------------------------------------------------


def _complete_if_done(draft: Draft) -> None:
    run = draft.run
    if run.settled < len(run.graph.tasks) or run.busy or run.leaving:
        return
    try:
        output = evaluated(run.graph.output, run_scope(run, draft.values), draft.values)
    except ExpressionInvalid as error:
        first = error.problems[0]
        problem = Problem(first.code, f"the run's output failed: {first.message}", first.place, first.hint)
        fail_run(draft, problem, None, classify("input"))
        return
    draft.emit(e.RunCompleted(at=draft.now, output=output))


def _undo_step(draft: Draft) -> None:
    """Want the next compensations: those of one node at a time, the last node first; when nothing is left to undo, end
    what made it necessary. Runs that were told to cancel end before that.
    """
    if draft.run.leaving:
        return
    while (run := draft.run).undone < len(run.to_undo):
        task = run.to_undo[run.undone]
        if run.compensating and (run.compensating >= UNDO_WINDOW or node_of(task) != run.compensated):
            return
        _want_undo(draft, undo_id(task))
    if not draft.run.compensating:
        _finish_undoing(draft)


def _want_undo(draft: Draft, undo: TaskId) -> None:
    try:
        first = evaluated(work_of(draft.run, undo).options[0].binding, scope_of(draft, undo), draft.values)
    except ExpressionInvalid as error:
        fail_unmapped(draft, undo, error)
        return
    draft.emit(e.AttemptWanted(at=draft.now, task=undo, input=first))


def _fail_undo(draft: Draft, task: TaskId, problem: Problem, fault: Fault | None) -> None:
    """Nothing more is undone: a person has to look at it."""
    text = f"{task} could not undo its task: {problem.message}"
    failure = Problem("ACC411", text, problem.place, "mend it, then `accord runs rollback` again")
    draft.emit(e.RunFailing(at=draft.now, problem=failure, task=task, fault=fault, gives_up=True))
    stop_tasks(draft, draft.run.busy, "a compensation failed")


def _finish_undoing(draft: Draft) -> None:
    run = draft.run
    if run.phase == "failing":
        draft.emit(e.RunFailed(at=draft.now, problem=run.problem or Problem("ACC410", "the run failed")))
    elif run.phase == "cancelling":
        draft.emit(e.RunCancelled(at=draft.now))
    else:
        _finish_rollback(draft)


def _finish_rollback(draft: Draft) -> None:
    run, now = draft.run, draft.now
    items: dict[TaskId, list[int]] = {group: [] for group in run.reopening}
    for task in run.undoing:
        node, index = split_item(task)
        if index is not None:
            items[node].append(index)
    for group, indices in items.items():
        draft.emit(e.TaskReopened(at=now, task=group, items=tuple(indices)))
    overdue = run.deadline_at is not None and run.deadline_at <= now
    deadline_at = now + run.graph.deadline if overdue and run.graph.deadline else None
    draft.emit(e.RollbackFinished(at=now, tasks=run.undoing, epoch=run.epoch + 1, deadline_at=deadline_at))
    relaunch(draft)
