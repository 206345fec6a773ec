"""What must hold of a run after every event, recounted from scratch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from accord.domain import event as e
from accord.domain.graph import behind, node_of, undo_id, undone_id
from accord.domain.ids import TaskId
from accord.domain.run import Run, TaskState, done
from accord.domain.timing import deadline_of, next_wake


class InvariantBroken(AssertionError):
    """An invariant does not hold."""


def must(holds: object, message: str) -> None:
    """Raise InvariantBroken unless it holds."""
    if not holds:
        raise InvariantBroken(message)


class RunWatch:
    """Looks at every event of one run, and at the state before and after it."""

    def __init__(self) -> None:
        self.accepted: Counter[tuple[TaskId, int]] = Counter()
        """Outputs by task and epoch; compensations are tasks, too."""

    def see(self, before: Run | None, event: e.Event, after: Run) -> None:
        """Check all invariants. Raises InvariantBroken."""
        if before is not None:
            self._see_step(before, event, after)
        check_counts(after)
        check_indices(after)
        check_ends(after)

    def _see_step(self, before: Run, event: e.Event, after: Run) -> None:
        match event:
            case e.TaskCompleted(task=task) | e.TaskAdopted(task=task):
                key = (task, after.state(task).epoch)
                self.accepted[key] += 1
                must(self.accepted[key] == 1, f"{key} was accepted twice")
            case e.AttemptAssigned():
                must(not before.paused, "something was assigned during a pause")
            case e.AttemptSucceeded(task=task, attempt=number):
                attempt = before.attempt(task, number)
                must(attempt and attempt.live, "a result of an attempt that had ended")
                must(event.statement, "a result without its statement")
            case e.AttemptWanted(task=task) if undone_id(task) and before.state(task).phase == "pending":
                _check_undo(before, undone_id(task) or task)
            case e.RollbackFinished(tasks=tasks):
                _check_undone(before, tasks)
                _check_idle(before, tasks)
            case e.RunFailed() | e.RunCancelled() if before.graph.compensates_failure and not before.gave_up:
                _check_undone(before, before.graph.order)
            case _:
                pass


def _check_undo(run: Run, task: TaskId) -> None:
    """A task is undone only when it had completed, and after all that is behind it."""
    must(run.state(task).phase == "completed", f"{task} is undone but had not completed")
    must(not run.state(task).adopted, f"{task} is undone but was adopted")
    node = node_of(task)
    _check_undone(run, tuple(later for later in behind(run.graph, [node]) if later != node))


def _check_undone(run: Run, tasks: tuple[TaskId, ...]) -> None:
    for name in tasks:
        for task in compensable(run, name):
            must(run.state(undo_id(task)).phase == "completed", f"{task} was not undone")


def _check_idle(run: Run, tasks: tuple[TaskId, ...]) -> None:
    for name in tasks:
        for task in run.instances(name):
            must(not any(attempt.live for attempt in run.state(task).attempts), f"{task} goes on through a rollback")


def compensable(run: Run, name: TaskId) -> Iterator[TaskId]:
    """The completed instances of a node, or the item itself, that have a compensation."""
    spec = run.graph.task(name)
    if spec.compensate is None:
        return
    for task in run.instances(name):
        state = run.state(task)
        group = spec.for_each is not None and task == spec.id
        if state.phase == "completed" and not state.adopted and not group:
            yield task


def check_counts(run: Run) -> None:
    """The counters equal a recount. Raises InvariantBroken."""
    nodes = [run.state(node) for node in run.graph.order]
    settled = sum(_settled(state) for state in nodes)
    must(run.settled == settled, f"settled is {run.settled}, counted {settled}")
    must(run.completed == sum(state.phase == "completed" for state in nodes), "completed is wrong")
    must(run.failed == sum(state.phase == "failed" for state in nodes), "failed is wrong")
    must(run.items == sum(state.item_count for state in nodes), "items is wrong")
    live = sum(attempt.live for state in run.tasks.values() for attempt in state.attempts)
    must(run.live == live, f"live is {run.live}, counted {live}")
    for node in run.graph.order:
        _check_needs(run, node)
        _check_items(run, node)


def _settled(state: TaskState) -> bool:
    return not state.busy and state.phase != "pending"


def _check_needs(run: Run, node: TaskId) -> None:
    needs = [(run.graph.tasks[need], run.state(need)) for need in run.graph.tasks[node].needs]
    state = run.state(node)
    must(state.needs_settled == sum(_settled(need) for _, need in needs), f"needs_settled of {node} is wrong")
    must(state.needs_done == sum(done(task, need) for task, need in needs), f"needs_done of {node} is wrong")


def _check_items(run: Run, node: TaskId) -> None:
    group = run.state(node)
    items = [run.state(item) for item in run.started_items(node)]
    must(group.items_settled == sum(map(_settled, items)), f"items_settled of {node} is wrong")
    must(group.items_failed == sum(item.phase == "failed" for item in items), f"items_failed of {node} is wrong")
    if group.phase == "expanded" and run.phase == "running":
        must(group.items_open == sum(item.busy for item in items), f"items_open of {node} is wrong")
        window = min(run.graph.tasks[node].parallel or run.graph.parallel, run.graph.parallel)
        must(group.items_open <= window, f"{node} has {group.items_open} items open, {window} are allowed")


def check_indices(run: Run) -> None:
    """What finds tasks finds those that it should. Raises InvariantBroken."""
    busy = {task for task, state in run.tasks.items() if state.busy}
    must(set(run.busy) == busy, f"busy is {set(run.busy)}, found {busy}")
    undos = sum(undone_id(task) is not None for task in busy)
    must(run.compensating == undos, f"compensating is {run.compensating}, counted {undos}")
    due = ((min(_times(run, task), default=None), task) for task in busy)
    must(list(run.due) == sorted((when, task) for when, task in due if when), "the agenda of due times is wrong")
    waits = {(one.waiting.signal, task) for task, one in run.tasks.items() if one.waiting and one.waiting.signal}
    listening = {(signal, task) for signal, tasks in run.listening.items() for task in tasks}
    must(listening == waits, "listening is wrong")
    must(set(run.subruns) <= {task for task in busy if run.state(task).subrun is not None}, "subruns is wrong")


def _times(run: Run, task: TaskId) -> Iterator[datetime]:
    state = run.state(task)
    for attempt in state.attempts:
        if attempt.live:
            yield attempt.lease_until
            if attempt.timeout_at is not None:
                yield attempt.timeout_at
    if state.waiting is not None and state.waiting.until is not None:
        yield state.waiting.until
    deadline = deadline_of(run, task, state)
    if deadline is not None:
        yield deadline


def check_ends(run: Run) -> None:
    """What has ended leaves nothing behind; what has not ended is looked at again. Raises InvariantBroken."""
    wake = next_wake(run, {}, run.updated_at)
    if run.ended:
        must(wake is None, "a run that has ended is to be woken")
        must(not run.busy and not run.live and not run.leaving, f"a run that is {run.phase} has left something")
        must(not run.paused, f"a run that is {run.phase} is paused")
    else:
        must(wake is not None, "nothing wakes the run")
    if run.phase == "completed":
        for node in run.graph.order:
            _check_success(run, node)
    for task, state in run.tasks.items():
        live = [attempt for attempt in state.attempts if attempt.live]
        must(state.busy or not (live or state.wants or state.waiting), f"{task} is {state.phase} and goes on")
        must(all(attempt.epoch == state.epoch for attempt in live), f"{task}: an attempt of an old epoch is under way")


def _check_success(run: Run, node: TaskId) -> None:
    """A run is never a success with a task missing, or failed that must not fail."""
    good = {"completed", "skipped"} if run.graph.tasks[node].fails_run else {"completed", "skipped", "failed"}
    group = run.state(node)
    for task in run.instances(node) if group.phase == "completed" else (node,):
        must(run.state(task).phase in good, f"the run completed although {task} is {run.state(task).phase}")
    must(group.phase != "completed" or group.items_settled == group.item_count, f"{node} lacks items")
