"""Open approvals as scripts and programs get them."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from accord.domain.access import RIGHTS, Role
from accord.domain.approval import ApprovalQuery, OpenApproval, OpenApprovals
from accord.domain.ids import RunId
from accord.service import Service


class ListedApproval(OpenApproval, frozen=True, kw_only=True):
    """An open approval of a list."""

    role: Role
    """Who has this role, or more, may answer."""
    task_href: str
    """The path of the HTTP API that shows the task, with a result that is to be reviewed."""
    answer_href: str
    """The path that takes the answer: POST {"task": …, "value": …}."""


class ApprovalPage(msgspec.Struct, frozen=True):
    """A page of open approvals, those of the newest run first. It may be short where another one follows."""

    approvals: tuple[ListedApproval, ...]
    next: str | None
    """Behind what the next page begins; None where there is none."""
    damaged: tuple[RunId, ...] = ()
    """Runs of which nobody can tell what they ask: their histories do not hold."""


def listed_approval(one: OpenApproval) -> ListedApproval:
    """An open approval as scripts get it."""
    run = f"/v1/runs/{quote(one.run, safe='')}"
    return ListedApproval(
        **{name: getattr(one, name) for name in OpenApproval.__struct_fields__},
        role=RIGHTS["approve"][0],
        task_href=f"{run}/tasks/{quote(one.task, safe='')}",
        answer_href=f"{run}/signals",
    )


def open_approval(one: ListedApproval) -> OpenApproval:
    """The inverse of `listed_approval`."""
    return OpenApproval(**{name: getattr(one, name) for name in OpenApproval.__struct_fields__})


def approval_page(page: OpenApprovals) -> ApprovalPage:
    """A page of open approvals as scripts get it."""
    return ApprovalPage(tuple(map(listed_approval, page.approvals)), page.next, page.damaged)


async def full_page(service: Service, query: ApprovalQuery) -> OpenApprovals:
    """A page that is as long as the query says, unless it is the last one."""
    page = await service.approvals(query)
    found, damaged = list(page.approvals), list(page.damaged)
    while len(found) < query.limit and page.next is not None:
        page = await service.approvals(replace(query, after=page.next, limit=query.limit - len(found)))
        found += page.approvals
        damaged += page.damaged
    return OpenApprovals(tuple(found), page.next, tuple(damaged))
