"""A session: one instance of an agent, connected over Socket.IO; its messages go to the bus, and the bus's to it.

What an agent sends is acknowledged to it when the journal has it. What it is sent is acknowledged on the bus when it is
sent: from then on its lease guards the attempt, so that a lost connection lets nobody else do the same work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

import msgspec

from accord.domain.agent import GiveBack
from accord.domain.handshake import Connecting
from accord.domain.ids import AgentId, Digest, InstanceId, LeaseToken, RunId, partition_of, run_of
from accord.domain.message import Claims, Message, decode_claims
from accord.domain.signature import parse_statement, statement_digest
from accord.engine.departures import Belongings
from accord.engine.parts import Parts
from accord.engine.verdicts import Suspect
from accord.errors import AccordError, MessageRefused, Overloaded, Place, Problem
from accord.ports import (
    LOGS_SUBJECT,
    REGISTRY_SUBJECT,
    Bare,
    Delivery,
    Inbox,
    Parcel,
    agent_subject,
    notice_subject,
    partition_subject,
)

logger = logging.getLogger("accord.gateway")

BATCH_MAX: Final = 64
OPEN_MAX: Final = 4096
"""Messages of one session that may wait for their acknowledgement at a time."""

JOURNALLED_WITHIN_S: Final = 30.0
"""After that an agent is told to send its message again: the run's owner may be gone, and another one take over."""

LEASES_MIN: Final = 1024
"""Leases of a session are not trimmed below that."""

_GIVE_BACK: Final = GiveBack()

ABOUT_AGENTS: Final = frozenset(("card", "heartbeat", "delegate"))
ENDS: Final = frozenset(("result", "failure"))
"""Of an attempt, as far as its agent can tell."""

