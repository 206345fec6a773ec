"""`/v1/enrolments`: single-use tokens with which agents join. Admins alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from accord.domain.duration import LONGEST
from accord.domain.enrolment import VALID_FOR, EnrolmentToken, IssuedEnrolmentToken
from accord.gateway.asking import Enroller, TheNode
from accord.gateway.bodies import body
from accord.gateway.documents import Document, Page, answers
from accord.gateway.paging import After, Limit, paged
from accord.service import Invitation
from accord.views.access import EnrolmentTokenPage

router = APIRouter(prefix="/v1/enrolments", tags=["agents"])

VALID_MAX_S = 366 * 24 * 3600

KEY_VALID_MAX_S = LONGEST.total_seconds()


class NewToken(BaseModel):
    """A token that is to be issued."""

    model_config = body({"name": "hello", "offers": ["text.greet@^1"], "valid_s": 3600})

    name: str = Field(max_length=63, description="The agent's name.")
    organisation: str | None = Field(None, max_length=63, description="The agent's; the server's own where left out.")
    offers: tuple[str, ...] = Field(
        (), max_length=100, description="Capabilities that it may offer, `name` or `name@range`; any where empty."
    )
    valid_s: float = Field(
        VALID_FOR.total_seconds(), gt=0, le=VALID_MAX_S, description="How long it may wait to be used, seconds."
    )
    key_valid_s: float | None = Field(
        None,
        gt=0,
        le=KEY_VALID_MAX_S,
        description="How long the key that is enrolled may sign, seconds; null: it does not end by itself.",
    )


@router.get("", responses=answers(EnrolmentTokenPage), response_class=Page)
async def list_tokens(node: TheNode, principal: Enroller, after: After = None, limit: Limit = 100) -> Page:
    """A page of all tokens that were ever issued, the oldest first."""
    return Page(EnrolmentTokenPage(*paged(await node.enrolment_tokens(), lambda token: token.id, after, limit)))


@router.post("", status_code=201, responses=answers(IssuedEnrolmentToken, status=201), response_class=Document)
async def new_token(asked: NewToken, node: TheNode, principal: Enroller) -> Document:
    """Issue a token; its text is in this answer and nowhere else."""
    wanted = Invitation(**asked.model_dump())
    return Document(await node.issue_enrolment_token(wanted, by=principal.name), 201)


@router.delete("/{token}", responses=answers(EnrolmentToken), response_class=Document)
async def withdraw_token(
    token: Annotated[str, Path(description="The token's id.")], node: TheNode, principal: Enroller
) -> Document:
    """Let a token allow nothing any more; again is no error."""
    return Document(await node.withdraw_enrolment_token(token, by=principal.name))
