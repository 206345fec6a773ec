"""`/v1/runs/{run}/…`: a run to be looked at: its graph in its place, what of it changes, what its tasks did when."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from accord.domain.ids import RunId, StreamId
from accord.domain.news import Progressed
from accord.domain.state import Run as State
from accord.engine.node import Node
from accord.gateway.asking import Shown, TheGateway, TheNode, Viewer
from accord.gateway.documents import Document, Page, answers
from accord.gateway.feeds.graph import graph_changes
from accord.gateway.feeds.streams import EventStream, streamed
from accord.gateway.paging import Limit
from accord.gateway.resources.runs import At, Run
from accord.views.drawing import RunChanges, RunGraph, run_graph, shown_items
from accord.views.past import run_at
from accord.views.runs import RunState
from accord.views.timeline import TimelinePage, timeline_at, timeline_page

router = APIRouter(prefix="/v1/runs/{run}", tags=["runs"])

Open = Annotated[
    list[Annotated[str, Query(max_length=200)]] | None,
    Query(max_length=50, description="`for_each` tasks whose items are shown one by one."),
]


@router.get("/graph", responses=answers(RunGraph), response_class=Document)
async def show_graph(
    run: Run,
    node: TheNode,
    gateway: TheGateway,
    principal: Viewer,
    at: At = None,
    open: Open = None,  # noqa: A002 - its name in the query
) -> Document:
    """A run as it is drawn: its tasks and edges in their places, with their states."""
    state, sequence = await _state(node, RunId(run), at)
    shown = shown_items(state, open or ())
    placement = await gateway.layouts.of(state.graph, shown)
    return Document(await asyncio.to_thread(run_graph, state, sequence, placement, shown))


async def _state(node: Node, run: RunId, at: int | None) -> tuple[State, tuple[int, int]]:
    """The run, with the number of the event after which it was so, and that of its newest one."""
    last = (await node.parts.ports.journal.head(StreamId(run))).sequence
    if at is not None:
        return await run_at(node, run, at), (at, last)
    return await node.run(run, until=last), (last, last)


_CHANGES = {
    **streamed({"changes": RunChanges, "progress": Progressed, "end": RunState}),
    204: {"description": "Nothing would come: the run has ended, and all of it is known."},
}


@router.get("/changes", responses=_CHANGES, status_code=200, response_class=EventStream)
async def watch_graph(  # noqa: PLR0913 - what is asked, and who asks
    run: Run,
    node: TheNode,
    gateway: TheGateway,
    principal: Viewer,
    shown: Shown,
    after: Annotated[int, Query(ge=0, description="The `sequence` of the graph that is there.")] = 0,
    open: Open = None,  # noqa: A002 - its name in the query
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> Response:
    """What of a run's graph changes, as server-sent events, from event `after` (or `Last-Event-ID`) on, up to its end.

    `changes`: the tasks that are not as they were, as they are now; at most ten times a second, and nothing is left
    out. `progress`: how far an agent says that it is. `end`: the run's state; after it nothing comes. 204 where nothing
    would come: whoever reconnects may stop.
    """
    seen = after if last_event_id is None else last_event_id
    state, (_, last) = await _state(node, RunId(run), None)
    if state.ended and seen >= last:
        return Response(status_code=204)
    return EventStream(gateway, shown, graph_changes(node, principal, RunId(run), seen, open or ()), RunId(run))


@router.get("/timeline", responses=answers(TimelinePage), response_class=Page)
async def show_timeline(  # noqa: PLR0913 - each is a parameter of the query
    run: Run,
    node: TheNode,
    principal: Viewer,
    at: At = None,
    task: Annotated[str | None, Query(max_length=200, description="Only the items of this `for_each` task.")] = None,
    after: Annotated[str | None, Query(max_length=300, description="Only what is behind this task.")] = None,
    limit: Limit = 500,
) -> Page:
    """A page of what the tasks of a run did when, and the critical path: each waited, was queued, waited before it was
    tried again, ran; all from the journal.
    """
    found, sequence = await timeline_at(node, RunId(run), at)
    return Page(await asyncio.to_thread(timeline_page, found, sequence, task, after, limit))
