"""How a run advances by itself: tasks begin when their needs are met, expansions start items, compensations follow
one another, runs end.
"""

from __future__ import annotations

from base64 import b32hexencode
from datetime import datetime
from hashlib import sha256

from accord.domain import event as e
from accord.domain.draft import Draft
from accord.domain.duration import parse_duration, parse_moment
from accord.domain.expression import evaluate
from accord.domain.graph import Sleep, Subrun, Task, Wait, Work, node_of, undo_id, undone_id
from accord.domain.ids import RunId, TaskId, item_id, partition_of, split_item
from accord.domain.machine import LIVE, SETTLED
from accord.domain.retry import DEFAULT_RETRY
from accord.domain.run import Run
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
            _restart_items(draft, node)
        elif state.phase == "failed" and draft.run.graph.tasks[node].fails_run:
            fail_run(draft, state.problem or Problem("ACC410", f"task {node} failed"), node)
        if draft.run.phase != "running":
            return


def fail_task(draft: Draft, task: TaskId, problem: Problem) -> None:
    """The task has failed for good; unless it may, so does the run."""
    draft.emit(e.TaskFailed(at=draft.now, task=task, problem=problem))
    if undone_id(task) is not None:
        _fail_undo(draft, task, problem)
    elif draft.run.graph.task(task).fails_run:
        fail_run(draft, problem, task)


def fail_run(draft: Draft, problem: Problem, task: TaskId | None) -> None:
    """Stop what is under way; the run fails as soon as it is undone. While a rollback is under way, that ends first."""
    if draft.run.phase == "running":
        draft.emit(e.RunFailing(at=draft.now, problem=problem, task=task))
        stop_tasks(draft, tuple(draft.run.busy), "the run is failing")


def stop_tasks(draft: Draft, tasks: tuple[TaskId, ...], reason: str) -> None:
    """Take these busy tasks back from their agents and cancel them."""
    for task in tasks:
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
    if undone_id(task) is not None:
        assert spec.compensate is not None, "only tasks with a compensation are undone"  # noqa: S101
        retry = spec.action.retry if isinstance(spec.action, Work) else DEFAULT_RETRY
        return Work(options=(spec.compensate,), retry=retry)
    assert isinstance(spec.action, Work), "only work has attempts"  # noqa: S101
    return spec.action


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
    if draft.run.phase != "running" or draft.run.state(node).phase != "pending":
        return
    spec = draft.run.graph.tasks[node]
    state = draft.run.state(node)
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
        fail_task(draft, spec.id, mapping_problem(spec.id, error))


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
    draft.emit(
        e.TaskWaiting(
            at=draft.now,
            task=task,
            for_="signal" if action.signal else "approval",
            title=title,
            signal=action.signal,
            until=until,
        )
    )
    for signal in draft.run.signals:
        if signal.name == action.signal:
            draft.emit(
                e.SignalReceived(at=draft.now, name=signal.name, payload=signal.payload, by=signal.by, task=task)
            )
            draft.emit(e.TaskCompleted(at=draft.now, task=task, output=signal.payload, by=signal.by))
            return


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
            run=subrun_id(draft.run.id, task, draft.run.state(task).epoch),
            template=action.template,
            input=evaluated(action.binding, scope, draft.values),
        )
    )


def subrun_id(parent: RunId, task: TaskId, epoch: int) -> RunId:
    """The id of the run that does a task: always the same one, and in the parent's partition."""
    partition, salt = partition_of(parent), 0
    while True:
        digest = sha256(f"{parent}/{task}/{epoch}/{salt}".encode()).digest()
        run = RunId("run_" + b32hexencode(digest).decode().lower()[:26])
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
    """Start items while the window has room; complete the group after its last item."""
    spec = draft.run.graph.tasks[node]
    window = min(spec.parallel or draft.run.graph.parallel, draft.run.graph.parallel)
    while draft.run.phase == "running":
        group = draft.run.state(node)
        if group.phase != "expanded":
            return
        if group.items_settled == group.item_count:
            draft.emit(e.TaskCompleted(at=draft.now, task=node))
            return
        if group.items_started == group.item_count or group.items_started - group.items_settled >= window:
            return
        _begin_item(draft, item_id(node, group.items_started))


