"""The documents that events name: each is there as it was named, or it is said that it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import orjson

from accord.domain.contract import Contract
from accord.domain.document import Document, document_of
from accord.domain.ids import Digest, RunId
from accord.domain.large import blobs_in, is_large, reference
from accord.domain.message import strict_json
from accord.domain.schema import canonical_form
from accord.domain.scope import DocumentMissing
from accord.errors import AccordError, Problem
from accord.evidence.manifest import Content, document_name, payload_name
from accord.evidence.opening import Opened


class Documents:
    """The bytes of documents: those in events, and those beside them."""

    def __init__(self, bundle: Opened) -> None:
        self._bundle = bundle
        self.seen: set[Digest] = set()
        self.unproven: set[Digest] = set()
        """Those that are left out: their digests are as they were signed, and nobody can look into them here."""
        self.erased: set[RunId] = set()
        """The runs whose documents nobody can read any more, as their histories say."""

    def data(self, document: Document) -> bytes | None:
        """The bytes of a document; None where they are not there."""
        if document.data is not None:
            return document.data
        return self._bundle.data(payload_name(document.sha256)) or self._bundle.data(document_name(document.sha256))

    def has(self, document: Document) -> bool:
        """Whether the bytes of a document are there."""
        return document.data is not None or self._content(document) is not None

    def check(self, document: Document, name: str, pointer: str) -> bytes | None:
        """The bytes of a document that an event names, once they are the right ones; what is wrong is told. A large one
        is checked without being read again, and None.
        """
        if is_large(document):
            self._check_large(document, name, pointer)
            return None
        data = self.data(document)
        if data is None:
            self._missing(document, name, pointer)
            return None
        if sha256(data).hexdigest() != document.sha256 or len(data) != document.length_bytes:
            self._another(document, name, pointer)
            return None
        if document.sha256 not in self.seen:
            self.seen.add(document.sha256)
            for inner, named in documents_named(data):
                self.check(named, name, pointer + inner)
        return data

    def _check_large(self, document: Document, name: str, pointer: str) -> None:
        content = self._content(document)
        if content is None:
            self._missing(document, name, pointer)
        elif (content.sha256, content.length_bytes) != (document.sha256, document.length_bytes):
            self._another(document, name, pointer)

    def _content(self, document: Document) -> Content | None:
        names = payload_name(document.sha256), document_name(document.sha256)
        return self._bundle.content(names[0]) or self._bundle.content(names[1])

    def _another(self, document: Document, name: str, pointer: str) -> None:
        self._bundle.wrong("ACC542", f"the document is not the one of digest {document.sha256}", name, pointer)

    def _missing(self, document: Document, name: str, pointer: str) -> None:
        digest, encrypted = document.sha256, document.encrypted
        if not self._bundle.damaged.isdisjoint((payload_name(digest), document_name(digest))):
            return
        self.unproven.add(digest)
        is_erased = encrypted is not None and encrypted.key in self.erased
        if self._bundle.manifest.payloads == "all" and not is_erased:
            self._bundle.wrong("ACC847", f"the document {digest} is not in the bundle", name, pointer)


class DocumentValues:
    """The values of documents, for expressions: see `scope.Values`."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._made: dict[tuple[str, str, int], Any] = {}

    def value(self, document: Document) -> Any:
        """The JSON value. Raises DocumentMissing."""
        if is_large(document):
            return reference(document)
        data = self._documents.data(document)
        if data is None:
            raise DocumentMissing(document)
        return orjson.loads(data)

    def document(self, data: bytes) -> Document:
        """The document with these bytes."""
        return document_of(data)

    def ballot(self, document: Document) -> Digest:
        """SHA-256 of the value's canonical form; of a large document that of its bytes."""
        return (
            document.sha256 if is_large(document) else Digest(sha256(canonical_form(self.value(document))).hexdigest())
        )

    def remembered(self, key: tuple[str, str, int], make: Callable[[], Any]) -> Any:
        """What `make` gave for this key before, or gives now."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def documents_in(event: Any) -> Iterator[tuple[str, Document]]:
    """The documents that an event names, with their JSON pointers."""
    for name, wire in zip(event.__struct_fields__, event.__struct_encode_fields__, strict=True):
        value = getattr(event, name)
        if isinstance(value, Document):
            yield f"/{wire}", value


def documents_named(data: bytes) -> list[tuple[str, Document]]:
    """The large documents to which a payload refers, with the JSON pointers; none where it is no JSON."""
    if b'"$blob"' not in data:
        return []
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return []
    return [(pointer, Document(blob.sha256, blob.length_bytes)) for pointer, blob in blobs_in(value)]


def violations(contract: Contract, data: bytes) -> tuple[Problem, ...]:
    """How an output breaks its contract."""
    try:
        value = strict_json(data)
    except AccordError as error:
        return error.problems
    return contract.violations_of_output(value)
