"""`/v1/runs`: starting runs, listing them, and what became of one."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from msgspec.structs import replace
from pydantic import BaseModel, Field, StringConstraints, model_validator

from accord.domain.ids import AgentId, Digest, RunId, TaskId
from accord.domain.labels import MOST, PATTERN, read_labels, told
from accord.domain.learning import How, Lesson
from accord.engine.node import Node
from accord.engine.post import other_request
from accord.errors import NotFound
from accord.gateway.asking import Runner, Starter, TheGateway, TheNode, Traceparent, Viewer
from accord.gateway.bodies import body
from accord.gateway.documents import Document, Page, answers
from accord.gateway.moments import Moment
from accord.gateway.once import IdempotencyKey, once
from accord.ports import RunQuery, RunState, RunSummary
from accord.service import Barred, Fork
from accord.views import planning
from accord.views.learning import kept
from accord.views.past import run_at
from accord.views.planning import is_of, made_ready, planned
from accord.views.result import Result, result_of
from accord.views.runs import ListedRun, RunCounts, RunDocument, RunPage, listed, page_of, run_document
from accord.views.suggesting import refuse_unseen

router = APIRouter(prefix="/v1/runs", tags=["runs"])

Run = Annotated[str, Path(description="The run's id.", max_length=64)]
At = Annotated[int | None, Query(ge=1, description="As it was after this event; as it is, where it is left out.")]


class Wanted(BaseModel):
    """What is to be planned, or run: exactly one of objective, template, digest and document; or an objective with the
    template, or the document, that it means.
    """

    model_config = body(
        {"objective": "audit ./src"},
        {"template": "source-audit@^1", "input": {"directory": "."}},
        {"objective": "look for weak spots in ./src", "template": "source-audit"},
    )

    objective: str | None = Field(None, min_length=1, max_length=4000, description="In words.")
    template: str | None = Field(None, min_length=1, max_length=200, description="`name`, or `name@range`.")
    digest: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="A template's digest.")
    document: dict[str, Any] | Annotated[str, StringConstraints(min_length=1, max_length=1 << 20)] | None = Field(
        None,
        description="A template that need not be published, such as a plan that was changed: its document, or its text "
        "in YAML. To start it takes the right to publish it.",
    )
    input: Any = Field(None, description="The template's input; beside an objective, members that say it otherwise.")

    @model_validator(mode="before")
    @classmethod
    def one_is_named(cls, asked: Any) -> Any:
        """Refuse what names more than one of them, or none: before the members are looked at, to be told with them."""
        names = ("objective", "template", "digest", "document")
        if isinstance(asked, dict):
            named = {name for name in names if asked.get(name) is not None}
            if len(named) != 1 and named not in ({"objective", "template"}, {"objective", "document"}):
                text = "name one of objective, template, digest and document, or an objective and what it means"
                raise ValueError(text)
        return asked

    def wanted(self) -> planning.Wanted:
        """What is to be planned."""
        digest = Digest(self.digest) if self.digest is not None else None
        text = self.document if isinstance(self.document, str | None) else msgspec.json.encode(self.document).decode()
        return planning.Wanted(self.objective, self.template, digest, self.input, text)


class NewRun(Wanted):
    """A run to be started."""

    model_config = body({"template": "source-audit@^1", "input": {"directory": "."}, "title": "the nightly audit"})

    title: str = Field("", max_length=4000, description="What lists show; the objective where it is left out.")
    labels: list[Annotated[str, StringConstraints(pattern=PATTERN)]] = Field(
        [], max_length=MOST, description="Of all of the input, beside what the template says: they raise, never lower."
    )


class NewFork(BaseModel):
    """A run to be started that shares what another one had done."""

    model_config = body({"task": "grade", "changes": {"most_files": 100}})

    task: str | None = Field(None, description="From this task on everything is done anew.")
    at: int | None = Field(None, ge=1, description="Only what had happened up to this event is shared.")
    changes: dict[str, Any] | None = Field(None, description="Members of the input, and what they are to be.")


MADE = answers(RunSummary, status=201, located=True)


class Sought:
    """Which runs are sought: each is a parameter of the query."""

    def __init__(  # noqa: PLR0913 - each is a parameter of the query
        self,
        state: Annotated[list[RunState] | None, Query()] = None,
        template: Annotated[str | None, Query(max_length=200)] = None,
        text: Annotated[str | None, Query(max_length=200)] = None,
        since: Annotated[Moment | None, Query()] = None,
        parent: Annotated[str | None, Query(max_length=64, description="Only runs that this run has started.")] = None,
        origin: Annotated[str | None, Query(max_length=64, description="Only forks of this run.")] = None,
        agent: Annotated[
            str | None, Query(max_length=200, description="An id or a name: only what it had work of.")
        ] = None,
        label: Annotated[str | None, Query(max_length=64, description="Only what holds something so labelled.")] = None,
        acknowledged: Annotated[bool | None, Query(description="Failures that somebody knows; or not.")] = None,
    ) -> None:
        self.query = RunQuery(
            states=tuple(state or ()),
            template=template,
            text=text,
            since=since,
            parent=RunId(parent) if parent is not None else None,
            origin=RunId(origin) if origin is not None else None,
            agent=AgentId(agent) if agent is not None else None,
            label=label,
            acknowledged=acknowledged,
        )


def _named(node: TheNode, agent: str) -> AgentId:
    """The id of the agent of this id, or name; what is neither is left as it is, and no run is found."""
    if "/" in agent:
        return AgentId(agent)
    ids = (known.card.agent for known in node.parts.registry.known())
    return next((one for one in ids if one.rpartition("/")[2] == agent), AgentId(agent))


async def _sought(node: TheNode, sought: Annotated[Sought, Depends()]) -> RunQuery:
    query = sought.query
    return query if query.agent is None else replace(query, agent=_named(node, query.agent))


TheSought = Annotated[RunQuery, Depends(_sought)]


@router.get("", responses=answers(RunPage), response_class=Page)
async def list_runs(
    node: TheNode,
    principal: Viewer,
    sought: TheSought,
    after: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Document:
    """A page of runs that who asks may look at, the newest first."""
    query = replace(sought, limit=limit, after=RunId(after) if after is not None else None)
    return Page(await page_of(node, query, await node.lists.page(query, principal)))


@router.get("/counts", responses=answers(RunCounts), response_class=Document)
async def count_runs(node: TheNode, principal: Viewer, sought: TheSought) -> Document:
    """How many runs there are in each state, of those that are sought and that who asks may look at."""
    return Document(RunCounts(await node.lists.count(sought, principal)))


@router.post("", status_code=201, responses=MADE, response_class=Document)
async def start_run(
    asked: NewRun, gateway: TheGateway, principal: Starter, key: IdempotencyKey = None, trace: Traceparent = ""
) -> Document:
    """Plan, verify and start a run. Under a key that has started one, that one is given, and nothing is planned. What a
    language model has suggested for an objective is not started (ACC156): it is planned, looked at, and started by the
    digest of the plan, or as its document.

    With an objective and what it means, the words are kept as an example of that, where the planner learns from who
    asks (`learns_from_you` of `GET /v1/planner`); `DELETE /v1/planner/examples/{example}` takes it back.
    """
    node: Node = gateway.node
    name = once(principal, key)
    begun = await node.begun(name) if name is not None else None
    if name is not None and begun is not None:
        await node.parts.permission.require(principal, "run", begun.id)
        same = begun.started.labels == told(read_labels(asked.labels))
        if not same or not await is_of(node, begun, asked.wanted(), asked.title):
            raise other_request(name)
        return await _made(node, begun.id)
    if asked.objective is not None:  # among all templates, one is sought
        await node.parts.permission.require(principal, "run")
    began = node.parts.ports.clock.now()
    wanted = asked.wanted()
    known = await gateway.known_to(principal, wanted, labelled=bool(asked.labels))
    found = await planned(wanted, known)
    ended = node.parts.ports.clock.now()
    template = found.entry.template
    for right in ("run", "publish") if asked.document is not None else ("run",):
        node.parts.permission.require_template(principal, right, template.name, template.version)
    found.refuse()
    refuse_unseen(found, gateway.suggestions)
    digest = await made_ready(node, found.entry, found.catalogue, by=principal.name)
    title = asked.title or found.plan.objective or ""
    run = await node.start_run(
        digest, found.plan.input, title=title, by=principal.name, once=name, labels=asked.labels, trace=trace
    )
    node.parts.tracer.planned(run, began, ended, known.suggestion.calls if known.suggestion is not None else ())
    if asked.objective is not None and (asked.template is not None or asked.document is not None):
        how: How = "chosen" if asked.document is None else "corrected"
        lesson = Lesson(objective=asked.objective, template=template.name, how=how, run=run.id)
        await kept(node, lesson, by=principal.name)
    return await _made(node, run.id)


@router.get("/left", responses=answers(list[ListedRun]), response_class=Document)
async def list_left(
    node: TheNode, principal: Viewer, run: Annotated[list[Annotated[str, Path(max_length=64)]], Query(max_length=200)]
) -> Document:
    """Those of these runs that no process works on, and that who asks may look at."""
    left = await node.left([RunId(one) for one in run])
    found = [summary for summary in [await node.summary(one) for one in left] if summary is not None]
    return Document([listed(summary, left) for summary in await node.lists.seen(found, principal)])


@router.get("/{run}", responses=answers(RunDocument), response_class=Document)
async def show_run(run: Run, node: TheNode, principal: Viewer, at: At = None) -> Document:
    """A run: its result so far, its input, its tasks. As it was, the output has no statement."""
    return Document(await run_document(node, await run_at(node, RunId(run), at), sealed=at is None))


@router.get("/{run}/summary", responses=answers(ListedRun), response_class=Document)
async def show_summary(run: Run, node: TheNode, principal: Viewer) -> Document:
    """What lists show of a run."""
    summary = await _summary(node, RunId(run))
    left = await node.left([RunId(run)] if summary.wake_at is not None else [])
    return Document(listed(summary, left, await node.exhibit()))


@router.get("/{run}/result", responses=answers(Result), response_class=Document)
async def show_result(run: Run, node: TheNode, principal: Viewer) -> Document:
    """What became of a run; the output of a completed one with the orchestrator's signed statement about it."""
    return Document(await result_of(node, await node.run(RunId(run))))


