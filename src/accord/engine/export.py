"""Exporting a run: a bundle with all that it rests on, anchored and signed, that anybody can examine without us (see
`accord.evidence`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from accord.codec import decode_event, decode_system_event, follow
from accord.domain import event as e
from accord.domain.document import Document
from accord.domain.ids import AgentId, Digest, KeyId, RunId, StreamId
from accord.domain.large import is_large
from accord.domain.message import decode_claims
from accord.domain.signature import parse_statement
from accord.domain.system import DELEGATIONS, POLICIES, REGISTRY, CardAccepted, KeyDelegated
from accord.engine.ledger import unknown_run
from accord.engine.parts import Parts
from accord.evidence.attempts import Answered
from accord.evidence.container import END, ENTRY_MAX_BYTES, header, packed, padding
from accord.evidence.documents import documents_in, documents_named
from accord.evidence.manifest import (
    CHECKPOINT,
    DELEGATED,
    KEYS,
    MANIFEST,
    SEAL,
    STATEMENT,
    SUCCESSIONS,
    Content,
    Ending,
    Manifest,
    Proven,
    Roots,
    document_name,
    event_name,
    manifest_claims,
    payload_name,
)
from accord.ports import Head, Record
from accord.service import Look, Payloads

Streams = Mapping[StreamId, list[Record]]

PAGE: Final = 1000
"""So many events of a long stream are read at a time."""


class _Found:
    """What the events of some runs name."""

    def __init__(self) -> None:
        self.runs: dict[RunId, None] = {}
        self.templates: dict[Digest, None] = {}
        self.documents: dict[tuple[Digest, RunId | None], Document] = {}
        """By their digests and the runs whose keys open them: of two of these, one may be erased."""
        self.agents: set[AgentId] = set()
        self.keys: set[KeyId] = set()
        """Those that have signed answers."""
        self.policies: dict[Digest, None] = {}

    def take(self, event: e.Event) -> None:
        """Take in what an event names."""
        if isinstance(event, e.RunStarted):
            self.templates[event.graph] = None
            if event.origin is not None:
                self.runs[event.origin.run] = None
        elif isinstance(event, e.SubrunStarted | e.CallMade):
            self.runs[event.run] = None
        elif isinstance(event, e.AttemptAssigned):
            self.agents.add(event.agent)
        elif isinstance(event, Answered):
            self.keys.add(parse_statement(event.statement.encode()).kid)
        if isinstance(event, e.AttemptAssigned | e.TaskDeclassified) and event.policy is not None:
            self.policies[event.policy.digest] = None
        for _, document in documents_in(event):
            key = document.encrypted.key if document.encrypted is not None else None
            self.documents.setdefault((document.sha256, key), document)


class Export:
    """Makes the bundle of one run."""

    def __init__(self, parts: Parts, run: RunId, payloads: Payloads, look: Look | None = None) -> None:
        self._parts = parts
        self._run = run
        self._payloads: Payloads = payloads
        self._look = look
        self._absent: set[str] = set()
        self._blobs: dict[str, Document] = {}
        """By the names of their entries: what is read when it is written."""

    async def chunks(self, seal: bytes | None) -> AsyncIterator[bytes]:
        """The bundle; everything but payloads is read and signed before the first chunk. Raises StoreCorrupt."""
        streams, proven = await self._anchored()
        found = _found(streams)
        links = self._parts.successions.chain()
        entries = {KEYS: msgspec.json.encode(Roots((self._parts.identity.key.to_jwk(),)))}
        if links:
            entries[SUCCESSIONS] = msgspec.json.encode(links)
        entries[CHECKPOINT] = msgspec.json.encode(proven)
        if delegations := await self._delegations(found.keys):
            entries[DELEGATED] = msgspec.json.encode(delegations)
        if seal is not None:
            entries[SEAL] = seal
        entries |= await self._documents(found, streams.get(REGISTRY, ()))
        await self._find_payloads(found)
        entries |= {event_name(one.stream, one.sequence): one.data for records in streams.values() for one in records}
        self._absent |= found.runs.keys() - streams.keys()
        manifest = self._manifest(streams, proven, entries)
        data = msgspec.json.encode(manifest)
        [message] = await self._parts.secretary.sign([(manifest_claims(manifest, data), data)])
        for chunk in packed([(STATEMENT, message.statement), (MANIFEST, data)]):
            yield chunk
        for content in manifest.contents:
            if content.name in entries:
                for chunk in packed([(content.name, entries[content.name])]):
                    yield chunk
            else:
                async for chunk in self._payload(content):
                    yield chunk
        yield END

    def _manifest(self, streams: Streams, proven: Proven, entries: Mapping[str, bytes]) -> Manifest:
        contents = [Content(name, Digest(sha256(data).hexdigest()), len(data)) for name, data in entries.items()]
        contents += [Content(name, blob.sha256, blob.length_bytes) for name, blob in self._blobs.items()]
        claims = decode_claims(parse_statement(proven.checkpoint.statement.encode()).claims)
        return Manifest(
            run=self._run,
            at=datetime.fromtimestamp(claims.issued_at, UTC),
            signed_by=self._parts.identity.id,
            payloads=self._payloads,
            streams=tuple(Ending(name, len(records), records[-1].digest) for name, records in streams.items()),
            absent=tuple(sorted(self._absent)),
            contents=tuple(sorted(contents, key=lambda one: one.name)),
        )

    async def _payload(self, content: Content) -> AsyncIterator[bytes]:
        yield header(content.name, content.length_bytes)
        async for chunk in self._parts.documents.stream(self._blobs[content.name]):
            yield chunk
        yield padding(content.length_bytes)

    # -- streams -------------------------------------------------------------------------------------------------

    async def _anchored(self) -> tuple[Streams, Proven]:
        """The streams up to where the checkpoint has them: what happens meanwhile is no part of the bundle."""
        wanted: set[StreamId] = {StreamId(self._run), REGISTRY, POLICIES}
        while True:
            checkpoint, proofs = await self._parts.checkpoints.anchored(wanted)
            read = {one: await self._records(one, proofs[one].anchor.sequence) for one in sorted(proofs)}
            streams = {one: records for one, records in read.items() if records}  # others were removed meanwhile
            if StreamId(self._run) not in streams:
                raise unknown_run(self._run)
            named = {StreamId(run) for run in _found(streams).runs}
            for one in sorted(named - wanted):
                if self._look is not None:
                    await self._look(RunId(one))
            if named <= wanted:
                return streams, Proven(checkpoint=checkpoint, streams=tuple(proofs[one] for one in streams))
            wanted |= named

    async def _records(self, stream: StreamId, until: int) -> list[Record]:
        records = await self._parts.ports.journal.read(stream, limit=until)
        follow(records, Head())
        return records

    async def _delegations(self, keys: set[KeyId]) -> list[KeyDelegated]:
        """How these keys came to sign, those that others let sign; each proves itself, so nothing around it is needed.
        What was revoked of them is in the registry's stream.
        """
        await self._parts.refresh_registry()
        known = {kid: self._parts.registry.known_key(kid) for kid in keys}
        wanted = {kid for kid, one in known.items() if one is not None and one.delegation is not None}
        found: list[KeyDelegated] = []
        journal, head = self._parts.ports.journal, Head()
        while wanted and (records := await journal.read(DELEGATIONS, after=head.sequence, limit=PAGE)):
            head = follow(records, head)
            for event in map(decode_system_event, records):
                if isinstance(event, KeyDelegated) and event.key in wanted:
                    wanted.remove(event.key)  # it is said once
                    found.append(event)
        return found

    # -- documents -----------------------------------------------------------------------------------------------

    async def _documents(self, found: _Found, registry: Iterable[Record]) -> dict[str, bytes]:
        """Templates, policy sets, and the cards of agents that were given something, where those are not in events."""
        entries = {document_name(one): await self._parts.library.document(one) for one in found.templates}
        entries |= {document_name(one): await self._parts.ports.blobs.get(one) for one in found.policies}
        for event in map(decode_system_event, registry):
            if isinstance(event, CardAccepted) and event.agent in found.agents and event.card.data is None:
                entries[document_name(event.card.sha256)] = await self._parts.documents.data(event.card)
        return entries

    async def _find_payloads(self, found: _Found) -> None:
        """Find the payloads that are there, with those that they name themselves."""
        open_ = list(found.documents.values())
        while open_:
            document = open_.pop()
            name = payload_name(document.sha256)
            if name in self._blobs:
                continue
            if document.data is None and not await self._add_payload(name, document):
                continue
            open_.extend(await self._named_by(document))

    async def _add_payload(self, name: str, document: Document) -> bool:
        fits = document.length_bytes <= ENTRY_MAX_BYTES
        if self._payloads == "all" and fits and await self._parts.documents.is_there(document):
            self._blobs[name] = document
            self._absent.discard(document.sha256)
            return True
        self._absent.add(document.sha256)
        return False

    async def _named_by(self, document: Document) -> list[Document]:
        if is_large(document):
            return []
        return [named for _, named in documents_named(await self._parts.documents.data(document))]


def _found(streams: Streams) -> _Found:
    found = _Found()
    for event in _events(streams):
        found.take(event)
    return found


def _events(streams: Streams) -> Iterator[Any]:
    for stream, records in streams.items():
        if not stream.startswith("sys:"):
            yield from map(decode_event, records)
