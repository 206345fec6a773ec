"""What the operations of the HTTP API are given: the gateway, its node, and the principal who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from accord.domain.access import Principal, Right
from accord.domain.ids import RunId
from accord.engine.node import Node
from accord.gateway.access import cookies

if TYPE_CHECKING:
    from accord.gateway.application import Gateway

_bearer = HTTPBearer(auto_error=False, description="An API key, or a token of the configured issuer.")


def gateway_of(request: Request) -> Gateway:
    """The gateway that serves this request."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def node_of(request: Request) -> Node:
    """The node behind it."""
    return gateway_of(request).node


TheNode = Annotated[Node, Depends(node_of)]
TheGateway = Annotated[Any, Depends(gateway_of)]


async def shown_in(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str | None:
    """The token that the request shows: in its header, else in the cookie of the console. Raises Forbidden where
    another site may have sent the cookie.
    """
    if credentials is not None or not gateway_of(request).options.console:
        return credentials.credentials if credentials else None
    return cookies.shown(request)


Shown = Annotated[str | None, Depends(shown_in)]


def may(right: Right, *, asks: bool = False) -> Any:
    """A dependency: the principal who asks, once it is sure that they may do this to the run in the path, or where
    there is none, to the orchestrator as a whole. `asks`: the operation asks itself, once it knows the template.

    `principal: Annotated[Principal, may("look")]`
    """
    return Depends(_Permitted(right, asks=asks))


def right_of(dependency: object) -> Right | None:
    """The right that a dependency asks for; None where it asks for none."""
    return dependency.right if isinstance(dependency, _Permitted) else None


Traceparent = Annotated[
    str, Header(alias="traceparent", description="W3C Trace Context: the span that the run is to be part of.")
]


class _Permitted:
    def __init__(self, right: Right, *, asks: bool) -> None:
        self.right = right
        self._asks = asks

    async def __call__(self, request: Request, shown: Shown) -> Principal:
        guard, run = gateway_of(request).guard, request.path_params.get("run")
        if self._asks:
            return await guard.principal_of(shown)
        return await guard.permitted(shown, self.right, RunId(run) if run is not None else None)


Viewer = Annotated[Principal, may("look")]
Runner = Annotated[Principal, may("run")]
Controller = Annotated[Principal, may("control")]
Approver = Annotated[Principal, may("approve")]
Starter = Annotated[Principal, may("run", asks=True)]
Publisher = Annotated[Principal, may("publish", asks=True)]
Enroller = Annotated[Principal, may("enrol")]
Administrator = Annotated[Principal, may("administer")]
Eraser = Annotated[Principal, may("erase")]
