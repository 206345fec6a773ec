"""What agents log while they work: lines are numbered and gathered by attempt, and sent in the background, apart from
answers. Nothing waits for them, and nothing fails for them: what cannot be sent is dropped, and its number tells so.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Final

import msgspec

from accord.domain.log import BATCH_MAX_BYTES, LINES_MAX, LogLine, LogPayload
from accord.domain.message import Claims, Message, encode_claims
from accord.domain.payloads import encode_payload
from accord.errors import MessageRefused
from accord.ports import LOGS_SUBJECT, Bus, Clock, Parcel
from accord.sdk.answers import Subject, answer
from accord.sdk.outbox import BACKOFF_FIRST_S, BACKOFF_MAX_S
from accord.statements import Draft, Signer

logger = logging.getLogger("accord.worker")

SENT_WITHIN_S: Final = 0.25
"""So long a line waits for others."""

WAITING_MAX_BYTES: Final = 4 << 20
"""Beyond it lines are dropped while the bus is away."""

ROOM_BYTES: Final = 64
"""What is around the lines of a payload."""


class Pen(msgspec.Struct, eq=False):
    """The lines of one attempt that are not on their way yet."""

    subject: Subject
    over: bool = False
    """Whether the attempt is: what a thread of it still says comes too late."""
    said: int = 0
    told: int = 0
    """The number of the last line that is in a batch, or is known to be missing by one."""
    batches: int = 0
    lines: list[LogLine] = []
    size_bytes: int = 0


class _Batch(msgspec.Struct, frozen=True):
    subject: Subject
    number: int
    payload: bytes


class LogLane:
    """Takes lines of the attempts of one agent, from any thread, and sends them."""

    def __init__(self, signer: Signer, bus: Bus, clock: Clock) -> None:
        self._signer = signer
        self._bus = bus
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._begun: dict[Pen, None] = {}
        """Those with lines that wait for others."""
        self._waiting: list[_Batch] = []
        self._waiting_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._told_away = False

    def say(self, pen: Pen, line: LogLine) -> None:
        """Take a line."""
        if threading.get_ident() == self._thread:
            self._take(pen, line)
        else:
            self._loop.call_soon_threadsafe(self._take, pen, line)

    def end(self, pen: Pen) -> None:
        """The attempt is over: send what it has said."""
        pen.over = True
        if pen.said:
            self._seal(pen)

    async def flushed(self) -> None:
        """Wait until everything is sent."""
        self._seal_all()
        await self._empty.wait()

    async def run(self) -> None:
        """Send what is said, until cancelled."""
        backoff_s = 0.0
        while True:
            await self._wake.wait()
            self._wake.clear()
            batches, self._waiting = self._waiting, []
            try:
                await self._send(batches)
            except Exception as error:  # whatever a port raises: it is tried again, and the work goes on
                self._is_away(error)
                self._waiting = batches + self._waiting
                self._wake.set()
                backoff_s = min(max(2 * backoff_s, BACKOFF_FIRST_S), BACKOFF_MAX_S)
                await asyncio.sleep(backoff_s)
                continue
            backoff_s = 0.0
            self._waiting_bytes -= sum(len(batch.payload) for batch in batches)
            if not self._waiting:
                self._empty.set()

    # -- gathering -----------------------------------------------------------------------------------------------

    def _take(self, pen: Pen, line: LogLine) -> None:
        if pen.over:
            return
        size = len(msgspec.json.encode(line)) + 1
        is_full = len(pen.lines) >= LINES_MAX or pen.size_bytes + size > BATCH_MAX_BYTES - ROOM_BYTES
        if is_full or self._waiting_bytes >= WAITING_MAX_BYTES:
            self._seal(pen)
        pen.said += 1
        if self._waiting_bytes >= WAITING_MAX_BYTES:
            return
        if not pen.lines:
            pen.told = pen.said - 1
            self._begun[pen] = None
        pen.lines.append(line)
        pen.size_bytes += size
        if self._timer is None:
            self._timer = self._loop.call_later(SENT_WITHIN_S, self._due)

    def _due(self) -> None:
        self._timer = None
        self._seal_all()

    def _seal_all(self) -> None:
        for pen in list(self._begun):
            self._seal(pen)

    def _seal(self, pen: Pen) -> None:
        """Put the lines of an attempt on their way; where it is over, say as well how many there were."""
        self._begun.pop(pen, None)
        if not pen.lines and not (pen.over and pen.said > pen.told):
            return
        first = pen.told + 1 if pen.lines else pen.said + 1
        payload = encode_payload(LogPayload(first=first, lines=tuple(pen.lines)))
        pen.batches += 1
        pen.told = first - 1 + len(pen.lines)
        pen.lines, pen.size_bytes = [], 0
        self._waiting.append(_Batch(pen.subject, pen.batches, payload))
        self._waiting_bytes += len(payload)
        self._empty.clear()
        self._wake.set()

    # -- sending -------------------------------------------------------------------------------------------------

    async def _send(self, batches: list[_Batch]) -> None:
        claims = [self._claims(batch) for batch in batches]
        drafts = [Draft(encode_claims(one), until_s=one.expires_at) for one in claims]
        try:
            statements = await self._signer.sign(drafts)
        except MessageRefused as error:
            # Whoever holds the key is of a version that signs no logs: they are dropped.
            self._is_away(error)
            return
        messages = (Message(said, batch.payload) for said, batch in zip(statements, batches, strict=True))
        await self._bus.publish([Parcel(LOGS_SUBJECT, message) for message in messages])
        self._told_away = False

    def _claims(self, batch: _Batch) -> Claims:
        claims = answer(batch.subject, "log", batch.payload, self._clock.now()).claims
        return msgspec.structs.replace(claims, id=f"{claims.id}/{batch.number}")

    def _is_away(self, error: Exception) -> None:
        if not self._told_away:
            self._told_away = True
            logger.warning("what the agent logs cannot be sent, and its work goes on: %s", error)
