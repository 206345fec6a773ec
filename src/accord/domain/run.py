"""The fold: `begin` and `evolve` make the state of a run from its events, each in O(log n) but for those that stop,
undo or reopen many tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from accord.domain import event as e
from accord.domain.flow import result_labels, want_labels
from accord.domain.graph import Graph, undo_id, undone_id
from accord.domain.ids import TaskId, item_id, split_item
from accord.domain.index import count_begin, count_settled, done, put
from accord.domain.labels import join, told
from accord.domain.machine import SETTLED, next_attempt, next_run, next_task
from accord.domain.message import began
from accord.domain.state import Attempt, Call, Rest, Run, TaskState, Waiting, Want
from accord.errors import TransitionRefused

__all__ = ["NEVER_WOKEN", "Attempt", "Run", "TaskState", "Waiting", "Want", "begin", "done", "evolve", "want_for"]

NEVER_WOKEN = timedelta(minutes=5)
"""A run that waits for nothing with a time of its own is looked at again this often."""


def begin(graph: Graph, event: e.RunStarted) -> Run:
    """The state after a run's first event."""
    phase = next_run(None, event)
    return Run(
        graph=graph,
        started=event,
        phase=phase,
        deadline_at=event.deadline_at,
        updated_at=event.at,
        labelled=graph.labelled or bool(event.labels),
    )


def evolve(run: Run, event: e.Event) -> Run:
    """The state after one more event. Raises TransitionRefused for an event that cannot follow."""
    kind, at = type(event), event.at
    if kind in _NOTES:
        return _EVOLVE[kind](run, event)
    before = _taken_up(run, at) if run.ended else run
    after = replace(_EVOLVE[kind](before, event), updated_at=at)
    return _resting(after, at) if after.paused else after


def _taken_up(run: Run, at: datetime) -> Run:
    """What happens to a run that has ended comes after a rest: nobody has worked on it since."""
    return run if run.paused else replace(run, rests=_rested(run, run.updated_at, at))


def _resting(run: Run, at: datetime) -> Run:
    """A paused run rests as soon as nothing of it is at work any more."""
    if run.rests_since is None:
        return run if run.at_work else replace(run, rests_since=at)
    return replace(run, rests_since=None, rests=_rested(run, run.rests_since, at)) if run.at_work else run


def _rested(run: Run, since: datetime, until: datetime) -> tuple[Rest, ...]:
    return (*run.rests, Rest(since, until)) if since < until else run.rests


# -- run ---------------------------------------------------------------------------------------------------------


def _started(run: Run, event: e.RunStarted) -> Run:
    return replace(run, phase=next_run(run.phase, event))


def _pause(run: Run, event: e.RunPaused) -> Run:
    if run.paused or run.ended:
        raise TransitionRefused.of("ACC402", f"the run is {'paused already' if run.paused else run.phase}")
    return replace(run, paused=True, paused_by=event.by, paused_at=event.at)


def _resume(run: Run, event: e.RunResumed) -> Run:
    if not run.paused:
        raise TransitionRefused.of("ACC403", "the run is not paused", hint="see `accord runs show`")
    return _unpaused(run, event)


def _unpaused(run: Run, event: e.Event) -> Run:
    rests = run.rests if run.rests_since is None else _rested(run, run.rests_since, event.at)
    return replace(run, paused=False, paused_by="", paused_at=None, rests_since=None, rests=rests)


def _erased(run: Run, event: e.RunErased) -> Run:
    if not run.ended or run.erased is not None:
        raise TransitionRefused.of("ACC864", f"the run is {run.phase if run.erased is None else 'erased already'}")
    return replace(run, erased=event)


def _acknowledged(run: Run, event: e.RunAcknowledged) -> Run:
    if run.phase != "failed" or run.acknowledged is not None:
        why = "acknowledged already" if run.acknowledged is not None else run.phase
        raise TransitionRefused.of("ACC460", f"the run is {why}")
    return replace(run, acknowledged=event)


def _budget_set(run: Run, event: e.BudgetSet) -> Run:
    return replace(run, max_cost=event.max_cost)


