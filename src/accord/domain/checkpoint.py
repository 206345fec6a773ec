"""Checkpoints: how far the journal's streams had come at a time, signed, in a log that only grows (see `merkle_log`).

An entry of the log says where a stream ended. A checkpoint is the log's size and root, as the text of a C2SP
tlog-checkpoint's body; the orchestrator signs a statement of the kind `checkpoint` about it.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

import msgspec

from accord.domain.ids import AgentId, Digest, StreamId
from accord.domain.merkle_log import is_consistent, is_included, leaf_hash
from accord.domain.message import Claims, decode_claims, payload_ref, refusal
from accord.domain.signature import PublicKey, parse_statement, verify

FOR_EVER: Final = 253_402_300_799
"""When a statement expires that holds for ever: the last second of the year 9999."""

MEDIA_TYPE: Final = "text/plain"

_ORIGIN = re.compile(r"\A[^\s+]+\Z")


class Anchor(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a stream ended."""

    stream: StreamId
    sequence: int
    digest: Digest

    def leaf(self) -> bytes:
        """The hash of this entry of the log: of `["stream",sequence,"digest"]`."""
        return leaf_hash(msgspec.json.encode(self))


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The log as it was, and the statement that the orchestrator has signed about it."""

    size: int
    root: Digest
    statement: str

    def check(self, key: PublicKey) -> Claims:
        """The claims of the statement. Raises MessageRefused where it is not about this, or not by this key."""
        parsed = parse_statement(self.statement.encode())
        verify(parsed, key)
        claims = decode_claims(parsed.claims)
        text = checkpoint_text(claims.issuer, self.size, self.root)
        if claims.kind != "checkpoint" or claims.payload != payload_ref(text, MEDIA_TYPE):
            raise refusal("ACC314", "the statement is about another checkpoint", pointer="/pld")
        return claims


class Anchored(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that a stream's end is in the log of a checkpoint."""

    anchor: Anchor
    index: int
    """Of the entry, from 0."""
    proof: tuple[Digest, ...]

    def is_in(self, checkpoint: Checkpoint) -> bool:
        """Whether the log of this checkpoint has the entry there."""
        proof = hashes(self.proof)
        return is_included(self.anchor.leaf(), self.index, checkpoint.size, proof, bytes.fromhex(checkpoint.root))


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that the log of a checkpoint begins with an older one."""

    checkpoint: Checkpoint
    proof: tuple[Digest, ...]
    key: dict[str, str]
    """The public key, as a JWK, that the checkpoint is signed with."""

    def begins_with(self, size: int, root: Digest) -> bool:
        """Whether the log of this size and root became the one of the checkpoint."""
        newest = self.checkpoint
        roots = bytes.fromhex(root), bytes.fromhex(newest.root)
        return is_consistent(size, roots[0], newest.size, roots[1], hashes(self.proof))


def checkpoint_text(origin: AgentId, size: int, root: Digest) -> bytes:
    """The body of a checkpoint: who keeps the log, its size, its root in base64; a line each. Raises MessageRefused."""
    if _ORIGIN.match(origin) is None:
        raise refusal("ACC314", f"{origin!r} keeps no log", pointer="/iss")
    encoded = binascii.b2a_base64(bytes.fromhex(root), newline=False).decode()
    return f"{origin}\n{size}\n{encoded}\n".encode()


def checkpoint_claims(origin: AgentId, size: int, root: Digest, issued_at: int) -> Claims:
    """What the orchestrator signs of a checkpoint."""
    return Claims(
        issuer=origin,
        audience=origin,
        id=f"checkpoint/{size}",
        issued_at=issued_at,
        expires_at=FOR_EVER,
        kind="checkpoint",
        payload=payload_ref(checkpoint_text(origin, size, root), MEDIA_TYPE),
    )


def hashes(proof: tuple[Digest, ...]) -> list[bytes]:
    """The nodes of a proof as bytes."""
    return [bytes.fromhex(node) for node in proof]


def digests(proof: list[bytes]) -> tuple[Digest, ...]:
    """The nodes of a proof as text."""
    return tuple(Digest(node.hex()) for node in proof)
