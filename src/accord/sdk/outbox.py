"""What an agent says: everything that waits is signed in one call and published in one call, and nothing gets lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from accord.domain.delegation import OF_AGENTS
from accord.domain.message import Claims, Message, encode_claims
from accord.errors import MessageRefused
from accord.ports import Bus, Clock, Delivery, Inbox, Parcel
from accord.statements import Draft, Signer

logger = logging.getLogger("accord.worker")

BACKOFF_FIRST_S = 0.02
BACKOFF_MAX_S = 2.0


class Outgoing(msgspec.Struct, eq=False):
    """A message on its way: to be signed, then to be published, then its deliveries are acknowledged."""

    subject: str
    claims: Claims
    payload: bytes
    deliveries: list[Delivery] = []
    """What this message answers; may grow until it is sent."""
    sent: Callable[[Outgoing], None] | None = None
    """Called once, when the bus has the message, or when it is known that there will be none."""
    message: Message | None = None
    """The signed message, as soon as it is signed."""
    unwanted: bool = False
    """Whether nobody waits for it any more: then it is not sent."""


class Outbox:
    """Signs and publishes in the order of `put` while nothing fails; what fails is tried until it is sent."""

    def __init__(self, signer: Signer, bus: Bus, clock: Clock) -> None:
        self._signer = signer
        self._bus = bus
        self._clock = clock
        self._waiting: list[Outgoing] = []
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._backoff_s = 0.0

    def put(self, outgoing: Outgoing) -> None:
        """Send this, some time soon."""
        self._waiting.append(outgoing)
        self._empty.clear()
        self._wake.set()

    async def signed(self, claims: Claims) -> bytes:
        """A statement that is shown and not sent."""
        (statement,) = await self._signer.sign([Draft(encode_claims(claims), alone=True, until_s=_until(claims))])
        return statement

    async def flushed(self) -> None:
        """Wait until everything is sent."""
        await self._empty.wait()

    async def run(self, inbox: Inbox) -> None:
        """Send what is put, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            try:
                unsent = await self._send(batch, inbox)
            except asyncio.CancelledError:
                self._waiting = batch + self._waiting
                raise
            await self._settle(unsent)

    async def _settle(self, unsent: list[Outgoing]) -> None:
        if unsent:
            self._waiting = unsent + self._waiting
            self._wake.set()
            self._backoff_s = min(max(2 * self._backoff_s, BACKOFF_FIRST_S), BACKOFF_MAX_S)
            await asyncio.sleep(self._backoff_s)
            return
        self._backoff_s = 0.0
        if not self._waiting:
            self._empty.set()

    async def _send(self, batch: list[Outgoing], inbox: Inbox) -> list[Outgoing]:
        """Send these; gives back those that could not be sent now."""
        wanted = [outgoing for outgoing in batch if not outgoing.unwanted]
        if not await self._tried("sign", lambda: self._sign(wanted)):
            return batch
        signed = [outgoing for outgoing in wanted if outgoing.message is not None]
        if await self._tried("publish", lambda: self._publish(signed)):
            unsent: list[Outgoing] = []
        else:
            unsent = await self._publish_apart(signed)
        stuck = set(map(id, unsent))
        done = [outgoing for outgoing in batch if id(outgoing) not in stuck]
        for outgoing in done:
            if outgoing.sent is not None:
                outgoing.sent(outgoing)
        answered = [delivery for outgoing in done for delivery in outgoing.deliveries]
        if answered:
            # One that stays unacknowledged is delivered again, and answered again with the same message.
            await self._tried("acknowledge", lambda: inbox.ack(answered))
        return unsent

    async def _sign(self, batch: Sequence[Outgoing]) -> None:
        """Give each its signed message; one whose claims fit into no statement keeps none. What has waited, or was
        kept, until it expired is issued anew.
        """
        unsigned: list[tuple[Outgoing, Draft]] = []
        now_s = int(self._clock.now().timestamp())
        for outgoing in batch:
            if outgoing.claims.expires_at <= now_s:
                _issue_anew(outgoing, now_s)
            if outgoing.message is None:
                try:
                    draft = Draft(encode_claims(outgoing.claims), until_s=_until(outgoing.claims))
                except MessageRefused as error:
                    logger.error("%s of %s cannot be sent: %s", outgoing.claims.kind, outgoing.claims.id, error)
                    continue
                unsigned.append((outgoing, draft))
        if not unsigned:
            return
        try:
            statements = await self._signer.sign([draft for _, draft in unsigned])
        except MessageRefused:
            await self._sign_apart(unsigned)
            return
        for (outgoing, _), statement in zip(unsigned, statements, strict=True):
            outgoing.message = Message(statement, outgoing.payload)

    async def _sign_apart(self, unsigned: Sequence[tuple[Outgoing, Draft]]) -> None:
        """Sign one by one: what whoever holds the key does not sign is not sent, and holds up nothing else."""
        for outgoing, draft in unsigned:
            try:
                (statement,) = await self._signer.sign([draft])
            except MessageRefused as error:
                logger.error("%s of %s is not signed: %s", outgoing.claims.kind, outgoing.claims.id, error)
                continue
            outgoing.message = Message(statement, outgoing.payload)

    async def _publish(self, batch: Sequence[Outgoing]) -> None:
        parcels = [Parcel(outgoing.subject, outgoing.message) for outgoing in batch if outgoing.message]
        if parcels:
            await self._bus.publish(parcels)

    async def _publish_apart(self, batch: Sequence[Outgoing]) -> list[Outgoing]:
        """Publish subject by subject, so that one that is full holds up no other; gives back what is left."""
        unsent: list[Outgoing] = []
        for subject in dict.fromkeys(outgoing.subject for outgoing in batch):
            group = [outgoing for outgoing in batch if outgoing.subject == subject]
            if not await self._tried("publish", partial(self._publish, group)):
                unsent.extend(group)
        return unsent

    async def _tried(self, what: str, step: Callable[[], Awaitable[None]]) -> bool:
        """Whether the step worked. Ports raise what their drivers raise: whatever it is, it is tried again."""
        try:
            await step()
        except Exception as error:
            logger.warning("cannot %s, trying again: %s", what, error)
            return False
        return True


def _until(claims: Claims) -> int | None:
    """A delegated key that signs this lives as long as it is valid: it may be kept and sent again until then."""
    return claims.expires_at if claims.kind in OF_AGENTS else None


def _issue_anew(outgoing: Outgoing, now_s: int) -> None:
    claims = outgoing.claims
    valid_s = claims.expires_at - claims.issued_at
    outgoing.claims = msgspec.structs.replace(claims, issued_at=now_s, expires_at=now_s + valid_s)
    outgoing.message = None