def _spent(run: Run, cost: Decimal | None) -> Run:
    return run if cost is None else replace(run, spent=run.spent + cost)


def _run_failing(run: Run, event: e.RunFailing) -> Run:
    return _undo_all(
        replace(run, phase=next_run(run.phase, event), problem=event.problem, fault=event.fault),
        gives_up=event.gives_up,
    )


def _run_cancelling(run: Run, event: e.RunCancelling) -> Run:
    return _undo_all(replace(run, phase=next_run(run.phase, event)), gives_up=event.gives_up)


def _run_failed(run: Run, event: e.RunFailed) -> Run:
    return _ended(run, event, problem=event.problem)


def _run_cancelled(run: Run, event: e.RunCancelled) -> Run:
    return _ended(run, event)


def _run_completed(run: Run, event: e.RunCompleted) -> Run:
    return _ended(run, event, output=event.output)


def _ended(run: Run, event: e.Event, **changes: Any) -> Run:
    return replace(_unpaused(run, event), phase=next_run(run.phase, event), **changes)


# -- undoing -----------------------------------------------------------------------------------------------------


def _undo_all(run: Run, *, gives_up: bool) -> Run:
    """What a failed or cancelled run undoes: all that it has done, where the template says so; else what a rollback had
    begun to undo.
    """
    nodes = run.graph.order if run.graph.compensates_failure else run.undoing
    left = () if gives_up or run.gave_up else tuple(_to_undo(run, nodes))[::-1]
    return replace(run, to_undo=left, undone=0, gave_up=run.gave_up or gives_up)


def _to_undo(run: Run, tasks: tuple[TaskId, ...]) -> Iterator[TaskId]:
    """Of these nodes and items what was completed by this run, can be undone, and has not been."""
    for name in tasks:
        spec = run.graph.task(name)
        if spec.compensate is None:
            continue
        parts = run.started_items(name) if spec.for_each is not None and name == spec.id else (name,)
        for task in parts:
            state = run.state(task)
            if state.phase == "completed" and not state.adopted and run.state(undo_id(task)).phase == "pending":
                yield task


def _rollback_started(run: Run, event: e.RollbackStarted) -> Run:
    if run.erased is not None:
        raise TransitionRefused.of("ACC864", "the run is erased: there is nothing left that it could go on with")
    phase = next_run(run.phase, event)
    run = replace(run, phase=phase, problem=None, fault=None, output=None, gave_up=False, acknowledged=None)
    undoing, groups = _joined(run, event)
    for task in undoing:
        for part in run.instances(task):
            undo = run.state(undo_id(part))
            if undo.phase in ("failed", "cancelled"):
                run = _reset(run, undo_id(part), event)
    for group in groups:  # its deadline counts from when it is opened again
        run = put(run, group, replace(run.state(group), started_at=None))
    left = tuple(_to_undo(run, undoing))[::-1]
    return replace(run, undoing=undoing, reopening=groups, to_undo=left, undone=0)


def _joined(run: Run, event: e.RollbackStarted) -> tuple[tuple[TaskId, ...], tuple[TaskId, ...]]:
    """What is to be undone, and opened again, with what was so already; in topological order."""
    nodes: set[TaskId] = set()
    items: dict[TaskId, set[int]] = {}
    for task in (*run.undoing, *event.tasks):
        node, index = split_item(task)
        if index is None:
            nodes.add(node)
        else:
            items.setdefault(node, set()).add(index)
    undoing: list[TaskId] = []
    for node in run.graph.order:
        if node in nodes:
            undoing.append(node)
        elif node in items:
            undoing.extend(item_id(node, index) for index in sorted(items[node]))
    groups = {*run.reopening, *event.groups} - nodes
    return tuple(undoing), tuple(node for node in run.graph.order if node in groups)


def _rollback_finished(run: Run, event: e.RollbackFinished) -> Run:
    run = replace(
        run,
        phase=next_run(run.phase, event),
        undoing=(),
        reopening=(),
        to_undo=(),
        undone=0,
        epoch=event.epoch,
        deadline_at=event.deadline_at or run.deadline_at,
    )
    for task in event.tasks:
        run = _undone(run, task, event)
    return run


