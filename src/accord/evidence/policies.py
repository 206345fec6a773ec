"""The policy sets on which decisions rest: each was adopted before, is there as it was named, and has the policies that
are said to have decided.

A decision is not taken again: it rests on what the operator says of agents as well, which is in no journal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from accord.codec import decode_system_event
from accord.domain.document import Document
from accord.domain.ids import Digest
from accord.domain.policy import Authorization
from accord.domain.system import PolicyAdopted
from accord.errors import AccordError
from accord.evidence.documents import Documents
from accord.evidence.manifest import document_name, event_name
from accord.evidence.opening import Opened
from accord.ports import Record

_NAMED: Final = re.compile(r'@id\(\s*"((?:[^"\\]|\\.)*)"\s*\)')


class Policies:
    """The sets that were in force, and their policies' names."""

    def __init__(self, bundle: Opened, documents: Documents, records: Sequence[Record]) -> None:
        self._bundle = bundle
        self._documents = documents
        self._names: dict[Digest, frozenset[str] | None] = {}
        self._adopted: set[Digest] = set()
        for record in records:
            try:
                event = decode_system_event(record)
            except AccordError as error:
                bundle.refused(error, event_name(record.stream, record.sequence))
            else:
                if isinstance(event, PolicyAdopted):
                    self._adopted.add(event.digest)

    def check(self, decision: Authorization, name: str) -> None:
        """Check what an attempt rests on."""
        if decision.digest not in self._adopted:
            text = f"the policy set {decision.digest} was never in force"
            self._bundle.wrong("ACC851", text, name, "/policy/digest")
        if decision.digest not in self._names:
            self._names[decision.digest] = self._read(decision.digest, name)
        names = self._names[decision.digest]
        unknown = [one for one in decision.by if names is not None and one not in names]
        for one in unknown:
            self._bundle.wrong("ACC851", f"the policy set has no policy {one}", name, "/policy/by")
        if not decision.by:
            self._bundle.wrong("ACC851", "no policy has permitted it", name, "/policy/by")

    def _read(self, digest: Digest, name: str) -> frozenset[str] | None:
        """The names of a set's policies; None where it is not there, which is told."""
        data = self._bundle.data(document_name(digest))
        document = Document(digest, len(data or b""))
        if self._documents.check(document, name, "/policy/digest") is None or data is None:
            return None
        try:
            files = msgspec.json.decode(data, type=dict[str, dict[str, str]])["policies"]
        except (msgspec.DecodeError, KeyError) as error:
            self._bundle.wrong("ACC851", f"it is no policy set: {error!r}", document_name(digest))
            return None
        return frozenset(found for text in files.values() for found in _NAMED.findall(text))
