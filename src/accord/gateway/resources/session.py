"""`/v1/session`: who asks, and signing in and out at the console."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field, model_validator

from accord.domain.access import SignInLink
from accord.domain.ids import RunId
from accord.engine.sessions import PREFIX
from accord.gateway.access import cookies
from accord.gateway.asking import Shown, TheGateway
from accord.gateway.bodies import body
from accord.gateway.documents import Document, answers
from accord.views.access import Bearer, bearer

router = APIRouter(prefix="/v1/session", tags=["session"])

Run = Annotated[str | None, Query(max_length=64, description="What may be done to this run is told.")]


class SignIn(BaseModel):
    """What somebody signs in with: exactly one of them."""

    model_config = body({"credential": "accord_…"}, {"link": "0a1b…"})

    credential: str | None = Field(None, max_length=16_384, description="An API key, or a token of the issuer.")
    link: str | None = Field(None, max_length=200, description="What stands behind `#sign-in=` in a link.")

    @model_validator(mode="before")
    @classmethod
    def one_is_named(cls, asked: Any) -> Any:
        """Refuse both of them, or none."""
        if isinstance(asked, dict) and (asked.get("credential") is None) == (asked.get("link") is None):
            raise ValueError("name exactly one of credential and link")
        return asked


@router.get("", responses=answers(Bearer), response_class=Document)
async def show_session(gateway: TheGateway, shown: Shown, run: Run = None) -> Document:
    """Who asks, and what they may do: to a run, or to the orchestrator as a whole."""
    principal = await gateway.guard.principal_of(shown)
    rights = await gateway.guard.rights_of(principal, RunId(run) if run is not None else None)
    if shown is None or not shown.startswith(PREFIX):
        return Document(Bearer(principal=principal, rights=rights, expires_at=None))
    return Document(bearer(await gateway.node.parts.sessions.session_of(shown), rights))


@router.post("", status_code=201, responses=answers(Bearer, status=201), response_class=Document)
async def sign_in(
    asked: SignIn, request: Request, gateway: TheGateway, own: Annotated[None, Depends(cookies.require_own)]
) -> Document:
    """Sign in at the console: from now on the browser shows a session, in a cookie that scripts cannot read."""
    sessions, lasts = gateway.node.parts.sessions, gateway.options.session_lasts
    if asked.link is not None:
        session, text = await sessions.redeem(asked.link, lasts)
    else:
        session, text = await sessions.open(await gateway.guard.credential_of(asked.credential), lasts)
    answer = Document(bearer(session, await gateway.guard.rights_of(session.principal)), 201)
    cookies.keep(answer, request, text, session.expires_at)
    return answer


@router.delete("", status_code=204)
async def sign_out(request: Request, gateway: TheGateway, shown: Shown) -> Response:
    """Sign out: whoever has a copy of the cookie has nothing by it any more."""
    await gateway.guard.principal_of(shown)
    if shown is not None and shown.startswith(PREFIX):
        await gateway.node.parts.sessions.close(shown)
    answer = Response(status_code=204)
    cookies.drop(answer, request)
    return answer


@router.post("/links", status_code=201, responses=answers(SignInLink, status=201), response_class=Document)
async def make_link(gateway: TheGateway, shown: Shown) -> Document:
    """Make a link that signs in once, as who asks: for a browser on the same desk."""
    return Document(await gateway.node.parts.sessions.offer(await gateway.guard.credential_of(shown)), 201)
