"""`/v1/incidents`: what was refused, how bad it is, and what has become of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from accord.domain.ids import AgentId, RunId
from accord.domain.incident import IncidentState, Severity, Sought
from accord.gateway.asking import Controller, TheNode, Viewer
from accord.gateway.bodies import body
from accord.gateway.documents import Document, Page, answers
from accord.gateway.paging import Limit
from accord.views.incidents import IncidentDocument, IncidentPage, incident_document, incident_page

router = APIRouter(prefix="/v1/incidents", tags=["incidents"])

INCIDENT = answers(IncidentDocument)

Number = Annotated[int, Path(ge=1)]


class Note(BaseModel):
    """What there is to say about it."""

    model_config = body({"note": "the laptop's owner was asked; its clock is wrong"})

    note: str = Field("", max_length=4000)


@router.get("", responses=answers(IncidentPage), response_class=Page)
async def list_incidents(  # noqa: PLR0913 - each is a parameter of the query
    node: TheNode,
    principal: Viewer,
    state: Annotated[IncidentState | None, Query()] = None,
    severity: Annotated[Severity | None, Query()] = None,
    agent: Annotated[str | None, Query(max_length=200, description="The id of the agent that it is about.")] = None,
    code: Annotated[str | None, Query(max_length=20)] = None,
    run: Annotated[str | None, Query(max_length=100)] = None,
    after: Annotated[int | None, Query(ge=1, description="Only what is older than this incident.")] = None,
    limit: Limit = 50,
) -> Page:
    """A page of incidents, the newest first."""
    sought = Sought(
        state=state,
        severity=severity,
        agent=AgentId(agent) if agent is not None else None,
        code=code,
        run=RunId(run) if run is not None else None,
    )
    return Page(await incident_page(node, limit, after, sought))


@router.get("/{number}", responses=INCIDENT, response_class=Document)
async def show_incident(number: Number, node: TheNode, principal: Viewer) -> Document:
    """An incident, with its evidence and what was done about it."""
    return Document(incident_document(await node.incident(number)))


@router.post("/{number}/acknowledge", responses=INCIDENT, response_class=Document)
async def acknowledge(number: Number, asked: Note, node: TheNode, principal: Controller) -> Document:
    """Say that you look after an incident; again changes nothing."""
    return Document(incident_document(await node.acknowledge(number, by=principal.name, note=asked.note)))


@router.post("/{number}/resolve", responses=INCIDENT, response_class=Document)
async def resolve(number: Number, asked: Note, node: TheNode, principal: Controller) -> Document:
    """Say that an incident is dealt with, and what it was or what was done."""
    return Document(incident_document(await node.resolve(number, by=principal.name, note=asked.note)))
