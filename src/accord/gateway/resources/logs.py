"""`/v1/runs/{run}/logs`, and those of a task: what agents have logged, in pages and as it comes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from msgspec import structs
from starlette.responses import Response

from accord.domain.ids import RunId, TaskId
from accord.domain.log import Level, LogPage, LogQuery
from accord.gateway.asking import Shown, TheGateway, TheNode, Viewer
from accord.gateway.documents import Document, answers
from accord.gateway.feeds.logs import log_changes
from accord.gateway.feeds.streams import EventStream, streamed
from accord.gateway.resources.runs import Run
from accord.gateway.resources.tasks import Task
from accord.views.runs import RunState
from accord.views.tasks import refuse_unknown

router = APIRouter(prefix="/v1/runs/{run}", tags=["runs"])

After = Annotated[str | None, Query(max_length=64, description="Only what is behind this place; `next` names it.")]
Attempt = Annotated[int | None, Query(ge=1, description="Only lines of attempts of this number.")]
AtLeast = Annotated[Level, Query(description="Only lines of this level, or a worse one.")]
By = Annotated[int | None, Query(ge=1, description="Only lines that were written by the time of this event.")]
Limit = Annotated[int, Query(ge=1, le=2000, description="At most so many lines.")]
Seen = Annotated[str | None, Header(max_length=64)]


def _page(
    attempt: Attempt = None, level: AtLeast = "debug", after: After = None, limit: Limit = 500, at: By = None
) -> LogQuery:
    return LogQuery(attempt=attempt, level=level, after=after, limit=limit, at=at)


def _rest(
    attempt: Attempt = None, level: AtLeast = "debug", after: After = None, last_event_id: Seen = None
) -> LogQuery:
    return LogQuery(attempt=attempt, level=level, after=last_event_id or after)


ThePage = Annotated[LogQuery, Depends(_page)]
TheRest = Annotated[LogQuery, Depends(_rest)]

_FEED = {
    **streamed({"lines": LogPage, "end": RunState}),
    204: {"description": "Nothing would come: the run has ended, and all of it is known."},
}


@router.get("/logs", responses=answers(LogPage), response_class=Document)
async def list_logs(run: Run, node: TheNode, principal: Viewer, wanted: ThePage) -> Document:
    """Lines that the run's agents have logged, in the order in which they came."""
    return Document(await node.logs(RunId(run), wanted))


@router.get("/logs/feed", responses=_FEED, status_code=200, response_class=EventStream)
async def follow_logs(run: Run, gateway: TheGateway, principal: Viewer, shown: Shown, wanted: TheRest) -> Response:
    """What the run's agents have logged, then what they log, as server-sent events, until the run has ended.

    `lines`: some lines, with the place behind them as id; the last ones may be none, and tell what is missing. `end`:
    the run's state; after it nothing comes.
    """
    return await log_changes(gateway, principal, shown, RunId(run), wanted)


@router.get("/tasks/{task}/logs", responses=answers(LogPage), response_class=Document)
async def list_task_logs(run: Run, task: Task, node: TheNode, principal: Viewer, wanted: ThePage) -> Document:
    """Lines that the agents of a task, and of its items, have logged, in the order in which they came."""
    refuse_unknown(await node.run(RunId(run)), task)
    return Document(await node.logs(RunId(run), structs.replace(wanted, task=TaskId(task))))


@router.get("/tasks/{task}/logs/feed", responses=_FEED, status_code=200, response_class=EventStream)
async def follow_task_logs(
    run: Run, task: Task, gateway: TheGateway, principal: Viewer, shown: Shown, wanted: TheRest
) -> Response:
    """The same of one task, and of its items."""
    refuse_unknown(await gateway.node.run(RunId(run)), task)
    return await log_changes(gateway, principal, shown, RunId(run), structs.replace(wanted, task=TaskId(task)))
