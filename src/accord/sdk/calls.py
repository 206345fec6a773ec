"""Calls: what an agent's function asks others for while it works, through the orchestrator."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec

from accord.domain.ids import Digest
from accord.domain.message import PAYLOAD_MAX_BYTES
from accord.domain.payloads import AskPayload, ReplyPayload, decode_payload, encode_payload
from accord.errors import MessageRefused, Problem
from accord.ports import Clock
from accord.sdk.answers import AttemptKey, Subject, answer
from accord.sdk.intake import Letter
from accord.sdk.outbox import Outbox
from accord.sdk.outcome import Failure

logger = logging.getLogger("accord.agent")

LONGEST_FACTOR = 12
"""It is asked again after a while, then after twice as long, and so on up to so many times as long."""


class CallFailed(Failure):
    """Nothing came of a call. Not caught, it is the attempt's failure; what was asked for has been tried already, as
    often as its graph says.
    """

    def __init__(self, problems: tuple[Problem, ...], run: str = "") -> None:
        super().__init__("call-failed", "; ".join(str(one) for one in problems))
        self.problems = problems
        self.run = run
        """The run that failed; empty where none was started."""


class Calls:
    """The calls of one agent's attempts. The bus may lose a question or its reply: who hears nothing asks again."""

    def __init__(self, outbox: Outbox, clock: Clock, again_after: timedelta, changed: Callable[[], None]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._again_after_s = again_after.total_seconds()
        self._changed = changed
        self._waiting: dict[AttemptKey, dict[Digest, asyncio.Future[ReplyPayload]]] = {}
        self._asked: dict[AttemptKey, int] = {}

    @property
    def waiting(self) -> int:
        """How many attempts wait for a reply: their places are free meanwhile."""
        return len(self._waiting)

    async def ask(self, subject: Subject, wanted: AskPayload) -> Any:
        """What comes of it. Raises CallFailed."""
        payload = encode_payload(wanted)
        if len(payload) > PAYLOAD_MAX_BYTES:
            raise CallFailed((Problem("ACC320", f"the call has {len(payload)} bytes, {PAYLOAD_MAX_BYTES} fit"),))
        asked = Digest(sha256(payload).hexdigest())
        waiting = self._waiting.setdefault(subject.key, {})
        reply = waiting.get(asked)
        if reply is None:
            reply = waiting[asked] = asyncio.get_running_loop().create_future()
            self._changed()
        try:
            found = await self._reply(subject, payload, reply)
        finally:
            self._leave(subject.key, asked, reply)
        if found.output is msgspec.UNSET:
            raise CallFailed(found.problems, found.run)
        return found.output

    def hear(self, letter: Letter) -> None:
        """A reply: whoever waits for it goes on."""
        claims = letter.claims
        try:
            reply = decode_payload(ReplyPayload, letter.delivery.message.payload)
        except MessageRefused as error:
            logger.warning("a reply that cannot be read: %s", error)
            return
        for key, waiting in self._waiting.items():
            same = (claims.run, claims.task, claims.attempt, claims.lease) == key
            future = waiting.get(Digest(reply.asked)) if same else None
            if future is not None and not future.done():
                future.set_result(reply)

    def end(self, key: AttemptKey) -> None:
        """The attempt is over: nothing is waited for any more."""
        for future in self._waiting.get(key, {}).values():
            future.cancel()
        self._asked.pop(key, None)

    async def _reply(self, subject: Subject, payload: bytes, reply: asyncio.Future[ReplyPayload]) -> ReplyPayload:
        wait_s = self._again_after_s
        while True:
            self._send(subject, payload)
            try:
                return await asyncio.wait_for(asyncio.shield(reply), wait_s)
            except TimeoutError:
                wait_s = min(wait_s * 2, self._again_after_s * LONGEST_FACTOR)

    def _send(self, subject: Subject, payload: bytes) -> None:
        number = self._asked[subject.key] = self._asked.get(subject.key, 0) + 1
        outgoing = answer(subject, "ask", payload, self._clock.now())
        outgoing.claims = msgspec.structs.replace(outgoing.claims, id=f"{outgoing.claims.id}/{number}")
        self._outbox.put(outgoing)

    def _leave(self, key: AttemptKey, asked: Digest, reply: asyncio.Future[ReplyPayload]) -> None:
        """Nobody waits for it any more; whoever asks again sends it anew."""
        waiting = self._waiting.get(key, {})
        if waiting.get(asked) is reply:
            del waiting[asked]
        if not waiting and self._waiting.pop(key, None) is not None:
            self._changed()
