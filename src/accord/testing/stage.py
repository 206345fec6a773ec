"""A stage: an orchestrator in memory, a clock that tests set, and scripted agents whose every message is written by
hand, so that any of them can be forged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import msgspec
import orjson

from accord.blobs.memory import MemoryBlobStore
from accord.bus.memory import MemoryBus
from accord.domain.agent import agent_id, encode_card, registry_id
from accord.domain.ids import AgentId, Digest, InstanceId, LeaseToken, RunId, partition_of
from accord.domain.message import Claims, Kind, Message, decode_claims, encode_claims, payload_ref, statement_id
from accord.domain.payloads import HeartbeatPayload, encode_payload
from accord.domain.run import Run
from accord.domain.signature import PublicKey, attach, parse_statement, signing_input, statement_digest
from accord.domain.system import IncidentRecorded
from accord.domain.template import Template
from accord.engine.node import Node
from accord.engine.parts import Identity, Parts, Ports, Tuning
from accord.policy.live import shipped
from accord.ports import (
    REGISTRY_SUBJECT,
    Delivery,
    Inbox,
    Parcel,
    Policy,
    agent_subject,
    notice_subject,
    partition_subject,
)
from accord.sdk import Agent
from accord.store.memory import Faults, MemoryJournal
from accord.testing.keys import MemoryKeyStore, MemoryKeyWrapper
from accord.verifier.compatibility import compatible_version

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

QUIET = Tuning(
    lease=timedelta(seconds=30),
    absent_after=timedelta(hours=1),
    partition_ttl=timedelta(days=1),
    sweep_every=timedelta(hours=1),
    letters_every=timedelta(milliseconds=10),
    share_every=timedelta(hours=1),
    checkpoint_within=timedelta(hours=1),
    system_agents=frozenset(agent_id("local", name) for name in ("diagnostician", "doctor", "quack")),
)
"""No round comes by itself but the one for letters: what a test does not cause does not happen."""


class SetClock:
    """Time that only tests let pass."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        """The present."""
        return self.at

    def forward(self, seconds: float) -> None:
        """Let time pass; negative: set the clock back."""
        self.at += timedelta(seconds=seconds)


class CountedIds:
    """Tokens in order, and numbers of a fixed seed."""

    def __init__(self, seed: int = 1) -> None:
        self._tokens = count(seed * 1_000_000)  # in front: ids of runs keep all but the last two characters
        self._random = Random(seed)  # noqa: S311 - for tests, not a secret

    def token(self) -> str:
        """26 characters."""
        return f"{next(self._tokens):023d}000"

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()


class SignallingBus(MemoryBus):
    """The in-process bus; it tells when a message has been dealt with."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[Message, asyncio.Event] = {}

    async def deliver(self, subject: str, *messages: Message) -> None:
        """Publish these, and wait until each was acknowledged."""
        events = [self._waiting.setdefault(message, asyncio.Event()) for message in messages]
        await self.publish([Parcel(subject, message) for message in messages])
        for event in events:
            await event.wait()
        for message in messages:
            self._waiting.pop(message, None)

    @asynccontextmanager
    async def inbox(self, subject: str) -> AsyncIterator[Any]:
        """An open inbox of the subject."""
        async with super().inbox(subject) as inbox:
            yield SignallingInbox(inbox, self)

    def acknowledged(self, deliveries: Sequence[Delivery]) -> None:
        """Tell who waits for these."""
        for delivery in deliveries:
            event = self._waiting.get(delivery.message)
            if event is not None:
                event.set()


class SignallingInbox:
    """An inbox whose acknowledgements are told."""

    def __init__(self, inbox: Inbox, bus: SignallingBus) -> None:
        self._inbox = inbox
        self._bus = bus
        self.take = inbox.take
        self.nack = inbox.nack

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """These are dealt with."""
        await self._inbox.ack(deliveries)
        self._bus.acknowledged(deliveries)


class Assignment(msgspec.Struct, frozen=True):
    """What a scripted agent was given, or told."""

    claims: Claims
    message: Message

    @property
    def digest(self) -> Digest:
        """What answers name it by."""
        return statement_digest(parse_statement(self.message.statement).claims)

    @property
    def input(self) -> Any:
        """The task's input."""
        return orjson.loads(self.message.payload)["input"]

    @property
    def context(self) -> Any:
        """The task's context, as JSON."""
        return orjson.loads(self.message.payload)["context"]