@router.get("/{run}/barred", responses=answers(list[Barred]), response_class=Document)
async def list_barred(run: Run, node: TheNode, principal: Viewer) -> Document:
    """The tasks of a run that wait because the policy lets no agent do them, and why: by the policies in force."""
    return Document(await node.barred(await node.run(RunId(run))))


@router.post("/{run}/fork", status_code=201, responses=MADE, response_class=Document)
async def fork_run(
    run: Run, asked: NewFork, node: TheNode, principal: Runner, key: IdempotencyKey = None, trace: Traceparent = ""
) -> Document:
    """Start a run that shares what this one had done. Who may not look at this one may not either: they could at the
    new one.
    """
    await node.parts.permission.require(principal, "look", RunId(run))
    wanted = Fork(task=TaskId(asked.task) if asked.task is not None else None, at=asked.at, changes=asked.changes)
    fork = await node.fork(RunId(run), wanted, by=principal.name, once=once(principal, key), trace=trace)
    return await _made(node, fork.id)


async def _made(node: TheNode, run: RunId) -> Document:
    return Document(await _summary(node, run), 201, {"Location": f"{router.prefix}/{run}"})


async def _summary(node: TheNode, run: RunId) -> RunSummary:
    summary = await node.summary(run)
    if summary is None:
        raise NotFound.of("ACC409", f"there is no run {run}", hint="GET /v1/runs lists them")
    return summary
