"""What becomes of a stream when whoever reads it has gone."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

from accord.errors import StoreUnavailable
from accord.gateway.application import Gateway
from accord.gateway.feeds.latest import Told
from accord.gateway.feeds.streams import EventStream

SCOPE = {"type": "http", "asgi": {"spec_version": "2.3"}}


async def for_ever(*_: object) -> None:
    await asyncio.Event().wait()


async def test_a_feed_that_fails_as_its_reader_goes_is_closed_and_no_news() -> None:
    asked, closed, heard = asyncio.Event(), asyncio.Event(), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))

    async def messages() -> AsyncGenerator[Told]:
        try:
            asked.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                # As a driver says it whose connection is lost in the middle of an operation.
                raise StoreUnavailable.of("ACC501", "the store cannot be reached") from None
            yield Told("event", 1)
        finally:
            closed.set()

    async def receive() -> dict[str, Any]:
        await asked.wait()
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        await asyncio.sleep(0)

    gateway = SimpleNamespace(
        readiness=SimpleNamespace(draining=asyncio.Event()), guard=SimpleNamespace(outlasted=for_ever)
    )
    await EventStream(cast("Gateway", gateway), None, messages())(SCOPE, receive, send)
    assert closed.is_set()
    gc.collect()
    await asyncio.sleep(0)
    assert heard == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
