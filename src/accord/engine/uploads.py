"""What agents upload beside the bus, as documents of their runs: encrypted while it passes, where the run is encrypted.

Where the text is comes to stand in the run's history with the result. Until then the store knows it, so that whichever
process takes the result finds it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from accord.domain.document import Document, Encrypted
from accord.domain.ids import Digest, RunId
from accord.encryption import Encrypting
from accord.engine.data_keys import DataKeys
from accord.ports import BlobStore, Upload
from accord.ports import Uploads as Store


class Uploads:
    """Keeps uploads, and finds them. Raises KeyUnusable and NotFound where the run's key cannot be used."""

    def __init__(self, store: Store, blobs: BlobStore, keys: DataKeys) -> None:
        self._store = store
        self._blobs = blobs
        self._keys = keys

    async def keep(self, run: RunId, chunks: AsyncIterator[bytes]) -> Document:
        """Keep what the chunks make together; when they raise, nothing is kept."""
        cipher = await self._keys.cipher(run)
        if cipher is None:
            return Document(*await self._blobs.put_stream(chunks))
        encrypting = cipher.encrypting()
        blob, _ = await self._blobs.put_stream(_encrypted(encrypting, chunks))
        document = encrypting.document(blob)
        await self._store.keep_upload(run, Upload(document.sha256, document.length_bytes, blob))
        return document

    async def find(self, run: RunId, digest: Digest) -> Document | None:
        """What may have been uploaded for the run as the document of this digest; None where nobody has. Of a run that
        is not encrypted its length is unknown, and 0 here.
        """
        if await self._keys.cipher(run) is None:
            return Document(digest, 0)
        upload = await self._store.upload(run, digest)
        if upload is None:
            return None
        encrypted = Encrypted(run, digest=upload.blob, in_segments=True)
        return Document(digest, upload.length_bytes, encrypted=encrypted)


async def _encrypted(encrypting: Encrypting, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if text := encrypting.feed(chunk):
            yield text
    yield encrypting.end()
