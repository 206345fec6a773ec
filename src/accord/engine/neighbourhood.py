"""The neighbourhood: what each process holds of the commons, told to the others on the bus in small signed notices.

A notice that is lost makes others a little wrong until the next one, no more: see `commons`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Set
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import msgspec

from accord.domain.delegation import refusal as refusal_of_delegate
from accord.domain.ids import AgentId, KeyId
from accord.domain.ingress import claims_flaw, payload_flaw
from accord.domain.message import PAYLOAD_MAX_BYTES, Claims, Message, decode_claims, refusal
from accord.domain.payloads import HoldingsPayload, decode_payload, encode_payload
from accord.domain.signature import PublicKey, parse_statement
from accord.engine.commons import TICK, Neighbour
from accord.engine.listener import hear_for_ever
from accord.engine.orchestrator import Orchestrator
from accord.engine.verdicts import CODES, Suspect, refused
from accord.errors import AccordError, BusUnavailable, MessageRefused, StoreUnavailable
from accord.ports import ORCHESTRATORS_SUBJECT, Delivery, Inbox
from accord.statements import Verifier

logger = logging.getLogger("accord.neighbourhood")

REPEATS: Final = 5
"""So many notices may be lost before a process counts as gone."""

AGENTS_PER_TICK: Final = 1000
"""Who holds work of more agents tells it less often: so the cost of telling stays small."""

BATCH_MAX: Final = 64


class Neighbourhood:
    """Tells others what this process holds, and hears what they do."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self._parts = orchestrator.parts
        self._valid_for = self._parts.tuning.partition_ttl
        self._verifier = Verifier()
        self._number = 0
        self._told = HoldingsPayload(process=self._parts.identity.owner, number=0)
        """What was told last, but for the number and what waits."""
        self._told_at: datetime | None = None
        self._met = False
        """Whether somebody is to be told at once, who is new."""

    # -- telling -------------------------------------------------------------------------------------------------

    async def tell(self) -> None:
        """Tell what has changed, for ever; while nobody else is there, only now and then that this process is."""
        while True:
            try:
                await self._tick()
            except BusUnavailable as away:
                logger.warning("the other processes find out a little later: %s", away)
                self._told_at = None
            except Exception:
                logger.exception("the other processes could not be told what this one holds")
                self._told_at = None
            await asyncio.sleep(TICK.total_seconds() * max(1.0, len(self._told.agents) / AGENTS_PER_TICK))

    async def _tick(self) -> None:
        parts, now = self._parts, self._parts.ports.clock.now()
        commons, dispatcher = parts.router.commons, parts.dispatcher
        self._free(commons.expire(now))
        late = self._told_at is None or not timedelta() <= now - self._told_at < self._valid_for / REPEATS
        if commons.alone and not late and not self._met:
            return
        wants = dispatcher.hungry()
        held = self._held()
        if late or self._met or held != self._told or wants != commons.wants:
            commons.wants = wants
            await self._publish(held, now)
        if wants:
            dispatcher.unblock()
            self._orchestrator.kick()

    def _held(self) -> HoldingsPayload:
        parts = self._parts
        return HoldingsPayload(
            process=parts.identity.owner,
            number=0,
            partitions=tuple(sorted(parts.partitions.fences)),
            agents=parts.router.held_by_agents(),
            capabilities=parts.router.held_by_limits(),
        )

    async def tell_moved(self) -> None:
        """Have all others follow the shared streams at once. A notice that is lost costs them a few seconds."""
        try:
            await self._publish(self._held(), self._parts.ports.clock.now(), moved=True)
        except AccordError as error:
            logger.warning("the other processes find out a little later: %s", error)

    async def _publish(self, held: HoldingsPayload, now: datetime, *, moved: bool = False) -> None:
        """Tell it, as the next of the notices, and since when what waits here has found no room."""
        parts, commons = self._parts, self._parts.router.commons
        self._met = False
        self._number += 1
        self._told, self._told_at = held, now
        commons.tell({**held.agents, **held.capabilities}, now)
        waits_s = {name: max(now - since, timedelta()).total_seconds() for name, since in commons.wants.items()}
        payload = encode_payload(msgspec.structs.replace(held, number=self._number, wants=waits_s, moved=moved))
        envelope = parts.secretary.holdings(payload, parts.ports.ids.token(), now, now + self._valid_for)
        await parts.ports.bus.publish(await parts.secretary.parcels([envelope]))

    async def leave(self) -> None:
        """Tell the others that nothing is held here any more; they would find out by themselves a little later."""
        leaving = HoldingsPayload(process=self._parts.identity.owner, number=0, leaving=True)
        with suppress(Exception):
            await self._publish(leaving, self._parts.ports.clock.now())

    # -- hearing -------------------------------------------------------------------------------------------------

    async def hear(self) -> None:
        """Hear the others, for ever; whatever a bus raises, the inbox is opened again."""
        await hear_for_ever(
            self._parts.ports.bus,
            ORCHESTRATORS_SUBJECT,
            self._take,
            lambda error: logger.exception("the other processes cannot be heard, trying again"),
        )

    async def _take(self, inbox: Inbox) -> None:
        deliveries = await inbox.take(BATCH_MAX)
        for delivery in deliveries:
            await self._hear(delivery)
        await inbox.ack(deliveries)

    async def _hear(self, delivery: Delivery) -> None:
        now = self._parts.ports.clock.now()
        claims: Claims | None = None
        try:
            claims = await self._authentic(delivery.message, now)
            said = self._said(claims, delivery.message.payload, now)
        except MessageRefused as error:
            self._parts.noticed.append(Suspect(delivery, error.problems[0], claims))
            self._orchestrator.kick()
            return
        if said.process != self._parts.identity.owner and claims.expires_at > now.timestamp():
            follows = said.moved and self._parts.router.commons.is_news(said.process, said.number)
            self._believe(said, claims, now)
            if follows:
                await self._follow()

    async def _follow(self) -> None:
        """Look what another process has just said in the store; where it is away, it is looked there again anyway."""
        try:
            await self._parts.refresh()
        except StoreUnavailable as error:
            logger.warning("what another process has said is read later: %s", error)

    async def _authentic(self, message: Message, now: datetime) -> Claims:
        """The claims of a notice by an orchestrator of this identity, and for such. One that comes late is no incident:
        the bus, or this process, may have stood still.
        """
        identity = self._parts.identity
        if len(message.payload) > PAYLOAD_MAX_BYTES:
            raise refusal("ACC320", f"{len(message.payload)} bytes, at most {PAYLOAD_MAX_BYTES} are allowed")
        parsed = parse_statement(message.statement)
        key = await self._key(parsed.kid, now)
        (forged,) = await self._verifier.problems([(parsed, key)])
        if forged is not None:
            raise MessageRefused(forged)
        claims = decode_claims(parsed.claims)
        if claims.issuer != identity.id:
            raise refused("ACC341", "/iss", claims.issuer)
        flaw = payload_flaw(claims, message.payload) or claims_flaw(claims, (identity.id,), now)
        if flaw is not None and flaw.kind != "expired":
            raise refused(CODES[flaw.kind], flaw.pointer, flaw.seen)
        return claims

    async def _key(self, kid: KeyId, now: datetime) -> PublicKey:
        """An orchestrator's key: ours, one before or after it, or one that they let sign. Raises MessageRefused."""
        if kid not in (keys := self._parts.successions.keys(now)) and self._parts.registry.known_key(kid) is None:
            await self._parts.refresh()
            keys = self._parts.successions.keys(now)
        return keys[kid] if kid in keys else self._delegated(kid, now)

    def _delegated(self, kid: KeyId, now: datetime) -> PublicKey:
        """The key, where one of the orchestrator's lets it say what processes hold. Raises MessageRefused."""
        known = self._parts.registry.known_key(kid)
        bounds = known.delegation if known is not None else None
        if known is None or bounds is None or bounds.parent not in self._parts.successions.keys(now):
            raise refused("ACC340", "/kid", kid)
        MessageRefused.raise_if(filter(None, [bounds.problem("holdings")]))
        if not known.usable(now):
            raise refusal_of_delegate("ACC358", "/kid", kid)
        return known.public

    def _said(self, claims: Claims, payload: bytes, now: datetime) -> HoldingsPayload:
        if claims.kind != "holdings":
            raise refused("ACC345", "/knd", claims.kind)
        bare = Claims(
            issuer=claims.issuer,
            audience=claims.audience,
            id=claims.id,
            issued_at=claims.issued_at,
            expires_at=claims.expires_at,
            kind=claims.kind,
            payload=claims.payload,
        )
        if claims != bare:
            raise refused("ACC355", "", claims.kind)
        return decode_payload(HoldingsPayload, payload)

    def _believe(self, said: HoldingsPayload, claims: Claims, now: datetime) -> None:
        commons = self._parts.router.commons
        if said.leaving:
            self._free(commons.forget(said.process))
            return
        self._met = self._met or not commons.knows(said.process)
        until = min(now + self._valid_for, now.fromtimestamp(claims.expires_at, now.tzinfo))
        neighbour = Neighbour(
            said.number,
            until,
            frozenset(said.partitions),
            {**said.agents, **said.capabilities},
            {capability: now - timedelta(seconds=waits_s) for capability, waits_s in said.wants.items()},
        )
        self._free(commons.hear(said.process, neighbour))

    def _free(self, things: Set[str]) -> None:
        """Others hold less of these: there may be room here."""
        if things:
            self._reopen(AgentId(thing) for thing in things)
            self._parts.dispatcher.unblock()
            self._orchestrator.kick()

    def _reopen(self, agents: Iterable[AgentId]) -> None:
        for agent in agents:
            self._parts.registry.reopen(agent)
