"""The OpenAPI document: what FastAPI says of the operations, and all that it cannot know.

`x-accord-right` and `x-accord-role` say of an operation which right it takes, and from which role on one has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from accord.domain.access import RIGHTS, Right
from accord.gateway.asking import right_of
from accord.gateway.documents import Bytes, Document, Page, components, schema_of
from accord.gateway.problems import MEDIA_TYPE, ProblemDetails

_SENTENCE: Final = re.compile(r"[.;] ")

PROBLEM: Final = {"$ref": "#/components/responses/Problem"}

_TEXT: Final = {"schema": {"type": "string"}}
_TAGGED: Final = {"ETag": {"description": "The strong entity tag of the answer.", "required": True, **_TEXT}}
_LINKED: Final = {"Link": {"description": 'The next page, `rel="next"`, where there is one (RFC 8288).', **_TEXT}}
_UNCHANGED: Final = {"description": "Who asks has it already: the tag in If-None-Match is its own.", "headers": _TAGGED}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "Tags of answers that are there already; the answer to one of them is 304.",
    **_TEXT,
}


def routes_of(routers: Sequence[APIRouter]) -> Iterator[APIRoute]:
    """All operations, in the order in which they are documented."""
    for router in routers:
        yield from (route for route in router.routes if isinstance(route, APIRoute))


def operation_id(route: APIRoute) -> str:
    """What generated clients call the operation."""
    return "_".join([*(str(tag) for tag in route.tags), route.name])


def completed(openapi: dict[str, Any], routes: Iterable[APIRoute]) -> dict[str, Any]:
    """The OpenAPI document, with the schemas of our values, and with what is true of every operation."""
    known = openapi.setdefault("components", {})
    content = {MEDIA_TYPE: {"schema": schema_of(ProblemDetails)}}
    known["responses"] = {"Problem": {"description": "Problem details (RFC 9457)", "content": content}}
    known.setdefault("schemas", {}).update(components())
    for route in routes:
        for method in route.methods or ():
            _complete(openapi["paths"][route.path_format][method.lower()], route, method)
    return openapi


def _complete(operation: dict[str, Any], route: APIRoute, method: str) -> None:
    text = " ".join((route.description or "").partition("\n\n")[0].split())
    operation["summary"] = _SENTENCE.split(text, maxsplit=1)[0].rstrip(".")
    right = next(rights_of(route.dependant), None)
    if right is not None:
        operation |= {"x-accord-right": right, "x-accord-role": RIGHTS[right][0]}
    responses: dict[str, Any] = operation["responses"]
    responses.pop("422", None)
    responses |= {str(status): PROBLEM for status in _statuses(operation, method)} | {"default": PROBLEM}
    kind = route.response_class
    if method == "GET" and isinstance(kind, type) and issubclass(kind, Document | Bytes):
        headers = {**_TAGGED, **(_LINKED if issubclass(kind, Page) else {})}
        responses["200"].setdefault("headers", {}).update(headers)
        responses["304"] = _UNCHANGED
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
    operation["responses"] = dict(sorted(responses.items()))


def rights_of(dependant: Dependant) -> Iterator[Right]:
    """The rights that an operation takes."""
    for inner in dependant.dependencies:
        right = right_of(inner.call)
        if right is not None:
            yield right
        yield from rights_of(inner)


def _statuses(operation: Mapping[str, Any], method: str) -> Iterator[int]:
    """The statuses of the problems that may be met."""
    parameters: Sequence[Mapping[str, Any]] = operation.get("parameters", [])
    if operation.get("security"):
        yield from (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    if any(one["in"] == "path" for one in parameters):
        yield HTTPStatus.NOT_FOUND
    if method != "GET":
        yield HTTPStatus.CONFLICT
    if "requestBody" in operation:
        yield from (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if parameters or "requestBody" in operation:
        yield HTTPStatus.UNPROCESSABLE_ENTITY
    yield from (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
