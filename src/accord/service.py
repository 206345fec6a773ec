"""What people and programs may ask of an orchestrator: one Protocol, whether it runs in this process (`engine.node`)
or is a server far away (`client.remote`). The docstrings are the contract.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal, Protocol

import msgspec

from accord.domain.access import ApiKey, IssuedApiKey, Role
from accord.domain.agent import AgentCard, Capacity
from accord.domain.approval import ApprovalQuery, OpenApprovals
from accord.domain.capability import CapabilityRange, CapabilityRef, Version, VersionRange
from accord.domain.checkpoint import Anchored, Checkpoint, Growth
from accord.domain.command import Cancel, Pause, Resume, RetryTask, Rollback, SetBudget
from accord.domain.contract import Contract
from accord.domain.delegation import Delegated
from accord.domain.document import Document
from accord.domain.enrolment import VALID_FOR, EnrolmentToken, IssuedEnrolmentToken
from accord.domain.graph import Graph
from accord.domain.ids import AgentId, Digest, KeyId, RunId, TaskId, partition_of
from accord.domain.impact import Impact
from accord.domain.incident import ALL, Filed, Sought
from accord.domain.labels import Labels
from accord.domain.news import News
from accord.domain.policy import AgentAction, Decision
from accord.domain.run import Run
from accord.domain.signature import PublicKey
from accord.domain.system import HoldPlaced, RunDoubted, Scope
from accord.domain.template import Template
from accord.domain.webhook import IssuedWebhook, Subscription, Webhook
from accord.errors import NotFound, Problem
from accord.ports import Record, RunQuery, RunState, RunSummary, Sighting

RunCommand = Pause | Resume | SetBudget | Cancel | RetryTask | Rollback
"""What somebody may have done with a run; a signal is given with `Service.signal`, which keeps its value."""


class Published(msgspec.Struct, frozen=True):
    """A version of a template in the library."""

    name: str
    version: str
    digest: Digest
    description: str
    at: datetime


class Question(msgspec.Struct, frozen=True):
    """May this agent do this with data of these labels, for a capability, in a run of the template?"""

    MOST: ClassVar[int] = 1000
    """Asked at once."""

    action: AgentAction
    agent: AgentId
    capability: str
    """`name@version`."""
    template: str
    """`name@version`."""
    labels: Labels


KeyState = Literal["valid", "retiring", "retired", "expired", "revoked"]

EXPIRES_SOON: Final = timedelta(days=14)
"""So long before a key expires people are warned, and never before two thirds of its life are over."""


class KnownKey(msgspec.Struct, frozen=True):
    """A key that is, or was, an agent's."""

    agent: AgentId
    public: PublicKey
    valid_from: datetime
    revoked_at: datetime | None = None
    offers: tuple[str, ...] = ()
    """Capabilities, `name` or `name@range`: what cards that it signs may offer; anything where empty."""
    retires_at: datetime | None = None
    """When it ends because another one has taken its place."""
    doubtful_from: datetime | None = None
    """From then on it may have been in other hands."""
    reason: str = ""
    """Why it was revoked."""
    delegation: Delegated | None = None
    """What bounds it, where another key lets it sign for a while."""
    expires_at: datetime | None = None
    """When it ends by itself."""

    @property
    def lifetime(self) -> timedelta | None:
        """How long it may sign in all; None where it does not end by itself."""
        return self.expires_at - self.valid_from if self.expires_at is not None else None

    def expired(self, now: datetime) -> bool:
        """Whether it has ended by itself."""
        return self.expires_at is not None and now >= self.expires_at

    def expires_soon(self, now: datetime) -> bool:
        """Whether it is time to give it a successor, or too late."""
        if self.expires_at is None or self.lifetime is None:
            return False
        return now >= self.expires_at - min(EXPIRES_SOON, self.lifetime / 3)

    def allows(self, ref: CapabilityRef) -> bool:
        """Whether a card that this key signs may offer the capability."""
        return not self.offers or any(CapabilityRange.parse(offer).matches(ref) for offer in self.offers)

    def usable(self, now: datetime) -> bool:
        """Whether something new may be signed with it."""
        if self.delegation is not None and now >= self.delegation.until:
            return False
        if self.expired(now):
            return False
        return self.revoked_at is None and (self.retires_at is None or now < self.retires_at)

    def state(self, now: datetime) -> KeyState:
        """What has become of it."""
        if self.revoked_at is not None:
            return "revoked"
        if self.delegation is not None:
            return "valid" if now < self.delegation.until else "retired"
        if self.retires_at is not None and now >= self.retires_at:
            return "retired"
        if self.expired(now):
            return "expired"
        return "valid" if self.retires_at is None else "retiring"


