"""The worker: one running instance of an agent, between the bus and the agent's functions."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import Self

import msgspec

from accord.deputy import Delegating, Deputy
from accord.domain.agent import registry_id
from accord.domain.ids import AgentId, InstanceId, KeyId, LeaseToken
from accord.domain.signature import PublicKey
from accord.ports import Bus, Clock, KeyStore, Payloads, Tracing, agent_subject, notice_subject
from accord.sdk.agent import Agent
from accord.sdk.desk import Desk, Pace, Ways
from accord.sdk.intake import Intake, Refusal
from accord.sdk.log_lane import LogLane
from accord.sdk.outbox import Outbox
from accord.sdk.presence import Identity, Presence, Standing
from accord.sdk.shift import Parts, Shift, Show
from accord.statements import Signer, Verifier

logger = logging.getLogger("accord.worker")


def log_refusal(refusal: Refusal) -> None:
    """Log what was dropped, and why."""
    logger.warning("dropped a message: %s", "; ".join(map(str, refusal.problems)))


class AgentKey(msgspec.Struct, frozen=True):
    """The key that signs for the agent, by its name in a key store."""

    keys: KeyStore
    name: str
    show: Show | None = None
    """Told of every assignment that is taken, before it begins, where the key store signs nothing else: see
    `keys.signer`. Each statement is signed alone then.
    """


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker may be told to do differently."""

    heartbeat: timedelta = timedelta(seconds=5)
    drain_within: timedelta = timedelta(seconds=30)
    """What still runs then, when the worker stops, is cancelled."""
    pace: Pace = Pace()
    verify_inline_below: int = 8
    """At least so many signatures are verified in threads."""
    instance: str | None = None
    """The token that tells this instance from others of the agent; a random one where None."""
    registry: AgentId | None = None
    """To whom cards and heartbeats are addressed; the registry of the agent's organisation where None."""
    payloads: Payloads | None = None
    """Where large inputs and outputs are; without it there are none."""
    delegating: Delegating | None = None
    """How short-lived keys sign for the agent's; None where that signs everything itself."""
    tracing: Tracing | None = None
    """Traces what the agent does; without it nothing of it is traced, and traces of others are handed on."""
    refused: Callable[[Refusal], None] = log_refusal
    """Told of every message that was dropped: not authentic, not current, or not for this agent."""


DEFAULT_OPTIONS = WorkerOptions()


class Worker:
    """One running instance of an agent: from `start` to `stop` it takes assignments, runs and answers them.

    `trust` holds the keys of the orchestrators that may assign; it may change while the worker runs.
    """

    def __init__(
        self,
        agent: Agent,
        key: AgentKey,
        bus: Bus,
        clock: Clock,
        trust: Mapping[KeyId, PublicKey],
        options: WorkerOptions = DEFAULT_OPTIONS,
    ) -> None:
        self.agent = agent
        self.instance = InstanceId(f"{agent.id}#{options.instance or secrets.token_hex(8)}")
        self._key = key
        self._bus = bus
        self._clock = clock
        registry = options.registry or registry_id(agent.organisation)
        self._intake = Intake(agent.id, trust, Verifier(inline_below=options.verify_inline_below), registry)
        self._options = options
        self._open = AsyncExitStack()
        self._shift: Shift | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Publish the card, and begin to take assignments; again is no change. Raises NotFound without the key."""
        if self._shift is not None:
            return
        public = await self._key.keys.public(self._key.name)
        try:
            self._shift = Shift(await self._opened(public), self._options.heartbeat)
        except BaseException:
            await self._open.aclose()
            raise

    async def _opened(self, public: PublicKey) -> Parts:
        for capability in self.agent.capabilities.values():
            if isinstance(capability.body, AbstractAsyncContextManager):
                await self._open.enter_async_context(capability.body)
        subjects = (agent_subject(self.agent.id), notice_subject(self.agent.id), notice_subject(self.instance))
        inbox, *notices = [await self._open.enter_async_context(self._bus.inbox(subject)) for subject in subjects]
        signer = Signer(self._key.keys, public, whole=self._key.show is not None)
        how = self._options.delegating
        outbox = Outbox(signer, self._bus, self._clock)
        standing = Standing(None if how is None else Deputy(signer, how), self._intake.trusts)
        lane = LogLane(signer, self._bus, self._clock)
        options = self._options
        ways = Ways(outbox, lane)
        desk = Desk(self.agent, ways, self._clock, options.pace, options.payloads, options.tracing)
        return Parts(
            inbox=inbox,
            notices=notices,
            intake=self._intake,
            desk=desk,
            lane=lane,
            outbox=outbox,
            presence=Presence(self._identity(public), desk, outbox, self._clock, standing),
            clock=self._clock,
            refused=self._options.refused,
            show=self._key.show,
        )

    def announce(self) -> None:
        """Say again who is here: whoever listens may have heard nothing so far."""
        if self._shift is not None:
            self._shift.announce()

    async def stop(self) -> None:
        """Take nothing new, give back what has not begun, let the rest end, send all answers, and say that this
        instance leaves.

        What runs longer than `drain_within` is cancelled and answered with the failure `stopped`, which another
        instance may mend. Cancellations are obeyed until the end.
        """
        shift, self._shift = self._shift, None
        try:
            if shift is not None:
                await shift.end(self._options.drain_within)
        finally:
            await self._open.aclose()

    @property
    def leases(self) -> tuple[LeaseToken, ...]:
        """The leases of what runs or waits, oldest first."""
        return () if self._shift is None else self._shift.leases

    def _identity(self, public: PublicKey) -> Identity:
        registry = self._options.registry or registry_id(self.agent.organisation)
        return Identity(agent=self.agent, instance=self.instance, key=public, registry=registry)
