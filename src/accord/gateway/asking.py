"""What the operations of the HTTP API are given: the gateway, its node, and the principal who asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from accord.domain.access import Principal, Right
from accord.engine.node import Node

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


async def shown_in(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str | None:
    """The token that the request shows."""
    return credentials.credentials if credentials else None


Shown = Annotated[str | None, Depends(shown_in)]


def may(right: Right) -> Any:
    """A dependency: the principal who asks, once it is sure that they have this right.

    `principal: Annotated[Principal, may("look")]`
    """
    return Depends(_permitted(right))


def _permitted(right: Right) -> Callable[..., Awaitable[Principal]]:
    async def permitted(request: Request, shown: Shown) -> Principal:
        return await gateway_of(request).guard.permitted(shown, right)

    return permitted


Viewer = Annotated[Principal, may("look")]
Runner = Annotated[Principal, may("run")]
Controller = Annotated[Principal, may("control")]
Publisher = Annotated[Principal, may("publish")]
Enroller = Annotated[Principal, may("enrol")]
Administrator = Annotated[Principal, may("administer")]