def _undone(run: Run, task: TaskId, event: e.RollbackFinished) -> Run:
    before = run.state(task)
    for part in tuple(run.instances(task)):
        run = _reset(_reset(run, part, event), undo_id(part), event)
    if before.phase in SETTLED:
        run = count_settled(run, task, before, step=-1)
    return replace(run, items=run.items - before.item_count)


def _reset(run: Run, task: TaskId, event: e.RollbackStarted | e.RollbackFinished) -> Run:
    state = run.tasks.get(task)
    if state is None or state.phase == "pending":
        return run
    fresh = TaskState(
        phase=next_task(state.phase, event),
        epoch=state.epoch + 1,
        attempts=state.attempts,
        needs_done=state.needs_done,
        needs_settled=state.needs_settled,
    )
    return put(run, task, fresh)


# -- task --------------------------------------------------------------------------------------------------------


def _expanded(run: Run, event: e.TaskExpanded) -> Run:
    state = run.state(event.task)
    changed = replace(
        state,
        phase=next_task(state.phase, event),
        items=event.items,
        item_count=event.count,
        started_at=event.at,
    )
    return replace(put(run, event.task, changed), items=run.items + event.count)


def _reopened(run: Run, event: e.TaskReopened) -> Run:
    state = run.state(event.task)
    left = state.again[state.again_begun :]
    changed = replace(
        state,
        phase=next_task(state.phase, event),
        epoch=state.epoch + 1,
        again=tuple(sorted({*left, *event.items})),
        again_begun=0,
        output=None,
        problem=None,
        fault=None,
        by="",
        started_at=event.at,
        ended_at=None,
    )
    if state.phase in SETTLED:
        run = count_settled(run, event.task, state, step=-1)
    return put(run, event.task, changed)


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
        labels=want_labels(run, event) if run.labelled else (),
    )
    kept = tuple(one for one in state.wants if one.option == event.option)
    changed = replace(
        state,
        phase=next_task(state.phase, event),
        wants=kept + (want,) * event.copies,
        waiting=None,
        started_at=state.started_at or event.at,
    )
    return put(count_begin(_labelled(run, want.labels), event.task, state), event.task, changed)


def _input_refused(run: Run, event: e.InputRefused) -> Run:
    state = run.state(event.task)
    misfits = (*state.misfits, *event.problems)
    return put(run, event.task, replace(state, phase=next_task(state.phase, event), misfits=misfits))


def _waiting(run: Run, event: e.TaskWaiting) -> Run:
    state = run.state(event.task)
    changed = replace(
        state,
        phase=next_task(state.phase, event),
        waiting=Waiting(event.for_, event.title, event.signal, event.until, event.candidate, event.at),
        started_at=state.started_at or event.at,
    )
    return put(count_begin(run, event.task, state), event.task, changed)


def _subrun_started(run: Run, event: e.SubrunStarted) -> Run:
    state = run.state(event.task)
    changed = replace(
        state,
        phase=next_task(state.phase, event),
        subrun=event.run,
        subrun_input=event.input,
        started_at=event.at,
    )
    run = put(count_begin(run, event.task, state), event.task, changed)
    return replace(run, subruns=run.subruns.set(event.task, event.run))


def _subrun_ended(run: Run, event: e.SubrunEnded) -> Run:
    run = _spent(run, event.cost)
    if run.subruns.get(event.task) == event.run:
        return replace(run, subruns=run.subruns.delete(event.task))
    if event.run in run.leaving:
        return replace(run, leaving=run.leaving.delete(event.run))
    raise TransitionRefused.of("ACC448", f"{event.run} does not do task {event.task}")


def _call_made(run: Run, event: e.CallMade) -> Run:
    state = run.state(event.task)
    known = state.call(event.call)
    if not state.busy or (known is not None and not known.may_be_tried_again):
        raise TransitionRefused.of("ACC470", f"task {event.task} cannot make this call: it is {state.phase}")
    call = Call(
        call=event.call,
        attempt=event.attempt,
        wanted=event.wanted,
        run=event.run,
        graph=event.graph,
        input=event.input,
        made_at=event.at,
        labels=event.labels,
    )
    run = put(run, event.task, replace(state, calls=(*state.calls, call)))
    return replace(run, called=run.called.set(event.run, event.task))


