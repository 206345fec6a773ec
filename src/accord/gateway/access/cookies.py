"""The cookie of the console: it shows a session, and counts only with requests that our own pages have sent.

ACC998  another site may have sent the request
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from accord.errors import Forbidden

MARK: Final = "X-Accord-Console"
"""The header that our pages send. A page of another origin would have to be allowed it, and none is."""

SAFE: Final = frozenset(("GET", "HEAD"))
"""Methods that change nothing: what they answer, other sites cannot read."""

_PORT: Final = re.compile(":([0-9]{1,5})$")


def name_of(request: Request, *, encrypted: bool) -> str:
    """What the cookie is called. It names the port, for browsers give the cookies of a host to all of its ports; behind
    `__Host-` nobody can set one without TLS, or for other hosts as well.
    """
    port = _PORT.search(request.headers.get("host", ""))
    name = "accord-session" if port is None else f"accord-session-{port[1]}"
    return f"__Host-{name}" if encrypted else name


def shown(request: Request) -> str | None:
    """The session that the request shows. Raises Forbidden where one is shown by who knows whom."""
    found = request.cookies.get(name_of(request, encrypted=True))
    if found is None and request.url.scheme != "https":
        found = request.cookies.get(name_of(request, encrypted=False))
    if found is not None and request.method not in SAFE:
        require_own(request)
    return found


def require_own(request: Request) -> None:
    """Nothing where one of our own pages has sent the request. Raises Forbidden (ACC998)."""
    if request.headers.get(MARK) and _is_same_origin(request):
        return
    hint = f"scripts show an API key: Authorization: Bearer KEY; the console's pages send the header {MARK}"
    raise Forbidden.of("ACC998", "a page of another origin may have sent this request", hint=hint)


def keep(response: Response, request: Request, text: str, until: datetime) -> None:
    """Have the browser show the session from now on."""
    encrypted = _is_encrypted(request)
    response.set_cookie(
        name_of(request, encrypted=encrypted), text, expires=until, secure=encrypted, httponly=True, samesite="strict"
    )


def drop(response: Response, request: Request) -> None:
    """Have the browser show no session any more."""
    for encrypted in (True, False):
        name = name_of(request, encrypted=encrypted)
        response.delete_cookie(name, secure=encrypted, httponly=True, samesite="strict")


def _is_encrypted(request: Request) -> bool:
    """Whether the page came with TLS, to the server or to a proxy in front of it."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


def _is_same_origin(request: Request) -> bool:
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None:
        return fetched == "same-origin"
    host = request.headers.get("host")
    return request.headers.get("origin") in (None, f"https://{host}", f"http://{host}")
