"""The application: HTTP under `/v1`, Socket.IO under `/socket.io`, one guard, one envelope."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from fastapi import APIRouter, Depends, FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from accord.domain.access import Principal
from accord.engine.node import Node
from accord.engine.webhooks import Networks, Reach
from accord.gateway import console, problems
from accord.gateway.access.guard import Guard, Tokens
from accord.gateway.access.rates import Rates
from accord.gateway.agents import NAMESPACE as AGENTS
from accord.gateway.agents import agent_sockets
from accord.gateway.colleagues import Place
from accord.gateway.documents import components
from accord.gateway.envelope import Envelope
from accord.gateway.feeds.agents import AgentsFeed
from accord.gateway.feeds.runs import RunsFeed
from accord.gateway.feeds.sockets import feed_sockets
from accord.gateway.layouts import Layouts
from accord.gateway.lobby import Conversations, Lobby
from accord.gateway.metrics import Metrics
from accord.gateway.openapi import completed, operation_id, routes_of
from accord.gateway.plans import ShownPlans
from accord.gateway.queries import OnlyKnown
from accord.gateway.readiness import Readiness
from accord.gateway.resources import (
    access,
    agents,
    approvals,
    cluster,
    controls,
    debugging,
    documents,
    enrolments,
    events,
    evidence,
    graph,
    health,
    holds,
    incidents,
    keys,
    logs,
    metrics,
    planner,
    plans,
    policy,
    records,
    runs,
    session,
    tasks,
    templates,
    uploads,
    webhooks,
)
from accord.gateway.webhooks.deliverer import deliveries
from accord.loading.sockets import socketio
from accord.planner.by_suggestion import Suggestions
from accord.release import release
from accord.views.planning import Known, Wanted, known_of
from accord.views.suggesting import allowed_for, with_suggestion

logger = logging.getLogger("accord.gateway")

ROUTERS: Final[Sequence[APIRouter]] = tuple(
    router
    for noun in (
        health,
        metrics,
        plans,
        planner,
        policy,
        runs,
        tasks,
        logs,
        graph,
        controls,
        records,
        debugging,
        evidence,
        events,
        approvals,
        cluster,
        holds,
        incidents,
        keys,
        templates,
        agents,
        enrolments,
        documents,
        uploads,
        access,
        session,
        webhooks,
    )
    for router in getattr(noun, "ROUTERS", (noun.router,))
)
"""The nouns of the HTTP API."""

TELL_WITHIN: Final = timedelta(seconds=3)
"""How long it may take to tell whoever is connected that the server stops."""

FRAME_BYTES: Final = 64 << 10
"""What a message over a socket has around its payload: its statement, and the framing."""

UNTOLD: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own telemetry, which would tell what people send: ours is in the table of `accord.telemetry`."""

DESCRIPTION: Final = """\
Every operation but those of health, and this document, takes `Authorization: Bearer KEY`. Every answer that is no
success is a problem document (RFC 9457) with all that is wrong, each with its code, its place and the way out.
"""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may set."""

    cors_origins: tuple[str, ...] = ()
    """Origins of pages that browsers may let ask."""
    max_body_bytes: int = 16 << 20
    request_within: timedelta = timedelta(seconds=30)
    """How long a request may take until its answer begins."""
    handshake_within: timedelta = timedelta(seconds=30)
    """How long a connection has to say what it is for: the head of a request, a namespace, an agent's proof."""
    upload_within: timedelta = timedelta(minutes=10)
    """How long an upload may take for each `uploads.PIECE_BYTES`."""
    guests_per_address: int = 1024
    """Connections of one address that may not have said it yet."""
    requests_per_second: float = 100.0
    """Of one principal; an address has ten times as much, for many may share it."""
    burst: int = 1000
    open_metrics: bool = False
    """Whether `/metrics` answers callers on this machine without a credential."""
    console: bool = True
    """Whether the console is served."""
    session_lasts: timedelta = timedelta(hours=12)
    """How long somebody stays signed in at the console, at most."""
    webhook_networks: Networks = ()
    """Of addresses that are not public, those that webhooks may have."""
    require_tls: bool = False
    """Whether nothing leaves this machine without TLS."""
    place: Place | None = None
    """Where the other workers of this server are found; None where it is one process."""

    @property
    def reach(self) -> Reach:
        """How far webhooks reach."""
        return Reach(tuple(self.webhook_networks), self.require_tls)

    @property
    def max_message_bytes(self) -> int:
        """How long a message over a socket may be; long polling carries it in base64."""
        return self.max_body_bytes * 4 // 3 + FRAME_BYTES


class Feeds:
    """What is told live to whoever watches: one of each, for all watchers."""

    def __init__(self, node: Node) -> None:
        self.agents = AgentsFeed(node)
        self.runs = RunsFeed(node)


