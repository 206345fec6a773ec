"""The console over HTTP: one page for every place in it, and the files that it is made of.

The address of a file holds the digest of all of them: what was fetched once is never asked for again, and a page never
gets files of two versions.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from accord.console import PLACES, File, files, page, version
from accord.gateway.documents import entity_tag, is_known
from accord.gateway.problems import on_http

router = APIRouter(include_in_schema=False)

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing comes from elsewhere, and no text becomes code."""

FOR_EVER: Final = "public, max-age=31536000, immutable"


async def show_page(request: Request) -> Response:
    """The page, which draws whatever its address names."""
    return _answer(page(), request, "no-cache")


for place in PLACES:
    router.add_api_route(place, show_page)


@router.get("/console/{of}/{name:path}")
async def show_file(
    request: Request, of: Annotated[str, Path(max_length=64)], name: Annotated[str, Path(max_length=200)]
) -> Response:
    """A file. At the address of another version, as a page has it that another replica has served, what there is."""
    found = files().get(name)
    if found is None:
        raise HTTPException(404)
    return _answer(found, request, FOR_EVER if of == version() else "no-cache")


async def show_not_found(request: Request, error: Exception) -> Response:
    """Where the framework refuses a request: to a browser that looks for a page, the page, which says that there is
    none; to everybody else the problem.
    """
    if not (isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND and _wants_page(request)):
        return await on_http(request, error)
    headers = {"Cache-Control": "no-store", "Vary": "Accept", "Content-Security-Policy": POLICY}
    return Response(page().data, HTTPStatus.NOT_FOUND, headers, media_type=page().media_type)


def _wants_page(request: Request) -> bool:
    """Whether a browser goes to an address that is none of the API's."""
    is_api = request.url.path == "/v1" or request.url.path.startswith("/v1/")
    return not is_api and request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")


def _answer(file: File, request: Request, cached: str) -> Response:
    tag = entity_tag(file.digest)
    headers = {"ETag": tag, "Cache-Control": cached, "Vary": "Accept-Encoding", "Content-Security-Policy": POLICY}
    if is_known(request.scope, tag):
        return Response(status_code=304, headers=headers)  # whose headers take the place of those that came before
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(file.compressed, media_type=file.media_type, headers=headers)
    return Response(file.data, media_type=file.media_type, headers=headers)
