"""People intervene: pause, resume, cancel, retry, rollback, signal, fork. Each works in any state where it makes
sense, and says why not otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.draft import Draft
from accord.domain.graph import Wait, behind, node_of, references_of
from accord.domain.ids import TaskId, item_id, split_item
from accord.domain.outcome import try_again
from accord.domain.progress import stop_tasks
from accord.domain.run import Run, Waiting
from accord.domain.schema import compile_schema
from accord.domain.scope import Values
from accord.errors import ContractViolation, NotFound, Problem, TransitionRefused

REVIEW_FORM: dict[str, object] = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "comment": {"type": "string"}},
    "required": ["approved"],
    "additionalProperties": False,
}
"""What a human answers to a review: an approved result is taken as it is, another one is asked for otherwise."""


def pause(draft: Draft, command: c.Pause) -> None:
    """Hold back new assignments."""
    draft.emit(e.RunPaused(at=draft.now, by=command.by, reason=command.reason))


def resume(draft: Draft, command: c.Resume) -> None:
    """Go on after a pause."""
    draft.emit(e.RunResumed(at=draft.now, by=command.by))


def cancel(draft: Draft, command: c.Cancel) -> None:
    """Stop everything that is under way; the run is cancelled as soon as it is undone, where the template says so."""
    draft.emit(e.RunCancelling(at=draft.now, by=command.by, reason=command.reason))
    stop_tasks(draft, tuple(draft.run.busy), "the run is cancelled")


def rollback(draft: Draft, command: c.Rollback) -> None:
    """Undo a task and everything behind it; `advance` does it, step by step, and then begins again from there."""
    _must_exist(draft.run, command.to)
    if draft.run.state(command.to).phase == "pending":
        raise TransitionRefused.of("ACC430", f"task {command.to} has not begun: there is nothing to roll back")
    _roll_back(draft, command.to, command.by, [command.to])


def retry(draft: Draft, command: c.RetryTask) -> None:
    """Do a failed or cancelled task again, and whatever was cancelled because of it. Items that completed are kept."""
    _must_exist(draft.run, command.task)
    phase = draft.run.state(command.task).phase
    if phase not in ("failed", "cancelled"):
        hint = "a completed task is done again by `accord runs rollback`" if phase == "completed" else None
        raise TransitionRefused.of("ACC431", f"task {command.task} is {phase}, it has not failed", hint=hint)
    broken = [node for node in draft.run.graph.order if draft.run.state(node).phase in ("failed", "cancelled")]
    again = [part for node in broken for part in _unfinished(draft.run, node)]
    _roll_back(draft, command.task, command.by, [*again, command.task] if command.task not in again else again)


def signal(draft: Draft, command: c.Signal) -> None:
    """Give a value to the task that waits for it; a named signal that nobody waits for yet is kept."""
    task = command.task if command.task is not None else _awaiting(draft.run, command.name)
    if task is None:
        if draft.run.ended:
            raise TransitionRefused.of("ACC432", f"the run is {draft.run.phase}: it waits for no signal")
        draft.emit(e.SignalReceived(at=draft.now, name=command.name, payload=command.payload, by=command.by))
        return
    _must_exist(draft.run, task)
    waiting = draft.run.state(task).waiting
    if waiting is None or waiting.for_ == "time":
        raise TransitionRefused.of("ACC433", f"task {task} waits for no signal and no decision")
    value = _checked(draft, task, waiting, command)
    draft.emit(e.SignalReceived(at=draft.now, name=command.name, payload=command.payload, by=command.by, task=task))
    if waiting.for_ == "review":
        _reviewed(draft, task, waiting, command, approved=bool(value["approved"]))
    else:
        draft.emit(e.TaskCompleted(at=draft.now, task=task, output=command.payload, by=command.by))


def adoptable(run: Run, changed: TaskId | None, new_input: Any, values: Values) -> tuple[c.Adopted, ...]:
    """What a fork of the run can take over: outputs of completed tasks that neither `changed` nor a changed part of the
    input comes before, in topological order."""
    anew = set(behind(run.graph, [changed] if changed else []))
    anew |= set(behind(run.graph, list(_touched(run, new_input, values))))
    return tuple(_adopted(run, node) for node in run.graph.order if node not in anew and _whole(run, node))


def _adopted(run: Run, node: TaskId) -> c.Adopted:
    state = run.state(node)
    assert state.output is not None  # noqa: S101 - `_whole` has made sure
    return c.Adopted(node, state.output, state.source, state.confidence)


def _whole(run: Run, node: TaskId) -> bool:
    state = run.state(node)
    return state.phase == "completed" and state.output is not None


def _touched(run: Run, new_input: Any, values: Values) -> Iterator[TaskId]:
    old_input = values.value(run.started.input)
    for node, task in run.graph.tasks.items():
        paths = [reference.path for reference in references_of(task) if reference.root == "input"]
        if any(_at(old_input, path) != _at(new_input, path) for path in paths):
            yield node


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value


def _unfinished(run: Run, node: TaskId) -> Iterable[TaskId]:
    """The node, or of an expanded one the items that did not complete."""
    count = run.state(node).item_count
    if not count:
        return [node]
    items = (item_id(node, index) for index in range(run.state(node).items_started))
    lost = [item for item in items if run.state(item).phase in ("failed", "cancelled")]
    return lost or [node]


def _roll_back(draft: Draft, to: TaskId, by: str, first: list[TaskId]) -> None:
    nodes = [task for task in first if split_item(task)[1] is None]
    items = [task for task in first if split_item(task)[1] is not None and node_of(task) not in nodes]
    groups = [node_of(item) for item in items]
    later = [task for task in behind(draft.run.graph, nodes + groups) if task in nodes or task not in groups]
    started = [task for task in later if draft.run.state(task).phase != "pending"]
    tasks = (*dict.fromkeys(items), *started)
    draft.emit(e.RollbackStarted(at=draft.now, by=by, to=to, tasks=tasks))
    affected = set(tasks)
    busy = [task for task in draft.run.busy if task in affected or node_of(task) in affected]
    stop_tasks(draft, tuple(busy), f"rollback to {to}")


def _must_exist(run: Run, task: TaskId) -> None:
    node, index = split_item(task)
    if node not in run.graph.tasks or (index is not None and index >= run.state(node).item_count):
        raise NotFound.of("ACC434", f"the run has no task {task}", hint="accord runs show lists its tasks")


def _awaiting(run: Run, name: str) -> TaskId | None:
    for task in sorted(run.busy):
        waiting = run.state(task).waiting
        if waiting is not None and waiting.signal == name:
            return task
    return None


def _checked(draft: Draft, task: TaskId, waiting: Waiting, command: c.Signal) -> Any:
    action = draft.run.graph.task(task).action
    schema = action.schema if isinstance(action, Wait) else REVIEW_FORM
    value = draft.values.value(command.payload)
    problems = compile_schema(REVIEW_FORM if waiting.for_ == "review" else schema).violations(value, "ACC435")
    ContractViolation.raise_if(problems)
    return value


def _reviewed(draft: Draft, task: TaskId, waiting: Waiting, command: c.Signal, *, approved: bool) -> None:
    attempt = next(one for one in reversed(draft.run.state(task).attempts) if one.phase == "rejected")
    if approved:
        draft.emit(
            e.TaskCompleted(
                at=draft.now,
                task=task,
                output=waiting.candidate,
                attempt=attempt.number,
                confidence=attempt.confidence,
                by=command.by,
            )
        )
    else:
        problem = Problem("ACC424", f"{command.by} did not approve the result")
        try_again(draft, task, (problem,), wait=False)