def _call_ended(run: Run, event: e.CallEnded) -> Run:
    state = run.state(event.task)
    call = state.call(event.call)
    if call is None or run.called.get(event.run) != event.task:
        raise TransitionRefused.of("ACC470", f"task {event.task} has made no such call")
    labels = told(join(call.labels, event.labels)) if event.labels else call.labels
    ended = replace(call, ended_at=event.at, output=event.output, problem=event.problem, labels=labels)
    calls = tuple(ended if one is call else one for one in state.calls)
    run = _spent(_labelled(run, event.labels), event.cost)
    return replace(put(run, event.task, replace(state, calls=calls)), called=run.called.delete(event.run))


def _task_completed(run: Run, event: e.TaskCompleted) -> Run:
    run = _labelled(run, event.labels)
    return _settle(
        run,
        event,
        output=event.output,
        attempt=event.attempt,
        confidence=event.confidence,
        by=event.by,
        labels=result_labels(run, event) if run.labelled else (),
    )


def _task_adopted(run: Run, event: e.TaskAdopted) -> Run:
    return _settle(
        _labelled(run, event.labels),
        event,
        output=event.output,
        adopted=True,
        source=event.source,
        contract=event.contract,
        confidence=event.confidence,
        labels=event.labels,
    )


def _declassified(run: Run, event: e.TaskDeclassified) -> Run:
    state = run.state(event.task)
    return put(run, event.task, replace(state, phase=next_task(state.phase, event), declassified=event.labels))


def _labelled(run: Run, labels: tuple[str, ...]) -> Run:
    """From the first labels on, those of all that follows are kept."""
    if not labels or run.labels.issuperset(labels):
        return run
    return replace(run, labelled=True, labels=run.labels.union(labels))


def _task_failed(run: Run, event: e.TaskFailed) -> Run:
    return _settle(run, event, problem=event.problem, fault=event.fault)


def _task_ended(run: Run, event: e.TaskSkipped | e.TaskCancelled) -> Run:
    return _settle(run, event, by=event.reason)


TaskEnd = e.TaskCompleted | e.TaskAdopted | e.TaskFailed | e.TaskSkipped | e.TaskCancelled


def _settle(run: Run, event: TaskEnd, **changes: Any) -> Run:
    task = event.task
    before = run.state(task)
    after = replace(before, phase=next_task(before.phase, event), wants=(), waiting=None, ended_at=event.at, **changes)
    run = put(count_begin(_labelled(run, after.labels), task, before), task, after)
    if undone_id(task) is not None:
        return run
    subrun = run.subruns.get(task)
    if subrun is not None:
        run = replace(run, subruns=run.subruns.delete(task), leaving=run.leaving.set(subrun, task))
    for call in after.calls:
        if call.run in run.called:
            run = replace(run, called=run.called.delete(call.run), leaving=run.leaving.set(call.run, task))
    return count_settled(run, task, after, step=1)


# -- attempt -----------------------------------------------------------------------------------------------------


def want_for(state: TaskState, event: e.AttemptAssigned) -> int:
    """Which of the task's wants an assignment satisfies: the first one of its purpose and option that is due."""
    for position, want in enumerate(state.wants):
        due = want.not_before is None or want.not_before <= event.at
        if due and want.purpose == event.purpose and want.option == event.option:
            return position
    raise TransitionRefused.of("ACC404", f"task {event.task} wants no such attempt now")


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
        cut=event.cut,
        assigned_at=event.at,
        epoch=state.epoch,
        timeout_at=event.timeout_at,
    )
    wants = state.wants[:position] + state.wants[position + 1 :]
    changed = replace(state, wants=wants, attempts=(*state.attempts, attempt))
    return replace(put(run, event.task, changed), live=run.live + 1)


