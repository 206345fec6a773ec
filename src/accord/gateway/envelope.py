"""The envelope of every request: an id, limits of rate and time, headers of security, an answer whatever happens."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from accord.errors import RateLimited
from accord.gateway import problems
from accord.gateway.access.rates import Rates
from accord.gateway.problems import MEDIA_TYPE

logger = logging.getLogger("accord.gateway")

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")

SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""On every answer that does not say otherwise itself."""

UNTIMED: Final = ("/socket.io/", "/v1/uploads")
"""Paths whose answers wait for something to happen, or for a body of any size."""

UNCOUNTED: Final = ("/v1/health/",)
"""Paths that are asked by machines, often, and answer whatever the rates are."""

Observe = Callable[[Scope, int, float], None]
"""Told of every request: its scope, the status of its answer, and how many seconds it took until that began."""


class Envelope:
    """ASGI: wraps the whole application, Socket.IO included."""

    def __init__(self, app: ASGIApp, rates: Rates, within: timedelta, observe: Observe) -> None:
        self._app = app
        self._rates = rates
        self._within = within
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._count(scope)
        except RateLimited:
            await send({"type": "websocket.close", "code": 1013})  # "try again later"; refused before it is accepted
            return
        await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["accord.request"] = _request_id(Headers(scope=scope))
        answer = _Answer(scope, send)
        try:
            self._count(scope)
            if not await self._in_time(scope, receive, answer):
                await answer.instead(problems.too_late(self._within.total_seconds(), scope["accord.request"]), receive)
        except RateLimited as error:
            await answer.instead(problems.answer_error(error, scope["accord.request"]), receive)
        except ClientDisconnect:
            pass  # nobody is there any more to be answered
        except Exception:
            # The framework has answered already, as a rule, and raises what it could not make sense of.
            logger.exception("request %s: a fault of Accord's", scope["accord.request"])
            await answer.instead(problems.fault(scope["accord.request"]), receive)
        finally:
            self._observe(scope, answer.status, answer.began_s)

    def _count(self, scope: Scope) -> None:
        if not scope["path"].startswith(UNCOUNTED):
            client = scope.get("client")
            self._rates.take(client[0] if client else "")

    async def _in_time(self, scope: Scope, receive: Receive, answer: _Answer) -> bool:
        """Serve the request; whether an answer began in time."""
        within = None if scope["path"].startswith(UNTIMED) else self._within.total_seconds()
        deadline = asyncio.timeout(within)
        try:
            async with deadline:
                answer.started = lambda: deadline.reschedule(None)
                await self._app(scope, receive, answer.send)
        except TimeoutError:
            if not deadline.expired():
                raise
        return not deadline.expired()


class _Answer:
    """The answer to one request, on its way."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.status = 0
        self.started: Callable[[], None] = _no_more
        self._send = send
        self._since = time.monotonic()
        self.began_s = 0.0
        self._replaced = False

    async def send(self, message: Message) -> None:
        """Send a part of it, with our headers on top. The framework answers a body that is too large in plain text:
        a problem is sent in its place.
        """
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            if message["status"] == 413 and Headers(raw=message["headers"]).get("content-type") != MEDIA_TYPE:
                await problems.too_large(self.scope["accord.request"])(self.scope, _nothing, self.send)
                self._replaced = True
                return
            self.status = message["status"]
            self.began_s = time.monotonic() - self._since
            self.started()
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.scope["accord.request"]
            for name, value in SECURITY.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def instead(self, response: Response, receive: Receive) -> None:
        """Answer like this, where no answer has begun."""
        self.started = _no_more  # the time is up, or does not matter any more
        if not self.status:
            await response(self.scope, receive, self.send)


def _no_more() -> None:
    pass


async def _nothing() -> Message:
    """What a response may receive that waits for nothing."""
    return {"type": "http.disconnect"}


def _request_id(headers: Headers) -> str:
    """The caller's own id where it is one, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