def _begin_item(draft: Draft, task: TaskId) -> None:
    try:
        begin_task(draft, task)
    except ExpressionInvalid as error:
        fail_task(draft, task, mapping_problem(task, error))


def _restart_items(draft: Draft, node: TaskId) -> None:
    for index in range(draft.run.state(node).items_started):
        if draft.run.state(item_id(node, index)).phase == "pending":
            _begin_item(draft, item_id(node, index))
    _advance_group(draft, node)


# -- the end of a run --------------------------------------------------------------------------------------------


def _complete_if_done(draft: Draft) -> None:
    run = draft.run
    if run.settled < len(run.graph.tasks) or run.busy:
        return
    try:
        output = evaluated(run.graph.output, run_scope(run, draft.values), draft.values)
    except ExpressionInvalid as error:
        first = error.problems[0]
        problem = Problem(first.code, f"the run's output failed: {first.message}", first.place, first.hint)
        draft.emit(e.RunFailing(at=draft.now, problem=problem))
        return
    draft.emit(e.RunCompleted(at=draft.now, output=output))


def _undo_step(draft: Draft) -> None:
    """Undo the last node that is still to be undone; when there is none, end what made the undoing necessary."""
    run = draft.run
    if any(undone_id(task) is not None for task in run.busy):
        return
    for node in reversed(_to_undo(run)):
        if _undo_node(draft, node):
            return
    _finish_undoing(draft)


def _to_undo(run: Run) -> tuple[TaskId, ...]:
    if run.phase == "rolling_back":
        return tuple(dict.fromkeys(node_of(task) for task in run.undoing))
    return run.graph.order if run.graph.compensates_failure else ()


def _undo_node(draft: Draft, node: TaskId) -> bool:
    """Want the compensations of a node's completed instances; whether there were any."""
    if draft.run.graph.tasks[node].compensate is None:
        return False
    wanted = 0
    for task in list(draft.run.instances(node)):
        if wanted == UNDO_WINDOW:
            break
        if _needs_undoing(draft.run, task):
            _want_undo(draft, undo_id(task))
            wanted += 1
    return wanted > 0


def _needs_undoing(run: Run, task: TaskId) -> bool:
    affected = run.phase != "rolling_back" or task in run.undoing or node_of(task) in run.undoing
    return (
        affected
        and run.state(task).phase == "completed"
        and run.state(task).source is None
        and run.state(undo_id(task)).phase == "pending"
    )


def _want_undo(draft: Draft, undo: TaskId) -> None:
    try:
        first = evaluated(work_of(draft.run, undo).options[0].binding, scope_of(draft, undo), draft.values)
    except ExpressionInvalid as error:
        fail_task(draft, undo, mapping_problem(undo, error))
        return
    draft.emit(e.AttemptWanted(at=draft.now, task=undo, input=first))


def _fail_undo(draft: Draft, task: TaskId, problem: Problem) -> None:
    text = f"{task} could not undo its task: {problem.message}"
    failure = Problem("ACC411", text, problem.place, "mend it, then `accord runs rollback` again")
    if draft.run.phase != "failing":
        draft.emit(e.RunFailing(at=draft.now, problem=failure, task=task))
    stop_tasks(draft, tuple(draft.run.busy), "a compensation failed")
    draft.emit(e.RunFailed(at=draft.now, problem=failure))


def _finish_undoing(draft: Draft) -> None:
    run = draft.run
    if run.phase == "failing":
        draft.emit(e.RunFailed(at=draft.now, problem=run.problem or Problem("ACC410", "the run failed")))
    elif run.phase == "cancelling":
        draft.emit(e.RunCancelled(at=draft.now))
    else:
        draft.emit(e.RollbackFinished(at=draft.now, tasks=run.undoing, epoch=run.epoch + 1))
        relaunch(draft)
