"""Errors as RFC 9457 problem details: every answer that is no success looks like this, and tells all that is wrong.

ACC950  nothing has this path                         ACC954  the request took too long
ACC951  the path has no such method                   ACC955  a fault of Accord's
ACC952  the caller asks too often                     ACC956  the request breaks the API's schema
ACC953  the body is too large                         ACC957  the request cannot be read
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any, Final

import msgspec
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.responses import Response

from accord.domain.schema import compile_schema
from accord.errors import (
    AccordError,
    BadInput,
    Fenced,
    Forbidden,
    InputRequired,
    KeyUnusable,
    NotFound,
    NotUnderstood,
    Overloaded,
    Place,
    Problem,
    RateLimited,
    Refused,
    SequenceConflict,
    StoreError,
    StoreUnavailable,
    Unauthenticated,
    Wanting,
    kind_of,
)

logger = logging.getLogger("accord.gateway")

MEDIA_TYPE: Final = "application/problem+json"

STATUSES: Final[Sequence[tuple[type[AccordError], int]]] = (
    (BadInput, 422),
    (NotFound, 404),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (RateLimited, 429),
    (Overloaded, 503),
    (Refused, 409),
    (KeyUnusable, 503),
    (StoreUnavailable, 503),
    (SequenceConflict, 503),
    (Fenced, 503),
    (StoreError, 500),
    (AccordError, 409),
)
"""The status of each kind of error: of those that fit, the first."""

RETRY_AFTER_S: Final = 2
"""What a caller is told who meets a server that cannot serve them at the moment."""

TOO_LARGE: Final = Problem("ACC953", "the body is too large", hint="the setting max_body_bytes of the server bounds it")

CHALLENGE: Final = 'Bearer realm="accord"'


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457 problem details."""

    type: str
    """`urn:accord:problem:` and the code of the first problem."""
    title: str
    status: int
    detail: str
    instance: str
    """`urn:accord:request:` and the request's id, as in the header `X-Request-Id` and in the server's log."""
    code: str
    """The code of the first problem."""
    kind: str
    """Which error of the error tree it is, `not_found` for example; `error` where it is none."""
    problems: Sequence[Problem]
    """Everything that is wrong, at once."""
    wanting: Wanting | msgspec.UnsetType = msgspec.UNSET
    """Of the kind `input_required`: what is to be said yet. Send it as members of `input`, beside the objective."""
    several: Sequence[str] | msgspec.UnsetType = msgspec.UNSET
    """Of the kind `not_understood`, where one of several templates is meant: their names, the likeliest first. Send one
    as `template`, beside the objective."""


def details(status: int, problems: Sequence[Problem], instance: str, kind: str) -> ProblemDetails:
    """The document of these problems; `instance` is the request's id."""
    first = problems[0]
    return ProblemDetails(
        type=f"urn:accord:problem:{first.code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=first.message if len(problems) == 1 else f"{first.message}, and {len(problems) - 1} more",
        instance=f"urn:accord:request:{instance}",
        code=first.code,
        kind=kind,
        problems=problems,
    )


def status_of(error: AccordError) -> int:
    """The HTTP status that stands for an error."""
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def answer(document: ProblemDetails, headers: Mapping[str, str] | None = None) -> Response:
    """The response with these problem details."""
    return Response(msgspec.json.encode(document), document.status, dict(headers or {}), media_type=MEDIA_TYPE)


def answer_error(error: AccordError, instance: str) -> Response:
    """The response to a request that ended in this error."""
    status = status_of(error)
    document = details(status, told_of(error, instance), instance, kind_of(error))
    if isinstance(error, InputRequired) and error.wanting is not None:
        document = replace(document, wanting=error.wanting)
    if isinstance(error, NotUnderstood) and error.several:
        document = replace(document, several=error.several)
    return answer(document, headers_of(error, status))


def told_of(error: AccordError, instance: str) -> Sequence[Problem]:
    """What a caller is told of the error. What stores and keys have to say names files and hosts: that is logged."""
    if not isinstance(error, StoreError | KeyUnusable):
        return error.problems
    logger.warning("request %s: %s", instance, error)
    hint = "the server's log tells more under this request's id"
    return [
        Problem(problem.code, "the server's store or its keys do not serve", hint=hint) for problem in error.problems
    ]


def headers_of(error: AccordError, status: int) -> dict[str, str]:
    """What the answer's header has to say beside the problem."""
    if isinstance(error, RateLimited):
        return {"Retry-After": str(ceil(error.retry_after_s))}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(RETRY_AFTER_S)}
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": CHALLENGE}
    return {}


def fault(instance: str) -> Response:
    """The answer where Accord itself is at fault; it tells nothing of the inside."""
    hint = "the server's log tells more under this request's id; nothing was changed that is not in the journal"
    return answer(details(500, [Problem("ACC955", "a fault of Accord's, not of yours", hint=hint)], instance, "error"))


def too_large(instance: str) -> Response:
    """The answer to a body that is too large."""
    return answer(details(413, [TOO_LARGE], instance, "bad_input"))


