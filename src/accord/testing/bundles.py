"""Bundles that were changed: by somebody who has only the file, or by an orchestrator that lies and signs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from io import BytesIO

import msgspec

from accord.codec import chained
from accord.domain.checkpoint import (
    Anchor,
    Anchored,
    Checkpoint,
    checkpoint_claims,
    digests,
)
from accord.domain.ids import AgentId, Digest, StreamId
from accord.domain.merkle_log import inclusion_proof, root_of
from accord.domain.message import Claims, encode_claims
from accord.domain.signature import PublicKey
from accord.evidence.container import END, Container, packed
from accord.evidence.manifest import (
    CHECKPOINT,
    MANIFEST,
    STATEMENT,
    Content,
    Ending,
    Manifest,
    Proven,
    event_name,
    manifest_claims,
)
from accord.ports import Head, KeyStore
from accord.statements import Draft, Signer

Streams = dict[StreamId, list[bytes]]
Entries = dict[str, bytes]


def entries_of(data: bytes) -> Entries:
    """The entries of a bundle, in order."""
    container = Container(BytesIO(data))
    container.finish()
    return {entry.name: container.read(entry) for entry in container.entries}


def bundle_of(entries: Mapping[str, bytes] | Sequence[tuple[str, bytes]]) -> bytes:
    """The file with these entries."""
    pairs = list(entries.items()) if isinstance(entries, Mapping) else entries
    return b"".join(packed(pairs)) + END


class Liar:
    """Signs whatever it is told to, with the orchestrator's key."""

    def __init__(self, keys: KeyStore, key: PublicKey) -> None:
        self._signer = Signer(keys, key)

    async def sign(self, claims: Claims) -> bytes:
        """A statement with these claims."""
        [statement] = await self._signer.sign([Draft(encode_claims(claims), alone=True)])
        return statement

    async def remade(
        self,
        data: bytes,
        change: Callable[[Streams, Entries], None],
        manifest: Callable[[Manifest], Manifest] = lambda manifest: manifest,
    ) -> bytes:
        """The bundle with other events and entries, and everything that binds them made anew, and signed."""
        entries = entries_of(data)
        told = msgspec.json.decode(entries.pop(MANIFEST), type=Manifest)
        del entries[STATEMENT]
        streams = {
            one.stream: [entries.pop(event_name(one.stream, number)) for number in range(1, one.events + 1)]
            for one in told.streams
        }
        change(streams, entries)
        endings = [_ending(stream, events, entries) for stream, events in streams.items()]
        if CHECKPOINT in entries:
            entries[CHECKPOINT] = msgspec.json.encode(await self._anchored(told.signed_by, told, endings))
        contents = [Content(name, Digest(sha256(one).hexdigest()), len(one)) for name, one in sorted(entries.items())]
        made = manifest(msgspec.structs.replace(told, streams=tuple(endings), contents=tuple(contents)))
        encoded = msgspec.json.encode(made)
        statement = await self.sign(manifest_claims(made, encoded))
        return bundle_of([(STATEMENT, statement), (MANIFEST, encoded), *sorted(entries.items())])

    async def _anchored(self, origin: AgentId, told: Manifest, endings: Sequence[Ending]) -> Proven:
        anchors = [Anchor(one.stream, one.events, one.head) for one in endings]
        leaves = [anchor.leaf() for anchor in anchors]
        size, root = len(leaves), Digest(root_of(leaves).hex())
        statement = await self.sign(checkpoint_claims(origin, size, root, int(told.at.timestamp())))
        proofs = (
            Anchored(anchor=anchor, index=index, proof=digests(inclusion_proof(index, leaves)))
            for index, anchor in enumerate(anchors)
        )
        checkpoint = Checkpoint(size=size, root=root, statement=statement.decode())
        return Proven(checkpoint=checkpoint, streams=tuple(proofs))


def _ending(stream: StreamId, events: Sequence[bytes], entries: Entries) -> Ending:
    """Where the stream ends with these events, which are entries from now on."""
    records = chained(stream, Head(), events)
    entries.update((event_name(stream, record.sequence), record.data) for record in records)
    return Ending(stream, len(records), records[-1].digest)
