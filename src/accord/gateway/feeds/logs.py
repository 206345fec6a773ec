"""The feed of what agents log: the lines that are there, then those that come, until the run has ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.responses import Response

from accord.domain.access import Principal
from accord.domain.ids import RunId
from accord.domain.log import LogQuery
from accord.engine.node import Node
from accord.gateway.feeds.latest import Told
from accord.gateway.feeds.streams import EventStream
from accord.views.runs import RunState

if TYPE_CHECKING:
    from accord.gateway.application import Gateway


async def log_changes(gateway: Gateway, who: Principal, shown: str | None, run: RunId, wanted: LogQuery) -> Response:
    """The answer to who follows it. Raises NotFound, and BadInput where `after` is no place."""
    state, page = await gateway.node.run(run), await gateway.node.logs(run, wanted)
    if state.ended and wanted.after is not None and not page.lines:
        return Response(status_code=204)
    return EventStream(gateway, shown, _told(gateway.node, who, run, wanted), run)


async def _told(node: Node, who: Principal, run: RunId, wanted: LogQuery) -> AsyncGenerator[Told]:
    """`lines`: a page. `end`: the run's state. Raises Forbidden as soon as they may look at the run no longer."""
    async with aclosing(node.follow_logs(run, wanted)) as pages:
        async for page in pages:
            await node.parts.permission.require(who, "look", run)
            yield Told("lines", page, page.next)
    yield Told("end", RunState(run, (await node.run(run)).phase))
