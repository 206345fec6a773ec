"""`/v1/runs/{run}/…`: its events: as values, as they stand in the journal, and as they happen (server-sent events)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from accord.domain.ids import RunId
from accord.domain.news import Progressed
from accord.engine.node import Node
from accord.gateway.asking import Shown, TheGateway, TheNode, Viewer
from accord.gateway.documents import Page, answers
from accord.gateway.feeds.run import run_changes
from accord.gateway.feeds.streams import EventStream, streamed
from accord.gateway.resources.runs import Run
from accord.views.records import EventPage, StoredEvent, StoredEvents, event_documents, page_of
from accord.views.runs import RunState

router = APIRouter(prefix="/v1/runs/{run}", tags=["runs"])

After = Annotated[int, Query(ge=0, description="Only what is behind this event.")]
Limit = Annotated[int, Query(ge=1, le=10_000)]


@router.get("/events", responses=answers(EventPage), response_class=Page)
async def list_events(run: Run, node: TheNode, principal: Viewer, after: After = 0, limit: Limit = 1000) -> Page:
    """The run's events, in order."""
    records = await _records(node, run, after, limit)
    return Page(EventPage(tuple(event_documents(records)), page_of(records, limit).next))


@router.get("/records", responses=answers(StoredEvents), response_class=Page)
async def list_records(run: Run, node: TheNode, principal: Viewer, after: After = 0, limit: Limit = 1000) -> Page:
    """The run's events as they stand in the journal: their bytes, and the digests that bind each to all before it."""
    return Page(page_of(await _records(node, run, after, limit), limit))


async def _records(node: Node, run: str, after: int, limit: int) -> Any:
    records = await node.records(RunId(run), after=after, limit=limit)
    if not records and await node.summary(RunId(run)) is None:
        await node.run(RunId(run))  # raises that there is none
    return records


_FEED = {
    **streamed({"record": StoredEvent, "progress": Progressed, "end": RunState}),
    204: {"description": "Nothing would come: the run has ended, and all of it is known."},
}


@router.get("/feed", responses=_FEED, status_code=200, response_class=EventStream)
async def feed(  # noqa: PLR0913 - what is asked, and who asks
    run: Run,
    node: TheNode,
    gateway: TheGateway,
    principal: Viewer,
    shown: Shown,
    after: After = 0,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> Response:
    """What happens in the run, as server-sent events, from event `after` (or `Last-Event-ID`) on, up to its end.

    `record`: an event as `/records` has it, with its number as id. `progress`: how far an agent says that it is.
    `end`: the run's state; after it nothing comes. 204 where nothing would come: whoever reconnects may stop.
    """
    seen = after if last_event_id is None else last_event_id
    state = await node.run(RunId(run))
    if state.ended and not await node.records(RunId(run), after=seen, limit=1):
        return Response(status_code=204)
    return EventStream(gateway, shown, run_changes(node, principal, RunId(run), seen), RunId(run))
