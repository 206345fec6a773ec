"""Names in a template's expressions: which variables may be used where, and which tasks they make a need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from accord.domain.expression import Binding, Computed, Reference, expressions
from accord.domain.ids import TaskId
from accord.domain.template_rules import problem
from accord.errors import Problem

ANYWHERE = frozenset({"input", "tasks", "run"})
PER_ITEM = ANYWHERE | {"item", "index"}
TASK_MEMBERS = ("output", "confidence", "status", "agent")
"""What expressions see of a task: `tasks.measure.output`."""

_WHERE = {
    "item": "it is there in a task with `for_each`, but not in its `for_each` and `when`",
    "index": "it is there in a task with `for_each`, but not in its `for_each` and `when`",
    "error": "it is there in a `fallback` only",
    "task": "it is there in `compensate` only",
}


def variable_problems(binding: Binding, allowed: frozenset[str]) -> Iterator[Problem]:
    """A problem for each variable that is not there at this place (ACC132)."""
    for computed in expressions(binding):
        for root in sorted({reference.root for reference in computed.expression.references} - allowed):
            message = f"`{root}` is not available here, in `{computed.expression.source}`"
            yield problem("ACC132", message, computed.pointer, _WHERE.get(root, _known(allowed)))


def _known(allowed: frozenset[str]) -> str:
    return f"available: {', '.join(sorted(allowed))}"


def task_references(binding: Binding) -> Iterator[tuple[Computed, Reference, TaskId]]:
    """Each mention of a task in a binding, in the order of the document."""
    for computed in expressions(binding):
        for reference in sorted(computed.expression.references):
            if reference.root == "tasks" and reference.path:
                yield computed, reference, TaskId(reference.path[0])


def member_problems(computed: Computed, reference: Reference) -> Iterator[Problem]:
    """A problem where a mention of a task names nothing that tasks have (ACC134)."""
    task, members = reference.path[0], reference.path[1:]
    if not members or members[0] in TASK_MEMBERS:
        return
    name = members[0]
    hint = did_you_mean(name, TASK_MEMBERS) or f"its output: `tasks.{task}.output.{name}`"
    message = f"a task has no `{name}`, only {', '.join(TASK_MEMBERS)}; in `{computed.expression.source}`"
    yield problem("ACC134", message, computed.pointer, hint)


def unknown_task(name: str, at: str, tasks: Mapping[TaskId, object]) -> Problem:
    """The problem of a mention of a task that there is not (ACC130)."""
    hint = did_you_mean(name, tasks) or f"there are {_shown(tuple(tasks))}"
    return problem("ACC130", f"there is no task `{name}`", at, hint)


def did_you_mean(name: str, known: Mapping[TaskId, object] | tuple[str, ...]) -> str | None:
    """A question that names the nearest of `known`; None where none is near."""
    # A very long list is not searched: the search is slow, and there may be as many misspelt names.
    close = get_close_matches(name, tuple(known), n=1) if len(known) <= 2000 else []
    return f"did you mean `{close[0]}`?" if close else None


def _shown(names: tuple[str, ...], most: int = 8) -> str:
    text = ", ".join(f"`{name}`" for name in names[:most])
    return text + (f" and {len(names) - most} more" if len(names) > most else "")
