"""Events that belong to no run: who is known, which templates there are, what is held back, what was refused, who may
ask.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from accord.domain.access import Principal, Role
from accord.domain.checkpoint import Anchor
from accord.domain.document import Document
from accord.domain.ids import AgentId, Digest, KeyId, RunId, StreamId, TaskId
from accord.domain.learning import How, Trial
from accord.domain.message import Kind
from accord.domain.webhook import Delivered
from accord.errors import Problem

REGISTRY = StreamId("sys:registry")
TEMPLATES = StreamId("sys:templates")
CONTROL = StreamId("sys:control")
INCIDENTS = StreamId("sys:incidents")
ACCESS = StreamId("sys:access")
POLICIES = StreamId("sys:policies")
WEBHOOKS = StreamId("sys:webhooks")
SESSIONS = StreamId("sys:sessions")
SUCCESSIONS = StreamId("sys:successions")
DELEGATIONS = StreamId("sys:delegations")
CHECKPOINTS = StreamId("sys:checkpoints")
PLANNER = StreamId("sys:planner")

ANCHORED = (REGISTRY, TEMPLATES, CONTROL, ACCESS, POLICIES, PLANNER)
"""The streams beside those of runs whose ends are in checkpoints."""

Scope = Literal["everything", "template", "agent"]
"""What a hold holds back; a single run is paused by an event of its own."""


class _Event(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="event"
):
    at: datetime
    """When it was decided, aware UTC."""


class AgentEnrolled(_Event, frozen=True, kw_only=True, tag="agent.enrolled"):
    """From now on the agent's statements may be signed with this key."""

    agent: AgentId
    key: KeyId
    jwk: dict[str, str]
    by: str
    token: str | None = None
    """The enrolment token that was used up by it."""
    offers: tuple[str, ...] = ()
    """Capabilities, `name` or `name@range`: what cards that it signs may offer; anything where empty."""
    expires_at: datetime | None = None
    """From then on nothing new is accepted under it; None: it does not end by itself."""


class EnrolmentTokenIssued(_Event, frozen=True, kw_only=True, tag="agent.token_issued"):
    """An agent may be enrolled once with this token; of its secret only the hash is kept."""

    token: str
    secret: Digest
    """SHA-256 of the secret."""
    agent: AgentId
    offers: tuple[str, ...] = ()
    by: str
    expires_at: datetime
    key_valid_s: float | None = None
    """How long the key that is enrolled with it may sign; None: it does not end by itself."""


class EnrolmentTokenRevoked(_Event, frozen=True, kw_only=True, tag="agent.token_revoked"):
    """The token allows nothing any more."""

    token: str
    by: str


class KeyRevoked(_Event, frozen=True, kw_only=True, tag="key.revoked"):
    """From now on nothing new is accepted under this key; what was accepted before stays verifiable."""

    agent: AgentId
    key: KeyId
    by: str
    reason: str = ""
    since: datetime | None = None
    """From then on it may have been in other hands: what it signed later is in doubt."""


class KeyRetired(_Event, frozen=True, kw_only=True, tag="key.retired"):
    """Another key has taken its place: after a time nothing new is accepted under it."""

    agent: AgentId
    key: KeyId
    until: datetime
    by: str


class KeyDelegated(_Event, frozen=True, kw_only=True, tag="key.delegated"):
    """A long-lived key of an agent, or of an orchestrator, lets a short-lived one sign for it. The statement is kept,
    so that what the key has signed can be verified for ever. It is in `sys:delegations`; in older journals, in
    `sys:registry`.
    """

    agent: AgentId
    """Whose keys they are."""
    key: KeyId
    jwk: dict[str, str]
    parent: KeyId
    until: datetime
    kinds: tuple[Kind, ...]
    statement: str


class KeySucceeded(_Event, frozen=True, kw_only=True, tag="key.succeeded"):
    """The orchestrator's key has said which one takes its place."""

    key: KeyId
    """The new one."""
    before: KeyId
    jwk: dict[str, str]
    """The key before."""
    statement: str
    until: datetime
    """How long the key before is accepted beside it."""
    by: str


class CardAccepted(_Event, frozen=True, kw_only=True, tag="agent.card_accepted"):
    """The agent offers what its signed card says."""

    agent: AgentId
    card: Document
    statement: str


class TemplatePublished(_Event, frozen=True, kw_only=True, tag="template.published"):
    """A version of a template; its document is the blob of this digest."""

    name: str
    version: str
    digest: Digest
    description: str = ""
    by: str = ""


