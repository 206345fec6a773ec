"""The live half of a worker: its loops, from taking the first message to sending the last answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from functools import partial

import msgspec

from accord.domain.delegation import REFUSALS
from accord.domain.ids import LeaseToken
from accord.domain.message import Kind
from accord.domain.payloads import AckPayload, RejectPayload, decode_payload
from accord.errors import MessageRefused
from accord.ports import Clock, Delivery, Inbox
from accord.sdk.desk import Desk
from accord.sdk.intake import ASSIGNMENTS, NOTICES, Intake, Letter, Refusal
from accord.sdk.log_lane import LogLane
from accord.sdk.outbox import BACKOFF_FIRST_S, BACKOFF_MAX_S, Outbox
from accord.sdk.outcome import Failure
from accord.sdk.overhearing import leave, overhear
from accord.sdk.presence import Presence

logger = logging.getLogger("accord.worker")

BATCH_MAX = 256
"""Messages that are taken from the inbox at a time."""

UNKNOWN_INSTANCE = "ACC715"
"""The orchestrator knows no card of this instance: it was started again, or the card was lost."""

SHOWN_AGAIN_AFTER = timedelta(milliseconds=250)
"""After how long an assignment is given back that whoever signs for the agent has not seen."""

STOP_WITHIN_S = 6.0
"""How long what was stopped has to be answered: longer than a thread or a program has to see that it was."""

FLUSH_WITHIN_S = 5.0
"""How long stopping waits for the last answers to be sent; what is not is delivered again to another instance."""

LOGS_WITHIN_S = 1.0
"""The same for what was logged last; what is not sent then is lost."""


Show = Callable[[Sequence[bytes]], Awaitable[None]]
"""Shows statements of orchestrators to whoever signs for the agent. Raises MessageRefused for what that does not
believe, and other errors while it is away."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a shift connects."""

    inbox: Inbox
    """Of assignments."""
    notices: Sequence[Inbox]
    """Of what concerns all instances of the agent, and of what concerns this one."""
    intake: Intake
    desk: Desk
    lane: LogLane
    outbox: Outbox
    presence: Presence
    clock: Clock
    refused: Callable[[Refusal], None]
    show: Show | None
    """Told of every assignment before it begins."""


