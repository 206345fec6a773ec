"""The client: what a program asks of a server, in a few typed calls.

ACC994  what is to be planned, or run, is no text
ACC995  an input cannot be sent as JSON
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import msgspec

from accord.client.connection import Connection
from accord.client.events import Happening, Progress, RunEvent, read_happening
from accord.client.pages import pages
from accord.client.patience import PATIENT, Patience
from accord.client.remote import Remote, labelled, publishing
from accord.domain.approval import ApprovalKind
from accord.domain.ids import AgentId, KeyId, RunId, TaskId
from accord.domain.impact import Impact
from accord.domain.incident import IncidentState, Severity
from accord.domain.log import Level, LoggedLine, LogQuery
from accord.domain.machine import TaskPhase
from accord.domain.system import RunDoubted
from accord.domain.webhook import IssuedWebhook, Subscription, Webhook
from accord.domain.workflow_test import WorkflowTest
from accord.errors import BadInput
from accord.ports import RunState as State
from accord.service import Payloads, Service
from accord.tls import SYSTEM, TlsFiles
from accord.views.agents import AgentDocument
from accord.views.approvals import ListedApproval
from accord.views.explain import Explanation
from accord.views.lineage import LineageDocument
from accord.views.planning import is_reference
from accord.views.result import Result
from accord.views.run_diff import RunsDiff
from accord.views.runs import ListedRun, RunState
from accord.views.state_difference import StateDifference
from accord.views.tasks import AttemptDocument, ListedTask, TaskDocument
from accord.views.templates import TemplateDiff, TemplateDocument

__all__ = ["Client", "Happening", "Progress", "RunEvent"]


class Client:
    """A client of a server; open it with `async with`.

    Requests wait no longer than `patience` says. What can be sent again without harm is, where the connection fails or
    the server is busy: what makes something carries an idempotency key, so that it is made once. What a server refuses
    is raised as the same error as in its process: `BadInput`, `NotFound`, `Refused` and their kinds, with all problems.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        patience: Patience = PATIENT,
        insecure_http: bool = False,
        tls: TlsFiles = SYSTEM,
    ) -> None:
        """`key` is an API key, or a bearer token. `insecure_http` lets it be sent without TLS to other machines; `tls`
        says whose certificates are believed, and which one is shown.

        Raises:
            BadInput: ACC972 the URL is none, ACC974 the key would be sent in the clear, ACC860 a file of certificates
                cannot be used.
            Unauthenticated: ACC973 there is no key.
        """
        self._connection = Connection(url, key, patience=patience, insecure_http=insecure_http, tls=tls)

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)

    def service(self) -> Service:
        """The server's whole `Service`, which folds runs and verifies their hash chains here."""
        return Remote(self._connection)

    # -- work ----------------------------------------------------------------------------------------------------

    async def plan(self, what: str, given: Any = None, *, meant: str | None = None) -> dict[str, Any]:
        """What would be run for an objective or a template, and why; see `start`. Nothing runs.

        Raises:
            BadInput: among others NotUnderstood; its `several` are the templates of which one may be `meant`.
        """
        plan: dict[str, Any] = await self._connection.post("/v1/plans", _wanted(what, given, meant), dict[str, Any])
        return plan

    async def start(
        self,
        what: str,
        given: Any = None,
        *,
        meant: str | None = None,
        title: str = "",
        once: str | None = None,
        labels: Sequence[str] = (),
    ) -> ListedRun:
        """Start a run; it is durable when this returns.

        `what` is a template (`name`, or `name@range`) or an objective in words: a word alone is always a template's
        name. `given` is the input, or beside an objective the members that say it otherwise. `meant` is the template
        that an objective means, `name` or `name@range`: the planner keeps the words, where it learns from who asks
        (`service().planner`). `once` is an idempotency key that outlives this process: under the same key the same run
        is returned. `labels` is what all of the input has beside what the template says of it. A template's document is
        published first: `publish`. Raises BadInput.
        """
        body = {**_wanted(what, given, meant), "title": title, **labelled(labels)}
        return await self._connection.post("/v1/runs", body, ListedRun, once=once)

    async def run(self, run: str) -> dict[str, Any]:
        """A run as it is: its state, input, output and tasks. Raises NotFound."""
        document: dict[str, Any] = await self._connection.get(_at(run), dict[str, Any])
        return document

    async def runs(  # noqa: PLR0913 - each is a filter
        self,
        *,
        states: tuple[State, ...] = (),
        template: str | None = None,
        text: str | None = None,
        agent: str | None = None,
        label: str | None = None,
        origin: str | None = None,
        acknowledged: bool | None = None,
    ) -> AsyncIterator[ListedRun]:
        """Runs that fit all of these, the newest first: of which an agent, given by its id, was given work; that hold
        something with a label; that were forked from a run; that have failed and that somebody has acknowledged, or
        others. Pages are fetched as they are asked for.
        """
        parameters = {
            "state": list(states),
            "template": template,
            "text": text,
            "agent": agent,
            "label": label,
            "origin": origin,
            "acknowledged": acknowledged,
        }
        async for run in pages(self._connection, "/v1/runs", "runs", ListedRun, parameters):
            yield run

    async def approvals(
        self, *, kinds: tuple[ApprovalKind, ...] = (), template: str | None = None, run: str | None = None
    ) -> AsyncIterator[ListedApproval]:
        """What runs ask people, and programs that send signals, those of the newest run first; `signal` answers one.
        Pages are fetched as they are asked for.
        """
        parameters = {"kind": list(kinds), "template": template, "run": run}
        async for one in pages(self._connection, "/v1/approvals", "approvals", ListedApproval, parameters):
            yield one

    async def tasks(self, run: str, *, states: tuple[TaskPhase, ...] = ()) -> AsyncIterator[ListedTask]:
        """A run's tasks, each behind those that it needs; those in these states, where some are given. Pages are
        fetched as they are asked for. Raises NotFound.
        """
        async for task in pages(self._connection, f"{_at(run)}/tasks", "tasks", ListedTask, {"state": list(states)}):
            yield task

    async def task(self, run: str, task: str) -> TaskDocument:
        """A task, or an item of one (`measure[3]`): its state, its items, and all attempts with their values. Raises
        NotFound.
        """
        return await self._connection.get(_at_task(run, task), TaskDocument)

    async def attempts(self, run: str, task: str) -> list[AttemptDocument]:
        """The attempts of a task, or of an item of one, the oldest first: the agent and why it was chosen, the answer
        and why it was refused. Raises NotFound.
        """
        return await self._connection.get(f"{_at_task(run, task)}/attempts", list[AttemptDocument])

    async def attempt(self, run: str, task: str, number: int) -> AttemptDocument:
        """An attempt of a task, or of an item of one; the first one has number 1. Raises NotFound."""
        return await self._connection.get(f"{_at_task(run, task)}/attempts/{number}", AttemptDocument)

    async def logs(
        self,
        run: str,
        *,
        task: str | None = None,
        attempt: int | None = None,
        level: Level = "debug",
        at: int | None = None,
    ) -> AsyncIterator[LoggedLine]:
        """What the agents of a run, or of a task of it, have logged so far, or had by the time of its event `at`, in
        the order in which it came: of one attempt, of this level or a worse one. Pages are fetched as they are asked
        for. Raises NotFound.
        """
        wanted = msgspec.structs.replace(_log_query(task, attempt, level), at=at)
        while True:
            page = await self.service().logs(RunId(run), wanted)
            for line in page.lines:
                yield line
            if not page.more:
                return
            wanted = msgspec.structs.replace(wanted, after=page.next)

    async def follow_logs(
        self, run: str, *, task: str | None = None, attempt: int | None = None, level: Level = "debug"
    ) -> AsyncIterator[LoggedLine]:
        """The same, then what they log, until the run has ended. Where the connection is cut it goes on behind the last
        line.
        """
        async for page in self.service().follow_logs(RunId(run), _log_query(task, attempt, level)):
            for line in page.lines:
                yield line

    async def watch(self, run: str, *, after: int = 0) -> AsyncIterator[Happening]:
        """What happens in a run, from event `after` on, up to its end. Where the connection is cut it goes on with the
        next event: none is left out, none comes twice.
        """
        async for event in self._connection.feed(f"{_at(run)}/feed", after=after):
            happening = read_happening(event.event, event.data)
            if happening is not None:
                yield happening

    async def export(self, run: str, *, payloads: Payloads = "all") -> AsyncIterator[bytes]:
        """A run as one file that proves itself, in chunks: `accord journal verify` examines it. Raises NotFound."""
        async for chunk in self.service().export(RunId(run), payloads):
            yield chunk

    async def lineage(self, run: str, pointer: str = "") -> LineageDocument:
        """Which agents, keys and inputs stand behind the value at a JSON pointer of a run's output. Raises NotFound."""
        return await self._connection.get(f"{_at(run)}/lineage", LineageDocument, {"pointer": pointer})

    async def explain(self, run: str, task: str | None = None) -> Explanation:
        """Why a run, or a task of it, is where it is: what it waits for, who could do it, what began a failure, and
        what to try. Raises NotFound.
        """
        return await self._connection.get(f"{_at(run)}/explanation", Explanation, {"task": task})

    async def difference(self, run: str, *, after: int = 0, until: int | None = None) -> StateDifference:
        """What is different in a run between two of its events; up to now where `until` is None. Raises NotFound."""
        return await self._connection.get(f"{_at(run)}/difference", StateDifference, {"after": after, "until": until})

    async def compare(self, run: str, other: str) -> RunsDiff:
        """Where two runs parted: what they were given, and the first event that differs in each task. Raises
        NotFound.
        """
        return await self._connection.get(f"{_at(run)}/diff", RunsDiff, {"other": other})

    async def capture(self, run: str, *, with_data: bool = False) -> WorkflowTest:
        """A test of a run's workflow, with what its agents and people answered. What is labelled confidential or
        personal is redacted, unless it is wanted `with_data`. Raises NotFound, and TransitionRefused where the run has
        not ended.
        """
        return await self._connection.get(f"{_at(run)}/capture", WorkflowTest, {"with_data": with_data})

    async def result(self, run: str) -> Result:
        """What became of a run, once it has ended; the output of a completed one with its signed statement."""
        async for _ in self.watch(run):
            pass
        return await self._connection.get(f"{_at(run)}/result", Result)

    # -- intervening ---------------------------------------------------------------------------------------------

    async def pause(self, run: str, *, reason: str = "") -> RunState:
        """Assign nothing more of a run."""
        return await self._act(run, "pause", {"reason": reason})

    async def resume(self, run: str) -> RunState:
        """Go on after a pause."""
        return await self._act(run, "resume", {})

    async def cancel(self, run: str, *, reason: str = "", gives_up: bool = False) -> RunState:
        """Stop a run, and undo what its template says; nothing is undone any more where it `gives_up`."""
        return await self._act(run, "cancel", {"reason": reason, "gives_up": gives_up})

    async def erase(self, run: str, *, reason: str = "") -> tuple[RunId, ...]:
        """Make the documents of an encrypted run that has ended unreadable, for good; returns it and the runs that did
        its tasks.
        """
        return tuple(await self.service().erase(RunId(run), by="", reason=reason))

    async def acknowledge(self, run: str, *, note: str = "") -> RunState:
        """Say that you know that a run has failed: nobody else need look at it, until it goes on or fails again."""
        return await self._act(run, "acknowledge", {"note": note})

    async def retry(self, run: str, task: str) -> RunState:
        """Try a failed or cancelled task again."""
        return await self._act(run, "retry", {"task": task})

    async def rollback(self, run: str, task: str) -> RunState:
        """Undo a task and everything behind it, then go on from there."""
        return await self._act(run, "rollback", {"task": task})

    async def set_budget(self, run: str, max_cost: str) -> RunState:
        """Give a run another budget, a decimal; what it has spent already is part of it."""
        return await self._act(run, "budget", {"max_cost": max_cost})

    async def signal(
        self, run: str, value: Any = None, *, name: str | None = None, task: str | None = None
    ) -> RunState:
        """Give a value to the task that waits for the signal of a name, or to a task that waits for somebody."""
        named = {"name": name} if task is None else {"task": task}
        return await self._act(run, "signals", {**named, "value": value})

    async def fork(
        self, run: str, *, task: str | None = None, at: int | None = None, changes: Mapping[str, Any] | None = None
    ) -> ListedRun:
        """Start a run that shares what this one had done after its event `at`; from `task` on it is done anew, with
        these members of the input changed.
        """
        body = {"task": task, "at": at, "changes": changes}
        return await self._connection.post(f"{_at(run)}/fork", body, ListedRun)

    async def _act(self, run: str, action: str, body: Mapping[str, Any]) -> RunState:
        return await self._connection.post(f"{_at(run)}/{action}", body, RunState)

    # -- templates and agents ------------------------------------------------------------------------------------

    async def templates(self) -> list[TemplateDocument]:
        """The templates that can be run, by name, the newest version first."""
        return [one async for one in pages(self._connection, "/v1/templates", "templates", TemplateDocument)]

    async def publish(self, template: str | Mapping[str, Any], *, as_written: bool = False) -> TemplateDocument:
        """Publish a template: its text in YAML or JSON, or its value. Again is no error. A version that is lower than
        what has changed deserves is refused, unless it is to be taken `as_written`.
        """
        body = template.encode() if isinstance(template, str) else template
        return await self._connection.post(publishing(as_written), body, TemplateDocument)

    async def diff(self, before: str, after: str) -> TemplateDiff:
        """What is different between two templates, each a digest, `name`, `name@version` or `name@range`."""
        return await self._connection.get("/v1/templates/diff", TemplateDiff, {"before": before, "after": after})

    async def agents(self, capability: str | None = None) -> list[AgentDocument]:
        """The agents that are known, by id; of a capability such as `text.summarize@^1` those that offer it."""
        parameters = {"capability": capability}
        return [one async for one in pages(self._connection, "/v1/agents", "agents", AgentDocument, parameters)]

    async def incidents(
        self,
        *,
        state: IncidentState | None = None,
        severity: Severity | None = None,
        agent: str | None = None,
        code: str | None = None,
        run: str | None = None,
        after: int | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """What was refused, with its evidence, the newest first, each with its number as `incident`; what is older than
        the one of number `after`, where that is given. Pages are fetched as they are asked for.
        """
        sought = {"state": state, "severity": severity, "agent": agent, "code": code, "run": run, "after": after}
        async for one in pages(self._connection, "/v1/incidents", "incidents", dict[str, Any], sought):
            yield one

    async def incident(self, number: int) -> dict[str, Any]:
        """The incident of this number, with its evidence and what was done about it."""
        return await self._connection.get(f"/v1/incidents/{number}", dict[str, Any])

    async def acknowledge_incident(self, number: int, *, note: str = "") -> dict[str, Any]:
        """Say that you look after an incident. This and what follows takes an operator."""
        return await self._connection.post(f"/v1/incidents/{number}/acknowledge", {"note": note}, dict[str, Any])

    async def resolve_incident(self, number: int, *, note: str) -> dict[str, Any]:
        """Say that an incident is dealt with, and what it was."""
        return await self._connection.post(f"/v1/incidents/{number}/resolve", {"note": note}, dict[str, Any])

    async def quarantine(self, agent: str, *, reason: str) -> None:
        """Assign nothing to an agent, given by its id, that is suspected, until `release`."""
        await self.service().quarantine(AgentId(agent), by="", reason=reason)

    async def impact(self, key: str, *, since: datetime | None = None) -> Impact:
        """What rests on a key, given by its id: runs, tasks and reports; of what was accepted under it since then."""
        return await self.service().impact(KeyId(key), since=since)

    async def contain(self, key: str, *, reason: str, since: datetime | None = None) -> Impact:
        """Quarantine the agent of a key and all that rests on it. `release`, `resume` and `clear` take it back."""
        return await self.service().contain(KeyId(key), by="", reason=reason, since=since)

    async def doubted(self) -> list[RunDoubted]:
        """The runs that are in doubt, because they rest on a key that may be in other hands."""
        return await self.service().doubted()

    async def clear(self, run: str, *, note: str = "") -> None:
        """Rely on a run again."""
        await self.service().clear(RunId(run), by="", note=note)

    async def release(self, agent: str) -> None:
        """Lift the hold of an agent, given by its id."""
        await self.service().lift("agent", agent, by="")

    # -- webhooks ------------------------------------------------------------------------------------------------

    async def webhooks(self) -> list[Webhook]:
        """All webhooks, the oldest first. This and what follows takes an admin."""
        return await self.service().webhooks()

    async def add_webhook(self, url: str, *, types: Sequence[str] = (), templates: Sequence[str] = ()) -> IssuedWebhook:
        """Tell an endpoint of what happens from now on: of these kinds of events (`run.completed`, or `run.*`) of runs
        of these templates; of all where there are none. The secret that signs it is in this answer and nowhere else.
        """
        wanted = Subscription(url=url, types=tuple(types), templates=tuple(templates))
        return await self.service().add_webhook(wanted, by="")

    async def remove_webhook(self, webhook: str) -> Webhook:
        """Tell an endpoint nothing any more. Raises NotFound."""
        return await self.service().remove_webhook(webhook, by="")


def _at(run: str) -> str:
    return f"/v1/runs/{quote(RunId(run), safe='')}"


def _at_task(run: str, task: str) -> str:
    return f"{_at(run)}/tasks/{quote(task, safe='')}"


def _log_query(task: str | None, attempt: int | None, level: Level) -> LogQuery:
    return LogQuery(task=None if task is None else TaskId(task), attempt=attempt, level=level)


def _wanted(what: str, value: Any, meant: str | None) -> dict[str, Any]:
    """Both as the server takes them. Raises BadInput."""
    if not isinstance(what, str):
        hint = 'a document is published first: template = await client.publish(document), then start("NAME", input)'
        told = f"a template's name or an objective in words is run, and this is a {type(what).__name__}"
        raise BadInput.of("ACC994", told, hint=hint)
    kind = "template" if is_reference(what) else "objective"
    if meant is not None and kind == "template":
        raise BadInput.of("ACC994", f"{what} is a template: only of an objective in words another one is meant")
    named = {"template": meant} if meant is not None else {}
    try:
        return {kind: what, **named, "input": msgspec.to_builtins(value)}
    except TypeError as error:
        hint = "give objects, arrays, texts, numbers, true, false and null"
        raise BadInput.of("ACC995", f"the input is no JSON: {error}", hint=hint) from error