def _attempt(run: Run, event: Any, **changes: Any) -> Run:
    state = run.state(event.task)
    number = event.attempt
    attempt = run.attempt(event.task, number)
    if attempt is None:
        raise TransitionRefused.of("ACC406", f"task {event.task} has no attempt {number}")
    changed = replace(attempt, phase=next_attempt(attempt.phase, event), **changes)
    attempts = (*state.attempts[: number - 1], changed, *state.attempts[number:])
    live = run.live - 1 if attempt.live and not changed.live else run.live
    return replace(put(run, event.task, replace(state, attempts=attempts)), live=live)


def _accepted(run: Run, event: e.AttemptAccepted) -> Run:
    attempt = run.attempt(event.task, event.attempt)
    return _attempt(run, event, began_at=began(attempt.assigned_at, event.at) if attempt is not None else None)


def _succeeded(run: Run, event: e.AttemptSucceeded) -> Run:
    return _attempt(
        _labelled(_spent(run, event.cost), event.labels),
        event,
        statement=event.statement,
        output=event.output,
        confidence=event.confidence,
        cost=event.cost,
        labels=event.labels,
        fault=None,
    )


def _rejected(run: Run, event: e.AttemptRejected) -> Run:
    return _attempt(
        _labelled(_spent(run, event.cost), event.labels),
        event,
        statement=event.statement,
        output=event.output,
        confidence=event.confidence,
        cost=event.cost,
        labels=event.labels,
        problems=event.problems,
        fault=event.fault,
    )


def _failed(run: Run, event: e.AttemptFailed) -> Run:
    return _attempt(
        _spent(run, event.cost),
        event,
        statement=event.statement,
        problems=(event.problem,),
        fault=event.fault,
        cost=event.cost,
    )


def _damaged(run: Run, event: e.AttemptDamaged) -> Run:
    attempt = run.attempt(event.task, event.attempt)
    return _attempt(run, event, damaged=attempt.damaged + 1 if attempt else 1, fault=event.fault)


# -- signals -----------------------------------------------------------------------------------------------------


def _signal_received(run: Run, event: e.SignalReceived) -> Run:
    return run if event.task is not None else replace(run, signals=(*run.signals, event))


def _signal_taken(run: Run, event: e.SignalTaken) -> Run:
    for position, signal in enumerate(run.signals):
        if signal.name == event.name:
            return replace(run, signals=run.signals[:position] + run.signals[position + 1 :])
    raise TransitionRefused.of("ACC414", f"no signal {event.name} has been kept")


_EVOLVE: dict[type, Callable[[Run, Any], Run]] = {
    e.RunStarted: _started,
    e.RunPaused: _pause,
    e.RunResumed: _resume,
    e.BudgetSet: _budget_set,
    e.RunCancelling: _run_cancelling,
    e.RunCancelled: _run_cancelled,
    e.RunFailing: _run_failing,
    e.RunFailed: _run_failed,
    e.RunCompleted: _run_completed,
    e.RunErased: _erased,
    e.RunAcknowledged: _acknowledged,
    e.RollbackStarted: _rollback_started,
    e.RollbackFinished: _rollback_finished,
    e.TaskExpanded: _expanded,
    e.TaskReopened: _reopened,
    e.AttemptWanted: _wanted,
    e.InputRefused: _input_refused,
    e.TaskWaiting: _waiting,
    e.SubrunStarted: _subrun_started,
    e.SubrunEnded: _subrun_ended,
    e.CallMade: _call_made,
    e.CallEnded: _call_ended,
    e.TaskCompleted: _task_completed,
    e.TaskAdopted: _task_adopted,
    e.TaskDeclassified: _declassified,
    e.TaskFailed: _task_failed,
    e.TaskSkipped: _task_ended,
    e.TaskCancelled: _task_ended,
    e.AttemptAssigned: _assigned,
    e.AttemptAccepted: _accepted,
    e.AttemptSucceeded: _succeeded,
    e.AttemptRejected: _rejected,
    e.AttemptFailed: _failed,
    e.AttemptDamaged: _damaged,
    e.AttemptExpired: _attempt,
    e.AttemptCancelled: _attempt,
    e.SignalReceived: _signal_received,
    e.SignalTaken: _signal_taken,
}

_NOTES: tuple[type, ...] = (e.RunAcknowledged, e.RunErased)
"""What is no work: the run's end stays where it was."""