ABOUT_ATTEMPTS: Final = frozenset(("accept", "progress", "ask", "result", "failure"))


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The acknowledgement of what an agent has sent."""

    ok: bool
    problems: tuple[Problem, ...] = ()
    again: bool = False
    """Whether it is to be sent again."""


Emit = Callable[[str, tuple[object, ...], Callable[[], object]], Awaitable[None]]
"""Sends an event with its arguments to the instance, and calls back when that has received it."""


class Session:
    """A connected instance, from its welcome to its end."""

    def __init__(self, parts: Parts, connecting: Connecting, emit: Emit, leave: Callable[[], Awaitable[None]]) -> None:
        self.instance: InstanceId = connecting.payload.instance
        self.agent: AgentId = connecting.claims.issuer
        self.key = connecting.key.kid
        self._parts = parts
        self._emit = emit
        self._leave = leave
        self._open = AsyncExitStack()
        self._pumps: set[asyncio.Task[None]] = set()
        self._doubtful: dict[Delivery, None] = {}
        self._leases: set[LeaseToken] = set()
        self._trim_at = LEASES_MIN
        self._sent = 0
        self._credit = 0
        self._may_send = asyncio.Event()
        self._under_way = 0
        self._returned: set[Digest] = set()
        """What this instance has given back: when the network says it twice, only one other instance gets it."""

    async def start(self, had: Belongings) -> None:
        """Begin to carry messages; the instance `had` this when an earlier session of it ended."""
        self._leases.update(had.leases)
        bus = self._parts.ports.bus
        queue = await self._open.enter_async_context(bus.inbox(agent_subject(self.agent)))
        self._pump("assignments", self._send_assignments(queue, had.doubtful))
        for scope, subject in (("agent", notice_subject(self.agent)), ("instance", notice_subject(self.instance))):
            notices = await self._open.enter_async_context(bus.inbox(subject))
            self._pump(f"notices to the {scope}", self._send_notices(notices, scope))

    async def stop(self) -> Belongings:
        """End; returns what the instance has: no other instance gets it, unless this one does not come back."""
        pumps = tuple(self._pumps)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        doubtful = tuple(delivery.message for delivery in self._doubtful)
        await self._open.aclose()
        return Belongings(frozenset(self._leases), doubtful)

    # -- to the instance -----------------------------------------------------------------------------------------

    def allow(self, total: int) -> None:
        """The instance takes so many assignments altogether, since the session began; it never takes back a word."""
        self._credit = max(self._credit, total)
        if self._sent < self._credit:
            self._may_send.set()

    async def _send_assignments(self, inbox: Inbox, doubtful: Sequence[Message]) -> None:
        for message in doubtful:
            await self._send(Bare(message))
        while True:
            await self._may_send.wait()
            taken = await inbox.take(min(self._credit - self._sent, BATCH_MAX))
            deliveries = [one for one in taken if self._hands_over(inbox, one)]
            self._sent += len(deliveries)
            if self._sent >= self._credit:
                self._may_send.clear()
            if await self._has_left():
                self._leases.difference_update(map(_lease_of, deliveries))
                await inbox.nack(deliveries)
                return
            # Before it is known that they have arrived: they must not go to another instance as well. What is doubtful
            # when the connection ends is sent to this instance again, or its lease runs out.
            self._doubtful.update(dict.fromkeys(deliveries))
            await inbox.ack(deliveries)
            for delivery in deliveries:
                await self._send(delivery)

    async def _send(self, delivery: Delivery) -> None:
        self._doubtful[delivery] = None
        await self._emit("message", _arguments(delivery.message), lambda: self._doubtful.pop(delivery, None))

    def _hands_over(self, inbox: Inbox, delivery: Delivery) -> bool:
        """Whether it is for this instance; what another one offers, and this one does not, is given back after a
        pause.
        """
        claims = _claims_of(delivery)
        if claims is None:
            return True  # the instance refuses it
        registry, contract = self._parts.registry, claims.contract
        if registry.instance_offers(self.instance, contract) or not registry.is_served(self.agent, contract):
            self._holds(claims.lease)
            return True
        pause = _GIVE_BACK.pause(delivery.attempts)
        self._pump("what is given back", self._give_back(inbox, delivery, pause))
        return False

    def _holds(self, lease: LeaseToken | None) -> None:
        """The instance has this lease from now on; what nobody has any more is forgotten now and then."""
        if lease is not None:
            self._leases.add(lease)
        if len(self._leases) >= self._trim_at:
            self._leases = {one for one in self._leases if self._may_be_held(one)}
            self._trim_at = max(LEASES_MIN, 2 * len(self._leases))

    def _may_be_held(self, lease: LeaseToken) -> bool:
        """Whether somebody holds the lease, as far as is known here: of runs of other replicas it is not."""
        run = run_of(lease)
        ours = run is None or self._parts.ledger.owns(run)
        return not ours or self._parts.router.holder(lease) is not None

    async def _give_back(self, inbox: Inbox, delivery: Delivery, pause: timedelta) -> None:
        await asyncio.sleep(pause.total_seconds())
        await inbox.nack([delivery])

    async def _send_notices(self, inbox: Inbox, scope: str) -> None:
        while True:
            deliveries = await inbox.take(BATCH_MAX)
            for delivery in deliveries:
                await self._emit("notice", (scope, *_arguments(delivery.message)), _nothing)
            await inbox.ack(deliveries)

    async def _has_left(self) -> bool:
        """Whether the key may sign no more; then the session ends."""
        if self._parts.registry.key(self.key, self._parts.ports.clock.now()) is not None:
            return False
        await self._leave()
        return True

    def _pump(self, name: str, loop: Awaitable[None]) -> None:
        async def run() -> None:
            try:
                await loop
            except Exception:
                logger.exception("%s of %s ended in a fault of Accord's", name, self.instance)
                await self._leave()

        pump = asyncio.create_task(run(), name=f"accord-session {name}")
        self._pumps.add(pump)
        pump.add_done_callback(self._pumps.discard)

    # -- from the instance ---------------------------------------------------------------------------------------

    async def receive(self, message: Message) -> Reply:
        """Carry a message to whom it is for; what is about an attempt is acknowledged once the journal has it."""
        if self._under_way >= OPEN_MAX:
            return Reply(ok=False, problems=(_TOO_MANY,), again=True)
        self._under_way += 1
        try:
            async with asyncio.timeout(JOURNALLED_WITHIN_S):
                return await self._carried(message)
        except TimeoutError:
            return Reply(ok=False, problems=(_NOT_YET,), again=True)
        except Overloaded as error:
            return Reply(ok=False, problems=error.problems, again=True)
        finally:
            self._under_way -= 1

    async def _carried(self, message: Message) -> Reply:
        try:
            # Read before it is authentic, and only to know where it goes: the gate believes nothing of it.
            claims = decode_claims(parse_statement(message.statement).claims)
            self._refuse_foreign(claims)
        except MessageRefused as error:
            await self._parts.incidents.record_all([Suspect(Bare(message), error.problems[0])])
            return Reply(ok=False, problems=error.problems)
        if claims.kind in ABOUT_AGENTS:
            await self._parts.ports.bus.publish([Parcel(REGISTRY_SUBJECT, message)])
        else:
            subject = partition_subject(partition_of(claims.run or RunId("")))
            await self._parts.ports.bus.hand_over(Parcel(subject, message))
            if claims.kind in ENDS and claims.lease is not None:
                self._leases.discard(claims.lease)
        return Reply(ok=True)

    async def hand_on_log(self, message: Message) -> None:
        """Let all orchestrators hear what the agent logs. Raises MessageRefused, which is an incident, and what the bus
        raises.
        """
        try:
            claims = decode_claims(parse_statement(message.statement).claims)
            self._refuse_issuer(claims)
            if claims.kind != "log":
                raise _refusal("ACC778", "/knd", f"a {claims.kind} is sent as a message, and not as a log")
        except MessageRefused as error:
            await self._parts.incidents.record_all([Suspect(Bare(message), error.problems[0])])
            raise
        await self._parts.ports.bus.publish([Parcel(LOGS_SUBJECT, message)])

    def _refuse_issuer(self, claims: Claims) -> None:
        if claims.issuer != self.agent:
            raise _refusal("ACC777", "/iss", f"{self.agent} sent a message of {claims.issuer}")

    def _refuse_foreign(self, claims: Claims) -> None:
        self._refuse_issuer(claims)
        if claims.kind not in ABOUT_AGENTS and (claims.kind not in ABOUT_ATTEMPTS or claims.run is None):
            raise _refusal("ACC778", "/knd", f"an agent sends no {claims.kind} here, or it is about no run")

    async def give_back(self, message: Message) -> Reply:
        """Let another instance have an assignment that this one has not begun."""
        try:
            parsed = parse_statement(message.statement)
            claims = decode_claims(parsed.claims)
            if claims.kind != "assign" or claims.audience != self.agent:
                raise _refusal("ACC779", "/knd", "only an assignment of this agent can be given back")
            await self._put_back(statement_digest(parsed.claims), message)
            if claims.lease is not None:
                self._leases.discard(claims.lease)
        except AccordError as error:
            return Reply(ok=False, problems=error.problems, again=isinstance(error, Overloaded))
        return Reply(ok=True)

    async def _put_back(self, name: Digest, message: Message) -> None:
        if name in self._returned:
            return
        self._returned.add(name)
        try:
            await self._parts.ports.bus.publish([Parcel(agent_subject(self.agent), message)])
        except Overloaded:
            self._returned.discard(name)
            raise


_TOO_MANY: Final = Problem(
    "ACC785", f"{OPEN_MAX} messages wait for their acknowledgement already", hint="wait for some, then send it again"
)
_NOT_YET: Final = Problem(
    "ACC786", f"the journal has not got the message within {JOURNALLED_WITHIN_S:g} s", hint="send the same bytes again"
)


def _claims_of(delivery: Delivery) -> Claims | None:
    try:
        return decode_claims(parse_statement(delivery.message.statement).claims)
    except MessageRefused:
        return None


def _lease_of(delivery: Delivery) -> LeaseToken | None:
    claims = _claims_of(delivery)
    return claims.lease if claims is not None else None


def _arguments(message: Message) -> tuple[object, ...]:
    return message.statement.decode("ascii"), message.payload


def _nothing() -> None:
    """Nobody waits to hear that a notice has arrived."""


def _refusal(code: str, pointer: str, text: str) -> MessageRefused:
    return MessageRefused(Problem(code, text, Place(pointer=pointer)))