class ScriptedAgent:
    """An enrolled agent that says only what a test makes it say."""

    def __init__(self, stage: Stage, agent: Agent, key: PublicKey) -> None:
        self.stage = stage
        self.agent = agent
        self.id = agent.id
        self.key = key
        self.instance = InstanceId(f"{agent.id}#1")
        self._news = count(1)
        self._assignments: Inbox
        self._notices: Inbox
        self._own_notices: Inbox

    async def listen(self, stack: AsyncExitStack) -> None:
        """Open the inboxes, until the stack closes them."""
        inboxes = self.stage.bus.inbox
        self._assignments = await stack.enter_async_context(inboxes(agent_subject(self.id)))
        self._notices = await stack.enter_async_context(inboxes(notice_subject(self.id)))
        self._own_notices = await stack.enter_async_context(inboxes(notice_subject(self.instance)))

    # -- what it hears -------------------------------------------------------------------------------------------

    async def assigned(self) -> Assignment:
        """The next assignment."""
        return await _taken(self._assignments)

    async def told(self) -> Assignment:
        """The next notice to all instances of the agent."""
        return await _taken(self._notices)

    async def told_alone(self) -> Assignment:
        """The next notice to this instance."""
        return await _taken(self._own_notices)

    # -- what it says --------------------------------------------------------------------------------------------

    def claims(self, assignment: Assignment, data: bytes | None, /, kind: Kind = "result", **changed: Any) -> Claims:
        """The claims of an honest answer, but for what is changed."""
        given, now = assignment.claims, int(self.stage.clock.now().timestamp())
        honest: dict[str, Any] = {
            "issuer": self.id,
            "audience": given.issuer,
            "id": statement_id(given.run or RunId(""), given.task or "", given.attempt or 0, kind),  # type: ignore[arg-type]  # a task's id, or none
            "issued_at": now,
            "expires_at": now + 300,
            "kind": kind,
            "run": given.run,
            "task": given.task,
            "attempt": given.attempt,
            "lease": given.lease,
            "capability": given.capability,
            "contract": given.contract,
            "payload": None if data is None else payload_ref(data),
            "inputs": (assignment.digest,),
        }
        return Claims(**(honest | changed))

    async def sign(self, claims: Claims, payload: bytes = b"", *, key: PublicKey | None = None) -> Message:
        """The message of these claims, signed with the agent's key, or another one."""
        key = key or self.key
        signed = signing_input(key.kid, key.algorithm, encode_claims(claims))
        (signature,) = await self.stage.keys.sign(key.kid, [signed])
        return Message(attach(signed, signature), payload)

    async def result(self, assignment: Assignment, value: Any, **changed: Any) -> Message:
        """A result as it would be sent, but for what is changed."""
        payload = value if isinstance(value, bytes) else orjson.dumps(value)
        return await self.sign(self.claims(assignment, payload, **changed), payload)

    async def send(self, *messages: Message) -> None:
        """Send these to the partition of the run that the first is about, and wait until they are dealt with."""
        claims = decode_claims(parse_statement(messages[0].statement).claims)
        await self.stage.deliver(claims.run or RunId(""), *messages)

    async def answer(self, assignment: Assignment, value: Any, **changed: Any) -> None:
        """Send a result, and wait until it is dealt with."""
        await self.stage.deliver(assignment.claims.run or RunId(""), await self.result(assignment, value, **changed))

    async def news(self, kind: Kind, payload: bytes, **changed: Any) -> Message:
        """A card or heartbeat with this payload."""
        now = int(self.stage.clock.now().timestamp())
        honest: dict[str, Any] = {
            "issuer": self.id,
            "audience": registry_id(self.agent.organisation),
            "id": f"{self.instance}/{next(self._news)}",
            "issued_at": now,
            "expires_at": now + 300,
            "kind": kind,
            "payload": payload_ref(payload),
        }
        return await self.sign(Claims(**(honest | changed)), payload)

    def card(self, agent: Agent | None = None, instance: InstanceId | None = None) -> bytes:
        """The payload of the agent's card, or of another agent's."""
        return encode_card((agent or self.agent).card(instance or self.instance, [self.key]))

    def beat(self, *running: LeaseToken | None, **changed: Any) -> bytes:
        """The payload of a heartbeat that keeps these leases."""
        honest: dict[str, Any] = {
            "instance": self.instance,
            "running": tuple(running),
            "queued": 0,
            "load": 0.0,
            "draining": False,
        }
        return encode_payload(HeartbeatPayload(**(honest | changed)))

    async def tell(self, *messages: Message) -> None:
        """Send these to the registry, and wait until they are dealt with."""
        await self.stage.bus.deliver(REGISTRY_SUBJECT, *messages)

    async def announce(self) -> None:
        """Send the card."""
        await self.tell(await self.news("card", self.card()))

    async def heartbeat(self, *running: LeaseToken | None, **changed: Any) -> None:
        """Send a heartbeat that keeps these leases."""
        await self.tell(await self.news("heartbeat", self.beat(*running, **changed)))


