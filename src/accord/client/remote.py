"""The `Service` of a server far away. It believes nothing that it can verify: it folds runs from the journal's records,
follows their hash chain, and compares documents with their digests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

import msgspec

from accord.client.chain import Chain, graph_of
from accord.client.connection import Connection
from accord.client.pages import PAGE, first, pages
from accord.domain import command as c
from accord.domain.access import ApiKey, IssuedApiKey, Role
from accord.domain.approval import ApprovalQuery, OpenApprovals
from accord.domain.capability import CapabilityRange
from accord.domain.checkpoint import Growth
from accord.domain.cluster import Cluster
from accord.domain.compile import compile_graph
from accord.domain.contract import Contract
from accord.domain.document import Document
from accord.domain.enrolment import EnrolmentToken, IssuedEnrolmentToken
from accord.domain.experience import Experience
from accord.domain.graph import Graph
from accord.domain.ids import AgentId, Digest, KeyId, RunId, TaskId
from accord.domain.impact import Impact
from accord.domain.incident import ALL, Filed, Sought
from accord.domain.learning import ClassifierVersion, Learnt, Lesson, Meant, Opinion, PlannerState
from accord.domain.log import LogPage, LogQuery
from accord.domain.news import News, Progressed
from accord.domain.policy import Decision
from accord.domain.run import Run
from accord.domain.system import HoldPlaced, RunDoubted, Scope
from accord.domain.template import Template, template_from_json
from accord.domain.webhook import IssuedWebhook, Subscription, Webhook
from accord.errors import UNSEALED, NotFound, StoreCorrupt, TransitionRefused
from accord.ports import Record, RunQuery, RunSummary, Sighting
from accord.service import (
    Barred,
    Exhibit,
    Fork,
    Invitation,
    KnownAgent,
    KnownKey,
    MadeCheckpoint,
    Payloads,
    ProvenRun,
    Published,
    Question,
    RunCommand,
    Seal,
)
from accord.views.agents import AgentDocument, ContractDocument, KeyDocument
from accord.views.approvals import ApprovalPage, open_approval
from accord.views.exhibit import ExhibitDocument
from accord.views.incidents import IncidentDocument, incident_of
from accord.views.records import StoredEvent, StoredEvents
from accord.views.result import Result
from accord.views.runs import Erased, ListedRun, RunState
from accord.views.templates import TemplateDocument

ASKED_AT_ONCE: Final = 200
"""Ids in one request, so that its URL stays short."""


class Remote:
    """A server's `Service`. `by` is not sent: the server writes down whom the credential belongs to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._templates: dict[Digest, bytes] = {}
        self._graphs: dict[Digest, Graph] = {}

    # -- templates -----------------------------------------------------------------------------------------------

    async def templates(self) -> list[Published]:
        """All versions of all published templates."""
        published = [one.published() for one in await self._listed()]
        return [one for one in published if one is not None]

    async def _listed(self) -> list[TemplateDocument]:
        """All templates that the server can run; it publishes those that come with it itself."""
        return [one async for one in pages(self._connection, "/v1/templates", "templates", TemplateDocument)]

    async def template(self, digest: Digest) -> bytes:
        """The document of a published template."""
        if digest not in self._templates:
            self._templates[digest] = await self._blob(digest)
        return self._templates[digest]

    async def graph(self, digest: Digest) -> Graph:
        """The graph of a published template."""
        if digest not in self._graphs:
            self._graphs[digest] = compile_graph(template_from_json(await self.template(digest)), digest)
        return self._graphs[digest]

    async def publish(
        self, template: Template, document: bytes, *, by: str = "local", as_written: bool = False
    ) -> Digest:
        """Publish a template, once it is verified; one that the server can run already takes no right to publish."""
        digest = Digest(sha256(document).hexdigest())
        if any(one.digest == digest for one in await self._listed()):
            return digest
        published = await self._connection.post(publishing(as_written), document, TemplateDocument)
        if published.digest != digest:
            raise StoreCorrupt.of(
                "ACC975",
                f"the server has published {published.template} as {published.digest}, not {digest}",
                hint="is the server of the same version as this client?",
            )
        return digest

    # -- runs ----------------------------------------------------------------------------------------------------

    async def start_run(  # noqa: PLR0913 - as in `Service`
        self,
        digest: Digest,
        value: Any,
        *,
        title: str = "",
        by: str = "local",
        once: str | None = None,
        labels: Sequence[str] = (),
        trace: str = "",
    ) -> Run:
        """Start a run of a published template."""
        body = {"digest": digest, "input": value, "title": title, **labelled(labels)}
        started = await self._connection.post("/v1/runs", body, ListedRun, once=once, trace=trace)
        return await self.run(started.run)

    async def fork(self, run: RunId, wanted: Fork, *, by: str, once: str | None = None, trace: str = "") -> Run:
        """Start a new run that shares what a run had done."""
        made = await self._connection.post(f"{_at(run)}/fork", wanted, ListedRun, once=once, trace=trace)
        return await self.run(made.run)

    async def control(self, run: RunId, command: RunCommand, *, once: str | None = None) -> None:
        """Carry out a command on a run."""
        action, body = _request_of(command)
        await self._connection.post(f"{_at(run)}/{action}", body, RunState, once=once)

    async def erase(self, run: RunId, *, by: str, reason: str = "") -> list[RunId]:
        """Make the documents of a run unreadable."""
        return list((await self._connection.post(f"{_at(run)}/erase", {"reason": reason}, Erased)).erased)

    async def signal(
        self, run: RunId, value: Any, *, by: str, name: str = "", task: TaskId | None = None, once: str | None = None
    ) -> None:
        """Give a value to a run."""
        body = {"task": task, "value": value} if task is not None else {"name": name, "value": value}
        await self._connection.post(f"{_at(run)}/signals", body, RunState, once=once)

    async def runs(self, query: RunQuery) -> list[RunSummary]:
        """A page of runs, newest first."""
        parameters = {
            "state": list(query.states),
            "template": query.template,
            "text": query.text,
            "since": query.since,
            "parent": query.parent,
            "origin": query.origin,
            "agent": query.agent,
            "label": query.label,
            "acknowledged": query.acknowledged,
            "after": query.after,
            "limit": min(PAGE, query.limit),
        }
        found = await first(pages(self._connection, "/v1/runs", "runs", ListedRun, parameters), query.limit)
        return [run.summary() for run in found]

    async def approvals(self, query: ApprovalQuery) -> OpenApprovals:
        """A page of what runs ask."""
        parameters = {
            "kind": list(query.kinds),
            "template": query.template,
            "run": query.run,
            "since": query.since,
            "after": query.after,
            "limit": min(PAGE, query.limit),
        }
        page = await self._connection.get("/v1/approvals", ApprovalPage, parameters)
        return OpenApprovals(tuple(map(open_approval, page.approvals)), page.next, page.damaged)

    async def left(self, runs: Sequence[RunId]) -> dict[RunId, datetime | None]:
        """Those of these runs that no process works on."""
        found: list[ListedRun] = []
        for begin in range(0, len(runs), ASKED_AT_ONCE):
            asked = {"run": list(runs[begin : begin + ASKED_AT_ONCE])}
            found += await self._connection.get("/v1/runs/left", list[ListedRun], asked)
        return {run.run: run.left_at for run in found}

    async def barred(self, run: Run) -> list[Barred]:
        """Tasks that the policy lets nobody do."""
        return await self._connection.get(f"{_at(run.id)}/barred", list[Barred])

    async def experience(self, template: str | None = None) -> Experience:
        """What the runs tell that have ended last."""
        return await self._connection.get("/v1/experience", Experience, {"template": template})

    async def summary(self, run: RunId) -> RunSummary | None:
        """What lists show of the run."""
        try:
            return (await self._connection.get(f"{_at(run)}/summary", ListedRun)).summary()
        except NotFound:
            return None

    async def run(self, run: RunId, *, until: int | None = None) -> Run:
        """The run as it is, or was; its chain is verified."""
        records = await self.records(run, limit=until)
        return (await self._chain(records)).add(records).run

    async def _chain(self, records: Sequence[Record]) -> Chain:
        return Chain(await self.graph(graph_of(records)))

    async def records(self, run: RunId, *, after: int = 0, limit: int | None = None) -> list[Record]:
        """The run's events as they stand in the journal."""
        found: list[Record] = []
        while limit is None or len(found) < limit:
            asked = PAGE if limit is None else min(PAGE, limit - len(found))
            page = await self._connection.get(f"{_at(run)}/records", StoredEvents, {"after": after, "limit": asked})
            found += [one.record(run) for one in page.records]
            if page.next is None:
                break
            after = page.next
        return found

    async def follow(self, run: RunId) -> AsyncIterator[News]:
        """News of a run, up to its end."""
        records = await self.records(run)
        chain = await self._chain(records)
        yield chain.add(records)
        if chain.run.ended:
            return
        async for event in self._connection.feed(f"{_at(run)}/feed", after=chain.head.sequence):
            if event.event == "progress":
                yield msgspec.json.decode(event.data, type=Progressed)
            elif event.event == "record":
                record = msgspec.json.decode(event.data, type=StoredEvent).record(run)
                if record.sequence <= chain.head.sequence:
                    continue
                # A stream has lines, and may have changed the white space of a document; the page has its exact bytes.
                follows = chain.is_next(record)
                yield chain.add([record] if follows else await self.records(run, after=chain.head.sequence))
        if not chain.run.ended:
            yield chain.add(await self.records(run, after=chain.head.sequence))

    async def logs(self, run: RunId, wanted: LogQuery) -> LogPage:
        """Lines that the run's agents have logged."""
        parameters = {**_log_parameters(wanted), "after": wanted.after, "limit": wanted.limit, "at": wanted.at}
        return await self._connection.get(_logs_of(run, wanted), LogPage, parameters)

    async def follow_logs(self, run: RunId, wanted: LogQuery) -> AsyncIterator[LogPage]:
        """The same, then those that come."""
        path = f"{_logs_of(run, wanted)}/feed"
        async for event in self._connection.feed(path, _log_parameters(wanted), after=wanted.after or ""):
            if event.event == "lines":
                yield msgspec.json.decode(event.data, type=LogPage)

    async def seal(self, run: RunId) -> Seal:
        """The signed statement about the run's output."""
        result = await self._connection.get(f"{_at(run)}/result", Result)
        if not (isinstance(result.statement, str) and result.signed_by and result.key):
            if result.state == "completed":
                raise TransitionRefused.of(UNSEALED, f"the server has no statement about the output of {run}")
            raise TransitionRefused.of(
                "ACC459", f"the run is {result.state}: it has no output", hint="wait for its end"
            )
        return msgspec.convert({"statement": result.statement, "signed_by": result.signed_by, "key": result.key}, Seal)

    async def data(self, document: Document) -> bytes:
        """The document's exact bytes."""
        if document.encrypted is None:
            return document.data or await self._blob(document.sha256)
        data = await self._connection.data_for("/v1/documents/decrypt", document)
        return _checked(data, document.sha256)

    async def _blob(self, digest: Digest) -> bytes:
        return _checked(await self._connection.data(f"/v1/documents/{digest}"), digest)

    # -- evidence ------------------------------------------------------------------------------------------------

    async def export(self, run: RunId, payloads: Payloads = "all") -> AsyncIterator[bytes]:
        """The bundle of a run."""
        async for chunk in self._connection.stream(f"{_at(run)}/export", {"payloads": payloads}):
            yield chunk

    async def exhibit(self) -> Exhibit | None:
        """What the server's store was imported from."""
        return (await self._connection.get("/v1/exhibit", ExhibitDocument)).exhibit

    async def checkpoints(self, *, after: int = 0, limit: int | None = None) -> list[MadeCheckpoint]:
        """The checkpoints behind this number, in order."""
        found = pages(self._connection, "/v1/checkpoints", "checkpoints", MadeCheckpoint, {"after": after})
        return [one async for one in found] if limit is None else await first(found, limit)

    async def growth(self, size: int) -> Growth:
        """The newest checkpoint, and the proof that its log begins with the one of this size."""
        return await self._connection.get("/v1/checkpoints/growth", Growth, {"size": size})

    async def anchor(self, run: RunId) -> ProvenRun:
        """The newest checkpoint, and the proof that the run ended in it where it ends now."""
        return await self._connection.get(f"{_at(run)}/anchor", ProvenRun)

    # -- agents --------------------------------------------------------------------------------------------------

    async def agents(self, wanted: CapabilityRange | None = None) -> list[KnownAgent]:
        """All known agents, or those that offer a capability."""
        parameters = {"whole": True, "capability": str(wanted) if wanted is not None else None}
        found = pages(self._connection, "/v1/agents", "agents", AgentDocument, parameters)
        return [one.known() async for one in found]

    async def sightings(self) -> list[Sighting]:
        """Every instance of an agent that is present."""
        return await self._connection.get("/v1/instances", list[Sighting])

    async def contracts(self) -> list[Contract]:
        """Every contract that an agent has ever offered."""
        found = pages(self._connection, "/v1/capabilities", "capabilities", ContractDocument)
        return [document.contract() async for document in found]

    async def decisions(self, questions: Sequence[Question], *, by: str) -> list[Decision]:
        """What the server's policy says to these, for whose key this client has."""
        return await self._connection.post("/v1/policy/decisions", {"questions": questions}, list[Decision])

    async def keys(self, agent: AgentId | None = None) -> list[KnownKey]:
        """The keys that the agents, or one of them, ever had."""
        found = pages(self._connection, "/v1/keys", "keys", KeyDocument, {"agent": agent})
        return [one.known() async for one in found]

    async def key(self, kid: KeyId) -> KnownKey | None:
        """The key of an agent."""
        try:
            return (await self._connection.get(f"/v1/keys/{quote(kid, safe='')}", KeyDocument)).known()
        except NotFound:
            return None

    async def revoke_key(self, kid: KeyId, *, by: str, reason: str = "", since: datetime | None = None) -> KnownKey:
        """Accept nothing new under a key."""
        parameters = {"reason": reason, "since": since}
        document = await self._connection.delete(f"/v1/keys/{quote(kid, safe='')}", KeyDocument, parameters)
        return document.known()

    async def impact(self, kid: KeyId, *, since: datetime | None = None) -> Impact:
        """What rests on a key."""
        return await self._connection.get(f"/v1/keys/{quote(kid, safe='')}/impact", Impact, {"since": since})

    async def contain(self, kid: KeyId, *, by: str, reason: str, since: datetime | None = None) -> Impact:
        """Quarantine all that rests on a key."""
        body = {"reason": reason, "since": since}
        return await self._connection.post(f"/v1/keys/{quote(kid, safe='')}/quarantine", body, Impact)

    async def doubted(self) -> list[RunDoubted]:
        """All runs that are in doubt."""
        return await self._connection.get("/v1/doubts", list[RunDoubted])

    async def clear(self, run: RunId, *, by: str, note: str = "") -> None:
        """Rely on a run again."""
        await self._connection.delete(f"/v1/doubts/{quote(run, safe='')}", list[RunDoubted], {"note": note})

    # -- the cluster ---------------------------------------------------------------------------------------------

    async def cluster(self) -> Cluster:
        """Who works on the server's store, and what waits for them."""
        return await self._connection.get("/v1/cluster", Cluster)

    # -- holds and incidents -------------------------------------------------------------------------------------

    async def holds(self) -> Sequence[HoldPlaced]:
        """All holds in force."""
        return await self._connection.get("/v1/holds", list[HoldPlaced])

    async def hold(self, scope: Scope, subject: str, *, by: str, reason: str = "") -> None:
        """Assign nothing of this scope from now on."""
        body = {"scope": scope, "subject": subject, "reason": reason}
        await self._connection.post("/v1/holds", body, list[HoldPlaced])

    async def lift(self, scope: Scope, subject: str, *, by: str) -> None:
        """Lift a hold."""
        await self._connection.delete("/v1/holds", list[HoldPlaced], {"scope": scope, "subject": subject})

    async def quarantine(self, agent: AgentId, *, by: str, reason: str) -> None:
        """Assign nothing to an agent that is suspected."""
        await self._connection.post("/v1/quarantine", {"agent": agent, "reason": reason}, list[HoldPlaced])

    async def incidents(self, limit: int, *, after: int | None = None, sought: Sought = ALL) -> list[Filed]:
        """The newest incidents."""
        parameters = {"limit": min(PAGE, limit), "after": after, **msgspec.structs.asdict(sought)}
        found = pages(self._connection, "/v1/incidents", "incidents", IncidentDocument, parameters)
        return [incident_of(document) for document in await first(found, limit)]

    async def incident(self, number: int) -> Filed:
        """The incident of this number."""
        return incident_of(await self._connection.get(f"/v1/incidents/{number}", IncidentDocument))

    async def acknowledge(self, incident: int, *, by: str, note: str = "") -> Filed:
        """Say that somebody looks after an incident."""
        path = f"/v1/incidents/{incident}/acknowledge"
        return incident_of(await self._connection.post(path, {"note": note}, IncidentDocument))

    async def resolve(self, incident: int, *, by: str, note: str) -> Filed:
        """Say that an incident is dealt with."""
        path = f"/v1/incidents/{incident}/resolve"
        return incident_of(await self._connection.post(path, {"note": note}, IncidentDocument))

    # -- learning ------------------------------------------------------------------------------------------------

    async def planner(self, *, by: str) -> PlannerState:
        """What the server's planner has learnt from use; it knows who asks."""
        del by
        return await self._connection.get("/v1/planner", PlannerState)

    async def judge(self, objective: str) -> Meant | None:
        """What the server's classifier makes of an objective; None where the server is too old to have one."""
        try:
            return (await self._connection.post("/v1/planner/judgement", {"objective": objective}, Opinion)).judged
        except NotFound:
            return None

    async def lessons(self) -> list[Lesson]:
        """Nothing: the server's planner tells nobody what others have said."""
        return []

    async def examples(self, *, by: str | None = None) -> list[Learnt]:
        """The examples that whoever asks may see."""
        found = pages(self._connection, "/v1/planner/examples", "examples", Learnt)
        return [one async for one in found if by in (None, one.by)]

    async def teach(self, lesson: Lesson, *, by: str) -> Learnt:
        """Keep what words mean; the server knows who says so."""
        del by
        body = {"objective": lesson.objective, "template": lesson.template, "run": lesson.run, "how": lesson.how}
        return await self._connection.post("/v1/planner/examples", body, Learnt, again=False)

    async def forget(self, example: str, *, by: str, reason: str = "") -> Learnt:
        """Destroy the words of an example."""
        del by
        path = f"/v1/planner/examples/{quote(example, safe='')}"
        return await self._connection.delete(path, Learnt, {"reason": reason})

    async def classifiers(self) -> list[ClassifierVersion]:
        """All versions that were trained."""
        found = pages(self._connection, "/v1/planner/versions", "versions", ClassifierVersion)
        return [one async for one in found]

    async def train(self, *, by: str) -> ClassifierVersion:
        """Train a version, and use it unless it is worse."""
        del by
        return await self._connection.post("/v1/planner/train", {}, ClassifierVersion, again=False)

    async def use_classifier(self, version: int, *, by: str) -> PlannerState:
        """Let this version decide."""
        del by
        return await self._connection.post("/v1/planner/use", {"version": version}, PlannerState)

    # -- access --------------------------------------------------------------------------------------------------

    async def api_keys(self) -> list[ApiKey]:
        """All API keys that were ever issued."""
        return [one async for one in pages(self._connection, "/v1/access/keys", "keys", ApiKey)]

    async def issue_api_key(
        self, name: str, role: Role, *, by: str, expires_at: datetime | None = None
    ) -> IssuedApiKey:
        """A new API key."""
        body = {"name": name, "role": role, "expires_at": expires_at}
        return await self._connection.post("/v1/access/keys", body, IssuedApiKey, again=False)

    async def revoke_api_key(self, name: str, *, by: str) -> ApiKey:
        """Revoke a key."""
        return await self._connection.delete(f"/v1/access/keys/{quote(name, safe='')}", ApiKey)

    async def enrolment_tokens(self) -> list[EnrolmentToken]:
        """All tokens that were ever issued."""
        return [one async for one in pages(self._connection, "/v1/enrolments", "tokens", EnrolmentToken)]

    async def issue_enrolment_token(self, wanted: Invitation, *, by: str) -> IssuedEnrolmentToken:
        """A new token with which an agent joins."""
        return await self._connection.post("/v1/enrolments", wanted, IssuedEnrolmentToken, again=False)

    async def withdraw_enrolment_token(self, token: str, *, by: str) -> EnrolmentToken:
        """Let a token allow nothing any more."""
        return await self._connection.delete(f"/v1/enrolments/{quote(token, safe='')}", EnrolmentToken)

    # -- webhooks ------------------------------------------------------------------------------------------------

    async def webhooks(self) -> list[Webhook]:
        """All webhooks that there are."""
        return [one async for one in pages(self._connection, "/v1/webhooks", "webhooks", Webhook)]

    async def webhook(self, webhook: str) -> Webhook:
        """The webhook of this id."""
        return await self._connection.get(f"/v1/webhooks/{quote(webhook, safe='')}", Webhook)

    async def add_webhook(self, wanted: Subscription, *, by: str) -> IssuedWebhook:
        """Tell an endpoint of what happens from now on."""
        return await self._connection.post("/v1/webhooks", wanted, IssuedWebhook, again=False)

    async def remove_webhook(self, webhook: str, *, by: str) -> Webhook:
        """Tell an endpoint nothing any more."""
        return await self._connection.delete(f"/v1/webhooks/{quote(webhook, safe='')}", Webhook)


