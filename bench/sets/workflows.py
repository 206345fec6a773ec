"""`workflows`: which task feeds which, by what each task reads and writes.

The file's format, and what each figure says: `docs/how-to/measure-sets.md`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from accord.planner.composition.dataflow import Circle, DataTask, data_flow
from bench.sets.figures import Figures, Score, figures_of
from bench.sets.files import Arguments, read, write


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class WorkflowTask(_Strict, frozen=True):
    """A task, and the names of the files or data that it reads and writes."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


class Workflow(_Strict, frozen=True):
    """One line: a workflow."""

    id: str
    tasks: tuple[WorkflowTask, ...]
    edges: tuple[tuple[str, str], ...] | None = None
    """The right edges, `[from, to]`; None where there is no gold answer."""


class Rebuilt(msgspec.Struct, frozen=True):
    """One line of what is predicted."""

    id: str
    edges: tuple[tuple[str, str], ...]
    problem: str | None = None
    """Why there are no edges: tasks wait for each other."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """How good the edges are."""

    workflows: int
    refused: int
    """Those without edges, because tasks wait for each other."""
    edge: Figures | None
    """Null where the set has no right edges."""


def run(arguments: Arguments) -> None:
    """Rebuild the edges, print figures, and write the edges. Raises BadInput."""
    workflows = read(arguments.file, Workflow)
    found = [_rebuilt(workflow) for workflow in workflows]
    write(arguments.out, found)
    pairs = [
        (set(one.edges), set(told.edges)) for one, told in zip(workflows, found, strict=True) if one.edges is not None
    ]
    measured = Measured(
        workflows=len(workflows),
        refused=sum(one.problem is not None for one in found),
        edge=figures_of([Score.of(right, told) for right, told in pairs]) if pairs else None,
    )
    print(msgspec.json.format(msgspec.json.encode(measured)).decode())


def _rebuilt(workflow: Workflow) -> Rebuilt:
    tasks = [DataTask(task.id, task.inputs, task.outputs) for task in workflow.tasks]
    try:
        return Rebuilt(workflow.id, tuple((flow.source, flow.target) for flow in data_flow(tasks)))
    except Circle as error:
        return Rebuilt(workflow.id, (), str(error))