class TakenOut(msgspec.Struct, frozen=True, kw_only=True):
    """A capability of which an agent gets nothing, as it has failed at it again and again."""

    capability: str
    """Its name."""
    since: datetime
    until: datetime
    """From then on it is tried with one attempt at a time; earlier where nobody else is left."""
    on_trial: bool
    """Whether it has such an attempt."""
    problem: Problem | None
    """What went wrong last."""


class KnownAgent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that has been accepted once: its newest card, and its keys, oldest first."""

    card: AgentCard
    keys: tuple[KnownKey, ...]
    capacity: Capacity | None
    """What all its instances can take together; None where none is present."""
    taken_out: tuple[TakenOut, ...] = ()
    """What it is out of, in the process that is asked."""


class Fork(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a fork begins, and what is different in it."""

    task: TaskId | None = None
    """From this task on everything is done anew; None: nothing that was done is."""
    at: int | None = None
    """Only what had happened up to this event is shared; None: everything."""
    changes: dict[str, Any] | None = None
    """Members of the input, and what they are to be."""


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """Who may join, offering what."""

    name: str
    organisation: str | None = None
    """None: the orchestrator's own."""
    offers: tuple[str, ...] = ()
    """Capabilities, `name` or `name@range`; anything where empty."""
    valid_s: float = VALID_FOR.total_seconds()
    key_valid_s: float | None = None
    """How long the key that is enrolled may sign; None: it does not end by itself."""


class Seal(msgspec.Struct, frozen=True):
    """The orchestrator's signed statement about a run's output."""

    statement: str
    signed_by: AgentId
    key: KeyId


Payloads = Literal["all", "digests"]
"""Whether the payloads that are too large for events are exported, or only their digests."""


class MadeCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint of the journal."""

    number: int
    """Of its event in `sys:checkpoints`."""
    at: datetime
    added: int
    """How many ends of streams it added to the log."""
    checkpoint: Checkpoint


class ProvenRun(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that a run ended in a checkpoint where it ends now."""

    checkpoint: Checkpoint
    run: Anchored
    key: dict[str, str]
    """The public key, as a JWK, that the checkpoint is signed with."""


