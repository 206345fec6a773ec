"""How an instance makes itself known: its signed card once, then signed heartbeats."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import msgspec

from accord.deputy import Deputy
from accord.domain.agent import encode_card
from accord.domain.ids import AgentId, InstanceId, KeyId, LeaseToken
from accord.domain.message import Claims, Kind, payload_ref
from accord.domain.payloads import HeartbeatPayload, encode_payload
from accord.domain.signature import PublicKey
from accord.ports import REGISTRY_SUBJECT, Clock
from accord.sdk.agent import Agent
from accord.sdk.desk import Desk
from accord.sdk.outbox import Outbox, Outgoing

NEWS_VALID_S = 300
"""How long a card or heartbeat may take to the registry."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which instance of which agent, with which key, and to which registry it speaks."""

    agent: Agent
    instance: InstanceId
    key: PublicKey
    registry: AgentId


class Standing(msgspec.Struct, frozen=True, eq=False):
    """Which keys sign beside the long-lived ones."""

    deputy: Deputy | None
    """What signs for the agent; None where its own key signs everything."""
    trusts: Callable[[datetime], tuple[KeyId, ...]]
    """The delegated keys of orchestrators that are believed."""


class Presence:
    """Tells the registry what the instance offers and how much of it is taken, and which keys sign for the agent's."""

    def __init__(self, identity: Identity, desk: Desk, outbox: Outbox, clock: Clock, standing: Standing) -> None:
        self._identity = identity
        self._standing = standing
        self._desk = desk
        self._outbox = outbox
        self._clock = clock
        self._told = 0
        self._beating = False
        self.draining = False
        """Whether heartbeats say that nothing new is taken."""

    def announce(self) -> None:
        """Publish the card."""
        identity = self._identity
        card = identity.agent.card(identity.instance, [identity.key])
        self._tell("card", encode_card(card))

    def beat(self) -> None:
        """Publish a heartbeat because something has changed, unless the last one still waits to be sent."""
        if not self._beating:
            self._beat(self._desk.leases)

    def leave(self) -> None:
        """Publish the last heartbeat: nothing more comes from this instance."""
        self._beat((), leaving=True)

    async def run(self, every: timedelta) -> None:
        """Beat until cancelled; only these heartbeats name the leases of answers that may be lost."""
        while True:
            self._delegate()
            if not self._beating:
                self._beat(self._desk.all_leases())
            await asyncio.sleep(every.total_seconds())

    def _delegate(self) -> None:
        """Let a short-lived key sign, where that is due: from when an orchestrator says that it knows."""
        now, deputy = self._clock.now(), self._standing.deputy
        if deputy is None or self.draining or not deputy.due(now):
            return
        identity = self._identity
        self._told += 1
        token = _uuid7(now, f"{identity.instance}/{self._told}")
        proposal = deputy.propose(identity.agent.id, identity.registry, token, now)
        self._outbox.put(Outgoing(REGISTRY_SUBJECT, proposal.claims, b""))

    def accepted(self, delegated: Sequence[KeyId]) -> None:
        """An orchestrator knows these delegated keys of the agent."""
        if self._standing.deputy is not None:
            self._standing.deputy.accepted(delegated)

    def refused_to_delegate(self) -> None:
        """An orchestrator does not let the agent's key delegate."""
        if self._standing.deputy is not None:
            self._standing.deputy.give_up()

    def _beat(self, leases: tuple[LeaseToken, ...], *, leaving: bool = False) -> None:
        self._beating = True
        capacity, trusts = self._identity.agent.capacity, self._standing.trusts(self._clock.now())
        payload = HeartbeatPayload(
            instance=self._identity.instance,
            running=leases,
            queued=self._desk.queued,
            load=min(1.0, self._desk.held / capacity.total),
            draining=self.draining,
            leaving=leaving,
            trusts=trusts or msgspec.UNSET,
        )
        self._tell("heartbeat", encode_payload(payload)).sent = self._beaten

    def _beaten(self, _: Outgoing) -> None:
        self._beating = False

    def _tell(self, kind: Kind, payload: bytes) -> Outgoing:
        now = self._clock.now()
        self._told += 1
        claims = Claims(
            issuer=self._identity.agent.id,
            audience=self._identity.registry,
            id=_uuid7(now, f"{self._identity.instance}/{self._told}"),
            issued_at=int(now.timestamp()),
            expires_at=int(now.timestamp()) + NEWS_VALID_S,
            kind=kind,
            payload=payload_ref(payload),
        )
        outgoing = Outgoing(REGISTRY_SUBJECT, claims, payload)
        self._outbox.put(outgoing)
        return outgoing


def _uuid7(now: datetime, seed: str) -> str:
    """A UUID of version 7 (RFC 9562); its random bits are drawn from the instance's random token."""
    bits = int.from_bytes(sha256(seed.encode()).digest()[:10], "big")
    value = (int(now.timestamp() * 1000) & ((1 << 48) - 1)) << 80 | bits
    value = value & ~(0xF << 76) | 0x7 << 76
    return str(UUID(int=value & ~(0x3 << 62) | 0x2 << 62))