class HoldPlaced(_Event, frozen=True, kw_only=True, tag="hold.placed"):
    """Nothing of this scope is assigned until the hold is lifted."""

    scope: Scope
    subject: str = ""
    by: str
    reason: str = ""
    quarantine: bool = False
    """Whether an agent is held because it, or a key of its, is suspected."""


class HoldLifted(_Event, frozen=True, kw_only=True, tag="hold.lifted"):
    scope: Scope
    subject: str = ""
    by: str


class RunDoubted(_Event, frozen=True, kw_only=True, tag="run.doubted"):
    """What a run says is not to be relied on: it rests on statements that may be somebody else's."""

    run: RunId
    by: str
    reason: str = ""


class RunCleared(_Event, frozen=True, kw_only=True, tag="run.cleared"):
    """Somebody has looked: what the run says may be relied on again."""

    run: RunId
    by: str
    note: str = ""


class RetiredRunErased(_Event, frozen=True, kw_only=True, tag="retired_run.erased"):
    """The data key of a run that was removed already, and of those that did its tasks, is destroyed: others had kept it
    alive that hold documents under it.
    """

    run: RunId
    by: str
    reason: str = ""


class IncidentRecorded(_Event, frozen=True, kw_only=True, tag="incident.recorded"):
    """A message was refused for a reason that matters to security; `statement` and `payload` are the evidence."""

    problem: Problem
    statement: str
    payload: Document | None = None
    claimed_agent: AgentId | None = None
    """Who the message says it is from. Only with `authentic` this is more than a claim."""
    authentic: bool = False
    signer: AgentId | None = None
    """Whose key has signed it, where the signature holds; whoever it says that it is from."""
    run: RunId | None = None
    task: TaskId | None = None
    inline: str | None = None
    """The bytes of `payload` in base64, where they are few; else they are in the blob store."""
    sent_bytes: int | None = None
    """How long the payload was, where only its beginning is kept."""
    sent_digest: Digest | None = None
    """SHA-256 of the whole payload, where only its beginning is kept."""


class IncidentsSuppressed(_Event, frozen=True, kw_only=True, tag="incident.suppressed"):
    """So many more messages of an agent were refused within a minute than are kept with their evidence."""

    code: str
    count: int
    claimed_agent: AgentId | None = None
    """The authentic sender; absent where nobody is proven to have sent them."""
    since: datetime
    """The minute's beginning."""


class AgentTakenOut(_Event, frozen=True, kw_only=True, tag="agent.taken_out"):
    """An agent has failed at a capability again and again, and gets nothing of it for a while: a breaker has opened.
    Each process has breakers of its own.
    """

    agent: AgentId
    capability: str
    """Its name."""
    problem: Problem
    """ACC359, with what went wrong last."""


class PolicyAdopted(_Event, frozen=True, kw_only=True, tag="policy.adopted"):
    """From now on a process decides by this policy set; the blob of this digest is its text."""

    digest: Digest
    shipped: bool = False
    """Whether it is the set that came with its Accord."""


class AgentQuarantined(_Event, frozen=True, kw_only=True, tag="agent.quarantined"):
    """An agent gets nothing more until somebody lifts its hold: too many incidents are its doing, or somebody suspects
    it.
    """

    agent: AgentId
    by: str
    problem: Problem
    """ACC360, with why."""


class IncidentAcknowledged(_Event, frozen=True, kw_only=True, tag="incident.acknowledged"):
    """Somebody looks after an incident."""

    incident: int
    """Its number in the stream."""
    by: str
    note: str = ""


class IncidentResolved(_Event, frozen=True, kw_only=True, tag="incident.resolved"):
    """An incident is dealt with."""

    incident: int
    by: str
    note: str
    """What it was, or what was done."""


class ApiKeyIssued(_Event, frozen=True, kw_only=True, tag="access.key_issued"):
    """From now on, whoever shows the secret of this key may do what its role allows."""

    key: str
    """The key's id: 12 characters `0-9a-v`."""
    name: str
    role: Role
    secret: Digest
    """SHA-256 of the secret, which is kept nowhere."""
    by: str
    expires_at: datetime | None = None


class ApiKeyRevoked(_Event, frozen=True, kw_only=True, tag="access.key_revoked"):
    """From now on the key opens nothing."""

    key: str
    by: str


class SignInLinkMade(_Event, frozen=True, kw_only=True, tag="session.link_made"):
    """Whoever shows the secret is signed in at the console once, as the principal who has made it."""

    link: str
    secret: Digest
    """SHA-256 of the secret, which is kept nowhere."""
    principal: Principal
    key: str | None = None
    """The API key that the principal has shown, by its id."""
    expires_at: datetime
    until: datetime | None = None
    """When the credential ends that was shown, where it is a token."""


