"""Documents at hand: parsed values of what decisions need, fetched from the blob store when they are large."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256
from typing import Any, Final

import orjson
import rfc8785

from accord.domain.document import Document, Encrypted, document_of
from accord.domain.ids import Digest
from accord.domain.large import is_large, reference
from accord.domain.scope import DocumentMissing
from accord.encryption import Cipher, text_in
from accord.engine.data_keys import DataKeys, no_key
from accord.errors import UNREADABLE, ExpressionInvalid, NotFound, Problem
from accord.ports import BlobStore

SMALL_BYTES = 512
"""Parsing a document up to this length costs less than remembering it."""

PIECE_BYTES = 256 << 10
"""So much of an encrypted text is read, and decrypted, at a time."""

_AS_BEFORE: Final = nullcontext()


class Documents:
    """The `Values` of decisions. What has been asked for stays at hand until `trim`, then as much as `limit_bytes`
    allows.
    """

    def __init__(self, blobs: BlobStore, keys: DataKeys | None = None, *, limit_bytes: int = 64 << 20) -> None:
        self._blobs = blobs
        self._keys = keys
        self._cipher: Cipher | None = None
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._parsed: OrderedDict[Digest, tuple[Any, int]] = OrderedDict()
        self._unstored: dict[Digest, bytes] = {}
        self._made: OrderedDict[tuple[str, str, int], Any] = OrderedDict()
        self.lost: dict[Digest, tuple[Problem, ...]] = {}
        """What a decision cannot have, and why: asking for its value is a fault of the expression that does."""

    def value(self, document: Document) -> Any:
        """The JSON value, a reference for a large document; never change it.

        Raises DocumentMissing when it has to be fetched first.
        """
        data = document.data
        if document.length_bytes <= SMALL_BYTES:
            data = self._decrypted_now(document) if data is None else data
            if data is not None:
                return orjson.loads(data)
        if is_large(document):
            return reference(document)
        known = self._parsed.get(document.sha256)
        if known is not None:
            self._parsed.move_to_end(document.sha256)
            return known[0]
        if document.sha256 in self.lost:
            raise ExpressionInvalid(*self.lost[document.sha256])
        if data is None:
            data = self._decrypted_now(document)
        if data is None:
            raise DocumentMissing(document)
        return self._keep(document, data)

    def ballot(self, document: Document) -> Digest:
        """SHA-256 of the value's canonical form: RFC 8785, or sorted JSON where that has no form for an integer; of a
        large document that of its bytes.
        """
        if is_large(document):
            return document.sha256
        value = self.value(document)
        try:
            canonical = rfc8785.dumps(value)
        except rfc8785.CanonicalizationError:
            canonical = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        return Digest(sha256(canonical).hexdigest())

    def remembered(self, key: tuple[str, str, int], make: Callable[[], Any]) -> Any:
        """What `make` gave for this key before, or gives now."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def unremember(self, run: str) -> None:
        """Forget what was remembered of a run: it may come from a decision that was given up, and never happened."""
        for key in [key for key in self._made if key[0] == run]:
            del self._made[key]

    async def fetch(self, document: Document) -> None:
        """Put a large document at hand. Raises NotFound, StoreCorrupt, StoreUnavailable."""
        self._keep(document, await self.data(document))

    async def fetched(self, document: Document) -> Any:
        """The JSON value, fetched where that is necessary; never change it."""
        try:
            return self.value(document)
        except DocumentMissing:
            await self.fetch(document)
            return self.value(document)

    async def data(self, document: Document) -> bytes:
        """The document's exact bytes."""
        inline = document.data
        if inline is not None:
            return inline
        if document.encrypted is not None:
            return await self._decrypted(document, document.encrypted)
        unstored = self._unstored.get(document.sha256)
        return unstored if unstored is not None else await self._blobs.get(document.sha256)

    async def stream(self, document: Document) -> AsyncIterator[bytes]:
        """The document's exact bytes in pieces: a large one is never held whole."""
        encrypted = document.encrypted
        if encrypted is not None and encrypted.in_segments:
            pieces = self._decrypted_pieces(document, encrypted)
        elif encrypted is None and document.data is None and document.sha256 not in self._unstored:
            pieces = self._blobs.get_stream(document.sha256)
        else:
            yield await self.data(document)
            return
        async for piece in pieces:
            yield piece

    async def is_there(self, document: Document) -> bool:
        """Whether the document can be read: it was not erased, and its text is not gone. That stays so for a while."""
        encrypted = document.encrypted
        try:
            if encrypted is not None and await self._cipher_of(encrypted) is None:
                return False
            await self.renew([document])
        except NotFound:
            return False
        return True

    def document(self, data: bytes) -> Document:
        """A new document with these bytes, encrypted inside of `under`; a large one is put aside until `store`."""
        if self._cipher is not None:
            return self._encrypted(self._cipher, data)
        document = document_of(data)
        if document.data is None:
            self._unstored[document.sha256] = data
            self._keep(document, data)
        return document

    def opaque(self, data: bytes) -> Document:
        """The document with bytes that are no JSON; always put aside until `store`."""
        if self._cipher is not None:
            document, text = self._cipher.encrypted(data, apart=True)
            return self._apart(document, text)
        digest = Digest(sha256(data).hexdigest())
        self._unstored[digest] = data
        return Document(digest, len(data))

    async def store(self) -> None:
        """Keep in the blob store what was put aside. Raises StoreUnavailable."""
        for digest, data in list(self._unstored.items()):
            await self._blobs.put(data)
            self._unstored.pop(digest, None)

    async def renew(self, documents: Iterable[Document]) -> None:
        """Count documents in the blob store as put now, because something new is to refer to them: retention would not
        know otherwise. Raises NotFound, StoreUnavailable.
        """
        for digest in dict.fromkeys(name for name in map(_name_in_store, documents) if name is not None):
            if digest not in self._unstored and not await self._blobs.renew(digest):
                raise NotFound.of("ACC551", f"the blob {digest} is gone")

    # -- encrypted -----------------------------------------------------------------------------------------------

    def under(self, cipher: Cipher | None) -> AbstractContextManager[None]:
        """New documents are encrypted by this cipher, until the end; nobody may be waited for inside."""
        return _AS_BEFORE if cipher is self._cipher else self._under(cipher)

    @contextmanager
    def _under(self, cipher: Cipher | None) -> Iterator[None]:
        before, self._cipher = self._cipher, cipher
        try:
            yield
        finally:
            self._cipher = before

    def _encrypted(self, cipher: Cipher, data: bytes) -> Document:
        document, text = cipher.encrypted(data)
        if document.length_bytes > SMALL_BYTES:
            self._keep(document, data)
        return self._apart(document, text)

    def _apart(self, document: Document, text: bytes) -> Document:
        """The document, whose text is put aside where it does not carry that itself."""
        encrypted = document.encrypted
        if encrypted is not None and encrypted.digest is not None:
            self._unstored[encrypted.digest] = text
        return document

    def _decrypted_now(self, document: Document) -> bytes | None:
        """The bytes of an encrypted document, where key and text are at hand."""
        encrypted = document.encrypted
        if encrypted is None or self._keys is None:
            return None
        cipher = self._keys.at_hand(encrypted.key)
        text = text_in(document) if encrypted.digest is None else self._unstored.get(encrypted.digest)
        return cipher.decrypted(document, text) if cipher is not None and text is not None else None

    async def _decrypted(self, document: Document, encrypted: Encrypted) -> bytes:
        """Raises NotFound where it was erased."""
        found = self._decrypted_now(document)
        if found is not None:
            return found
        cipher = await self._cipher_of(encrypted)
        if encrypted.in_segments or cipher is None:
            return b"".join([piece async for piece in self._decrypted_pieces(document, encrypted)])
        text = text_in(document)
        if text is None and encrypted.digest is not None:
            text = self._unstored.get(encrypted.digest) or await self._blobs.get(encrypted.digest)
        return cipher.decrypted(document, text or b"")

    async def _decrypted_pieces(self, document: Document, encrypted: Encrypted) -> AsyncIterator[bytes]:
        """The bytes of a document in segments, and of one without a data key: an exhibit has what its bundle had in the
        clear.
        """
        cipher = await self._cipher_of(encrypted)
        if cipher is None:
            async for piece in self._in_the_clear(document, encrypted):
                yield piece
            return
        decrypting = cipher.decrypting(document)
        async for text in self._blobs.get_stream(encrypted.digest or Digest(""), chunk_bytes=PIECE_BYTES):
            if piece := decrypting.feed(text):
                yield piece
        decrypting.end()

    async def _in_the_clear(self, document: Document, encrypted: Encrypted) -> AsyncIterator[bytes]:
        try:
            async for piece in self._blobs.get_stream(document.sha256):
                yield piece
        except NotFound as error:
            if error.problems[0].code == UNREADABLE:
                raise
            raise no_key(encrypted.key) from error

    async def _cipher_of(self, encrypted: Encrypted) -> Cipher | None:
        """Raises NotFound where the key was erased."""
        return await self._keys.cipher(encrypted.key) if self._keys is not None else None

    def forget(self) -> None:
        """Let go of all values that are at hand: some of them are to be read no more."""
        self._parsed.clear()
        self._made.clear()
        self._held_bytes = 0

    def trim(self) -> None:
        """Let go of what has not been asked for the longest."""
        while self._held_bytes > self._limit_bytes and self._parsed:
            _, (_, length_bytes) = self._parsed.popitem(last=False)
            self._held_bytes -= length_bytes
        while len(self._made) > 64:
            self._made.popitem(last=False)

    def _keep(self, document: Document, data: bytes) -> Any:
        value = orjson.loads(data)
        if document.sha256 in self._parsed:
            self._held_bytes -= document.length_bytes
        self._parsed[document.sha256] = (value, document.length_bytes)
        self._held_bytes += document.length_bytes
        return value


def _name_in_store(document: Document) -> Digest | None:
    """What the blob store knows the document by; None where it carries its bytes itself."""
    if document.encrypted is not None:
        return document.encrypted.digest
    return document.sha256 if document.data is None else None
