"""What expressions see of a run: its input, the outputs of its tasks, and where they are used in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import orjson

from accord.domain.document import Document
from accord.domain.expression import Binding, evaluate
from accord.domain.graph import node_of
from accord.domain.ids import Digest, TaskId, item_id, split_item
from accord.domain.run import Run, TaskState
from accord.errors import ExpressionInvalid, Problem


class Values(Protocol):
    """The parsed values of documents."""

    def value(self, document: Document) -> Any:
        """The JSON value. It is shared: never change it. Raises DocumentMissing where the bytes have to be fetched
        first.
        """
        ...

    def document(self, data: bytes) -> Document:
        """A new document with these bytes; a large one is at hand at once, and stored before events name it."""
        ...

    def ballot(self, document: Document) -> Digest:
        """SHA-256 of the value's canonical form (RFC 8785): equal for values that are equal as JSON."""
        ...

    def remembered(self, key: tuple[str, str, int], make: Callable[[], Any]) -> Any:
        """What `make` gave for this key before, or gives now."""
        ...


class DocumentMissing(Exception):
    """A decision needs a document whose bytes are in the blob store."""

    def __init__(self, document: Document) -> None:
        super().__init__(document.sha256)
        self.document = document


def run_scope(run: Run, values: Values) -> dict[str, object]:
    """What every expression of a run may read."""
    return {
        "input": values.value(run.started.input),
        "tasks": TaskOutputs(run, values),
        "run": _RunView(run),
    }


def item_scope(run: Run, task: TaskId, values: Values) -> dict[str, object]:
    """`run_scope`, and for an item of a `for_each` the item and its index."""
    scope = run_scope(run, values)
    node, index = split_item(task)
    if index is not None:
        items = run.state(node).items
        assert items is not None, "an item exists only in an expanded task"  # noqa: S101
        scope["item"] = values.value(items)[index]
        scope["index"] = index
    return scope


def undo_scope(run: Run, task: TaskId, values: Values) -> dict[str, object]:
    """`item_scope` of a completed task, and that task's own input and output."""
    scope = item_scope(run, task, values)
    given = _input_of(run, task)
    scope["task"] = {
        "input": values.value(given) if given is not None else None,
        "output": output_of(run, task, values),
    }
    return scope


def _input_of(run: Run, task: TaskId) -> Document | None:
    """What the task was given. A repaired output is of the diagnosis; the input is that of the attempt before it."""
    state = run.state(task)
    if state.attempt is None:
        return state.subrun_input
    worked = [one for one in state.attempts[: state.attempt] if one.want.purpose == "work"]
    return worked[-1].want.input


def output_of(run: Run, task: TaskId, values: Values) -> Any:
    """The output of a settled task; that of a `for_each` is the list of its items' outputs, null for those without."""
    state = run.state(task)
    if state.output is not None:
        return values.value(state.output)
    if state.phase != "completed" or state.items is None:
        return None
    outputs = range(state.item_count)
    return values.remembered(
        (run.id, task, state.epoch),
        lambda: [output_of(run, item_id(task, index), values) for index in outputs],
    )


class _RunView(Mapping[str, object]):
    """`run`: what is known of it since it started."""

    _MEMBERS = ("id", "template", "started_at")

    def __init__(self, run: Run) -> None:
        self._run = run

    def __getitem__(self, name: str) -> object:
        started = self._run.started
        match name:
            case "id":
                return started.run
            case "template":
                return started.template
            case "started_at":
                return started.at.isoformat()
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._MEMBERS)

    def __len__(self) -> int:
        return len(self._MEMBERS)


class TaskOutputs(Mapping[str, object]):
    """`tasks`: made task by task, for those that an expression asks for."""

    def __init__(self, run: Run, values: Values) -> None:
        self._run = run
        self._values = values

    def __getitem__(self, name: str) -> object:
        task = TaskId(name)
        if task not in self._run.graph.tasks:
            raise KeyError(name)
        return _TaskView(self._run, task, self._values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._run.graph.tasks)

    def __len__(self) -> int:
        return len(self._run.graph.tasks)


class _TaskView(Mapping[str, object]):
    """One task: `output` is there once it has completed, or has failed without harm (null)."""

    def __init__(self, run: Run, task: TaskId, values: Values) -> None:
        self._run = run
        self._task = task
        self._values = values
        self._state = run.state(task)

    def __getitem__(self, name: str) -> object:
        if name not in self._members():
            raise KeyError(name)
        return self._output() if name == "output" else self._fact(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members())

    def __len__(self) -> int:
        return len(self._members())

    def _members(self) -> tuple[str, ...]:
        has_output = self._state.phase in ("completed", "failed")
        return ("status", "confidence", "agent", "output") if has_output else ("status", "confidence", "agent")

    def _output(self) -> object:
        return output_of(self._run, self._task, self._values)

    def _fact(self, name: str) -> object:
        return {
            "status": self._state.phase,
            "confidence": self._state.confidence,
            "agent": _agent(self._run, self._task, self._state),
        }[name]


def _agent(run: Run, task: TaskId, state: TaskState) -> str | None:
    attempt = run.attempt(task, state.attempt or 0)
    return attempt.agent if attempt else None


def evaluated(binding: Binding, scope: Mapping[str, object], values: Values) -> Document:
    """The document that a binding gives. Raises ExpressionInvalid."""
    try:
        return values.document(orjson.dumps(evaluate(binding, scope)))
    except TypeError as error:
        raise ExpressionInvalid(Problem("ACC290", f"the value is not JSON: {error}")) from error


def mapping_problem(task: TaskId, error: ExpressionInvalid) -> Problem:
    """Why a task failed whose expressions could not be evaluated."""
    first = error.problems[0]
    return Problem(
        first.code, f"an expression of task {node_of(task)} failed: {first.message}", first.place, first.hint
    )
