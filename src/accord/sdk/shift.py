"""The live half of a worker: its loops, from taking the first message to sending the last answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta

import msgspec

from accord.domain.payloads import RejectPayload, decode_payload
from accord.errors import MessageRefused
from accord.ports import Clock, Delivery, Inbox
from accord.sdk.desk import Desk
from accord.sdk.intake import Intake, Letter, Refusal
from accord.sdk.outbox import BACKOFF_FIRST_S, BACKOFF_MAX_S, Outbox
from accord.sdk.outcome import Failure
from accord.sdk.presence import Presence

logger = logging.getLogger("accord.worker")

BATCH_MAX = 256
"""Messages that are taken from the inbox at a time."""

UNKNOWN_INSTANCE = "ACC715"
"""The orchestrator knows no card of this instance: it was started again, or the card was lost."""

FLUSH_WITHIN_S = 5.0
"""How long stopping waits for the last answers to be sent; what is not is delivered again to another instance."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a shift connects."""

    inbox: Inbox
    intake: Intake
    desk: Desk
    outbox: Outbox
    presence: Presence
    clock: Clock
    refused: Callable[[Refusal], None]


class Shift:
    """Takes messages from the inbox to the desk while the outbox sends and the presence beats."""

    def __init__(self, parts: Parts, heartbeat: timedelta) -> None:
        self._parts = parts
        parts.desk.changed = parts.presence.beat
        parts.presence.announce()
        self._consuming = _task("consume", self._consume())
        self._others = [
            _task("send", parts.outbox.run(parts.inbox)),
            _task("beat", parts.presence.run(heartbeat)),
        ]

    async def end(self, within: timedelta) -> None:
        """Take nothing new, give back what has not begun, wait for the rest; after `within` it is stopped."""
        parts = self._parts
        try:
            await _ended([self._consuming])
            parts.presence.draining = True
            waiting = parts.desk.put_back()
            # After that: a lease that is given back is not kept.
            parts.presence.beat()
            if waiting:
                await parts.inbox.nack(waiting)
            await _within(within.total_seconds(), parts.desk.idle())
            parts.desk.stop_all(Failure("stopped", "the agent's worker was stopped", retryable=True))
            await _within(FLUSH_WITHIN_S, parts.desk.idle())
            await _within(FLUSH_WITHIN_S, parts.outbox.flushed())
        finally:
            await _ended(self._others)
            parts.desk.close()

    async def _consume(self) -> None:
        backoff_s = 0.0
        while True:
            try:
                # At least one, even when there is no room: it may be a cancellation.
                deliveries = await self._parts.inbox.take(max(1, min(BATCH_MAX, self._parts.desk.room)))
                await self._receive(deliveries)
                backoff_s = 0.0
            except Exception as error:
                # Ports raise what their drivers raise: whatever it is, the inbox is asked again.
                logger.warning("cannot take messages, trying again: %s", error)
                backoff_s = min(max(2 * backoff_s, BACKOFF_FIRST_S), BACKOFF_MAX_S)
                await asyncio.sleep(backoff_s)

    async def _receive(self, deliveries: Sequence[Delivery]) -> None:
        dealt_with: list[Delivery] = []
        found = await self._parts.intake.check(deliveries, self._parts.clock.now())
        for delivery, letter in zip(deliveries, found, strict=True):
            if isinstance(letter, Refusal):
                self._parts.refused(letter)
            elif letter.claims.kind == "assign":
                self._parts.desk.assign(letter)
                continue
            else:
                self._told(letter)
            dealt_with.append(delivery)
        if dealt_with:
            await self._parts.inbox.ack(dealt_with)

    def _told(self, letter: Letter) -> None:
        """Obey a cancellation, and log a rejection; an `ack` is no news."""
        try:
            if letter.claims.kind == "cancel":
                self._parts.desk.cancel(letter)
            elif letter.claims.kind == "reject":
                rejected = decode_payload(RejectPayload, letter.delivery.message.payload)
                if any(one.code == UNKNOWN_INSTANCE for one in rejected.violations):
                    self._parts.presence.announce()
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
