"""What proves a run: its bundle, its place in the newest checkpoint, what stands behind its values; and the log of
checkpoints.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from accord.domain.checkpoint import Growth
from accord.domain.ids import RunId
from accord.gateway.asking import TheGateway, TheNode, Viewer
from accord.gateway.documents import Document, Page, answers
from accord.gateway.resources.runs import Run
from accord.service import MadeCheckpoint, Payloads, ProvenRun
from accord.views.lineage import LineageDocument, lineage_document
from accord.views.proof import RunProof, run_proof

runs = APIRouter(prefix="/v1/runs/{run}", tags=["runs"])
router = APIRouter(prefix="/v1/checkpoints", tags=["checkpoints"])
ROUTERS = (runs, router)

MEDIA_TYPE = "application/x-tar"


class CheckpointPage(msgspec.Struct, frozen=True):
    """A page of checkpoints."""

    checkpoints: tuple[MadeCheckpoint, ...]
    next: int | None
    """The number behind which the next page begins; None where there is none yet."""


class Archive(StreamingResponse):
    """A bundle, as it is made."""

    media_type = MEDIA_TYPE


_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bundle: a tar archive",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@runs.get("/export", responses=_EXPORT, response_class=Archive)
async def export_run(
    run: Run,
    node: TheNode,
    principal: Viewer,
    payloads: Annotated[Payloads, Query(description="With large payloads, or only their digests.")] = "all",
) -> Archive:
    """A run as one file that proves itself: `accord journal verify` examines it, with nothing but the orchestrator's
    key. The runs that did its tasks, and those that it was forked from, are in it: who asks has to be allowed to look
    at all of them.
    """
    chunks = node.export(RunId(run), payloads, node.parts.permission.looking(principal))
    first = await anext(chunks)

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return Archive(whole(), headers={"Content-Disposition": f'attachment; filename="{RunId(run)}.tar"'})


@runs.get("/anchor", responses=answers(ProvenRun), response_class=Document)
async def show_anchor(run: Run, node: TheNode, principal: Viewer) -> Document:
    """The newest checkpoint, and the proof that the run ended in it where it ends now."""
    return Document(await node.anchor(RunId(run)))


@runs.get("/proof", responses=answers(RunProof), response_class=Document)
async def prove_run(run: Run, node: TheNode, gateway: TheGateway, principal: Viewer) -> Document:
    """What can be verified of a run, as it is now, and whether all of it holds: its bundle is made and examined, one
    at a time.
    """
    async with gateway.proving:
        chunks = node.export(RunId(run), look=node.parts.permission.looking(principal))
        return Document(await run_proof(chunks))


@runs.get("/lineage", responses=answers(LineageDocument), response_class=Document)
async def show_lineage(
    run: Run,
    node: TheNode,
    principal: Viewer,
    pointer: Annotated[str, Query(max_length=2000, description="A JSON pointer into the run's output.")] = "",
) -> Document:
    """Which agents, keys and inputs stand behind a value of the run's output."""
    return Document(await lineage_document(node, RunId(run), pointer, node.parts.permission.looking(principal)))


@router.get("", responses=answers(CheckpointPage), response_class=Page)
async def list_checkpoints(
    node: TheNode,
    principal: Viewer,
    after: Annotated[int, Query(ge=0, description="Only what is behind this number.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Page:
    """The checkpoints of the journal, in order."""
    found = await node.checkpoints(after=after, limit=limit)
    return Page(CheckpointPage(tuple(found), found[-1].number if len(found) == limit else None))


@router.get("/growth", responses=answers(Growth), response_class=Document)
async def show_growth(
    node: TheNode,
    principal: Viewer,
    size: Annotated[int, Query(ge=0, description="How long the log was that is known.")],
) -> Document:
    """The newest checkpoint, and the proof that its log begins with the one that is known."""
    return Document(await node.growth(size))
