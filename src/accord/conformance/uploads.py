"""The scripted orchestrator's side of large payloads: it takes what is uploaded, and gives what may be fetched."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from accord.domain.message import Claims, Message
from accord.errors import AccordError

if TYPE_CHECKING:
    from accord.conformance.orchestrator import Orchestrator


class Uploaded(msgspec.Struct, frozen=True):
    """A document that has come, or was asked for, and the claims of the statement that was shown for it."""

    claims: Claims
    sha256: str
    length_bytes: int


def uploads_app(orchestrator: Orchestrator) -> Starlette:
    """`/v1/uploads`, for one examination."""

    async def put(request: Request) -> Response:
        claims = _shown(orchestrator, request)
        digest, length = hashlib.sha256(), 0
        async for chunk in request.stream():
            digest.update(chunk)
            length += len(chunk)
        if claims is None:
            return _REFUSED
        await _note(orchestrator, Uploaded(claims, digest.hexdigest(), length))
        return JSONResponse({"sha256": digest.hexdigest(), "len": length}, 201)

    async def get(request: Request) -> Response:
        claims = _shown(orchestrator, request)
        whole = orchestrator.served.get(request.path_params["digest"])
        if claims is None or whole is None:
            return _REFUSED
        await _note(orchestrator, Uploaded(claims, request.path_params["digest"], len(whole)))
        begin = request.headers.get("accord-offset", "0")
        return Response(whole[int(begin) if begin.isdecimal() else 0 :], media_type="application/json")

    return Starlette(
        routes=[
            Route("/v1/uploads", put, methods=["PUT"]),
            Route("/v1/uploads/{digest:str}", get, methods=["GET"]),
        ]
    )


_REFUSED = JSONResponse({"problems": [{"code": "ACC348", "message": "no statement allows this"}]}, 403)


def _shown(orchestrator: Orchestrator, request: Request) -> Claims | None:
    statement = request.headers.get("accord-statement", "")
    try:
        return orchestrator.read(Message(statement.encode(), b"")).claims
    except AccordError as error:
        orchestrator.blame(error)
        return None


async def _note(orchestrator: Orchestrator, uploaded: Uploaded) -> None:
    orchestrator.uploads.append(uploaded)
    await orchestrator.note()
