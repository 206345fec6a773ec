"""The feed of one run: its events from a number on, up to its end; nothing left out and nothing twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from accord.domain.access import Principal
from accord.domain.ids import RunId
from accord.domain.news import Progressed
from accord.engine.node import Node
from accord.gateway.feeds.latest import Told
from accord.views.records import stored
from accord.views.runs import RunState


async def run_changes(node: Node, who: Principal, run: RunId, after: int) -> AsyncGenerator[Told]:
    """`record`: an event with its number as id. `progress`: how far an agent says it is. `end`: the run's state.

    Raises NotFound, StoreCorrupt, and Forbidden as soon as they may look at the run no longer.
    """
    async for news in node.follow(run):
        is_new = not isinstance(news, Progressed) and news.sequence > after
        records = await node.records(run, after=after) if is_new else []
        await node.parts.permission.require(who, "look", run)  # with the labels of what was read just now
        if isinstance(news, Progressed):
            yield Told("progress", news)
            continue
        for record in records:
            after = record.sequence
            yield Told("record", stored(record), str(record.sequence))
        if news.run.ended:
            yield Told("end", RunState(run, news.run.phase))
