"""`/v1/runs/{run}/…`: why a run is where it is, what its events have changed, and where it parted from another one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from accord.domain.ids import RunId
from accord.domain.workflow_test import WorkflowTest
from accord.gateway.asking import TheNode, Viewer
from accord.gateway.documents import Document, answers
from accord.gateway.resources.runs import Run
from accord.views.capture import capture
from accord.views.exhibit import ExhibitDocument
from accord.views.explain import Explanation, explanation
from accord.views.run_diff import RunsDiff, runs_diff
from accord.views.state_difference import StateDifference, state_difference

router = APIRouter(prefix="/v1/runs/{run}", tags=["runs"])
exhibits = APIRouter(prefix="/v1/exhibit", tags=["runs"])
ROUTERS = (router, exhibits)

TaskQuery = Annotated[str | None, Query(max_length=300, description="A task, or an item of one: `measure[3]`.")]


async def _entered(node: TheNode) -> AsyncIterator[None]:
    """Whole histories are decoded here, a few at once."""
    async with node.room.entered():
        yield


HEAVY = [Depends(_entered)]


@router.get("/explanation", dependencies=HEAVY, responses=answers(Explanation), response_class=Document)
async def explain_run(run: Run, node: TheNode, principal: Viewer, task: TaskQuery = None) -> Document:
    """Why the run, or a task of it, is where it is: what it waits for, who could do it, what began a failure, and what
    to try.
    """
    return Document(await explanation(node, RunId(run), task, node.parts.permission.looking(principal)))


@router.get("/difference", responses=answers(StateDifference), response_class=Document)
async def show_difference(
    run: Run,
    node: TheNode,
    principal: Viewer,
    after: Annotated[int, Query(ge=0, description="What is different since this event; 0: since before the run.")] = 0,
    until: Annotated[int | None, Query(ge=1, description="Up to this event; up to now where left out.")] = None,
) -> Document:
    """What is different in the run between two of its events."""
    return Document(await state_difference(node, RunId(run), after, until))


@router.get("/diff", dependencies=HEAVY, responses=answers(RunsDiff), response_class=Document)
async def diff_runs(
    run: Run,
    node: TheNode,
    principal: Viewer,
    other: Annotated[str, Query(max_length=64, description="The id of the run to compare it with.")],
) -> Document:
    """Where this run and another one parted: what they were given, and for each task the first event that differs."""
    await node.parts.permission.looking(principal)(RunId(other))
    return Document(await runs_diff(node, RunId(run), RunId(other)))


@router.get("/capture", dependencies=HEAVY, responses=answers(WorkflowTest), response_class=Document)
async def capture_run(
    run: Run,
    node: TheNode,
    principal: Viewer,
    with_data: Annotated[bool, Query(description="With what is labelled confidential or personal.")] = False,
) -> Document:
    """A test of the run's workflow, with what its agents and people answered: `accord test` runs it."""
    look = node.parts.permission.looking(principal)
    return Document(await capture(node, RunId(run), with_data=with_data, look=look))


@exhibits.get("", responses=answers(ExhibitDocument), response_class=Document)
async def show_exhibit(node: TheNode, principal: Viewer) -> Document:
    """What the runs here were imported from, where they are only looked at."""
    return Document(ExhibitDocument(await node.exhibit()))
