"""`/v1/documents`: payloads that are too large for events, and templates, by the digest of their bytes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from accord.domain.document import Document, Encrypted
from accord.domain.ids import Digest, RunId
from accord.errors import BadInput, StoreCorrupt
from accord.gateway.asking import TheNode, Viewer
from accord.gateway.bodies import body
from accord.gateway.documents import Bytes

router = APIRouter(prefix="/v1/documents", tags=["documents"])

DIGEST = "^[0-9a-f]{64}$"


class EncryptedText(BaseModel):
    """Under whose key, and the text itself or its name in the blob store."""

    key: str = Field(min_length=1, max_length=200)
    data: str = ""
    digest: str | None = Field(None, pattern=DIGEST)
    in_segments: bool = False


class EncryptedDocument(BaseModel):
    """A document as an event has it."""

    model_config = body({"sha256": "9f" * 32, "len": 12, "encrypted": {"key": "run-…", "data": "q83v…"}})

    sha256: str = Field(pattern=DIGEST)
    len: int = Field(ge=0)
    encrypted: EncryptedText

    def document(self) -> Document:
        """The document."""
        text = self.encrypted
        digest = Digest(text.digest) if text.digest is not None else None
        encrypted = Encrypted(RunId(text.key), text.data, digest, text.in_segments)
        return Document(Digest(self.sha256), self.len, encrypted=encrypted)


@router.get("/{digest}", response_class=Bytes)
async def show_document(
    digest: Annotated[str, Path(pattern=DIGEST, description="SHA-256, in hexadecimal digits.")],
    node: TheNode,
    principal: Viewer,
) -> Bytes:
    """The document's exact bytes."""
    return await Bytes.begun(node.parts.ports.blobs.get_stream(Digest(digest)), Digest(digest))


@router.post("/decrypt", response_class=Bytes)
async def decrypt_document(asked: EncryptedDocument, node: TheNode, principal: Viewer) -> Bytes:
    """The exact bytes of a document that an event of an encrypted run holds. 404 (ACC872) where the run was erased."""
    for run in await node.runs_that_hold(RunId(asked.encrypted.key)):
        await node.parts.permission.require(principal, "look", run)
    try:
        return await Bytes.begun(node.parts.documents.stream(asked.document()))
    except StoreCorrupt as error:
        raise BadInput(*error.problems) from error  # it is who asks that has brought it
