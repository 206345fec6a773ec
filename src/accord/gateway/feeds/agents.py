"""The feed of agents: all that are known, then each that changes, as it is then."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator
from typing import Final

from accord.domain.ids import AgentId
from accord.engine.node import Node
from accord.errors import StoreError
from accord.gateway.feeds.latest import Latest, Lookout, Told, pages
from accord.ports import Sighting
from accord.views.agents import AgentDocument, AgentNews, agent_document

logger = logging.getLogger("accord.gateway")

LOOK_EVERY_S: Final = 0.5
"""How often it is looked who is present, in whatever process."""

AGENTS: Final = 100_000
"""So many agents are held."""


class AgentsFeed:
    """Tells of agents, whoever watches."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._latest: Latest[AgentId, AgentDocument] = Latest(AGENTS)
        self._known: dict[AgentId, tuple[object, ...]] = {}
        self._lookout = Lookout(self._look)

    async def changes(self) -> AsyncGenerator[Told]:
        """All agents in messages of some, the last of them `complete`; then those that change.

        Raises StoreUnavailable at the beginning, and Overloaded where the watcher was too slow.
        """
        with self._lookout.watched():
            await self._gather()
            number = self._latest.number
            *most, last = pages(self._latest.since(0))
            for page in most:
                yield Told("agents", AgentNews(agents=tuple(page), complete=False))
            yield Told("agents", AgentNews(agents=tuple(last), complete=True))
            async for found in self._latest.changes(number):
                for page in pages(found):
                    yield Told("agents", AgentNews(agents=tuple(page), complete=True))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._gather()
            except StoreError as error:
                logger.warning("the feed of agents cannot ask the store: %s", error)

    async def _gather(self) -> None:
        """Take over how agents are now; when an instance was heard last is no news."""
        held = {hold.subject: hold for hold in await self._node.holds() if hold.scope == "agent"}
        present: dict[AgentId, list[Sighting]] = defaultdict(list)
        for one in await self._node.sightings():
            present[one.agent].append(one)
        for known in await self._node.agents():
            agent, card = known.card.agent, known.card
            instances = present.get(agent, [])
            now = (card, known.capacity, held.get(agent), known.taken_out, known.work, *map(_news, instances))
            if self._known.get(agent) != now:
                self._known[agent] = now
                self._latest.put(agent, agent_document(known, instances, hold=held.get(agent), whole=False))


def _news(one: Sighting) -> tuple[object, ...]:
    """All but when it was heard last."""
    return (
        one.instance,
        one.process,
        one.concurrency,
        one.queue,
        one.queued,
        one.load,
        one.draining,
        one.capabilities,
    )