def unreadable(instance: str) -> Response:
    """The answer to what is no HTTP, or whose line or headers are too long; nobody has seen a request."""
    hint = "a URL has up to 65535 bytes, and a header's name and value no control characters"
    problem = Problem("ACC957", "the request cannot be read: it is no HTTP/1.1, or too long", hint=hint)
    headers = {"X-Request-Id": instance}
    return answer(details(400, [problem], instance, "bad_input"), headers)


def unfinished(instance: str) -> Response:
    """The answer to a request whose head did not come in time; nobody has seen a request."""
    problem = Problem("ACC968", "the head of the request did not come in time", hint="send it at once")
    return answer(details(408, [problem], instance, "bad_input"), {"X-Request-Id": instance})


def too_late(within_s: float, instance: str) -> Response:
    """The answer where there was none in time."""
    text = f"no answer within {within_s:g} s; what was begun may still have happened"
    hint = "look before you ask again, or send the same Idempotency-Key"
    document = details(503, [Problem("ACC954", text, hint=hint)], instance, "overloaded")
    return answer(document, {"Retry-After": str(RETRY_AFTER_S)})


# -- what the framework raises -----------------------------------------------------------------------------------


async def on_error(request: Request, error: Exception) -> Response:
    """The answer to an error of Accord's."""
    assert isinstance(error, AccordError)  # noqa: S101 - it is registered for nothing else
    return answer_error(error, request_id(request))


async def on_invalid(request: Request, error: Exception) -> Response:
    """The answer to a request that breaks the schema of its operation: all violations at once."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for nothing else
    broken = [one for one in error.errors() if one["type"] == "json_invalid"]
    status = HTTPStatus.BAD_REQUEST if broken else HTTPStatus.UNPROCESSABLE_ENTITY
    found = [_broken(one, str(error.body)) for one in broken] or list(_violations(request, error))
    return answer(details(status, found, request_id(request), "bad_input"))


async def on_http(request: Request, error: Exception) -> Response:
    """The answer where the framework refuses a request."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for nothing else
    problem = _framework_problem(request, error)
    kind = "not_found" if error.status_code == HTTPStatus.NOT_FOUND else "bad_input"
    return answer(details(error.status_code, [problem], request_id(request), kind), error.headers)


async def on_fault(request: Request, error: Exception) -> Response:
    """The answer to an error that nobody expected; `Envelope` logs it."""
    return fault(request_id(request))


HANDLERS: Final[dict[int | type[Exception], Any]] = {
    AccordError: on_error,
    RequestValidationError: on_invalid,
    HTTPException: on_http,
    Exception: on_fault,
}


def request_id(request: Request) -> str:
    """The request's id."""
    return str(request.scope["accord.request"])


def _framework_problem(request: Request, error: HTTPException) -> Problem:
    path = request.url.path
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return Problem("ACC950", f"nothing has the path {path}", hint="/v1/openapi.json lists all there is")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = (error.headers or {}).get("Allow", "others")
            return Problem("ACC951", f"{path} has no method {request.method}", hint=f"it has {allowed}")
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return TOO_LARGE
        case _:
            why = error.__cause__ if isinstance(error.__cause__, UnicodeDecodeError) else error.detail
            return Problem("ACC957", f"the request cannot be read: {why}")


def _broken(one: Mapping[str, Any], text: str) -> Problem:
    """Where a body ceases to be JSON."""
    before = text[: one["loc"][-1]]
    place = Place(line=before.count("\n") + 1, column=len(before) - before.rfind("\n"))
    return Problem("ACC957", f"the body is no JSON: {one['ctx']['error']}", place)


def _violations(request: Request, error: RequestValidationError) -> Iterator[Problem]:
    """What is wrong with the parameters, and with the body by the schema that the API's document has of it; what that
    cannot say, the model says.
    """
    in_body = [one for one in error.errors() if one["loc"][0] == "body"]
    yield from (_violation(one) for one in error.errors() if one["loc"][0] != "body")
    if not in_body:
        return
    if error.body is None:
        yield Problem("ACC956", "there is no body", hint="send the members that /v1/openapi.json has of it, as JSON")
        return
    if isinstance(error.body, bytes):
        yield Problem("ACC956", "the body is not said to be JSON", hint="send Content-Type: application/json with it")
        return
    by_schema = _by_schema(request, error.body)
    yield from by_schema
    yield from (_violation(one) for one in in_body if not by_schema or one["type"] == "value_error")


def _by_schema(request: Request, body: Any) -> Sequence[Problem]:
    """What breaks the schema of the operation's body."""
    model = request.scope["route"].body_field.field_info.annotation
    return compile_schema(model.model_json_schema()).violations(body, "ACC956")


def _violation(one: Mapping[str, Any]) -> Problem:
    """`('body', 'tasks', 3)` becomes the pointer `/tasks/3`, `('query', 'limit')` names the parameter."""
    where, *path = (str(part) for part in one["loc"])
    pointer = "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in path)
    message = str(one["msg"]).removeprefix("Value error, ")
    if where != "body":
        return Problem("ACC956", f"{where} parameter {'.'.join(path)}: {message}")
    return Problem("ACC956", message, Place(pointer=pointer))
