"""`/v1/holds` and `/v1/quarantine`: what is held back beyond single runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from accord.domain.ids import AgentId
from accord.domain.system import HoldPlaced, Scope
from accord.gateway.asking import Controller, TheNode, Viewer
from accord.gateway.bodies import body
from accord.gateway.documents import Document, answers

router = APIRouter(prefix="/v1", tags=["holds"])

HOLDS = answers(list[HoldPlaced])


class NewHold(BaseModel):
    """What is to be held back."""

    model_config = body({"scope": "template", "subject": "source-audit", "reason": "it is being changed"})

    scope: Scope
    subject: str = Field("", max_length=200, description="The template's name, or the agent's id.")
    reason: str = Field("", max_length=4000)


@router.get("/holds", responses=HOLDS, response_class=Document)
async def list_holds(node: TheNode, principal: Viewer) -> Document:
    """All holds in force, the oldest first."""
    return Document(await node.holds())


@router.post("/holds", status_code=201, responses=answers(list[HoldPlaced], status=201), response_class=Document)
async def place_hold(asked: NewHold, node: TheNode, principal: Controller) -> Document:
    """Assign nothing of this scope from now on; gives all holds in force."""
    await node.hold(asked.scope, asked.subject, by=principal.name, reason=asked.reason)
    return Document(await node.holds(), 201)


@router.delete("/holds", responses=HOLDS, response_class=Document)
async def lift_hold(
    scope: Annotated[Scope, Query()],
    node: TheNode,
    principal: Controller,
    subject: Annotated[str, Query(max_length=200)] = "",
) -> Document:
    """Lift a hold; gives those that are left."""
    await node.lift(scope, subject, by=principal.name)
    return Document(await node.holds())


class NewQuarantine(BaseModel):
    """Who is suspected, and why."""

    model_config = body({"agent": "spiffe://local/agent/editor", "reason": "its key was published by mistake"})

    agent: str = Field(max_length=200, description="The agent's id.")
    reason: str = Field(min_length=1, max_length=4000)


@router.post("/quarantine", status_code=201, responses=answers(list[HoldPlaced], status=201), response_class=Document)
async def quarantine(asked: NewQuarantine, node: TheNode, principal: Controller) -> Document:
    """Assign nothing to an agent that is suspected, until its hold is lifted; gives all holds in force."""
    await node.quarantine(AgentId(asked.agent), by=principal.name, reason=asked.reason)
    return Document(await node.holds(), 201)
