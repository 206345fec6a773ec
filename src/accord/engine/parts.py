"""The parts of an orchestrator, put together once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import msgspec

from accord.domain.agent import decode_card
from accord.domain.delegation import LIFETIME
from accord.domain.diagnosis import DIAGNOSTICIAN
from accord.domain.experience import Observed
from accord.domain.ids import AgentId, RunId, TaskId
from accord.domain.run import NEVER_WOKEN
from accord.domain.signature import PublicKey
from accord.domain.system import CONTROL, DELEGATIONS, REGISTRY, TEMPLATES, CardAccepted, SystemEvent
from accord.engine.access import Access
from accord.engine.admission import Admission, Bounds
from accord.engine.assignments import Secretary
from accord.engine.authority import Authority
from accord.engine.certificates import Certificates
from accord.engine.checkpoints import Checkpoints
from accord.engine.data_keys import DataKeys
from accord.engine.delegates import Delegates
from accord.engine.departures import Departures
from accord.engine.dispatcher import Dispatcher
from accord.engine.documents import Documents
from accord.engine.doubts import Doubts
from accord.engine.enrolment import Enrolment
from accord.engine.exhibit import Kept
from accord.engine.feed import Feed
from accord.engine.figures import Figures
from accord.engine.gate import Gate
from accord.engine.hindsight import Hindsight
from accord.engine.holds import Holds
from accord.engine.incidents import Incidents
from accord.engine.lanes import BACKOFF_CAP
from accord.engine.large import Large
from accord.engine.learning import Learning
from accord.engine.ledger import Ledger
from accord.engine.library import Library
from accord.engine.partitions import Partitions
from accord.engine.permission import Permission
from accord.engine.permits import Permits
from accord.engine.policies import Policies
from accord.engine.ranks import Ranks
from accord.engine.registry import Compatible, Registry
from accord.engine.router import Router
from accord.engine.sessions import Sessions
from accord.engine.streams import SystemStream
from accord.engine.successions import Successions
from accord.engine.timers import FAR, Timers
from accord.engine.tracer import Tracer
from accord.engine.uploads import Uploads
from accord.engine.verdicts import Suspect
from accord.engine.verification import Verification
from accord.engine.webhooks import Webhooks
from accord.ports import BlobStore, Bus, Clock, Ids, Journal, KeyStore, KeyWrapper, Policy, RunSummary, Spans, Tracing
from accord.statements import Signer

Point = Literal[
    "before_take_over", "before_store", "before_append", "after_append", "before_send", "before_ack", "turn_over"
]
"""Where a crash makes a difference: what is durable, or known to others, is another set after each of them."""


SELDOM = timedelta(days=1)
"""How often that is looked at which only others could have changed, where there are none: time jumps to what is due."""


@dataclass(frozen=True)
class Ports:
    """The outer world."""

    journal: Journal
    blobs: BlobStore
    bus: Bus
    keys: KeyStore
    clock: Clock
    ids: Ids
    policy: Policy
    wrapper: KeyWrapper | None = None
    """Wraps the data keys of encrypted runs; without one there are none."""
    spans: Spans | None = None
    """Where spans go; without it nothing is traced here."""
    tracing: Tracing | None = None
    """Traces the agents of this process."""


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """What may be tuned; the defaults are right for most."""

    lease: timedelta = timedelta(seconds=30)
    """How long an agent may be silent about an attempt."""
    absent_after: timedelta = timedelta(seconds=20)
    """How long an instance may be silent before it counts as gone."""
    returns_within: timedelta = timedelta(seconds=8)
    """How long an instance elsewhere has to connect again, after its connection was closed or its run was taken over,
    until its attempts are given to others.
    """
    partition_ttl: timedelta = timedelta(seconds=10)
    sweep_every: timedelta = timedelta(seconds=5)
    letters_every: timedelta = timedelta(milliseconds=200)
    keep: timedelta = timedelta(days=90)
    """How long ended runs are kept."""
    keep_incidents: timedelta = timedelta(days=365)
    """How long incidents are kept."""
    max_incidents: int = 10_000
    """Incidents that are kept; the oldest ones go first."""
    quarantine_after: int = 20
    """So many incidents that are an agent's doing, and it gets nothing more until somebody lifts its hold; 0: never."""
    quarantine_within: timedelta = timedelta(minutes=10)
    """Within which time they count."""
    capability_limits: Mapping[str, int] = {}
    """How many attempts of a capability may be under way at once, by its name."""
    learn_from: frozenset[str] = frozenset()
    """The tenants from whose use the planner learns; `*` is everybody."""
    learn_after: int = 20
    """So many new examples, and a new version of the classifier is trained."""
    system_agents: frozenset[AgentId] = frozenset((DIAGNOSTICIAN,))
    """Who may offer capabilities under `accord.`."""
    agent_tags: Mapping[AgentId, frozenset[str]] = {}
    """What the operator says of agents, for policies."""
    max_waiting: int = 100_000
    """Tasks that may wait for agents here before new runs are refused; one tenant has nine tenths at most."""
    max_runs: int = 20_000
    """Runs that may be under way here before new ones are refused; one tenant has nine tenths at most."""
    tenant_weights: Mapping[str, float] = {}
    """What the turns and the room of tenants are in proportion to, by who starts runs; 1 where nothing is said."""
    serves: bool = False
    """Whether this process is a replica: it shares the partitions with all others that are, and carries on the runs
    that another process has left, or has lost.
    """
    shared_bus: bool = False
    """Whether all replicas hear the same agents. Only then does one give up partitions with open runs to others that
    have less, as answers find the new owner, and tells the others who is gone.
    """
    alone: bool = False
    """Whether clock, store, bus and agents are this process's own, as in a test of a workflow: nobody else is looked
    after.
    """
    encrypt_payloads: bool = False
    """Whether the documents of runs that begin are encrypted, each run's under a data key of its own."""
    take_uncertified: bool = False
    """Whether runs without a certificate, as earlier versions have begun them, go on."""
    share_every: timedelta = timedelta(seconds=1)
    """How often a replica looks whether it has its share."""
    delegated_for: timedelta = LIFETIME
    """How long a delegated key may sign at most: ours, and those of agents."""
    checkpoint_every: timedelta = timedelta(seconds=60)
    """How often the ends of streams that go on are put into a checkpoint."""
    checkpoint_within: timedelta = timedelta(seconds=1)
    """How soon that of a run that has ended is."""

    def weight(self, tenant: str) -> float:
        """What this tenant's turns and room are in proportion to."""
        return self.tenant_weights.get(tenant, 1.0)


