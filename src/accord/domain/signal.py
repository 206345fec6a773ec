"""Signals, approvals and reviews: somebody gives a value to the task that waits for it."""

from __future__ import annotations

from typing import Any

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.control import must_exist
from accord.domain.draft import Draft
from accord.domain.graph import Wait
from accord.domain.ids import TaskId, split_item
from accord.domain.progress import fail_task
from accord.domain.recourse import last_rejected, try_again
from accord.domain.run import Run, Waiting
from accord.domain.schema import compile_schema
from accord.domain.template import JsonSchema
from accord.errors import ContractViolation, NotFound, Problem, TransitionRefused

KEPT_SIGNALS_MAX = 256
"""How many signals a run keeps for tasks that do not wait for them yet."""

REVIEW_FORM: JsonSchema = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "comment": {"type": "string"}},
    "required": ["approved"],
    "additionalProperties": False,
}
"""What a human answers to a review: an approved result is taken as it is, another one is asked for otherwise."""


def signal(draft: Draft, command: c.Signal) -> None:
    """Give a value to the task that waits for it; a named signal that nobody waits for yet is kept."""
    if command.task is not None:
        must_exist(draft.run, command.task)
    task = command.task if command.task is not None else _listener(draft.run, command.name)
    if task is None:
        _keep(draft, command)
        return
    waiting = draft.run.state(task).waiting
    if waiting is None or waiting.for_ == "time":
        raise TransitionRefused.of("ACC433", f"task {task} waits for no signal and no decision")
    value = _checked(draft, command, REVIEW_FORM if waiting.for_ == "review" else _wait(draft.run, task).schema)
    draft.emit(e.SignalReceived(at=draft.now, name=command.name, payload=command.payload, by=command.by, task=task))
    if waiting.for_ == "review":
        _review(draft, task, waiting, command.by, value)
    elif waiting.for_ == "approval" and is_rejection(value) and _wait(draft.run, task).on_reject != "continue":
        _reject(draft, task, command.by, value)
    else:
        draft.emit(e.TaskCompleted(at=draft.now, task=task, output=command.payload, by=command.by))


def is_rejection(answer: object) -> bool:
    """Whether an answer says no: it has `approved`, and that is false."""
    return isinstance(answer, dict) and answer.get("approved") is False


def _reject(draft: Draft, task: TaskId, by: str, answer: dict[str, Any]) -> None:
    """End a task that was rejected without an output; by default it fails, so that nothing behind it begins."""
    if _wait(draft.run, task).on_reject == "skip":
        draft.emit(e.TaskSkipped(at=draft.now, task=task, reason=f"{by} rejected it{_comment(answer)}"))
    else:
        hint = "once it is mended: accord runs retry asks again"
        fail_task(draft, task, Problem("ACC442", f"{by} rejected {task}{_comment(answer)}", hint=hint))


def _comment(answer: dict[str, Any]) -> str:
    return f": {answer['comment']}" if answer.get("comment") else ""


def _keep(draft: Draft, command: c.Signal) -> None:
    """Keep a signal for later. It must fit every task that waits for its name: any of them may take it."""
    run = draft.run
    if run.ended:
        raise TransitionRefused.of("ACC432", f"the run is {run.phase}: it waits for no signal")
    listeners = run.graph.waits.get(command.name)
    if listeners is None:
        names = ", ".join(sorted(run.graph.waits))
        hint = f"it waits for: {names}" if names else "a task that waits for an approval or a review is named itself"
        raise NotFound.of("ACC437", f"no task of the run waits for a signal `{command.name}`", hint=hint)
    for task in listeners:
        _checked(draft, command, _wait(run, task).schema)
    if len(run.signals) >= KEPT_SIGNALS_MAX:
        raise TransitionRefused.of("ACC438", f"{KEPT_SIGNALS_MAX} signals are kept already, no task has taken them yet")
    draft.emit(e.SignalReceived(at=draft.now, name=command.name, payload=command.payload, by=command.by))


def _listener(run: Run, name: str) -> TaskId | None:
    """Of the tasks that wait for the signal, the first by name and index."""
    return min(run.listening.get(name, ()), key=_by_index, default=None)


def _by_index(task: TaskId) -> tuple[TaskId, int]:
    node, index = split_item(task)
    return node, -1 if index is None else index


def _wait(run: Run, task: TaskId) -> Wait:
    action = run.graph.task(task).action
    assert isinstance(action, Wait)  # noqa: S101 - it waits
    return action


def _checked(draft: Draft, command: c.Signal, schema: JsonSchema) -> Any:
    value = draft.values.value(command.payload)
    ContractViolation.raise_if(compile_schema(schema).violations(value, "ACC435"))
    return value


def _review(draft: Draft, task: TaskId, waiting: Waiting, by: str, answer: Any) -> None:
    if not answer["approved"]:
        problem = Problem("ACC424", f"{by} did not approve the result{_comment(answer)}")
        try_again(draft, task, (problem,), wait=False)
        return
    attempt = last_rejected(draft, task)
    draft.emit(
        e.TaskCompleted(
            at=draft.now,
            task=task,
            output=waiting.candidate,
            attempt=attempt.number,
            confidence=attempt.confidence,
            by=by,
        )
    )
