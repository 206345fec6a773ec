"""`/v1/runs`: starting runs, listing them, and what became of one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from msgspec.structs import replace
from pydantic import BaseModel, Field, StringConstraints, model_validator

from accord.domain.ids import Digest, RunId, TaskId
from accord.domain.labels import MOST, PATTERN, read_labels, told
from accord.engine.post import other_request
from accord.errors import NotFound
from accord.gateway.asking import Runner, Starter, TheNode, Traceparent, Viewer
from accord.gateway.bodies import body
from accord.gateway.documents import Document, Page, answers
from accord.gateway.moments import Moment
from accord.gateway.once import IdempotencyKey, once
from accord.ports import RunQuery, RunState, RunSummary
from accord.service import Barred, Fork
from accord.views import planning
from accord.views.past import run_at
from accord.views.planning import is_of, known_of, made_ready, planned
from accord.views.result import Result, result_of
from accord.views.runs import ListedRun, RunCounts, RunDocument, RunPage, listed, run_document, run_page

router = APIRouter(prefix="/v1/runs", tags=["runs"])

Run = Annotated[str, Path(description="The run's id.", max_length=64)]
At = Annotated[int | None, Query(ge=1, description="As it was after this event; as it is, where it is left out.")]


class Wanted(BaseModel):
    """What is to be planned, or run: exactly one of objective, template and digest."""

    model_config = body({"objective": "audit ./src"}, {"template": "source-audit@^1", "input": {"directory": "."}})

    objective: str | None = Field(None, min_length=1, max_length=4000, description="In words.")
    template: str | None = Field(None, min_length=1, max_length=200, description="`name`, or `name@range`.")
    digest: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="A template's digest.")
    input: Any = Field(None, description="The template's input; beside an objective, members that say it otherwise.")

    @model_validator(mode="before")
    @classmethod
    def one_is_named(cls, asked: Any) -> Any:
        """Refuse what names more than one of them, or none: before the members are looked at, to be told with them."""
        names = ("objective", "template", "digest")
        if isinstance(asked, dict) and sum(asked.get(name) is not None for name in names) != 1:
            raise ValueError("name exactly one of objective, template and digest")
        return asked

    def wanted(self) -> planning.Wanted:
        """What is to be planned."""
        digest = Digest(self.digest) if self.digest is not None else None
        return planning.Wanted(self.objective, self.template, digest, self.input)


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

    def __init__(
        self,
        state: Annotated[list[RunState] | None, Query()] = None,
        template: Annotated[str | None, Query(max_length=200)] = None,
        text: Annotated[str | None, Query(max_length=200)] = None,
        since: Annotated[Moment | None, Query()] = None,
        parent: Annotated[str | None, Query(max_length=64)] = None,
    ) -> None:
        self.query = RunQuery(
            states=tuple(state or ()),
            template=template,
            text=text,
            since=since,
            parent=RunId(parent) if parent is not None else None,
        )


@router.get("", responses=answers(RunPage), response_class=Page)
async def list_runs(
    node: TheNode,
    principal: Viewer,
    sought: Annotated[Sought, Depends()],
    after: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Document:
    """A page of runs, the newest first."""
    page = replace(sought.query, limit=limit, after=RunId(after) if after is not None else None)
    return Page(await run_page(node, page))


@router.get("/counts", responses=answers(RunCounts), response_class=Document)
async def count_runs(node: TheNode, principal: Viewer, sought: Annotated[Sought, Depends()]) -> Document:
    """How many runs there are in each state, of those that are sought."""
    return Document(RunCounts(await node.count_runs(sought.query)))


@router.post("", status_code=201, responses=MADE, response_class=Document)
async def start_run(
    asked: NewRun, node: TheNode, principal: Starter, key: IdempotencyKey = None, trace: Traceparent = ""
) -> Document:
    """Plan, verify and start a run. Under a key that has started one, that one is given, and nothing is planned."""
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
    found = planned(asked.wanted(), await known_of(node))
    ended = node.parts.ports.clock.now()
    template = found.entry.template
    node.parts.permission.require_template(principal, "run", template.name, template.version)
    found.refuse()
    digest = await made_ready(node, found.entry, found.catalogue, by=principal.name)
    title = asked.title or found.plan.objective or ""
    run = await node.start_run(
        digest, found.plan.input, title=title, by=principal.name, once=name, labels=asked.labels, trace=trace
    )
    node.parts.tracer.planned(run, began, ended)
    return await _made(node, run.id)


@router.get("/left", responses=answers(list[ListedRun]), response_class=Document)
async def list_left(
    node: TheNode, principal: Viewer, run: Annotated[list[Annotated[str, Path(max_length=64)]], Query(max_length=200)]
) -> Document:
    """Those of these runs that no process works on."""
    left = await node.left([RunId(one) for one in run])
    found = [await node.summary(one) for one in left]
    return Document([listed(summary, left) for summary in found if summary is not None])


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
