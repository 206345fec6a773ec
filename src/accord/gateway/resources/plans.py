"""`/v1/plans`: what would be run for an objective, and why. Nothing runs."""

from __future__ import annotations

from fastapi import APIRouter

from accord.gateway.asking import Runner, TheNode
from accord.gateway.documents import Document, answers
from accord.gateway.resources.runs import Wanted
from accord.views.leaks import with_leaks
from accord.views.planning import PlanDocument, known_of, plan_document, planned

router = APIRouter(prefix="/v1/plans", tags=["plans"])


@router.post("", responses=answers(PlanDocument), response_class=Document)
async def plan(asked: Wanted, node: TheNode, principal: Runner) -> Document:
    """The plan for an objective, or for a template with an input; its report tells of leaks, too, by the policy."""
    known = await known_of(node)
    found = await with_leaks(node, planned(asked.wanted(), known), known, by=principal.name)
    return Document(plan_document(found.plan))
