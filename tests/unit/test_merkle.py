"""Trees: what is signed for a batch, and the proofs that lead there."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain.merkle import LEAVES_MAX, batch, batch_of

# The test data of Certificate Transparency's own implementation, whose trees these are.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def inputs(size: int) -> list[bytes]:
    return [b"statement %d" % number for number in range(size)]


def definition(leaves: list[bytes]) -> bytes:
    """The tree's root as RFC 6962 defines it, by recursion."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + definition(leaves[:split]) + definition(leaves[split:])).digest()


@pytest.mark.parametrize("size", ROOTS)
def test_the_trees_are_those_of_certificate_transparency(size):
    signed, _ = batch(LEAVES[:size])
    assert signed == b"accord+root\x00" + size.to_bytes(2, "big") + bytes.fromhex(ROOTS[size])


@given(st.integers(2, LEAVES_MAX))
def test_every_proof_leads_to_what_was_signed(size):
    leaves = inputs(size)
    signed, proofs = batch(leaves)
    assert signed[-32:] == definition(leaves)
    assert [batch_of(leaf, proof) for leaf, proof in zip(leaves, proofs, strict=True)] == [signed] * size
    assert len(set(proofs)) == size


@given(st.data())
def test_no_other_bit_leads_there(data):
    size = data.draw(st.integers(2, LEAVES_MAX))
    index = data.draw(st.integers(0, size - 1))
    leaves = inputs(size)
    signed, proofs = batch(leaves)
    bit = data.draw(st.integers(0, len(proofs[index]) * 8 - 1))
    changed = bytearray(proofs[index])
    changed[bit // 8] ^= 1 << bit % 8
    assert batch_of(leaves[index], bytes(changed)) != signed
    assert batch_of(leaves[index] + b"x", proofs[index]) != signed


@given(st.data())
def test_every_other_place_is_another_batch(data):
    """Index and size are bound: neither can be claimed with the same path."""
    size, index = 5, data.draw(st.integers(0, 4))
    leaves = inputs(size)
    signed, proofs = batch(leaves)
    place = (data.draw(st.integers(0, 300)), data.draw(st.integers(0, 300)))
    proof = b"".join(number.to_bytes(2, "big") for number in place) + proofs[index][4:]
    assert (batch_of(leaves[index], proof) == signed) == (place == (index, size))


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: b"",
        lambda proof: proof[:3],
        lambda proof: proof[:4],
        lambda proof: proof[:-1],
        lambda proof: proof[:-32],
        lambda proof: proof + b"\x00",
        lambda proof: proof + bytes(32),
    ],
)
def test_a_path_has_exactly_the_length_of_its_place(change):
    leaves = inputs(6)
    for leaf, proof in zip(leaves, batch(leaves)[1], strict=True):
        assert batch_of(leaf, change(proof)) is None


@pytest.mark.parametrize(("index", "size"), [(0, 0), (0, 1), (2, 2), (7, 5), (0, LEAVES_MAX + 1), (0, 65535)])
def test_places_out_of_bounds_are_none(index, size):
    for hashes in range(10):
        place = index.to_bytes(2, "big") + size.to_bytes(2, "big")
        assert batch_of(b"leaf", place + bytes(32 * hashes)) is None


@pytest.mark.parametrize("size", [0, 1, LEAVES_MAX + 1])
def test_other_batches_are_not_made(size):
    with pytest.raises(ValueError, match=f"a batch of {size}"):
        batch(inputs(size))


def test_an_inner_node_is_no_leaf():
    """The prefixes tell them apart: a proof that begins a level higher leads elsewhere."""
    leaves = inputs(4)
    signed, proofs = batch(leaves)
    left, right = (hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves[:2])
    above = (0).to_bytes(2, "big") + (2).to_bytes(2, "big") + proofs[0][-32:]
    for leaf in (left + right, b"\x01" + left + right):
        assert batch_of(leaf, above) not in (None, signed)