class Gateway:
    """The running gateway of a node: an ASGI application, serving while it is open with `async with`.

    What is attached finds everything here: `node`, `guard`, `sockets` (Socket.IO), `api` (FastAPI), `feeds`,
    `readiness`.
    """

    def __init__(
        self, node: Node, tokens: Tokens | None, options: Options, suggestions: Suggestions | None = None
    ) -> None:
        self.node = node
        self.options = options
        self.suggestions = suggestions
        self.plans = ShownPlans(node.parts.ports.journal, node.parts.ports.clock)
        self.guard = Guard(node.parts.access, node.parts.sessions, node.parts.permission, _rates(options, 1), tokens)
        self.feeds = Feeds(node)
        self.layouts = Layouts()
        self.proving = asyncio.Semaphore(1)
        self.readiness = Readiness(node.parts.ports.journal, node.parts.ports.bus)
        self.lobby = Lobby(options.handshake_within, options.guests_per_address)
        self.conversations = Conversations(self.lobby, frozenset((AGENTS,)))
        self.sockets = _sockets(options, self.conversations)
        self.api = _api(options)
        self.api.state.gateway = self
        self.on_drain: list[Callable[[], Awaitable[None]]] = []
        """Called when the server is told to stop, all at once; whoever is connected is told to go elsewhere."""
        served: ASGIApp = socketio.ASGIApp(self.sockets, self.api)
        self.metrics = Metrics(node)
        self._served = Envelope(served, _rates(options, 10), options.request_within, self.metrics.request)
        self._open = AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI says."""
        if scope["type"] == "websocket":
            self.conversations.upgrade(scope)
        await self._served(scope, receive, send)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.metrics.shared(self.options.place))
            for attach in ATTACHMENTS:
                await stack.enter_async_context(attach(self))
            self._open = stack.pop_all()
        self.readiness.open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.readiness.open = False
        await self._open.aclose()

    async def known_to(self, principal: Principal, wanted: Wanted, *, labelled: bool = False) -> Known:
        """Among what is planned for whoever asks; of what is `labelled` nothing is sent to a language model."""
        known = await self.plans.among(await known_of(self.node, now=self.node.parts.ports.clock.now()), wanted.digest)
        return with_suggestion(known, self.suggestions, allowed_for(self.node, principal.name), labelled=labelled)

    async def drain(self) -> None:
        """Be not ready from now on, end what streams, and tell whoever is connected to go elsewhere: as many as can be
        told within `TELL_WITHIN`.
        """
        self.readiness.draining.set()
        telling = [asyncio.ensure_future(tell()) for tell in self.on_drain]
        if not telling:
            return
        told, untold = await asyncio.wait(telling, timeout=TELL_WITHIN.total_seconds())
        for late in untold:
            late.cancel()
        for error in await asyncio.gather(*told, *untold, return_exceptions=True):
            if isinstance(error, Exception):
                logger.error("while draining: a fault of Accord's", exc_info=error)


Attachment = Callable[[Gateway], AbstractAsyncContextManager[Any]]

ATTACHMENTS: Final[Sequence[Attachment]] = (agent_sockets, feed_sockets, deliveries)
"""What runs as long as the gateway is open: Socket.IO namespaces, feeds, webhooks. Opened in this order."""


def create_application(
    node: Node,
    tokens: Tokens | None = None,
    options: Options | None = None,
    suggestions: Suggestions | None = None,
) -> Gateway:
    """The gateway of a node; `tokens` tells the principals of bearer tokens that are no API keys, `suggestions` are
    those of a language model.
    """
    return Gateway(node, tokens, options or Options(), suggestions)


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document of the HTTP API."""
    return _api(Options()).openapi()


def _rates(options: Options, times: int) -> Rates:
    return Rates(options.requests_per_second * times, options.burst * times, time.monotonic)


def _sockets(options: Options, conversations: Conversations) -> Any:
    sockets = socketio.AsyncServer(
        conversations,
        async_mode="asgi",
        # None is "the server's own origin"; an empty list would be "any".
        cors_allowed_origins=list(options.cors_origins) or None,
        max_http_buffer_size=options.max_message_bytes,
        # The requests of one long poll would come to several workers, and one alone knows the session.
        transports=["websocket", "polling"] if options.place is None else ["websocket"],
    )
    conversations.watch(sockets.eio)
    return sockets


class _Api(FastAPI):
    """FastAPI, whose document describes our own values as well."""

    routers: Sequence[APIRouter] = ROUTERS

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            components()  # the schemas of our values are in their places from now on
            self.openapi_schema = completed(super().openapi(), routes_of(self.routers))
        return self.openapi_schema


def _api(options: Options) -> FastAPI:
    api = _Api(
        title="Accord",
        version=release(),
        description=DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # the pages of both come from other hosts
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=problems.HANDLERS | ({HTTPException: console.show_not_found} if options.console else {}),
        responses=_RESPONSES,
        generate_unique_id_function=operation_id,
        max_body_size=options.max_body_bytes,
        telemetry=UNTOLD,
    )
    if options.cors_origins:
        api.add_middleware(
            CORSMiddleware,
            allow_origins=list(options.cors_origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag", "Link", "Location", "Retry-After", "X-Request-Id"],
        )
    api.routers = ROUTERS if options.console else [router for router in ROUTERS if router is not session.router]
    only_known = Depends(OnlyKnown())
    for router in api.routers:
        api.include_router(router, dependencies=[only_known])
    if options.console:
        api.include_router(console.router)
    return api


_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {422: {"description": "Problem details"}}
"""What `completed` describes for all of them; without it, FastAPI says that its own form is answered."""
