"""`/v1/documents`: payloads that are too large for events, and templates, by the digest of their bytes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from accord.domain.ids import Digest
from accord.gateway.asking import TheNode, Viewer
from accord.gateway.documents import Bytes

router = APIRouter(prefix="/v1/documents", tags=["documents"])


@router.get("/{digest}", response_class=Bytes)
async def show_document(
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256, in hexadecimal digits.")],
    node: TheNode,
    principal: Viewer,
) -> Bytes:
    """The document's exact bytes."""
    return await Bytes.begun(node.parts.ports.blobs.get_stream(Digest(digest)), Digest(digest))
