"""`/v1/events`: how all runs are, as they change."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from accord.domain.ids import RunId
from accord.gateway.asking import Shown, TheGateway, Viewer
from accord.gateway.feeds.runs import RunFilter
from accord.gateway.feeds.streams import EventStream, streamed
from accord.gateway.moments import Moment
from accord.ports import RunState
from accord.views.runs import RunNews

router = APIRouter(prefix="/v1/events", tags=["runs"])


@router.get("", responses=streamed({"runs": RunNews}), status_code=200, response_class=EventStream)
async def watch_runs(  # noqa: PLR0913 - each is a parameter of the query
    gateway: TheGateway,
    principal: Viewer,
    shown: Shown,
    state: Annotated[list[RunState] | None, Query(description="Only runs in one of these states.")] = None,
    template: Annotated[str | None, Query(max_length=200, description="`name`, or `name@version`.")] = None,
    parent: Annotated[str | None, Query(max_length=64, description="Only runs that this run has started.")] = None,
    after: Annotated[Moment | None, Query(description="The id of the last message that was seen.")] = None,
    last_event_id: Annotated[Moment | None, Header()] = None,
) -> Response:
    """How runs are, as they change, whichever process carries them on, as server-sent events, without an end.

    `runs`: how these runs are now; the newest state wins where a run changes faster than it is told. From `after` (or
    `Last-Event-ID`) on, a run may be told again, and none is left out; without it, all open runs come first.
    """
    wanted = RunFilter(states=tuple(state or ()), template=template, parent=RunId(parent) if parent else None)
    return EventStream(gateway, shown, gateway.feeds.runs.changes(wanted, principal, last_event_id or after))
