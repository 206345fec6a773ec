"""Documents in memory, for decisions in tests."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import orjson
import rfc8785

from accord.domain.document import Document, document_of
from accord.domain.ids import Digest
from accord.domain.scope import DocumentMissing


class MemoryValues:
    """The `Values` of decisions; it keeps all that it is given."""

    def __init__(self) -> None:
        self._large: dict[Digest, bytes] = {}
        self._parsed: dict[Digest, Any] = {}
        self._made: dict[tuple[str, str, int], Any] = {}

    def value(self, document: Document) -> Any:
        """The JSON value. Raises DocumentMissing."""
        if document.sha256 not in self._parsed:
            data = document.data or self._large.get(document.sha256)
            if data is None:
                raise DocumentMissing(document)
            self._parsed[document.sha256] = orjson.loads(data)
        return self._parsed[document.sha256]

    def document(self, data: bytes) -> Document:
        """A new document; a large one is kept here."""
        document = document_of(data)
        if document.data is None:
            self._large[document.sha256] = data
        return document

    def of(self, value: Any) -> Document:
        """The document of a value."""
        return self.document(orjson.dumps(value))

    def ballot(self, document: Document) -> Digest:
        """SHA-256 of the canonical form."""
        return Digest(sha256(rfc8785.dumps(self.value(document))).hexdigest())

    def remembered(self, key: tuple[str, str, int], make: Callable[[], Any]) -> Any:
        """What was made for this key."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]
