"""Feeds as server-sent events over HTTP (WHATWG HTML, 9.2): for browsers, and for curl."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from anyio import CancelScope
from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse
from starlette.types import Send

from accord.domain.ids import RunId
from accord.errors import AccordError
from accord.gateway.documents import schema_of
from accord.gateway.feeds.latest import Told

if TYPE_CHECKING:
    from accord.gateway.application import Gateway

logger = logging.getLogger("accord.gateway")

PING_EVERY_S: Final = 15.0
"""A silent stream says so often that it is still there: proxies cut what is silent for long."""

STALLED_AFTER_S: Final = 30.0
"""Whoever takes nothing for so long is cut off, and may go on from the last event that they have."""

HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(StreamingResponse):
    """The messages of a feed, until there are no more, the server drains, or who asks may look no longer."""

    media_type = "text/event-stream"

    def __init__(
        self, gateway: Gateway, token: str | None, messages: AsyncGenerator[Told], run: RunId | None = None
    ) -> None:
        super().__init__(_lines(gateway, token, messages, run), headers=HEADERS)

    async def stream_response(self, send: Send) -> None:
        """Send it all, as fast as it is taken."""

        async def send_in_time(message: Any) -> None:
            async with asyncio.timeout(STALLED_AFTER_S):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            logger.info("a stream was cut off: nothing of it was taken for %g s", STALLED_AFTER_S)


def streamed(events: Mapping[str, type]) -> dict[int | str, dict[str, Any]]:
    """What an operation streams, for its `responses`: the values of its events, by their names."""
    schema = {
        "type": "object",
        "description": "A server-sent event.",
        "required": ["event", "data"],
        "properties": {
            "event": {"enum": list(events)},
            "id": {"type": "string", "description": "Where to go on after it, as `Last-Event-ID`."},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"anyOf": [schema_of(kind) for kind in events.values()]},
            },
        },
    }
    return {200: {"description": "The events", "content": {EventStream.media_type: {"schema": schema}}}}


async def _lines(
    gateway: Gateway, token: str | None, messages: AsyncGenerator[Told], run: RunId | None
) -> AsyncIterator[bytes]:
    over = [
        asyncio.ensure_future(gateway.readiness.draining.wait()),
        asyncio.ensure_future(gateway.guard.outlasted(token, "look", run)),
    ]
    line: asyncio.Future[Told | None] | None = None
    try:
        while not any(one.done() for one in over):
            line = line or asyncio.ensure_future(_next(messages))
            either: set[asyncio.Future[Any]] = {line, *over}
            await asyncio.wait(either, timeout=PING_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            if not line.done():
                yield format_sse_event(comment="still here")
                continue
            told, line = line.result(), None
            if told is None:
                return
            yield _event(told)
    except AccordError as error:
        logger.info("a stream ends: %s", error)
    finally:
        with CancelScope(shield=True):  # whoever has gone is cancelled again at each await
            await _given_up([*over, line] if line else over)
            await messages.aclose()


async def _given_up(waiting: Sequence[asyncio.Future[Any]]) -> None:
    """Nobody waits for these any more; what goes wrong with one of them meanwhile is no news."""
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def _next(messages: AsyncGenerator[Told]) -> Told | None:
    return await anext(messages, None)


def _event(told: Told) -> bytes:
    return format_sse_event(event=told.event, data_str=msgspec.json.encode(told.value).decode(), id=told.id)
