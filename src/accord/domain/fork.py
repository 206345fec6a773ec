"""Forks: what a new run can take over of another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from accord.domain import command as c
from accord.domain.graph import Task, Work, behind, node_of, references_of, undo_id
from accord.domain.ids import Digest, TaskId
from accord.domain.large import is_large
from accord.domain.run import Run
from accord.domain.scope import Values, output_of

_ABSENT = b""


def adoptable(run: Run, changed: TaskId | None, new_input: Any, values: Values) -> tuple[c.Adopted, ...]:
    """What a fork of the run can take over: outputs of completed tasks that neither `changed` nor a changed part of the
    input comes before, in topological order. Raises DocumentMissing.
    """
    touched = set(_touched(run, new_input, values))
    if changed is not None:
        touched.add(node_of(changed))
    anew = set(behind(run.graph, touched))
    whole = (node for node in run.graph.order if node not in anew and _holds(run, node))
    return tuple(_adopted(run, node, values) for node in whole)


def _adopted(run: Run, node: TaskId, values: Values) -> c.Adopted:
    state = run.state(node)
    output = state.output
    if output is None:
        output = values.document(orjson.dumps(output_of(run, node, values)))
    contract = contract_of(run, node) if is_large(output) else None
    return c.Adopted(node, output, state.source, state.confidence, state.labels, contract)


def contract_of(run: Run, task: TaskId) -> Digest | None:
    """The contract that the output of a task keeps: of the attempt that made it, here or in the run that it was adopted
    from.
    """
    state = run.state(task)
    attempt = run.attempt(task, state.attempt) if state.attempt else None
    return attempt.contract if attempt is not None else state.contract


def _holds(run: Run, node: TaskId) -> bool:
    """Whether the node has an output, and nothing of it was undone."""
    state = run.state(node)
    if state.phase != "completed":
        return False
    return all(run.state(undo_id(part)).phase == "pending" for part in run.instances(node))


def _touched(run: Run, new_input: Any, values: Values) -> Iterator[TaskId]:
    """The tasks that read a part of the input which is another one now."""
    old_input = values.value(run.started.input)
    for node, task in run.graph.tasks.items():
        if any(_at(old_input, path) != _at(new_input, path) for path in _paths(task)):
            yield node


def _paths(task: Task) -> Iterator[tuple[str, ...]]:
    if isinstance(task.action, Work) and task.action.upstream:
        yield ()
    yield from (reference.path for reference in references_of(task) if reference.root == "input")


def _at(value: Any, path: tuple[str, ...]) -> bytes:
    """The JSON at a path, in which 1, 1.0 and true differ."""
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return _ABSENT
        value = value[name]
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
