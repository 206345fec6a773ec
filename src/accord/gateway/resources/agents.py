"""`/v1/agents`, `/v1/capabilities`, `/v1/keys`: who is known, what they offer, and under which keys they sign."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from accord.domain.capability import CapabilityRange
from accord.domain.experience import Experience
from accord.domain.ids import AgentId, KeyId
from accord.errors import NotFound
from accord.gateway.asking import Administrator, Shown, TheGateway, TheNode, Viewer
from accord.gateway.documents import Document, Page, answers
from accord.gateway.feeds.streams import EventStream, streamed
from accord.gateway.moments import Moment
from accord.gateway.paging import After, Limit, paged
from accord.ports import Sighting
from accord.views.agents import (
    AgentDocument,
    AgentNews,
    AgentPage,
    ContractPage,
    KeyDocument,
    KeyPage,
    agent_documents,
    contract_document,
    key_document,
)

router = APIRouter(prefix="/v1", tags=["agents"])


@router.get("/agents", responses=answers(AgentPage), response_class=Page)
async def list_agents(
    node: TheNode,
    principal: Viewer,
    capability: Annotated[str | None, Query(max_length=200, description="Who offers it: `text.summarize@^1`.")] = None,
    whole: Annotated[bool, Query(description="With cards, contracts and keys.")] = False,
    after: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 100,
) -> Page:
    """The agents that were ever accepted, by id."""
    wanted = CapabilityRange.parse(capability) if capability is not None else None
    agents = await node.agents(wanted, AgentId(after) if after is not None else None, limit + 1)
    page = await agent_documents(node, agents[:limit], whole=whole)
    return Page(AgentPage(page, page[-1].agent if len(agents) > limit else None))


@router.get("/agents/feed", responses=streamed({"agents": AgentNews}), status_code=200, response_class=EventStream)
async def feed(gateway: TheGateway, principal: Viewer, shown: Shown) -> Response:
    """All agents with their instances and load, then each that changes, as server-sent events, without an end.

    `agents`: how these agents are now; `complete` is false while some have not been told of yet. Whoever connects
    again is told of all again.
    """
    return EventStream(gateway, shown, gateway.feeds.agents.changes())


@router.get("/agents/{name:path}", responses=answers(AgentDocument), response_class=Document)
async def show_agent(name: Annotated[str, Path(max_length=200)], node: TheNode, principal: Viewer) -> Document:
    """An agent, by its id or by its name."""
    for known in await node.agents():
        if name in (known.card.agent, known.card.agent.rpartition("/")[2]):
            (document,) = await agent_documents(node, [known], whole=True)
            return Document(document)
    raise NotFound.of("ACC735", f"there is no agent {name}", hint="GET /v1/agents lists them")


@router.get("/instances", responses=answers(list[Sighting]), response_class=Document)
async def list_instances(node: TheNode, principal: Viewer) -> Document:
    """Every instance of an agent that is present in any process on this store, by agent, with its load."""
    return Document(await node.sightings())


@router.get("/experience", responses=answers(Experience), response_class=Document)
async def show_experience(
    node: TheNode,
    principal: Viewer,
    template: Annotated[
        str | None, Query(max_length=200, description="Whose tasks are told as well: `name@version`.")
    ] = None,
) -> Document:
    """What the runs tell that have ended last: attempts by capability, runs by template. Plans are estimated by it."""
    return Document(await node.experience(template))


@router.get("/capabilities", responses=answers(ContractPage), response_class=Page)
async def list_capabilities(node: TheNode, principal: Viewer, after: After = None, limit: Limit = 100) -> Page:
    """A page of every contract that an agent has ever offered, by capability, the newest version first."""
    page, more = paged(await node.contracts(), lambda contract: contract.digest, after, limit)
    return Page(ContractPage(tuple(map(contract_document, page)), more))


@router.get("/keys/{kid}", responses=answers(KeyDocument), response_class=Document)
async def show_key(kid: Annotated[str, Path(max_length=100)], node: TheNode, principal: Viewer) -> Document:
    """A key of an agent, whether it is still valid or not."""
    known = await node.key(KeyId(kid))
    if known is None:
        raise NotFound.of("ACC713", f"no key {kid} is known", hint="GET /v1/agents lists agents with their keys")
    return Document(key_document(known))


@router.delete("/keys/{kid}", responses=answers(KeyDocument), response_class=Document)
async def revoke_key(
    kid: Annotated[str, Path(max_length=100)],
    node: TheNode,
    principal: Administrator,
    reason: Annotated[str, Query(max_length=4000)] = "",
    since: Annotated[Moment | None, Query(description="From then on it may have been in other hands.")] = None,
) -> Document:
    """Accept nothing new under a key; when this answers, no process does any more. Again is no error."""
    return Document(key_document(await node.revoke_key(KeyId(kid), by=principal.name, reason=reason, since=since)))


@router.get("/keys", responses=answers(KeyPage), response_class=Page)
async def list_keys(
    node: TheNode,
    principal: Viewer,
    agent: Annotated[str | None, Query(max_length=200)] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page:
    """A page of the keys that all agents, or one, ever had, the oldest first: of those without a card, too."""
    keys = await node.keys(AgentId(agent) if agent is not None else None)
    page, more = paged(keys, lambda key: key.public.kid, after, limit)
    return Page(KeyPage(tuple(map(key_document, page)), more))
