"""People intervene: pause, resume, cancel, retry, rollback, signal. Each works in any state where it makes sense, and
says why not otherwise. What a fork takes over is in `fork`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.budget import may_resume
from accord.domain.command import PARENT
from accord.domain.draft import Draft
from accord.domain.fork import adoptable
from accord.domain.graph import behind, node_of, undo_id, undone_id
from accord.domain.ids import TaskId, item_id, split_item
from accord.domain.progress import stop_tasks
from accord.domain.run import Run
from accord.errors import NotFound, TransitionRefused

__all__ = ["acknowledge", "adoptable", "cancel", "erase", "pause", "resume", "retry", "rollback"]


def pause(draft: Draft, command: c.Pause) -> None:
    """Hold back new assignments."""
    draft.emit(e.RunPaused(at=draft.now, by=command.by, reason=command.reason))


def resume(draft: Draft, command: c.Resume) -> None:
    """Go on after a pause. A parent that resumes leaves a pause alone that was not its own."""
    if command.by == PARENT and draft.run.paused and draft.run.paused_by != PARENT:
        raise TransitionRefused.of("ACC439", f"the run was paused by {draft.run.paused_by}, not by its parent")
    may_resume(draft.run)
    draft.emit(e.RunResumed(at=draft.now, by=command.by))


def cancel(draft: Draft, command: c.Cancel) -> None:
    """Stop everything that is under way but compensations; the run is cancelled as soon as it is undone, where the
    template says so. One that gives up leaves compensations, too.
    """
    if draft.run.phase == "cancelling" and not command.gives_up:
        hint = "what it does now is undo; to leave that, cancel it with `--give-up`"
        raise TransitionRefused.of("ACC436", "the run is being cancelled already", hint=hint)
    draft.emit(e.RunCancelling(at=draft.now, by=command.by, reason=command.reason, gives_up=command.gives_up))
    busy = [task for task in draft.run.busy if command.gives_up or undone_id(task) is None]
    stop_tasks(draft, busy, "the run is cancelled")


def erase(draft: Draft, command: c.Erase) -> None:
    """Write down who has had the run's documents made unreadable, and why; once."""
    run = draft.run
    if not run.ended:
        hint = f"cancel it, or wait for its end: accord runs cancel {run.id}"
        raise TransitionRefused.of("ACC863", f"the run is {run.phase}: what it works with is not erased", hint=hint)
    if run.erased is None:
        draft.emit(e.RunErased(at=draft.now, by=command.by, reason=command.reason))


def acknowledge(draft: Draft, command: c.Acknowledge) -> None:
    """Write down who knows that the run has failed; once, until it goes on."""
    run = draft.run
    if run.phase != "failed":
        raise TransitionRefused.of("ACC460", f"the run is {run.phase}: only one that has failed is acknowledged")
    if run.acknowledged is None:
        draft.emit(e.RunAcknowledged(at=draft.now, by=command.by, note=command.note))


# -- doing again -------------------------------------------------------------------------------------------------


def rollback(draft: Draft, command: c.Rollback) -> None:
    """Undo a task and everything behind it; `advance` does it, step by step, and then begins again from there."""
    must_exist(draft.run, command.to)
    if draft.run.state(command.to).phase == "pending":
        raise TransitionRefused.of("ACC430", f"task {command.to} has not begun: there is nothing to roll back")
    _roll_back(draft, command.to, command.by, [command.to], [])


def retry(draft: Draft, command: c.RetryTask) -> None:
    """Do a failed or cancelled task again, and whatever was cancelled because of it. Items that completed are kept."""
    task = command.task
    must_exist(draft.run, task)
    state = draft.run.state(task)
    if state.phase not in ("failed", "cancelled"):
        hint = "a completed task is done again by `accord runs rollback`" if state.phase == "completed" else None
        raise TransitionRefused.of("ACC431", f"task {task} is {state.phase}, it has not failed", hint=hint)
    if state.item_count:
        _roll_back(draft, task, command.by, _lost_items(draft.run, task, ("failed", "cancelled")), [task])
    else:
        _roll_back(draft, task, command.by, [task], [])


def _roll_back(draft: Draft, to: TaskId, by: str, first: Sequence[TaskId], groups: Sequence[TaskId]) -> None:
    """Undo `first`, what keeps the run from going on, and everything behind; the items of `groups` that are not among
    them keep their outputs.
    """
    run = draft.run
    parts = [*first, *_broken(run, groups), *_undone(run)]
    nodes = {task for task in parts if split_item(task)[1] is None}
    items = [task for task in parts if split_item(task)[1] is not None]
    open_ = {*groups, *(node_of(item) for item in items), *_stopped_groups(run)}
    items.extend(item for group in open_ for item in _lost_items(run, group, ("cancelled",)))
    roots = [*nodes, *(after for group in open_ for after in run.graph.dependents.get(group, ()))]
    again = behind(run.graph, roots)
    whole = set(again)
    kept = [item for item in sorted(set(items)) if node_of(item) not in whole]
    tasks = (*kept, *(node for node in again if run.state(node).phase != "pending"))
    partly = tuple(node for node in run.graph.order if node in open_ and node not in whole)
    draft.emit(e.RollbackStarted(at=draft.now, by=by, to=to, tasks=tasks, groups=partly))
    affected = set(tasks)
    busy = [
        task for task in draft.run.busy if undone_id(task) is None and not affected.isdisjoint((task, node_of(task)))
    ]
    stop_tasks(draft, busy, f"rollback to {to}")


def _broken(run: Run, groups: Sequence[TaskId]) -> Iterable[TaskId]:
    """What was cancelled when the run failed or was cancelled, and what failed it: without them it could not go on."""
    for node in run.graph.order:
        state, fails_run = run.state(node), run.graph.tasks[node].fails_run
        if node in groups or not (state.phase == "cancelled" or (state.phase == "failed" and fails_run)):
            continue
        if state.item_count:
            yield from _lost_items(run, node, ("failed", "cancelled") if fails_run else ("cancelled",))
        else:
            yield node


def _stopped_groups(run: Run) -> Iterable[TaskId]:
    """Expansions that were stopped: they go on with the items that they had not come to."""
    for node in run.graph.order:
        state = run.state(node)
        failed = state.phase == "failed" and run.graph.tasks[node].fails_run
        if state.item_count and (failed or state.phase == "cancelled"):
            yield node


def _lost_items(run: Run, node: TaskId, phases: Sequence[str]) -> list[TaskId]:
    return [item for item in run.started_items(node) if run.state(item).phase in phases]


def _undone(run: Run) -> Iterable[TaskId]:
    """What was undone, or was about to be, when the run failed or was cancelled: its output holds no longer."""
    if run.phase == "rolling_back":
        return
    for node in run.graph.order:
        spec = run.graph.tasks[node]
        if spec.compensate is not None:
            parts = run.started_items(node) if spec.for_each is not None else (node,)
            yield from (part for part in parts if run.state(undo_id(part)).phase != "pending")


def must_exist(run: Run, task: TaskId) -> None:
    """Raises NotFound."""
    node = node_of(task)
    known = node in run.graph.tasks and not task.startswith("undo:")
    if known and task != node:
        index = task[len(node) + 1 : -1]
        known = index.isdecimal() and int(index) < run.state(node).item_count and item_id(node, int(index)) == task
    if not known:
        raise NotFound.of("ACC434", f"the run has no task {task}", hint="accord runs show lists its tasks")