class Service(Protocol):
    """All that may be asked of an orchestrator.

    `by` is who asks; a server that knows its callers writes down whom it has let in. Every method may raise
    StoreUnavailable; what else one raises stands with it.

    `once` is a name for a request, made up by whoever asks: under the same name it is done once, and answered as it was
    then, however often it is sent and to whichever process, for as long as the answer is kept. ACC449 (Refused) where
    the name stands for another request. Without a name, what is asked for again is done again.
    """

    # -- templates -----------------------------------------------------------------------------------------------

    async def templates(self) -> list[Published]:
        """All versions of all published templates, by name, the newest first."""
        ...

    async def template(self, digest: Digest) -> bytes:
        """The document that was published under this digest. Raises NotFound."""
        ...

    async def graph(self, digest: Digest) -> Graph:
        """The graph that a published template compiles to. Raises NotFound."""
        ...

    async def publish(self, template: Template, document: bytes, *, by: str = "local") -> Digest:
        """Publish a template under the digest of its canonical document, once it is verified; again is no error.

        Raises:
            TemplateInvalid: the graph does not hold; with everything that the verifier found.
            Refused: this version stands for another document already.
        """
        ...

    # -- runs ----------------------------------------------------------------------------------------------------

    async def start_run(
        self,
        digest: Digest,
        value: Any,
        *,
        title: str = "",
        by: str = "local",
        once: str | None = None,
        labels: Sequence[str] = (),
    ) -> Run:
        """Start a run of a published template with this input, defaults filled in; returns it once it is durable.
        `labels` is what all of the input has beside what the template says of it: they raise, and never lower.

        Raises:
            BadInput: ACC690 what is no label.
            TemplateInvalid: the graph does not hold against what is known of agents and templates now.
            ContractViolation: the input breaks the template's input schema.
            Overloaded: there is too much to do already; try again later.
        """
        ...

    async def fork(self, run: RunId, wanted: Fork, *, by: str, once: str | None = None) -> Run:
        """Start a new run that shares what a run had done.

        Raises what `start_run` raises, and NotFound where there is no such run or task.
        """
        ...

    async def control(self, run: RunId, command: RunCommand, *, once: str | None = None) -> None:
        """Carry out a command on a run, whichever process owns it. Raises what it is refused with."""
        ...

    async def erase(self, run: RunId, *, by: str, reason: str = "") -> list[RunId]:
        """Make the documents of an encrypted run that has ended unreadable, and those of the runs that did its tasks;
        returns all of these runs. Who has asked for it is in their histories, whose chains still hold. Again is no
        error.

        Raises:
            NotFound: there is no such run.
            TransitionRefused: one of them has not ended.
            Refused: it is not encrypted, or does a task of another run, with which it goes.
            KeyUnusable: nothing here can do it.
        """
        ...

    async def signal(
        self, run: RunId, value: Any, *, by: str, name: str = "", task: TaskId | None = None, once: str | None = None
    ) -> None:
        """Give a value to a run: under a name, or to a task that waits for somebody.

        Raises:
            TransitionRefused: the task does not wait, or not for this.
            ContractViolation: the value is not what it waits for.
        """
        ...

    async def runs(self, query: RunQuery) -> list[RunSummary]:
        """A page of runs, newest first."""
        ...

    async def approvals(self, query: ApprovalQuery) -> OpenApprovals:
        """A page of what runs ask people, and programs that send signals: of the newest run first."""
        ...

    async def left(self, runs: Sequence[RunId]) -> dict[RunId, datetime | None]:
        """Those of these runs that have not ended and that no process works on, each with the time until which one
        did; None where that one has given it back.
        """
        ...

    async def summary(self, run: RunId) -> RunSummary | None:
        """What lists show of the run; None where there is no such run."""
        ...

    async def run(self, run: RunId, *, until: int | None = None) -> Run:
        """The run as it is, or was after its event number `until`; its chain is verified. Raises NotFound,
        StoreCorrupt.
        """
        ...

    async def records(self, run: RunId, *, after: int = 0, limit: int | None = None) -> list[Record]:
        """The run's events as they stand in the journal, behind sequence number `after`, in order."""
        ...

    def follow(self, run: RunId) -> AsyncIterator[News]:
        """News of a run: first, as one item, all that has happened, then what happens, up to its end.

        No event is left out and none comes twice, whoever carries the run on. Progress comes as it may.
        Raises NotFound, StoreCorrupt.
        """
        ...

    async def seal(self, run: RunId) -> Seal:
        """The signed statement about the run's output. Raises NotFound, and TransitionRefused where there is no
        output.
        """
        ...

    async def data(self, document: Document) -> bytes:
        """The document's exact bytes. Raises NotFound, StoreCorrupt."""
        ...

    # -- evidence ------------------------------------------------------------------------------------------------

    def export(self, run: RunId, payloads: Payloads = "all") -> AsyncIterator[bytes]:
        """A bundle with the run and all that it rests on, as it is now: it can be examined without us (see
        `accord.evidence`). The same bytes while nothing happens.

        Raises NotFound, and StoreCorrupt where the journal does not hold.
        """
        ...

    async def checkpoints(self, *, after: int = 0, limit: int | None = None) -> list[MadeCheckpoint]:
        """The checkpoints behind this number, in order."""
        ...

    async def growth(self, size: int) -> Growth:
        """The newest checkpoint, and the proof that its log begins with the one of this size. Raises NotFound (ACC853)
        where the log is not so long.
        """
        ...

    async def anchor(self, run: RunId) -> ProvenRun:
        """The newest checkpoint, and the proof that the run ended in it where it ends now. Raises NotFound, and
        StoreCorrupt (ACC852) where the run does not say what it said when it was anchored.
        """
        ...

    # -- agents --------------------------------------------------------------------------------------------------

    async def agents(self, wanted: CapabilityRange | None = None) -> list[KnownAgent]:
        """All known agents by id, or those whose newest card offers a capability in this range."""
        ...

    async def sightings(self) -> list[Sighting]:
        """Every instance of an agent that is present in any process that shares the store, as of the last few
        seconds, by agent. What is in another process gets nothing from this one.
        """
        ...

    async def contracts(self) -> list[Contract]:
        """Every contract that an agent has ever offered, by capability, the newest version first."""
        ...

    async def decisions(self, questions: Sequence[Question], *, by: str) -> list[Decision]:
        """What the policy in force says to these, in their order, in runs that `by` would start; at most
        `Question.MOST`.
        """
        ...

    async def keys(self, agent: AgentId | None = None) -> list[KnownKey]:
        """The keys that the agents, or one of them, ever had, the oldest first: of those without a card, too."""
        ...

    async def key(self, kid: KeyId) -> KnownKey | None:
        """The key of an agent, whether it is still valid or not; None where nobody knows it."""
        ...

    async def revoke_key(self, kid: KeyId, *, by: str, reason: str = "", since: datetime | None = None) -> KnownKey:
        """Accept nothing new under an agent's key: when this returns, no process does any more. What was accepted
        before stays; what was signed after `since` is in doubt. Again is no error, and says more of `since`.

        Raises:
            NotFound: nobody knows the key.
            BadInput: `since` is in the future.
            Overloaded: a process that works on runs does not answer; the key is revoked all the same.
        """
        ...

    async def impact(self, kid: KeyId, *, since: datetime | None = None) -> Impact:
        """What rests on an agent's key: the runs in which results were accepted under statements by it (since then),
        the tasks and runs that depend on them. Every run that is kept is read.

        Raises NotFound where nobody knows the key.
        """
        ...

    async def contain(self, kid: KeyId, *, by: str, reason: str, since: datetime | None = None) -> Impact:
        """Quarantine all that rests on a key: its agent is held, the runs are marked as in doubt, and those that have
        not ended are paused. Again adds what is new. `lift`, `clear` and the command `Resume` take it back, one by one.

        Raises NotFound where nobody knows the key.
        """
        ...

    async def doubted(self) -> list[RunDoubted]:
        """All runs that are in doubt, those marked first first."""
        ...

    async def clear(self, run: RunId, *, by: str, note: str = "") -> None:
        """Rely on a run again. Raises TransitionRefused where it is not in doubt."""
        ...

    # -- holds and incidents -------------------------------------------------------------------------------------

    async def holds(self) -> Sequence[HoldPlaced]:
        """All holds in force, oldest first."""
        ...

    async def hold(self, scope: Scope, subject: str, *, by: str, reason: str = "") -> None:
        """Assign nothing of this scope from now on: when this returns, no process does any more.

        Raises Overloaded where a process that works on runs does not answer; the hold is placed all the same.
        """
        ...

    async def lift(self, scope: Scope, subject: str, *, by: str) -> None:
        """Lift a hold. Raises TransitionRefused where there is none."""
        ...

    async def quarantine(self, agent: AgentId, *, by: str, reason: str) -> None:
        """Assign nothing to an agent that is suspected, until its hold is lifted with `lift`; it is an incident, too.
        Again is no error. Raises what `hold` raises.
        """
        ...

    async def incidents(self, limit: int, *, after: int | None = None, sought: Sought = ALL) -> list[Filed]:
        """The newest of the incidents that are sought, newest first; of those older than the one of number `after`,
        where that is given.
        """
        ...

    async def incident(self, number: int) -> Filed:
        """The incident of this number. Raises NotFound."""
        ...

    async def acknowledge(self, incident: int, *, by: str, note: str = "") -> Filed:
        """Say that somebody looks after an incident; again is no error. Raises NotFound, and TransitionRefused where it
        is resolved.
        """
        ...

    async def resolve(self, incident: int, *, by: str, note: str) -> Filed:
        """Say that an incident is dealt with. Raises NotFound, TransitionRefused where it is already, and BadInput
        where the note says nothing.
        """
        ...

    # -- access --------------------------------------------------------------------------------------------------

    async def api_keys(self) -> list[ApiKey]:
        """All API keys that were ever issued, the oldest first."""
        ...

    async def issue_api_key(
        self, name: str, role: Role, *, by: str, expires_at: datetime | None = None
    ) -> IssuedApiKey:
        """A new API key, with its text, which nobody can be told again.

        Raises:
            BadInput: nothing can be called that, or it would have expired already.
            Refused: there is a usable key of this name.
        """
        ...

    async def revoke_api_key(self, name: str, *, by: str) -> ApiKey:
        """Revoke the key of this id, or the newest one of this name; again is no error. Raises NotFound."""
        ...

    async def enrolment_tokens(self) -> list[EnrolmentToken]:
        """All tokens that were ever issued, the oldest first."""
        ...

    async def issue_enrolment_token(self, wanted: Invitation, *, by: str) -> IssuedEnrolmentToken:
        """A new token with which an agent joins, with its text, which nobody can be told again. Raises BadInput."""
        ...

    async def withdraw_enrolment_token(self, token: str, *, by: str) -> EnrolmentToken:
        """Let a token allow nothing any more; again is no error. Raises NotFound."""
        ...

    # -- webhooks ------------------------------------------------------------------------------------------------

    async def webhooks(self) -> list[Webhook]:
        """All webhooks that there are, the oldest first."""
        ...

    async def webhook(self, webhook: str) -> Webhook:
        """The webhook of this id, with how much of what it was to be told was given up. Raises NotFound."""
        ...

    async def add_webhook(self, wanted: Subscription, *, by: str) -> IssuedWebhook:
        """Tell an endpoint of what happens from now on, by whichever server of the store owns a run; with the secret
        that signs it, which nobody can be told again. Raises BadInput, with all that is wrong.
        """
        ...

    async def remove_webhook(self, webhook: str, *, by: str) -> Webhook:
        """Tell an endpoint nothing any more. Raises NotFound."""
        ...


