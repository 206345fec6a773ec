"""The manifest of a bundle: what is in it, and what its streams add up to; the orchestrator signs its digest."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from accord.domain.checkpoint import FOR_EVER, Anchored, Checkpoint
from accord.domain.ids import AgentId, Digest, RunId, StreamId
from accord.domain.message import Claims, payload_ref

STATEMENT: Final = "statement.jws"
MANIFEST: Final = "manifest.json"
KEYS: Final = "keys.json"
SUCCESSIONS: Final = "successions.json"
DELEGATED: Final = "delegations.json"
CHECKPOINT: Final = "checkpoint.json"
SEAL: Final = "seal.jws"


class Content(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An entry of the bundle."""

    name: str
    sha256: Digest
    length_bytes: int = msgspec.field(name="len")


class Ending(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A stream of the bundle: how many events it has, and the digest of the last one."""

    stream: StreamId
    events: int
    head: Digest


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is in a bundle."""

    format: Literal["accord-bundle@1"] = "accord-bundle@1"
    run: RunId
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    """When it was anchored, in whole seconds."""
    signed_by: AgentId
    payloads: Literal["all", "digests"]
    """Whether the payloads that are too large for events are there, or only their digests."""
    streams: tuple[Ending, ...]
    absent: tuple[str, ...]
    """Runs, and digests of documents, that events name and that were not there any more, or not yet."""
    contents: tuple[Content, ...]
    """All entries behind the manifest, in order."""


class Roots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public keys of the orchestrator, as a JWK Set (RFC 7517)."""

    keys: tuple[dict[str, str], ...]


class Proven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The checkpoint, and that each stream ended in it where it ends in the bundle."""

    checkpoint: Checkpoint
    streams: tuple[Anchored, ...]


def event_name(stream: StreamId, sequence: int) -> str:
    """The entry of an event."""
    return f"streams/{stream.replace(':', '-')}/{sequence:08d}.json"


def document_name(digest: Digest) -> str:
    """The entry of a template or a card."""
    return f"documents/{digest}"


def payload_name(digest: Digest) -> str:
    """The entry of a payload."""
    return f"payloads/{digest}"


def manifest_claims(manifest: Manifest, data: bytes) -> Claims:
    """What the orchestrator signs of a bundle."""
    return Claims(
        issuer=manifest.signed_by,
        audience=manifest.signed_by,
        id=f"{manifest.run}/bundle",
        issued_at=int(manifest.at.timestamp()),
        expires_at=FOR_EVER,
        kind="bundle",
        run=manifest.run,
        payload=payload_ref(data),
    )