@dataclass(frozen=True)
class Identity:
    """Who this orchestrator is."""

    id: AgentId
    organisation: str
    key: PublicKey
    owner: str
    """Names this process among those that share the store."""
    store: str = "memory"
    """The kind of the store, for people."""
    bus: str = "memory"
    """The kind of the bus, for people."""


class Parts:
    """Everything that the loops of an orchestrator work with."""

    def __init__(self, ports: Ports, identity: Identity, compatible: Compatible, tuning: Tuning) -> None:
        journal, clock = ports.journal, ports.clock
        self.ports = ports
        self.began_at = clock.now()
        self.identity = identity
        self.tuning = tuning
        self.data_keys = DataKeys(journal, ports.wrapper, every_run=tuning.encrypt_payloads)
        self.documents = Documents(ports.blobs, self.data_keys)
        self.feed = Feed()
        self.figures = Figures()
        self.tracer = Tracer(ports.spans, clock)
        self.registry = Registry(compatible, absent_after=tuning.absent_after, system_agents=tuning.system_agents)
        self.departures = Departures(self.registry, tuning.lease, tuning.returns_within)
        self.router = Router(self.registry, ports.ids, tuning.capability_limits)
        self.policies = Policies(ports.policy, journal, ports.blobs, clock)
        self.holds = Holds(self.router)
        self.authority = Authority(ports.policy, identity.organisation, tuning.agent_tags, self.holds)
        self.doubts = Doubts()
        self.library = Library(ports.blobs)
        bars = self.authority.bars
        self.dispatcher = Dispatcher(
            self.registry, self.router, self.holds.holds, tuning.weight, bars, SELDOM if tuning.alone else BACKOFF_CAP
        )
        self.ranks = Ranks()
        self.dispatcher.ranks = self.ranks
        self.hindsight = Hindsight(journal, clock)
        self.hindsight.heard = self._heard
        self.timers = Timers(clock, self.dispatcher.next_due, SELDOM if tuning.alone else FAR)
        self.ledger = Ledger(journal, self.documents, self.data_keys, self.library, self.registry, clock)
        bounds = Bounds(tuning.max_runs, tuning.max_waiting)
        self.admission = Admission(bounds, tuning.weight, self.ledger, self.dispatcher, self.figures, clock)
        self.partitions = Partitions(journal, clock, ports.ids, identity.owner, tuning.partition_ttl)
        self.ledger.fences = self.partitions.fences
        self.ledger.looks_every = SELDOM if tuning.alone else NEVER_WOKEN
        self.incidents = Incidents(journal, self.documents, self.data_keys, clock)
        self.successions = Successions(journal, identity.organisation, identity.key, ports.keys)
        signer = Signer(ports.keys, identity.key)
        self.delegates = Delegates(identity.id, signer, ports.clock, self.registry)
        self.secretary = Secretary(identity.id, signer, self.registry.verifies_batches, self.delegates.stands_in)
        self.checkpoints = Checkpoints(journal, self.ledger, self.secretary, clock, every=tuning.checkpoint_every)
        self.large = Large(Uploads(journal, ports.blobs, self.data_keys), self.documents)
        self.gate = Gate(self.registry, self.documents, self.data_keys, self.large, identity.id, self.authority)
        self.gate.follow, self.gate.assigned = self.refresh_registry, self.secretary.assigned
        self.permission = Permission(self.authority, self.ledger, journal)
        self.permits = Permits(self.gate, self.ledger, self.registry, self.documents, self.large)
        self.permits.suspected = self.incidents.record_all
        self.registry_stream = SystemStream(journal, REGISTRY, self._apply_registry)
        self.delegation_stream = SystemStream(journal, DELEGATIONS, self.registry.apply)
        self.template_stream = SystemStream(journal, TEMPLATES, self.library.apply)
        self.control_stream = SystemStream(journal, CONTROL, self._apply_control)
        self.access = Access(journal, clock, identity.organisation)
        self.sessions = Sessions(journal, clock, self.access)
        self.webhooks = Webhooks(journal, clock, ports.ids)
        self.learning = Learning(journal, self.data_keys, clock, ports.ids, tuning.learn_from, tuning.learn_after)
        self.streams = (
            self.template_stream,
            self.control_stream,
            self.access.stream,
            self.sessions.stream,
            self.webhooks.stream,
            self.successions.stream,
            self.learning.stream,
        )
        self.verification = Verification(self.registry, self.library, self.authority)
        self.enrolment = Enrolment(
            self.registry, self.registry_stream, self.delegation_stream, identity.key.kid, self.refresh_registry
        )
        self.exhibit: Kept | None = None
        """What the store was imported from; None for one that is worked in."""
        self.hosted: set[AgentId] = set()
        """Agents of this process: what they had of an earlier one, nobody has any more."""
        self.outgoing: dict[tuple[RunId, TaskId, int], bytes] = {}
        """Payloads of assignments between their decision and their sending."""
        self.reached: Callable[[Point], None] = lambda point: None
        """Told when a named point is reached; tests crash there."""
        self.noticed: list[Suspect] = []
        """What was refused beside messages of agents, and is in no incident yet."""
        self.certificates = Certificates(
            self.verification, self.secretary, self.delegates, self.successions.ever, clock, self.noticed
        )
        self.certificates.takes_uncertified = tuning.take_uncertified
        self.ledger.certify, self.ledger.certified = self.certificates.begun, self.certificates.check
        self._cards: list[CardAccepted] = []

    def _heard(self, summary: RunSummary, run: Observed) -> None:
        """A run has ended, and was read: unless this process has carried it on, it is news here."""
        if summary.updated_at < self.began_at or summary.partition not in self.partitions.fences:
            self.ranks.recall(run)
            self.router.recall(run)

    def _apply_control(self, event: SystemEvent) -> None:
        self.holds.apply(event)
        self.doubts.apply(event)

    def _apply_registry(self, event: SystemEvent) -> None:
        self.registry.apply(event)
        self.enrolment.apply(event)
        if isinstance(event, CardAccepted):
            self._cards.append(event)

    async def refresh(self) -> None:
        """Follow what other orchestrators have appended to the shared streams."""
        for stream in self.streams:
            await stream.refresh()
        await self.refresh_registry()

    async def refresh_registry(self) -> None:
        """Follow what others have said of agents, and remember the cards that they have accepted."""
        await self.registry_stream.refresh()
        await self.delegation_stream.refresh()
        cards, self._cards = self._cards, []
        for event in cards:
            self.registry.remember_card(decode_card(await self.documents.data(event.card)))
