"""Batches: one signature for many statements, over the root of a Merkle tree (RFC 6962, section 2.1).

signing inputs ──► leaves ──► tree ──► root_input, which is signed once
                                  └──► a proof for each leaf: its index, the tree's size, the path to the root
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

LEAVES_MAX: Final = 256
"""The largest tree that a verifier follows."""

NODES_MAX: Final = 4096
"""So many nodes are remembered with the root above them: those of about thirty batches of 64."""

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
    root = _root_above(sha256(b"\x00" + signing_input).digest(), index, size - 1, proof[_PLACE_BYTES:])
    return None if root is None else _root_input(size, root)


@lru_cache(NODES_MAX)  # most of a batch come together, and what is above them is the same
def _root_above(node: bytes, index: int, last: int, path: bytes) -> bytes | None:
    """The root to which a path leads from the node at an index of a level that ends at `last`; None where it is too
    short or too long.
    """
    while last and index == last and not index & 1:  # it has no sibling, and rises as it is
        index >>= 1
        last >>= 1
    if not last:
        return None if path else node
    if len(path) < _HASH_BYTES:
        return None
    sibling = path[:_HASH_BYTES]
    pair = sibling + node if index & 1 else node + sibling
    return _root_above(sha256(b"\x01" + pair).digest(), index >> 1, last >> 1, path[_HASH_BYTES:])


def _parents(nodes: Sequence[bytes]) -> list[bytes]:
    """The level above; a node without a sibling rises as it is."""
    pairs = zip(nodes[::2], nodes[1::2], strict=False)  # without the one that has no sibling
    parents = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return [*parents, nodes[-1]] if len(nodes) % 2 else parents


def _paths(levels: Sequence[Sequence[bytes]]) -> list[bytes]:
    """The path of each leaf: its sibling, and its parent's path. `levels` are all but the root's, the leaves first."""
    paths = [b""]
    for level in reversed(levels):
        size = len(level)
        paths = [(level[at ^ 1] if at ^ 1 < size else b"") + paths[at >> 1] for at in range(size)]
    return paths


def _root_input(size: int, root: bytes) -> bytes:
    return _ROOT_PREFIX + size.to_bytes(2, "big") + root
