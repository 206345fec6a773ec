"""Documents in segments: encrypted and decrypted while they pass, so that nobody ever holds one whole.

It is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance, 2015) over AES-256-GCM: segments of 64 KiB, whose nonces are seven bytes that belong to the text, the
segment's number, and whether it is the last one. So none can be changed, left out, moved, or put into another text.
Each text has a key of its own, by HKDF-SHA256 (RFC 5869) from the run's data key and 32 random bytes, which stand at
its beginning.

ACC597  a segment is not what was encrypted       ACC598  a document in segments ends early, or goes on behind its end
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from accord.domain.document import Document, Encrypted
from accord.domain.ids import Digest, RunId
from accord.errors import StoreCorrupt

SEGMENT_BYTES: Final = 64 << 10
"""So much of a document is in a segment; less in the last one."""

_FORM: Final = b"accord segments\n"
_SALT_BYTES: Final = 32
_HEAD_BYTES: Final = len(_FORM) + _SALT_BYTES
_KEY_BYTES: Final = 32
_PREFIX_BYTES: Final = 7
_TAG_BYTES: Final = 16


class _Aead:
    """The key and the nonces of one text."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        made = HKDF(SHA256(), _KEY_BYTES + _PREFIX_BYTES, salt, b"accord/1 text in segments").derive(key)
        self._aes, self._prefix = AESGCM(made[:_KEY_BYTES]), made[_KEY_BYTES:]

    def sealed(self, data: bytes, number: int, *, last: bool) -> bytes:
        """A segment, encrypted."""
        return self._aes.encrypt(self._nonce(number, last), data, None)

    def opened(self, text: bytes, number: int, *, last: bool) -> bytes:
        """A segment, decrypted. Raises InvalidTag."""
        return self._aes.decrypt(self._nonce(number, last), text, None)

    def _nonce(self, number: int, last: bool) -> bytes:
        return self._prefix + number.to_bytes(4, "big") + (b"\1" if last else b"\0")


class Encrypting:
    """Encrypts one document of a run: `feed` its bytes in order, in whatever pieces, then `end`."""

    def __init__(self, run: RunId, key: bytes) -> None:
        salt = os.urandom(_SALT_BYTES)
        self._run = run
        self._aead = _Aead(key, salt)
        self._head = _FORM + salt
        self._held = bytearray()
        self._segments = 0
        self._hashed = sha256()
        self._length_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the document; what is to be kept by now."""
        self._hashed.update(data)
        self._length_bytes += len(data)
        self._held += data
        made = [self._begun()]
        while len(self._held) > SEGMENT_BYTES:  # what may be the last one waits
            made.append(self._segment(last=False))
        return b"".join(made)

    def end(self) -> bytes:
        """The document ends here; the rest of what is to be kept."""
        return self._begun() + self._segment(last=True)

    def document(self, kept: Digest) -> Document:
        """The document, whose text is kept under this digest."""
        name = Digest(self._hashed.hexdigest())
        return Document(name, self._length_bytes, encrypted=Encrypted(self._run, digest=kept, in_segments=True))

    def _begun(self) -> bytes:
        head, self._head = self._head, b""
        return head

    def _segment(self, *, last: bool) -> bytes:
        data = bytes(self._held[:SEGMENT_BYTES])
        del self._held[:SEGMENT_BYTES]
        self._segments += 1
        return self._aead.sealed(data, self._segments - 1, last=last)


class Decrypting:
    """Decrypts one document: `feed` its text in order, in whatever pieces, then `end`. Nothing that is not what was
    encrypted is ever given, and the last of it only where the whole has the document's digest.

    Raises StoreCorrupt: ACC597 a segment was changed or belongs elsewhere, ACC598 there is less of the text than there
    has to be, or more, ACC869 it is the text of another document.
    """

    def __init__(self, key: bytes, document: Document) -> None:
        self._key = key
        self._document = document
        self._count = max(1, -(-document.length_bytes // SEGMENT_BYTES))
        self._aead: _Aead | None = None
        self._held = bytearray()
        self._segments = 0
        self._hashed = sha256()

    def feed(self, text: bytes) -> bytes:
        """The next bytes of the text; what is known of the document by now."""
        self._held += text
        if self._aead is None and len(self._held) >= _HEAD_BYTES:
            self._aead = self._begun(self._taken(_HEAD_BYTES))
        found = []
        while self._aead is not None and 0 < self._next_bytes() <= len(self._held):
            found.append(self._segment(self._aead))
        if self._segments == self._count and self._held:
            raise self._wrong("ACC598", "goes on behind its end")
        return b"".join(found)

    def end(self) -> None:
        """The text ends here."""
        if self._segments < self._count:
            raise self._wrong("ACC598", f"is cut off: {self._segments} of its {self._count} segments are there")

    def _begun(self, head: bytes) -> _Aead:
        if not head.startswith(_FORM):
            raise self._wrong("ACC597", "does not begin as one in segments")
        return _Aead(self._key, head[len(_FORM) :])

    def _next_bytes(self) -> int:
        """How long the next segment is; 0 behind the last one."""
        if self._segments == self._count:
            return 0
        left = self._document.length_bytes - self._segments * SEGMENT_BYTES
        return min(left, SEGMENT_BYTES) + _TAG_BYTES

    def _segment(self, aead: _Aead) -> bytes:
        text, number = self._taken(self._next_bytes()), self._segments
        self._segments += 1
        is_last = self._segments == self._count
        try:
            data = aead.opened(text, number, last=is_last)
        except InvalidTag:
            told = f"segment {self._segments} of {self._count} was changed, or belongs elsewhere"
            raise self._wrong("ACC597", f"is not what was encrypted: {told}") from None
        self._hashed.update(data)
        if is_last and self._hashed.hexdigest() != self._document.sha256:
            raise self._wrong("ACC869", "is that of another document")
        return data

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def _wrong(self, code: str, text: str) -> StoreCorrupt:
        return StoreCorrupt.of(code, f"what is kept of the document {self._document.sha256} {text}")