def _checked(data: bytes, digest: Digest) -> bytes:
    """The bytes, which have this digest. Raises StoreCorrupt."""
    if sha256(data).hexdigest() != digest:
        raise StoreCorrupt.of("ACC976", f"what the server has sent as {digest} is something else")
    return data


def _at(run: RunId) -> str:
    return f"/v1/runs/{quote(run, safe='')}"


def _logs_of(run: RunId, wanted: LogQuery) -> str:
    of = "" if wanted.task is None else f"/tasks/{quote(wanted.task, safe='')}"
    return f"{_at(run)}{of}/logs"


def _log_parameters(wanted: LogQuery) -> dict[str, Any]:
    return {"attempt": wanted.attempt, "level": wanted.level}


def _request_of(command: RunCommand) -> tuple[str, dict[str, Any]]:
    """The action of a command, and what is said with it."""
    match command:
        case c.Pause():
            return "pause", {"reason": command.reason}
        case c.Resume():
            return "resume", {}
        case c.SetBudget():
            return "budget", {"max_cost": f"{command.max_cost:f}"}
        case c.Cancel():
            return "cancel", {"reason": command.reason, "gives_up": command.gives_up}
        case c.RetryTask():
            return "retry", {"task": command.task}
        case c.Rollback():
            return "rollback", {"task": command.to}
        case c.Acknowledge():
            return "acknowledge", {"note": command.note}


def publishing(as_written: bool) -> str:
    """The path of publishing a template."""
    return "/v1/templates?as_written=true" if as_written else "/v1/templates"


def labelled(labels: Sequence[str]) -> dict[str, list[str]]:
    """The member of a start that says labels; left out where there are none, since older servers do not know it."""
    return {"labels": list(labels)} if labels else {}
