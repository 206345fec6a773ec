"""The mapping: where in the template a value comes from that breaks the contract of who was to get it."""

from __future__ import annotations

from msgspec.structs import replace

from accord.domain.expression import Binding, Literal, expressions, part_of
from accord.domain.graph import AGGREGATE, UNDO, Work, node_of
from accord.domain.ids import TaskId
from accord.domain.progress import work_of
from accord.domain.run import Run
from accord.errors import Place, Problem

TOLD_MOST = 3
"""Expressions that a problem names."""


def placed(run: Run, task: TaskId, option: int, problem: Problem) -> Problem:
    """The problem of an input, at its place in the template and with the expressions that made it."""
    binding, at = work_of(run, task).options[option].binding, _base(run, task, option)
    pointer, made_by = _origin(binding, problem.place.pointer or "", at)
    sources = [f"${{ {one.expression.source} }}" for one in expressions(made_by)]
    source = ", ".join(sources[:TOLD_MOST]) + (", …" if len(sources) > TOLD_MOST else "") or "a literal"
    return replace(
        problem,
        message=f"the mapping is at fault: {problem.message}",
        place=Place(pointer=pointer),
        hint=f"{problem.hint + '; ' if problem.hint else ''}the value comes from {source}",
    )


def _base(run: Run, task: TaskId, option: int) -> str:
    """The JSON pointer of the option's input in the template."""
    node = node_of(task)
    if task.startswith(UNDO):
        return f"/tasks/{node}/compensate/with"
    own = f"/{node}/with" if node == AGGREGATE else f"/tasks/{node}/with"
    action = run.graph.tasks[node].action
    assert isinstance(action, Work)  # noqa: S101 - only work has options
    if option == 0 or action.options[option].binding is action.options[0].binding:
        return own
    return f"/tasks/{node}/fallback/{option - 1}/with"


def _origin(binding: Binding, pointer: str, at: str) -> tuple[str, Binding]:
    """The part of the binding that made the value at `pointer`, and its place; what a literal holds has its own."""
    tokens = pointer.split("/")[1:]
    for depth, token in enumerate(tokens):
        if isinstance(binding, Literal):
            return "/".join((at, *tokens[depth:])), binding
        part = part_of(binding, token.replace("~1", "/").replace("~0", "~"))
        if part is None:
            break
        binding, at = part, f"{at}/{token}"
    return at, binding