def newest(published: Sequence[Published], reference: str) -> Published:
    """The newest version that `name@range`, `name@version` or `name` admits. Raises NotFound."""
    name, _, text = reference.partition("@")
    versions = {Version.parse(one.version): one for one in published if one.name == name}
    best = VersionRange.parse(text or "*").best(versions)
    if best is None:
        known = ", ".join(sorted({one.name for one in published})) or "none"
        raise NotFound.of("ACC761", f"no template {reference} is published", hint=f"published are: {known}")
    return versions[best]


def held(run: Run, holds: Sequence[HoldPlaced]) -> list[HoldPlaced]:
    """Those of the holds that keep this run from being assigned."""
    name = run.started.template.partition("@")[0]
    keys = (("everything", ""), ("template", name), ("template", run.started.template))
    return [hold for hold in holds if (hold.scope, hold.subject) in keys]


def summary_of(run: Run, wake_at: datetime | None) -> RunSummary:
    """What lists show of the run."""
    return RunSummary(
        run=run.id,
        partition=partition_of(run.id),
        template=run.started.template,
        title=run.started.title,
        state=state_of(run),
        started_at=run.started.at,
        updated_at=run.updated_at,
        wake_at=wake_at,
        tasks_total=len(run.graph.tasks),
        tasks_done=run.settled,
        tasks_failed=run.failed,
        parent=run.started.parent.run if run.started.parent else None,
    )


def state_of(run: Run) -> RunState:
    """The run's phase, or that it is paused."""
    return "paused" if run.paused and not run.ended else run.phase
