"""Delivers: what the journal has of the runs that are ours, to every webhook, from where it was left off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from accord.domain import alert
from accord.domain.ids import RunId, partition_of
from accord.domain.news import Happened, News
from accord.domain.webhook import Delivered, Webhook, cloud_event, event_id
from accord.engine.node import Node
from accord.engine.webhooks import KEPT, Reach
from accord.errors import AccordError, NotFound
from accord.gateway.webhooks.endpoint import Endpoint, Gone
from accord.ports import OPEN, Record, RunQuery, RunSummary

if TYPE_CHECKING:
    from accord.gateway.application import Gateway

logger = logging.getLogger("accord.gateway")

LOOK_EVERY_S: Final = 2.0
"""How often the store is asked for runs that have changed, in this process or another, and for new webhooks."""

OVERLAP: Final = timedelta(minutes=1)
"""So much earlier the store is asked from: clocks differ, and progress is kept after it was made."""

AT_ONCE: Final = 8
"""Runs of which an endpoint is told at once."""

GIVES_UP_AFTER: Final = timedelta(hours=24)
"""An event that an endpoint does not take for so long is given up."""

PAGE: Final = 500


class _Event(msgspec.Struct, frozen=True):
    event: str
    at: datetime


class Courier:
    """What one webhook is told by this process."""

    def __init__(self, node: Node, webhook: Webhook, reach: Reach) -> None:
        self.webhook = webhook
        self._node = node
        ports, self._webhooks = node.parts.ports, node.parts.webhooks
        self._clock = ports.clock
        self._endpoint = Endpoint(webhook.url, self._webhooks.secret(webhook.id), reach, ports.clock, ports.ids)
        self._told: dict[RunId, Delivered] = {}
        self._unkept: set[RunId] = set()
        self._under_way: dict[RunId, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._since: datetime | None = None

    async def look(self) -> None:
        """Keep what was told, and go on with every run that is ours, or nobody's, and has more."""
        now, since = self._clock.now(), await self._catch_up()
        changed = {run: now for run, told in self._told.items() if not told.done}
        query = RunQuery(updated_since=since - OVERLAP, limit=PAGE)
        while page := await self._node.runs(query):
            changed.update((summary.run, summary.updated_at) for summary in page)
            query = RunQuery(updated_since=since - OVERLAP, limit=PAGE, after=page[-1].run)
        changed[alert.STREAM] = now
        others: set[int] = set()
        for run, at in changed.items():
            told = self._told.setdefault(run, Delivered(sequence=0, at=self.webhook.added_at))
            if (not told.done or told.at < at) and await self._is_ours(run, others):
                self.go_on(run)
        self._since = now
        await self.keep()

    async def _catch_up(self) -> datetime:
        """Take over what other processes have told; since when runs have to be looked at."""
        progress = await self._webhooks.progress(self.webhook.id)
        if progress is None:
            return self._since or self.webhook.added_at
        for run, told in progress.runs.items():
            if run not in self._told or self._told[run].sequence < told.sequence:
                self._told[run] = told
        return self._since or progress.at

    async def _is_ours(self, run: RunId, others: set[int]) -> bool:
        """Whether the run is ours, or has just become it because it was nobody's."""
        partition = partition_of(run)
        if partition in others:
            return False
        if self._node.parts.ledger.owns(run) or await self._node.parts.partitions.claim(partition) is not None:
            return True
        others.add(partition)
        return False

    def go_on(self, run: RunId) -> None:
        """Something has happened in a run of ours."""
        if run not in self._under_way:
            self._under_way[run] = asyncio.create_task(self._deliver(run))

    async def keep(self) -> None:
        """Make durable how much was told."""
        unkept, self._unkept = self._unkept, set()
        if not unkept:
            return
        try:
            await self._webhooks.keep(self.webhook.id, {run: self._told[run] for run in unkept})
        except AccordError:
            self._unkept |= unkept
            raise
        old = self._clock.now() - KEPT
        self._told = {run: told for run, told in self._told.items() if not told.done or told.at > old}

    async def close(self) -> None:
        """Stop, and keep what was told."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await self._endpoint.close()

    # -- one run -------------------------------------------------------------------------------------------------

    async def _deliver(self, run: RunId) -> None:
        try:
            async with self._room:
                while await self._deliver_more(run):
                    pass
        except Gone:
            logger.warning("the webhook %s is gone, and removed", self.webhook.id)
            with suppress(NotFound):
                await self._webhooks.remove(self.webhook.id, by="accord", reason="it answered 410")
        except AccordError as error:
            logger.warning("the webhook %s is told more of %s later: %s", self.webhook.id, run, error)
        except Exception:
            logger.exception("a delivery to %s ended in a fault of Accord's", self.webhook.id)
        finally:
            self._under_way.pop(run, None)

    async def _deliver_more(self, run: RunId) -> bool:
        """Tell what the journal has beyond what was told; whether there may be more."""
        told = self._told.get(run) or Delivered(sequence=0, at=self._clock.now())
        if run == alert.STREAM:
            return await self._alert_more(told.sequence)
        summary = await self._node.summary(run)
        records = await self._node.records(run, after=told.sequence, limit=PAGE) if summary is not None else []
        if summary is None or not records:
            ended = summary is None or summary.state not in OPEN
            if ended != told.done or run not in self._told:
                self._note(run, Delivered(sequence=told.sequence, at=self._clock.now(), done=ended))
            return False
        for record in records:
            if not self._node.parts.ledger.owns(run):
                return False
            event = msgspec.json.decode(record.data, type=_Event)
            if event.at >= self.webhook.added_at and self.webhook.admits(event.event, summary.template):
                await self._tell(summary, record)
            self._note(run, Delivered(sequence=record.sequence, at=self._clock.now()))
        return True

    async def _alert_more(self, after: int) -> bool:
        """Tell what there are of incidents beyond a number; whether there may be more."""
        parts = self._node.parts
        events = await parts.incidents.events(after, PAGE)
        for number, event in events:
            if not parts.ledger.owns(alert.STREAM):
                return False
            found = alert.alert_of(number, event)
            if found is not None and found[1].at >= self.webhook.added_at and self.webhook.admits_alert(found[0]):
                body = alert.cloud_alert(parts.identity.organisation, number, *found)
                await self._post(alert.STREAM, number, body)
            self._note(alert.STREAM, Delivered(sequence=number, at=self._clock.now()))
        return bool(events)

    def _note(self, run: RunId, told: Delivered) -> None:
        self._told[run] = told
        self._unkept.add(run)

    async def _tell(self, summary: RunSummary, record: Record) -> None:
        organisation = self._node.parts.identity.organisation
        stored = (record.digest, record.data)
        body = cloud_event(organisation, summary.run, summary.template, record.sequence, stored)
        await self._post(summary.run, record.sequence, body)

    async def _post(self, run: RunId, sequence: int, body: bytes) -> None:
        """Until it is taken, or given up."""
        until = self._clock.now() + GIVES_UP_AFTER
        while problem := await self._endpoint.tell(event_id(run, sequence), body):
            logger.info("the webhook %s has not taken event %d of %s: %s", self.webhook.id, sequence, run, problem)
            if self._clock.now() >= until:
                await self._webhooks.give_up(self.webhook.id, run, sequence, problem)
                return


class Deliverer:
    """All couriers of this process."""

    def __init__(self, node: Node, reach: Reach) -> None:
        self._node = node
        self._reach = reach
        self._couriers: dict[str, Courier] = {}

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            with self._node.parts.feed.subscribe(None, self._wanted) as news:
                while not news.cut_off:
                    try:
                        await self._look()
                    except AccordError as error:
                        logger.warning("webhooks wait for the store: %s", error)
                    try:
                        async with asyncio.timeout(LOOK_EVERY_S):
                            while isinstance(item := await news.take(), Happened):
                                for courier in self._couriers.values():
                                    courier.go_on(item.run.id)
                    except TimeoutError:
                        continue

    async def _look(self) -> None:
        there = {webhook.id: webhook for webhook in await self._node.parts.webhooks.all()}
        for gone in set(self._couriers) - set(there):
            await self._couriers.pop(gone).close()
        for name in set(there) - set(self._couriers):
            self._couriers[name] = Courier(self._node, there[name], self._reach)
        for courier in self._couriers.values():
            await courier.look()

    def _wanted(self, news: News) -> bool:
        return bool(self._couriers) and isinstance(news, Happened)

    async def close(self) -> None:
        """Stop all couriers, and keep what was told."""
        for courier in self._couriers.values():
            await courier.close()
            try:
                await courier.keep()
            except AccordError as error:
                logger.warning("what a webhook was told last is told again: %s", error)


@asynccontextmanager
async def deliveries(gateway: Gateway) -> AsyncIterator[Deliverer]:
    """Webhooks are told as long as the gateway is open."""
    deliverer = Deliverer(gateway.node, gateway.options.reach)
    task = asyncio.create_task(deliverer.run(), name="accord-webhooks")
    try:
        yield deliverer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await deliverer.close()
