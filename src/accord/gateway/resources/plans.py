"""`/v1/plans`: what would be run for an objective, and why. Nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from msgspec.structs import replace

from accord.domain.compile import compile_graph
from accord.engine.node import Node
from accord.gateway.asking import Runner, TheGateway, Traceparent
from accord.gateway.documents import Document, answers
from accord.gateway.resources.runs import Wanted
from accord.views.authority import with_authority
from accord.views.catalogue import GIVEN, MADE
from accord.views.drawing import TemplateGraph, template_graph
from accord.views.planning import PlanDocument, Planned, estimate_of, plan_document, planned
from accord.views.unstaffed import unstaffed

if TYPE_CHECKING:
    from accord.gateway.application import Gateway

router = APIRouter(prefix="/v1/plans", tags=["plans"])


@router.post("", responses=answers(PlanDocument), response_class=Document)
async def plan(asked: Wanted, gateway: TheGateway, principal: Runner, trace: Traceparent = "") -> Document:
    """The plan for an objective, or for a template or a document with an input. Its report tells what the policy holds
    against a run, too; its warnings of tasks that nobody who is present could do; its estimate of time and cost, by the
    runs that have ended. What was made for an objective can be started by its digest as it is shown, within an hour and
    at any process of the orchestrator; or it is changed, and started as a document.
    """
    node: Node = gateway.node
    wanted = asked.wanted()
    known = await gateway.known_to(principal, wanted)
    with node.parts.tracer.planning(node.parts.ports.ids.token(), trace) as told:
        told.calls = known.suggestion.calls if known.suggestion is not None else ()
        found = await planned(wanted, known)
        told.template = found.plan.template
    found = await with_authority(node, found, known, by=principal.name)
    await gateway.plans.show(found)
    document = plan_document(found.plan, await unstaffed(node, found), await estimate_of(node, found, known))
    return Document(replace(document, drawing=await _drawing(gateway, found)))


async def _drawing(gateway: Gateway, found: Planned) -> TemplateGraph | None:
    """How a graph is drawn that is no known template's, and is found nowhere else."""
    if found.entry.origin not in (MADE, GIVEN):
        return None
    graph = compile_graph(found.entry.template, found.entry.digest)
    return template_graph(found.entry.name, graph, await gateway.layouts.of(graph, {}))
