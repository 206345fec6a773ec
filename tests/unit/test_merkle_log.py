"""The log of checkpoints as a Merkle tree: the vectors that everybody has, and every size up to a bound."""

from __future__ import annotations

from hashlib import sha256

import pytest

from accord.domain.merkle_log import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    root_of,
)

ENTRIES = [bytes.fromhex(one) for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")] + [
    bytes.fromhex("606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the logs of the first 1 to 8 entries: the test data of certificate-transparency's own implementation."""

LEAVES = [leaf_hash(bytes([number])) for number in range(34)]


def test_the_roots_of_known_logs() -> None:
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    assert [root_of(leaves[:size]).hex() for size in range(1, 9)] == ROOTS
    assert EMPTY_ROOT == root_of([]) == sha256(b"").digest()


def test_a_known_path_and_a_known_consistency_proof() -> None:
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    assert [node.hex() for node in inclusion_proof(5, leaves)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert [node.hex() for node in consistency_proof(6, leaves)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_a_frontier_has_the_root_of_its_log_and_a_copy_goes_its_own_way() -> None:
    frontier = Frontier()
    for size, leaf in enumerate(LEAVES):
        assert (frontier.size, frontier.root()) == (size, root_of(LEAVES[:size]))
        copy = frontier.copy()
        frontier.add(leaf)
        assert copy.root() == root_of(LEAVES[:size])


@pytest.mark.parametrize("size", range(1, len(LEAVES) + 1))
def test_every_entry_is_included_where_it_is_and_nowhere_else(size: int) -> None:
    leaves = LEAVES[:size]
    root = root_of(leaves)
    for index in range(size):
        proof = inclusion_proof(index, leaves)
        assert is_included(leaves[index], index, size, proof, root)
        assert not is_included(leaves[index], (index + 1) % size, size, proof, root) or size == 1
        assert not is_included(leaf_hash(b"another"), index, size, proof, root)
        assert not is_included(leaves[index], index, size, [*proof, root], root)
        assert not proof or not is_included(leaves[index], index, size, proof[:-1], root)
        assert not is_included(leaves[index], size + index, size, proof, root)


@pytest.mark.parametrize("size", range(1, len(LEAVES) + 1))
def test_every_beginning_is_consistent_and_no_other_log_is(size: int) -> None:
    leaves = LEAVES[:size]
    root = root_of(leaves)
    for first in range(size + 1):
        proof = consistency_proof(first, leaves)
        before = root_of(leaves[:first])
        assert is_consistent(first, before, size, root, proof)
        assert not is_consistent(first, leaf_hash(b"another"), size, root, proof)
        assert not is_consistent(first, before, size, leaf_hash(b"another"), proof) or not first
        assert not is_consistent(first, before, size, root, [*proof, root])
        assert not is_consistent(size + 1, before, size, root, proof)
        assert not proof or not is_consistent(first, before, size, root, proof[:-1])


def test_proofs_of_what_is_not_there_are_refused() -> None:
    for make in (lambda: inclusion_proof(3, LEAVES[:3]), lambda: inclusion_proof(-1, LEAVES[:3])):
        with pytest.raises(IndexError):
            make()
    with pytest.raises(IndexError):
        consistency_proof(4, LEAVES[:3])