class Stage:
    """The node, its ports, and its agents."""

    def __init__(self, node: Node, ports: Ports, stack: AsyncExitStack) -> None:
        self.node = node
        self.parts = node.parts
        self.ports = ports
        self._stack = stack
        self.agents: dict[AgentId, ScriptedAgent] = {}
        """All that were enlisted."""

    @property
    def clock(self) -> SetClock:
        """Time."""
        clock = self.ports.clock
        assert isinstance(clock, SetClock)  # noqa: S101 - `open` puts it there
        return clock

    @property
    def bus(self) -> SignallingBus:
        """The bus."""
        bus = self.ports.bus
        assert isinstance(bus, SignallingBus)  # noqa: S101 - `open` puts it there
        return bus

    @property
    def keys(self) -> MemoryKeyStore:
        """The keys of all agents, and of the orchestrator."""
        keys = self.ports.keys
        assert isinstance(keys, MemoryKeyStore)  # noqa: S101 - `open` puts it there
        return keys

    @classmethod
    @asynccontextmanager
    async def open(
        cls, tuning: Tuning = QUIET, *, faults: Faults | None = None, policy: Policy | None = None
    ) -> AsyncIterator[Stage]:
        """An empty stage."""
        ports = await ports_in_memory(SetClock(), faults=faults, policy=policy)
        async with AsyncExitStack() as stack:
            yield cls(await stack.enter_async_context(await node_on(ports, tuning)), ports, stack)

    async def enlist(self, agent: Agent, *, present: bool = True) -> ScriptedAgent:
        """Enrol the agent with a key of its own; its card is accepted unless it is not to be present."""
        public = await self.keys.create(f"agent.{agent.name}")
        await self.parts.enrolment.enrol(agent.id, public, by="test", now=self.clock.now())
        scripted = self.agents[agent.id] = ScriptedAgent(self, agent, public)
        await scripted.listen(self._stack)
        if present:
            await scripted.announce()
        return scripted

    async def publish(self, tasks: Mapping[str, Any], *, as_written: bool = False, **fields: Any) -> Digest:
        """Publish a template with these tasks; it takes any input."""
        document = {
            "accord": "template/1",
            "name": "play",
            "version": "1.0.0",
            "input": True,
            "defaults": {"attempts": 3, "backoff": {"first": "1s", "jitter": 0}},
            **fields,
            "tasks": tasks,
        }
        template, data = msgspec.convert(document, Template), orjson.dumps(document)
        return await self.node.publish(template, data, as_written=as_written)

    async def start(self, tasks: Mapping[str, Any], value: Any = None, **fields: Any) -> Run:
        """Start a run of a template with these tasks."""
        return await self.node.start_run(await self.publish(tasks, **fields), value)

    async def deliver(self, run: RunId, *messages: Message) -> None:
        """Put messages into the inbox of the run's partition, and wait until they are dealt with."""
        await self.bus.deliver(partition_subject(partition_of(run)), *messages)

    async def incidents(self) -> list[IncidentRecorded]:
        """All incidents, oldest first."""
        return [incident for _, incident in reversed(await self.parts.incidents.recent(10_000))]

    async def codes(self) -> list[str]:
        """The codes of all incidents, oldest first."""
        return [incident.problem.code for incident in await self.incidents()]

    async def run(self, run: Run | RunId) -> Run:
        """The run as the journal has it."""
        return await self.node.run(run.id if isinstance(run, Run) else run)


async def _taken(inbox: Inbox) -> Assignment:
    (delivery,) = await inbox.take(1)
    await inbox.ack([delivery])
    return Assignment(decode_claims(parse_statement(delivery.message.statement).claims), delivery.message)


async def ports_in_memory(clock: SetClock, *, faults: Faults | None = None, policy: Policy | None = None) -> Ports:
    """All ports, empty but for the orchestrator's key."""
    keys = MemoryKeyStore(NOON)
    await keys.create("orchestrator")
    return Ports(
        MemoryJournal(faults),
        MemoryBlobStore(),
        SignallingBus(),
        keys,
        clock,
        CountedIds(),
        policy or shipped(),
        MemoryKeyWrapper(),
    )


async def node_on(ports: Ports, tuning: Tuning = QUIET, owner: str | None = None) -> Node:
    """A node on these ports, not opened yet; several may share a journal. One with the name of an `owner` that is gone
    may have at once what that one had.
    """
    identity = Identity(
        id=AgentId("spiffe://local/orchestrator/main"),
        organisation="local",
        key=await ports.keys.public("orchestrator"),
        owner=owner or ports.ids.token(),
    )
    return Node(Parts(ports, identity, compatible_version, tuning))


def attempts_of(run: Run) -> Iterator[str]:
    """The phases of all attempts of a run, `task/number phase`."""
    for task in sorted(run.tasks):
        for attempt in run.state(task).attempts:
            yield f"{task}/{attempt.number} {attempt.phase}"
