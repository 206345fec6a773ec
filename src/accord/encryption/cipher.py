"""Documents under the data key of a run.

One key per run, of 32 random bytes. From it come others, by HKDF-SHA256 (RFC 5869): one encrypts, with AES-256-GCM;
one makes the nonce, as HMAC-SHA256 of the plaintext's digest, cut to 96 bits. So a document is encrypted the same way
each time: a decision that is taken again gives the same event, and no nonce is ever used for two texts, unless 96 bits
of HMAC collide. The digest is what is authenticated beside the text.

What comes in pieces has no digest yet when it begins. It is encrypted in another way, from a third one: `segments`.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from accord.domain.document import INLINE_BYTES, Document, Encrypted
from accord.domain.ids import Digest, RunId
from accord.encryption.segments import Decrypting, Encrypting
from accord.errors import StoreCorrupt

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class Cipher:
    """Encrypts and decrypts documents of one run."""

    def __init__(self, run: RunId, key: bytes) -> None:
        self.run = run
        self._aes = AESGCM(_derived(key, b"accord/1 document"))
        self._nonces = _derived(key, b"accord/1 nonce")
        self._segments = _derived(key, b"accord/1 segments")

    def encrypted(self, data: bytes, *, apart: bool = False) -> tuple[Document, bytes]:
        """The document with these bytes, and its text as it is encrypted: that is in the document itself where it is
        small and not wanted `apart`, else it belongs into the blob store.
        """
        digest = sha256(data)
        text = self._aes.encrypt(self._nonce(digest.digest()), data, digest.digest())
        name = Digest(digest.hexdigest())
        if len(data) <= INLINE_BYTES and not apart:
            return Document(name, len(data), encrypted=Encrypted(self.run, b64encode(text).decode("ascii"))), text
        kept = Digest(sha256(text).hexdigest())
        return Document(name, len(data), encrypted=Encrypted(self.run, digest=kept)), text

    def decrypted(self, document: Document, text: bytes) -> bytes:
        """The document's bytes. Raises StoreCorrupt where the text is another one, or was changed."""
        digest = bytes.fromhex(document.sha256)
        try:
            data = self._aes.decrypt(self._nonce(digest), text, digest)
        except InvalidTag as error:
            raise StoreCorrupt.of("ACC869", f"the document {document.sha256} is not what was encrypted") from error
        if sha256(data).digest() != digest:
            raise StoreCorrupt.of("ACC869", f"what was encrypted as {document.sha256} is something else")
        return data

    def sealed(self, data: bytes) -> bytes:
        """What no document names, encrypted: the digest of the bytes, then their text."""
        digest = sha256(data).digest()
        return digest + self._aes.encrypt(self._nonce(digest), data, digest)

    def unsealed(self, sealed: bytes) -> bytes:
        """The bytes of what was `sealed`. Raises StoreCorrupt where it was changed."""
        digest, text = sealed[:32], sealed[32:]
        return self.decrypted(Document(Digest(digest.hex()), len(text)), text)

    def encrypting(self) -> Encrypting:
        """Encrypts a document that comes in pieces."""
        return Encrypting(self.run, self._segments)

    def decrypting(self, document: Document) -> Decrypting:
        """Decrypts a document that is kept in segments."""
        return Decrypting(self._segments, document)

    def _nonce(self, digest: bytes) -> bytes:
        return hmac.digest(self._nonces, digest, "sha256")[:_NONCE_BYTES]


def text_in(document: Document) -> bytes | None:
    """The encrypted text that a document carries; None where it is in the blob store. Raises StoreCorrupt."""
    encrypted = document.encrypted
    if encrypted is None or encrypted.digest is not None:
        return None
    try:
        return b64decode(encrypted.data, validate=True)
    except ValueError as error:
        raise StoreCorrupt.of("ACC869", f"the document {document.sha256} is not what was encrypted") from error


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDFExpand(SHA256(), KEY_BYTES, purpose).derive(key)
