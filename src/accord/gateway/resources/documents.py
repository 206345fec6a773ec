"""`/v1/documents`: payloads that are too large for events, and templates, by the digest of their bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response, StreamingResponse

from accord.domain.ids import Digest
from accord.gateway.asking import TheNode, Viewer

router = APIRouter(prefix="/v1/documents", tags=["documents"])


@router.get("/{digest}", response_class=StreamingResponse)
async def show_document(
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256, in hexadecimal digits.")],
    node: TheNode,
    principal: Viewer,
) -> Response:
    """The document's exact bytes."""
    chunks = node.parts.ports.blobs.get_stream(Digest(digest))
    first = await anext(chunks, b"")  # what is not there is told before anything is sent

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return StreamingResponse(whole(), media_type="application/octet-stream", headers={"ETag": f'"{digest}"'})
