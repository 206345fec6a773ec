"""`/v1/access/keys`: the API keys. Admins alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from accord.domain.access import KEY_NAME_PATTERN, ApiKey, IssuedApiKey, Role
from accord.gateway.asking import Administrator, TheNode
from accord.gateway.bodies import body
from accord.gateway.documents import Document, Page, answers
from accord.gateway.moments import Moment
from accord.gateway.paging import After, Limit, paged
from accord.views.access import ApiKeyPage

router = APIRouter(prefix="/v1/access/keys", tags=["access"])

Name = Annotated[str, Path(description="The key's name, or its id.")]


class NewKey(BaseModel):
    """A key to be issued."""

    model_config = body({"name": "ci", "role": "operator", "expires_at": "2100-01-01T00:00:00Z"})

    name: str = Field(pattern=KEY_NAME_PATTERN, description="Whom or what it is for.")
    role: Role
    expires_at: Moment | None = None


@router.get("", responses=answers(ApiKeyPage), response_class=Page)
async def list_keys(node: TheNode, principal: Administrator, after: After = None, limit: Limit = 100) -> Page:
    """A page of all keys that were ever issued, the oldest first."""
    return Page(ApiKeyPage(*paged(await node.api_keys(), lambda key: key.id, after, limit)))


@router.post("", status_code=201, responses=answers(IssuedApiKey, status=201), response_class=Document)
async def new_key(asked: NewKey, node: TheNode, principal: Administrator) -> Document:
    """Issue a key; its text is in this answer and nowhere else."""
    issued = await node.issue_api_key(asked.name, asked.role, by=principal.name, expires_at=asked.expires_at)
    return Document(issued, 201)


@router.delete("/{name}", responses=answers(ApiKey), response_class=Document)
async def revoke_key(name: Name, node: TheNode, principal: Administrator) -> Document:
    """Revoke a key; again is no error. Other replicas follow within seconds."""
    return Document(await node.revoke_api_key(name, by=principal.name))
