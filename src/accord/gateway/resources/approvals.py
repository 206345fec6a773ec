"""`/v1/approvals`: what runs ask people, and programs that send signals, over all runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from accord.domain.approval import ApprovalKind, ApprovalQuery
from accord.domain.ids import RunId
from accord.gateway.asking import TheNode, Viewer
from accord.gateway.documents import Page, answers
from accord.gateway.moments import Moment
from accord.gateway.paging import Limit
from accord.views.approvals import ApprovalPage, approval_page

router = APIRouter(prefix="/v1/approvals", tags=["runs"])


@router.get("", responses=answers(ApprovalPage), response_class=Page)
async def list_approvals(  # noqa: PLR0913 - each is a parameter of the query
    node: TheNode,
    principal: Viewer,
    kind: Annotated[list[ApprovalKind] | None, Query(description="Only one of these kinds.")] = None,
    template: Annotated[str | None, Query(max_length=200, description="A name, or `name@version`.")] = None,
    run: Annotated[str | None, Query(max_length=64, description="Only what this run asks.")] = None,
    since: Annotated[Moment | None, Query(description="Only what waits since then or later.")] = None,
    after: Annotated[str | None, Query(max_length=400, description="The `next` of the page before.")] = None,
    limit: Limit = 50,
) -> Page:
    """A page of approvals, reviews and signals that tasks of runs wait for that who asks may look at, those of the
    newest run first. It may be short, or empty, where another one follows.
    """
    query = ApprovalQuery(
        kinds=tuple(kind or ()),
        template=template,
        run=RunId(run) if run is not None else None,
        since=since,
        limit=limit,
        after=after,
    )
    return Page(approval_page(await node.approvals(query, principal)))
