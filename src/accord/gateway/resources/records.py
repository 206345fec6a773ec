"""`/v1/runs/{run}/…`: its events: as values, as they stand in the journal, and as they happen (server-sent events)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Header, Query
from fastapi.sse import format_sse_event
from starlette.responses import Response, StreamingResponse

from accord.domain.ids import RunId
from accord.domain.news import Progressed
from accord.engine.node import Node
from accord.gateway.asking import TheGateway, TheNode, Viewer
from accord.gateway.documents import Document, answers
from accord.gateway.resources.runs import Run
from accord.views.records import StoredEvents, event_documents, page_of, stored

router = APIRouter(prefix="/v1/runs/{run}", tags=["runs"])

PING_EVERY_S: Final = 15.0
"""A silent stream says so often that it is still there: proxies cut what is silent for long."""

After = Annotated[int, Query(ge=0, description="Only what is behind this event.")]
Limit = Annotated[int, Query(ge=1, le=10_000)]


@router.get("/events", response_class=Document)
async def list_events(run: Run, node: TheNode, principal: Viewer, after: After = 0, limit: Limit = 1000) -> Document:
    """The run's events, in order."""
    records = await _records(node, run, after, limit)
    return Document({"events": event_documents(records), "next": page_of(records, limit).next})


@router.get("/records", responses=answers(StoredEvents), response_class=Document)
async def list_records(run: Run, node: TheNode, principal: Viewer, after: After = 0, limit: Limit = 1000) -> Document:
    """The run's events as they stand in the journal: their bytes, and the digests that bind each to all before it."""
    return Document(page_of(await _records(node, run, after, limit), limit))


async def _records(node: Node, run: str, after: int, limit: int) -> Any:
    records = await node.records(RunId(run), after=after, limit=limit)
    if not records and await node.summary(RunId(run)) is None:
        await node.run(RunId(run))  # raises that there is none
    return records


@router.get("/feed", response_class=StreamingResponse)
async def feed(
    run: Run,
    node: TheNode,
    gateway: TheGateway,
    principal: Viewer,
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
    lines = _until_drained(_told(node, RunId(run), seen), gateway.readiness.draining)
    return StreamingResponse(lines, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _told(node: Node, run: RunId, after: int) -> AsyncIterator[bytes]:
    async for news in node.follow(run):
        if isinstance(news, Progressed):
            yield _event("progress", news)
            continue
        for record in await node.records(run, after=after):
            after = record.sequence
            yield _event("record", stored(record), record.sequence)
        if news.run.ended:
            yield _event("end", {"run": run, "state": news.run.phase})


def _event(kind: str, value: Any, number: int | None = None) -> bytes:
    data = msgspec.json.encode(value).decode()
    return format_sse_event(event=kind, data_str=data, id=None if number is None else str(number))


async def _next(lines: AsyncIterator[bytes]) -> bytes | None:
    return await anext(lines, None)


async def _until_drained(lines: AsyncIterator[bytes], draining: asyncio.Event) -> AsyncIterator[bytes]:
    """The lines, with a sign of life where there are none for a while, until there are no more or the server drains."""
    stop = asyncio.ensure_future(draining.wait())
    line: asyncio.Future[bytes | None] | None = None
    try:
        while not stop.done():
            line = line or asyncio.ensure_future(_next(lines))
            either: set[asyncio.Future[Any]] = {line, stop}
            await asyncio.wait(either, timeout=PING_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            if line.done():
                taken, line = line.result(), None
                if taken is None:
                    return
                yield taken
            elif not stop.done():
                yield format_sse_event(comment="still here")
    finally:
        for waiting in (stop, line):
            if waiting is not None:
                waiting.cancel()
                await asyncio.wait([waiting])
