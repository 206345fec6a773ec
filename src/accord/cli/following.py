"""Following a run: what has happened already, then what happens, until it ends; here, or in another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from accord.domain.ids import RunId
from accord.domain.run import evolve
from accord.engine.feed import Happened, News
from accord.engine.node import Node

LOOK_EVERY_S: Final = 0.25
"""How often the journal is asked about a run that another process carries on."""


async def followed(node: Node, run: RunId) -> AsyncIterator[News]:
    """News of a run that this node carries on: first all that has happened, then the rest, up to its end."""
    with node.parts.feed.subscribe(run) as subscription:
        seen = await _so_far(node, run)
        yield seen
        if seen.run.ended:
            return
        async for item in subscription:
            if isinstance(item, Happened):
                if item.sequence <= seen.sequence and item.events:
                    continue
                seen = _unseen(seen, item)
                yield seen
                if item.run.ended:
                    return
            else:
                yield item
    async for item in observed(node, run):  # too slow for the feed: the journal has it all
        yield item


async def observed(node: Node, run: RunId) -> AsyncIterator[Happened]:
    """News of a run as the journal gets it, whoever carries it on, up to its end."""
    seen = await _so_far(node, run)
    yield seen
    while not seen.run.ended:
        await asyncio.sleep(LOOK_EVERY_S)
        found = await node.events(run, after=seen.sequence)
        state = seen.run
        for _, event in found:
            state = evolve(state, event)
        if found:
            seen = Happened(state, found[-1][0], tuple(event for _, event in found))
            yield seen


async def _so_far(node: Node, run: RunId) -> Happened:
    events = await node.events(run)
    until = events[-1][0] if events else None
    return Happened(await node.run(run, until=until), until or 0, tuple(event for _, event in events))


def _unseen(seen: Happened, item: Happened) -> Happened:
    """The item without the events that were told with what had happened so far."""
    new = item.sequence - seen.sequence
    return Happened(item.run, item.sequence, item.events[-new:] if new > 0 else ())
