"""`/.well-known/jwks.json`, `/v1/organisations/.../jwks`: the public keys that are valid now, for whoever verifies; and
`/v1/keys/.../impact`, `/v1/doubts`: what rests on a key.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from accord.domain.ids import KeyId, RunId
from accord.domain.impact import Impact
from accord.domain.system import RunDoubted
from accord.engine.node import Node
from accord.gateway.asking import Controller, TheNode, Viewer
from accord.gateway.bodies import body
from accord.gateway.documents import Document, answers, entity_tag, is_known
from accord.gateway.moments import Moment

router = APIRouter(tags=["keys"])

KEY_SET: Final = "application/jwk-set+json"
"""RFC 7517, section 8.5.2."""

DOUBTS = answers(list[RunDoubted])

PUBLISHED = "public, no-cache"
"""Anybody may keep it, and asks each time whether it still holds: a key that is revoked is so at once."""


class KeySet(msgspec.Struct, frozen=True):
    """A JWK Set (RFC 7517): keys by which statements may be signed now."""

    keys: tuple[dict[str, str], ...]
    """Public keys with `kid`, `alg`, `use`, and whose they are as `agent`."""


class PublicDocument(Document):
    """What anybody may know, and keep."""

    media_type = KEY_SET

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or that who asks has it already."""
        headers = {"ETag": entity_tag(sha256(self.body).hexdigest()), "Cache-Control": PUBLISHED}
        known = is_known(scope, headers["ETag"])
        whole = Response(self.body, media_type=KEY_SET, headers=headers)
        await (Response(status_code=304, headers=headers) if known else whole)(scope, receive, send)


@router.get("/.well-known/jwks.json", responses=answers(KeySet, media_type=KEY_SET), response_class=PublicDocument)
async def jwks(node: TheNode) -> PublicDocument:
    """The keys of the orchestrator, and of the agents of its organisation, that are valid now. Without a credential."""
    return PublicDocument(await key_set(node, node.parts.identity.organisation))


@router.get(
    "/v1/organisations/{organisation}/jwks",
    responses=answers(KeySet, media_type=KEY_SET),
    response_class=PublicDocument,
)
async def organisation_jwks(organisation: Annotated[str, Path(max_length=100)], node: TheNode) -> PublicDocument:
    """The same of another organisation whose agents are known here. `/v1/keys` has those that were valid once, too."""
    return PublicDocument(await key_set(node, organisation))


async def key_set(node: Node, organisation: str) -> KeySet:
    """The keys of an organisation that are valid now, by agent, the oldest first."""
    await node.parts.registry_stream.refresh()
    await node.parts.successions.stream.refresh()
    identity, now = node.parts.identity, node.parts.ports.clock.now()
    ours = node.parts.successions.keys(now).values() if organisation == identity.organisation else ()
    theirs = [
        (known.public, known.agent)
        for known in node.parts.registry.all_keys()
        if known.usable(now) and known.agent.startswith(f"spiffe://{organisation}/")
    ]
    found = [*((public, identity.id) for public in ours), *theirs]
    return KeySet(tuple({**public.to_jwk(), "agent": agent} for public, agent in found))


class Suspicion(BaseModel):
    """Why a key is not trusted any more, and since when it may have been in other hands."""

    model_config = body({"reason": "the laptop is lost", "since": "2026-11-23T09:00:00Z"})

    reason: str = Field(min_length=1, max_length=4000)
    since: Moment | None = None


@router.get("/v1/keys/{kid}/impact", responses=answers(Impact), response_class=Document)
async def show_impact(
    kid: Annotated[str, Path(max_length=100)],
    node: TheNode,
    principal: Viewer,
    since: Annotated[Moment | None, Query(description="Only what was accepted under it since then.")] = None,
) -> Document:
    """What rests on a key: runs with results under statements by it, and what depends on them."""
    return Document(await node.impact(KeyId(kid), since=since))


@router.post("/v1/keys/{kid}/quarantine", responses=answers(Impact), response_class=Document)
async def contain(
    kid: Annotated[str, Path(max_length=100)], asked: Suspicion, node: TheNode, principal: Controller
) -> Document:
    """Hold the key's agent, mark the runs that rest on the key as in doubt, and pause those that have not ended."""
    return Document(await node.contain(KeyId(kid), by=principal.name, reason=asked.reason, since=asked.since))


@router.get("/v1/doubts", responses=DOUBTS, response_class=Document)
async def list_doubts(node: TheNode, principal: Viewer) -> Document:
    """The runs that are in doubt, those marked first first."""
    return Document(await node.doubted())


@router.delete("/v1/doubts/{run}", responses=DOUBTS, response_class=Document)
async def clear(
    run: Annotated[str, Path(max_length=100)],
    node: TheNode,
    principal: Controller,
    note: Annotated[str, Query(max_length=4000)] = "",
) -> Document:
    """Rely on a run again; gives those that are left in doubt."""
    await node.clear(RunId(run), by=principal.name, note=note)
    return Document(await node.doubted())