class Shift:
    """Takes messages from the inboxes to the desk while the outbox sends and the presence beats."""

    def __init__(self, parts: Parts, heartbeat: timedelta) -> None:
        self._parts = parts
        parts.desk.changed = parts.presence.beat
        parts.presence.announce()
        self._returning: set[asyncio.Task[None]] = set()
        self._overhearing = overhear()
        self._consuming = _task("consume", self._repeat(self._take_assignments))
        self._others = [
            *(_task("listen", self._repeat(partial(self._hear, notices))) for notices in parts.notices),
            _task("send", parts.outbox.run(parts.inbox)),
            _task("log", parts.lane.run()),
            _task("beat", parts.presence.run(heartbeat)),
        ]

    @property
    def leases(self) -> tuple[LeaseToken, ...]:
        """The leases of what runs or waits, oldest first."""
        return self._parts.desk.leases

    def announce(self) -> None:
        """Send the card, and a heartbeat with the leases that are held."""
        self._parts.presence.announce()
        self._parts.presence.beat()

    async def end(self, within: timedelta) -> None:
        """Take nothing new, give back what has not begun, wait for the rest; after `within` it is stopped."""
        parts = self._parts
        try:
            await _ended([self._consuming, *self._returning])
            parts.presence.draining = True
            waiting = parts.desk.put_back()
            # After that: a lease that is given back is not kept.
            parts.presence.beat()
            if waiting:
                await parts.inbox.nack(waiting)
            await _within(within.total_seconds(), parts.desk.idle())
            parts.desk.stop_all(Failure("stopped", "the agent's worker was stopped", retryable=True))
            await _within(STOP_WITHIN_S, parts.desk.idle())
            parts.presence.leave()
            await _within(FLUSH_WITHIN_S, parts.outbox.flushed())
            await _within(LOGS_WITHIN_S, parts.lane.flushed())
        finally:
            leave(self._overhearing)
            await _ended(self._others)
            parts.desk.close()

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        backoff_s = 0.0
        while True:
            try:
                await step()
                backoff_s = 0.0
            except Exception as error:
                # Ports raise what their drivers raise: whatever it is, the inbox is asked again.
                logger.warning("cannot take messages, trying again: %s", error)
                backoff_s = min(max(2 * backoff_s, BACKOFF_FIRST_S), BACKOFF_MAX_S)
                await asyncio.sleep(backoff_s)

    async def _take_assignments(self) -> None:
        parts = self._parts
        await parts.desk.has_room()
        await asyncio.sleep(0)  # another instance that waits has its turn before this one takes more
        deliveries = await parts.inbox.take(max(1, min(BATCH_MAX, parts.desk.room)))
        refused: list[Delivery] = []
        for delivery, letter in zip(deliveries, await self._checked(deliveries, ASSIGNMENTS), strict=True):
            if letter is None:
                refused.append(delivery)
            elif (pause := parts.desk.give_back_after(letter)) is not None:
                self._give_back(delivery, pause)
            elif parts.show is None:
                parts.desk.assign(letter)
            elif not await self._shown(letter, parts.show):
                self._give_back(delivery, SHOWN_AGAIN_AFTER)
            else:
                parts.desk.assign(letter)
        if refused:
            await parts.inbox.ack(refused)

    async def _shown(self, letter: Letter, show: Show) -> bool:
        """Whether whoever signs for the agent has seen it, and will sign an answer."""
        try:
            await show([letter.delivery.message.statement])
        except Exception as error:
            # Whatever it is: an instance whose answers are not signed takes nothing.
            logger.error("an assignment is given back, no answer to it would be signed: %s", error)
            return False
        return True

    def _give_back(self, delivery: Delivery, pause: timedelta) -> None:
        """Leave an assignment to another instance, after a pause. One that is cut short is given back by the inbox."""
        returning = _task("give back", self._return(delivery, pause))
        self._returning.add(returning)
        returning.add_done_callback(self._returning.discard)

    async def _return(self, delivery: Delivery, pause: timedelta) -> None:
        await asyncio.sleep(pause.total_seconds())
        try:
            await self._parts.inbox.nack([delivery])
        except Exception as error:
            # Ports raise what their drivers raise; the bus delivers again what it was not told of.
            logger.warning("cannot give back an assignment: %s", error)

    async def _hear(self, notices: Inbox) -> None:
        deliveries = await notices.take(BATCH_MAX)
        try:
            for letter in await self._checked(deliveries, NOTICES):
                if letter is not None:
                    await self._told(letter)
        finally:
            await notices.ack(deliveries)  # one that was not understood is not understood later either

    async def _checked(self, deliveries: Sequence[Delivery], kinds: frozenset[Kind]) -> list[Letter | None]:
        """The letters, None for what was refused, and is told."""
        found = await self._parts.intake.check(deliveries, self._parts.clock.now(), kinds)
        for one in found:
            if isinstance(one, Refusal):
                self._parts.refused(one)
        return [None if isinstance(one, Refusal) else one for one in found]

    async def _told(self, letter: Letter) -> None:
        """Obey a cancellation, drop what has ended, and log a rejection of what this instance has said."""
        try:
            if letter.claims.kind in ("cancel", "reply"):
                desk = self._parts.desk
                (desk.cancel if letter.claims.kind == "cancel" else desk.reply)(letter)
            elif letter.claims.kind == "ack":
                told = decode_payload(AckPayload, letter.delivery.message.payload)
                self._parts.desk.end(told.ended)
                self._parts.presence.accepted(told.delegated)
            elif letter.claims.kind in ("delegate", "succeed"):
                if self._parts.show is not None and not await self._shown(letter, self._parts.show):
                    return
                if letter.claims.kind == "delegate":
                    self._parts.presence.beat()  # so that the orchestrator knows that it is believed
            elif letter.claims.task is None or self._parts.desk.has_answered(letter):
                rejected = decode_payload(RejectPayload, letter.delivery.message.payload)
                codes = {one.code for one in rejected.violations}
                if UNKNOWN_INSTANCE in codes:
                    self._parts.presence.announce()
                if codes & REFUSALS.keys():
                    self._parts.presence.refused_to_delegate()
                words = "; ".join(map(str, rejected.violations))
                logger.warning("rejected, task %s: %s", letter.claims.task or "none", words)
        except MessageRefused as error:
            self._parts.refused(Refusal(letter.delivery.message, error.problems))


def _task(name: str, loop: Coroutine[object, object, None]) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(loop, name=f"accord-worker-{name}")


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _within(limit_s: float, waiting: Coroutine[object, object, None]) -> None:
    try:
        await asyncio.wait_for(waiting, limit_s)
    except TimeoutError:
        return
