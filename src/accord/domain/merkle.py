"""Batches: one signature for many statements, over the root of a Merkle tree (RFC 6962, section 2.1).

signing inputs ──► leaves ──► tree ──► root_input, which is signed once
                                  └──► a proof for each leaf: its index, the tree's size, the path to the root
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

LEAVES_MAX: Final = 256
"""The largest tree that a verifier follows."""

_HASH_BYTES = 32
_PLACE_BYTES = 4
_ROOT_PREFIX = b"accord+root\x00"  # no signing input of a statement begins so: `+` and NUL are not in base64url


def batch(inputs: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """What is signed for these signing inputs together, 2 to `LEAVES_MAX`; and a proof for each, in order."""
    size = len(inputs)
    if not 2 <= size <= LEAVES_MAX:
        raise ValueError(f"a batch of {size}")
    levels = [[sha256(b"\x00" + one).digest() for one in inputs]]
    while len(levels[-1]) > 1:
        levels.append(_parents(levels[-1]))
    root = levels.pop()[0]
    places = (index.to_bytes(2, "big") + size.to_bytes(2, "big") for index in range(size))
    return _root_input(size, root), [place + path for place, path in zip(places, _paths(levels), strict=True)]


def batch_of(signing_input: bytes, proof: bytes) -> bytes | None:
    """What was signed for the batch to which `proof` leads from a signing input.

    None for a proof that no batch has: another length than index and size ask for, an index outside of the tree, a
    size out of bounds.
    """
    index, size = int.from_bytes(proof[:2], "big"), int.from_bytes(proof[2:_PLACE_BYTES], "big")
    if not 2 <= size <= LEAVES_MAX or index >= size:
        return None
    at, last, node = _PLACE_BYTES, size - 1, sha256(b"\x00" + signing_input).digest()
    while last:
        if index ^ 1 <= last:
            sibling = proof[at : at + _HASH_BYTES]
            at += _HASH_BYTES
            node = sha256(b"\x01" + sibling + node if index & 1 else b"\x01" + node + sibling).digest()
        index >>= 1
        last >>= 1
    return _root_input(size, node) if at == len(proof) else None


def _parents(nodes: Sequence[bytes]) -> list[bytes]:
    """The level above; a node without a sibling rises as it is."""
    pairs = zip(nodes[::2], nodes[1::2], strict=False)  # without the one that has no sibling
    parents = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return [*parents, nodes[-1]] if len(nodes) % 2 else parents


def _paths(levels: Sequence[Sequence[bytes]]) -> list[bytes]:
    """The path of each leaf: its sibling, and its parent's path. `levels` are all but the root's, the leaves first."""
    paths = [b""]
    for level in reversed(levels):
        siblings = (level[index ^ 1] if index ^ 1 < len(level) else b"" for index in range(len(level)))
        paths = [sibling + paths[index >> 1] for index, sibling in enumerate(siblings)]
    return paths


def _root_input(size: int, root: bytes) -> bytes:
    return _ROOT_PREFIX + size.to_bytes(2, "big") + root
