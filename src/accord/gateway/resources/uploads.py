"""`/v1/uploads`: large documents of attempts, brought and fetched by agents. The credential is a signed statement about
the attempt, in the header `Accord-Statement`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi.security import APIKeyHeader

from accord.domain.ids import Digest
from accord.domain.large import DOCUMENT_MAX_BYTES, Blob
from accord.errors import Overloaded, Unauthenticated
from accord.gateway.asking import TheGateway, TheNode
from accord.gateway.documents import Bytes, Document, answers

router = APIRouter(prefix="/v1/uploads", tags=["documents"])

_HOW: Final = "send `Accord-Statement`: a statement of kind `upload` or `fetch` about an attempt (docs/protocol.md)"


PIECE_BYTES: Final = 64 << 10
"""For so much an upload has its time, again and again."""


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
async def upload(request: Request, node: TheNode, gateway: TheGateway, statement: Statement) -> Document:
    """Bring the output of an attempt, of any size; it is checked against the contract while it passes. When the upload
    breaks off, or breaks the contract, nothing of it is kept. The result that names it is sent afterwards.
    """
    now = node.parts.ports.clock.now()
    chunks = paced(request.stream(), gateway.options.upload_within)
    blob = await node.parts.permits.bring(statement, chunks, now)
    return Document(blob, 201)


@router.get("/{digest}", response_class=Bytes)
async def fetch(
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256, in hexadecimal digits.")],
    node: TheNode,
    statement: Statement,
    offset: Annotated[int, Header(alias="Accord-Offset", ge=0, description="How many bytes are left out.")] = 0,
) -> Bytes:
    """The bytes of a large document in the input of an attempt."""
    now = node.parts.ports.clock.now()
    chunks = await node.parts.permits.take(statement, Digest(digest), now)
    return await Bytes.begun(_behind(chunks, offset), Digest(digest))


async def paced(chunks: AsyncIterator[bytes], within: timedelta) -> AsyncIterator[bytes]:
    """The chunks, as long as the next `PIECE_BYTES` of them, or the end, come within this time. What is done with them
    takes none of it. Raises Overloaded ACC890 where they do not.
    """
    loop = asyncio.get_running_loop()
    due, missing = loop.time() + within.total_seconds(), PIECE_BYTES
    while True:
        try:
            async with asyncio.timeout_at(due):
                chunk = await anext(chunks, None)
        except TimeoutError:
            pace = f"{PIECE_BYTES >> 10} KiB within {within.total_seconds():g} s"
            hint = "make the output first, and upload it then; `upload_within_s` is a setting of the server"
            raise Overloaded.of("ACC890", f"the upload trickles: less than {pace}", hint=hint) from None
        if chunk is None:
            return
        given = loop.time()
        yield chunk
        due += loop.time() - given
        missing -= len(chunk)
        if missing <= 0:
            due, missing = loop.time() + within.total_seconds(), PIECE_BYTES


async def _behind(chunks: AsyncIterator[bytes], offset: int) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if offset < len(chunk):
            yield chunk[offset:]
        offset = max(0, offset - len(chunk))
