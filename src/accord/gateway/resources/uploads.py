"""`/v1/uploads`: large documents of attempts, brought and fetched by agents. The credential is a signed statement about
the attempt, in the header `Accord-Statement`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi.security import APIKeyHeader

from accord.domain.ids import Digest
from accord.domain.large import DOCUMENT_MAX_BYTES, Blob
from accord.errors import Unauthenticated
from accord.gateway.asking import TheNode
from accord.gateway.documents import Bytes, Document, answers

router = APIRouter(prefix="/v1/uploads", tags=["documents"])

_HOW: Final = "send `Accord-Statement`: a statement of kind `upload` or `fetch` about an attempt (docs/protocol.md)"


_statement = APIKeyHeader(
    name="Accord-Statement",
    scheme_name="Statement",
    auto_error=False,
    description="A signed statement of kind `upload` or `fetch` about an attempt.",
)


async def _shown(statement: Annotated[str | None, Depends(_statement)]) -> bytes:
    """The statement that allows the request. Raises Unauthenticated where there is none."""
    if not statement:
        raise Unauthenticated.of("ACC650", "this takes a credential", hint=_HOW)
    return statement.encode("utf-8", "surrogatepass")


Statement = Annotated[bytes, Depends(_shown)]

_BYTES: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "array", "items": {}}}}}
}


@router.put(
    "",
    status_code=201,
    responses=answers(Blob, status=201),
    response_class=Document,
    openapi_extra=_BYTES,
    max_body_size=DOCUMENT_MAX_BYTES,
)
async def upload(request: Request, node: TheNode, statement: Statement) -> Document:
    """Bring the output of an attempt, of any size; it is checked against the contract while it passes. When the upload
    breaks off, or breaks the contract, nothing of it is kept. The result that names it is sent afterwards.
    """
    now = node.parts.ports.clock.now()
    blob = await node.parts.permits.bring(statement, request.stream(), now)
    return Document(blob, 201)


@router.get("/{digest}", response_class=Bytes)
async def fetch(
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256, in hexadecimal digits.")],
    node: TheNode,
    statement: Statement,
    offset: Annotated[int, Header(alias="Accord-Offset", ge=0, description="How many bytes are left out.")] = 0,
) -> Bytes:
    """The bytes of a large document in the input of an attempt."""
    parts = node.parts
    now = parts.ports.clock.now()
    chunks = await parts.permits.take(statement, Digest(digest), parts.ports.blobs, now)
    return await Bytes.begun(_behind(chunks, offset), Digest(digest))


async def _behind(chunks: AsyncIterator[bytes], offset: int) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if offset < len(chunk):
            yield chunk[offset:]
        offset = max(0, offset - len(chunk))