class SessionOpened(_Event, frozen=True, kw_only=True, tag="session.opened"):
    """From now on, whoever shows the secret is this principal at the console."""

    session: str
    secret: Digest
    """SHA-256 of the secret, which is kept nowhere."""
    principal: Principal
    key: str | None = None
    """The API key that was shown, by its id: the session ends with it."""
    link: str | None = None
    """The link that was used up by it."""
    expires_at: datetime


class SessionClosed(_Event, frozen=True, kw_only=True, tag="session.closed"):
    """Somebody has signed out."""

    session: str


class WebhookAdded(_Event, frozen=True, kw_only=True, tag="webhook.added"):
    """From now on an endpoint is told of events, each signed with this secret."""

    webhook: str
    url: str
    secret: str
    """As Standard Webhooks writes it. It signs, so it is kept itself, not its hash."""
    by: str
    types: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()


class WebhookRemoved(_Event, frozen=True, kw_only=True, tag="webhook.removed"):
    """The endpoint is told of nothing any more."""

    webhook: str
    by: str
    reason: str = ""


class WebhookGivenUp(_Event, frozen=True, kw_only=True, tag="webhook.given_up"):
    """The endpoint has not taken an event in time, and is not told of it."""

    webhook: str
    run: RunId
    sequence: int
    problem: str


class WebhookProgress(_Event, frozen=True, kw_only=True, tag="webhook.progress"):
    """How much an endpoint was told; everything that came before this in its stream is no longer needed."""

    runs: dict[RunId, Delivered]


class CheckpointMade(_Event, frozen=True, kw_only=True, tag="checkpoint.made"):
    """These ends of streams were added to the log of all such, see `checkpoint`; with them it is so long and has this
    root.
    """

    size: int
    root: Digest
    anchors: tuple[Anchor, ...]
    statement: str
    """The orchestrator's, about the text of the checkpoint."""


class ExampleLearnt(_Event, frozen=True, kw_only=True, tag="example.learnt"):
    """Somebody has said what words mean, by running a template for them or in so many words, and has agreed that it is
    kept.
    """

    example: str
    words: Document
    """Encrypted under a data key of its own."""
    template: str | None = None
    """The template's name; absent where the words mean nothing that is here."""
    how: How
    by: str
    run: RunId | None = None


class ExampleForgotten(_Event, frozen=True, kw_only=True, tag="example.forgotten"):
    """The data key of an example's words is destroyed, and nothing learns from it any more."""

    example: str
    by: str
    reason: str = ""


class ClassifierTrained(_Event, frozen=True, kw_only=True, tag="classifier.trained"):
    """A version of the planner's classifier was trained, and compared with the one in use on examples that neither had
    seen.
    """

    version: int
    until: int
    """It knows the first so many examples of this stream, without those that are forgotten."""
    learnt: int
    """How many of them there were."""
    digest: Digest
    """Of the phrases of templates, and the ids of the examples, that it was trained on."""
    trial: Trial
    compared_with: int
    flaws: tuple[str, ...] = ()
    """In what it was worse; without any it is used."""
    by: str


class ClassifierUsed(_Event, frozen=True, kw_only=True, tag="classifier.used"):
    """From now on this version decides; 0 knows the phrases of templates alone."""

    version: int
    by: str


Incident = IncidentRecorded | IncidentsSuppressed | AgentTakenOut | AgentQuarantined
IncidentStep = IncidentAcknowledged | IncidentResolved
ControlEvent = HoldPlaced | HoldLifted | RunDoubted | RunCleared | RetiredRunErased
AccessEvent = ApiKeyIssued | ApiKeyRevoked
SessionEvent = SignInLinkMade | SessionOpened | SessionClosed
WebhookEvent = WebhookAdded | WebhookRemoved | WebhookGivenUp | WebhookProgress
PlannerEvent = ExampleLearnt | ExampleForgotten | ClassifierTrained | ClassifierUsed
KeyEvent = AgentEnrolled | KeyRevoked | KeyRetired | KeyDelegated
AgentEvent = KeyEvent | EnrolmentTokenIssued | EnrolmentTokenRevoked | CardAccepted
SystemEvent = (
    AgentEvent
    | TemplatePublished
    | ControlEvent
    | Incident
    | IncidentStep
    | AccessEvent
    | SessionEvent
    | WebhookEvent
    | PolicyAdopted
    | KeySucceeded
    | CheckpointMade
    | PlannerEvent
)
