"""`/v1/planner`: what the planner has learnt from use, and which version of its classifier decides."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from accord.domain.access import Principal
from accord.domain.ids import RunId
from accord.domain.learning import ClassifierVersion, How, Learnt, Lesson, Opinion, PlannerState
from accord.errors import Forbidden
from accord.gateway.asking import Publisher, Runner, TheNode, Viewer
from accord.gateway.bodies import body
from accord.gateway.documents import Document, Page, answers
from accord.gateway.paging import After, Limit, paged
from accord.views.learning import ExamplePage, VersionPage

router = APIRouter(prefix="/v1/planner", tags=["planner"])

Id = Annotated[str, Path(description="The example's id.", max_length=64)]
Words = Annotated[str, Field(min_length=1, max_length=4000, description="In words.")]


class Objective(BaseModel):
    """Words that mean something, or nothing."""

    model_config = body({"objective": "look for weak spots in ./src"})

    objective: Words


class NewExample(Objective):
    """Words, and what they mean."""

    model_config = body({"objective": "look for weak spots in ./src", "template": "source-audit"})

    template: str | None = Field(
        None, min_length=1, max_length=200, description="The template that they mean; none: nothing that is here."
    )
    how: How = Field("told", description="How it is known: by a template that was run, by a changed one, or told.")
    run: str | None = Field(None, max_length=64, description="The run that was started for them.")


class Version(BaseModel):
    """A version of the classifier."""

    model_config = body({"version": 3})

    version: int = Field(ge=0, description="0 knows the phrases of templates alone.")


@router.get("", responses=answers(PlannerState), response_class=Document)
async def show_planner(node: TheNode, principal: Viewer) -> Document:
    """What was learnt, which version decides, and whether the planner learns from who asks."""
    return Document(await node.planner(by=principal.name))


@router.post("/judgement", responses=answers(Opinion), response_class=Document)
async def judge(asked: Objective, node: TheNode, principal: Viewer) -> Document:
    """What the classifier makes of an objective. Nothing is kept."""
    return Document(Opinion(judged=await node.judge(asked.objective)))


@router.get("/examples", responses=answers(ExamplePage), response_class=Page)
async def list_examples(node: TheNode, principal: Runner, after: After = None, limit: Limit = 100) -> Page:
    """A page of the examples, the oldest first: of who asks; of all to who may erase."""
    by = None if await _may_erase(node, principal) else principal.name
    return Page(ExamplePage(*paged(await node.examples(by=by), lambda one: one.example, after, limit)))


@router.post("/examples", status_code=201, responses=answers(Learnt, status=201), response_class=Document)
async def teach(asked: NewExample, node: TheNode, principal: Runner) -> Document:
    """Say what words mean. They are kept, encrypted, without what goes into the template's input, until they are
    forgotten. Refused where the planner does not learn from who asks (ACC140).
    """
    run = RunId(asked.run) if asked.run is not None else None
    lesson = Lesson(objective=asked.objective, template=asked.template, how=asked.how, run=run)
    return Document(await node.teach(lesson, by=principal.name), 201)


@router.delete("/examples/{example}", responses=answers(Learnt), response_class=Document)
async def forget(
    example: Id, node: TheNode, principal: Runner, reason: Annotated[str, Query(max_length=4000)] = ""
) -> Document:
    """Destroy the words of an example for good: one's own, or with the right to erase, anybody's."""
    if not any(one.example == example for one in await node.examples(by=principal.name)):
        await node.parts.permission.require(principal, "erase")
    return Document(await node.forget(example, by=principal.name, reason=reason))


@router.get("/versions", responses=answers(VersionPage), response_class=Page)
async def list_versions(node: TheNode, principal: Viewer, after: After = None, limit: Limit = 100) -> Page:
    """A page of the versions of the classifier, the oldest first, each with how it compared."""
    return Page(VersionPage(*paged(await node.classifiers(), lambda one: str(one.version), after, limit)))


@router.post("/train", responses=answers(ClassifierVersion), response_class=Document)
async def train(node: TheNode, principal: Publisher) -> Document:
    """Train a version on all that was learnt, and use it unless it is worse. Where that takes longer than a request
    may, it goes on, and is among the versions when it is done.
    """
    await node.parts.permission.require(principal, "publish")
    return Document(await node.train(by=principal.name))


@router.post("/use", responses=answers(PlannerState), response_class=Document)
async def use(asked: Version, node: TheNode, principal: Publisher) -> Document:
    """Let a version decide from now on; again is no error."""
    await node.parts.permission.require(principal, "publish")
    return Document(await node.use_classifier(asked.version, by=principal.name))


async def _may_erase(node: TheNode, principal: Principal) -> bool:
    try:
        await node.parts.permission.require(principal, "erase")
    except Forbidden:
        return False
    return True
