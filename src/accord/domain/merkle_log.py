"""A log as a Merkle tree that only grows (RFC 9162, section 2.1): its root, and proofs that an entry is in it and that
a longer log begins with a shorter one.

Leaves are hashed with a zero byte before them, nodes with a one, as in `merkle`, so neither passes for the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
"""The root of a log without entries."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry."""
    return sha256(b"\x00" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """As much of a log as it takes to go on with it: the roots of its full subtrees, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    @classmethod
    def of(cls, size: int, roots: Iterable[bytes]) -> Frontier:
        """The log of this size with these `roots`. Raises ValueError where there are not as many as it has."""
        frontier = cls()
        frontier.size, frontier._roots = size, list(roots)
        if size < 0 or len(frontier._roots) != size.bit_count():
            raise ValueError(f"{len(frontier._roots)} subtrees of a log of {size}")
        return frontier

    def roots(self) -> list[bytes]:
        """The roots of its full subtrees, the largest first."""
        return list(self._roots)

    def add(self, leaf: bytes) -> None:
        """Append an entry by its hash."""
        self._roots.append(leaf)
        full = self.size
        while full & 1:
            right = self._roots.pop()
            self._roots.append(_node(self._roots.pop(), right))
            full >>= 1
        self.size += 1

    def root(self) -> bytes:
        """The root of the log as it is."""
        if not self._roots:
            return EMPTY_ROOT
        *left, node = self._roots
        for root in reversed(left):
            node = _node(root, node)
        return node

    def copy(self) -> Frontier:
        """Another one of the same log."""
        return Frontier.of(self.size, self._roots)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root of the log with these leaves."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The path from a leaf to the root, the nearest sibling first. Raises IndexError where there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(index, leaves[:split]), root_of(leaves[split:])]
    return [*inclusion_proof(index - split, leaves[split:]), root_of(leaves[:split])]


def consistency_proof(first: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The proof that the log of the first so many leaves became the one of all. Raises IndexError."""
    if not 0 <= first <= len(leaves):
        raise IndexError(first)
    return _subproof(first, leaves, whole=True) if 0 < first < len(leaves) else []


def _subproof(first: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if whole else [root_of(leaves)]
    split = _split(len(leaves))
    if first <= split:
        return [*_subproof(first, leaves[:split], whole=whole), root_of(leaves[split:])]
    return [*_subproof(first - split, leaves[split:], whole=False), root_of(leaves[:split])]


def _split(size: int) -> int:
    """The largest power of two below the size."""
    return 1 << (size - 1).bit_length() - 1


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf is the one of this index in the log of this size and root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, node = index, size - 1, leaf
    for sibling in proof:
        if not last:
            return False
        if at & 1 or at == last:
            node = _node(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = _node(node, sibling)
        at, last = at >> 1, last >> 1
    return not last and node == root


def is_consistent(first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the second log begins with the first (RFC 9162, section 2.1.4.2)."""
    if not 0 <= first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    if not first:
        return not proof and first_root == EMPTY_ROOT
    path = list(proof) if first & (first - 1) else [first_root, *proof]
    if not path:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if not last:
            return False
        if at & 1 or at == last:
            old, new = _node(sibling, old), _node(sibling, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = _node(new, sibling)
        at, last = at >> 1, last >> 1
    return not last and old == first_root and new == second_root
