"""`/v1/runs/{run}/tasks`: a run's tasks, and the attempts of each: to whom it was given, why, and what came of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from accord.domain.ids import RunId, TaskId
from accord.domain.machine import TaskPhase
from accord.domain.state import Run as State
from accord.engine.node import Node
from accord.errors import NotFound
from accord.gateway.asking import TheNode, Viewer
from accord.gateway.documents import Document, Page, answers
from accord.gateway.resources.runs import At, Run
from accord.views.basis import Basis, basis_of
from accord.views.lineage import LineageDocument, task_lineage
from accord.views.past import run_at, shown_at
from accord.views.tasks import (
    AttemptDocument,
    TaskDocument,
    TaskPage,
    attempt_documents,
    refuse_unknown,
    task_document,
    task_page,
)

router = APIRouter(prefix="/v1/runs/{run}/tasks", tags=["runs"])

Task = Annotated[str, Path(description="A task, or an item of one: `measure[3]`.", max_length=300)]


@router.get("", responses=answers(TaskPage), response_class=Page)
async def list_tasks(  # noqa: PLR0913 - each is a parameter of the query
    run: Run,
    node: TheNode,
    principal: Viewer,
    state: Annotated[list[TaskPhase] | None, Query(description="Only tasks in one of these states.")] = None,
    after: Annotated[str | None, Query(max_length=300, description="Only what is behind this task.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    at: At = None,
) -> Page:
    """A page of the run's tasks, each behind those that it needs."""
    found = await run_at(node, RunId(run), at)
    return Page(task_page(found, state or (), after, limit, shown_at(found, at)))


@router.get("/{task}", responses=answers(TaskDocument), response_class=Document)
async def show_task(run: Run, task: Task, node: TheNode, principal: Viewer, at: At = None) -> Document:
    """A task, or an item of one: its state, its items, and all attempts with their values."""
    return Document(await task_document(node, await _with(node, run, task, at), TaskId(task), at))


@router.get("/{task}/basis", responses=answers(Basis), response_class=Document)
async def show_basis(run: Run, task: Task, node: TheNode, principal: Viewer) -> Document:
    """What whoever is asked decides on: what the task is for, the run's input, and what came right before it."""
    return Document(await basis_of(node, await _with(node, run, task), TaskId(task)))


@router.get("/{task}/attempts", responses=answers(list[AttemptDocument]), response_class=Document)
async def list_attempts(run: Run, task: Task, node: TheNode, principal: Viewer) -> Document:
    """The attempts of a task, the oldest first: the agent and why it was chosen, the answer and why it was refused."""
    found = await _with(node, run, task)
    return Document(await attempt_documents(node, found, TaskId(task), found.state(TaskId(task)).attempts))


@router.get("/{task}/attempts/{attempt}", responses=answers(AttemptDocument), response_class=Document)
async def show_attempt(
    run: Run, task: Task, attempt: Annotated[int, Path(ge=1)], node: TheNode, principal: Viewer
) -> Document:
    """An attempt of a task, by its number."""
    found = await _with(node, run, task)
    wanted = found.attempt(TaskId(task), attempt)
    if wanted is None:
        count = len(found.state(TaskId(task)).attempts)
        raise NotFound.of("ACC434", f"{task} has no attempt {attempt}", hint=f"it has {count}, counted from 1")
    (document,) = await attempt_documents(node, found, TaskId(task), [wanted])
    return Document(document)


@router.get("/{task}/lineage", responses=answers(LineageDocument), response_class=Document)
async def show_task_lineage(run: Run, task: Task, node: TheNode, principal: Viewer) -> Document:
    """Which agents, keys and inputs stand behind a task's output."""
    return Document(
        await task_lineage(node, await _with(node, run, task), TaskId(task), node.parts.permission.looking(principal))
    )


async def _with(node: Node, run: str, task: str, at: int | None = None) -> State:
    """The run, which has the task. Raises NotFound."""
    found = await run_at(node, RunId(run), at)
    refuse_unknown(found, task)
    return found
