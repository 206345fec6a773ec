"""Documents in segments: whole again in whatever pieces they come, and refused where a byte is another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.domain.document import Document
from accord.domain.ids import Digest, RunId
from accord.encryption import SEGMENT_BYTES, Cipher
from accord.errors import StoreCorrupt

RUN = RunId("run-one")
CIPHER = Cipher(RUN, b"k" * 32)
HEAD, SEGMENT = 48, SEGMENT_BYTES + 16
SOME = b"".join(number.to_bytes(8, "big") for number in range(SEGMENT_BYTES // 2))

lengths = st.one_of(st.integers(0, 40), *(st.integers(n * SEGMENT_BYTES - 2, n * SEGMENT_BYTES + 2) for n in (1, 2, 3)))
FEW = settings(max_examples=40)
cuts = st.lists(st.integers(1, 3 * SEGMENT_BYTES), max_size=12)


def pieces(data: bytes, sizes: Iterable[int]) -> Iterable[bytes]:
    """The bytes in pieces of these sizes, and what is left."""
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


def encrypted(data: bytes, sizes: Iterable[int] = ()) -> tuple[Document, bytes]:
    encrypting = CIPHER.encrypting()
    text = b"".join(map(encrypting.feed, pieces(data, sizes))) + encrypting.end()
    return encrypting.document(Digest(sha256(text).hexdigest())), text


def decrypted(document: Document, text: bytes, sizes: Iterable[int] = (), cipher: Cipher = CIPHER) -> bytes:
    decrypting = cipher.decrypting(document)
    data = b"".join(map(decrypting.feed, pieces(text, sizes)))
    decrypting.end()
    return data


def some(length: int) -> bytes:
    """Bytes that are not the same in any two segments."""
    return SOME[:length]


@FEW
@given(length=lengths, given_in=cuts, taken_in=cuts)
def test_in_whatever_pieces(length: int, given_in: list[int], taken_in: list[int]) -> None:
    data = some(length)
    document, text = encrypted(data, given_in)
    assert (document.sha256, document.length_bytes) == (sha256(data).hexdigest(), length)
    assert len(text) == HEAD + length + 16 * max(1, -(-length // SEGMENT_BYTES))
    assert decrypted(document, text, taken_in) == data


@FEW
@given(length=lengths, where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_bit_that_is_another_one(length: int, where: float, bit: int) -> None:
    document, text = encrypted(some(length))
    changed = bytearray(text)
    changed[int(where * len(text))] ^= 1 << bit
    seen: list[bytes] = []
    with pytest.raises(StoreCorrupt, match=f"ACC597.*{document.sha256}"):
        read_into(seen, document, bytes(changed))
    assert some(length).startswith(b"".join(seen)), "what is given before is what was encrypted"


@FEW
@given(length=lengths, less=st.integers(1, 2 * SEGMENT))
def test_less_than_there_was(length: int, less: int) -> None:
    document, text = encrypted(some(length))
    with pytest.raises(StoreCorrupt, match=r"ACC598.*is cut off"):
        decrypted(document, text[:-less])


def swapped(text: bytes) -> bytes:
    first, second = HEAD + SEGMENT, HEAD + 2 * SEGMENT
    return text[:HEAD] + text[first:second] + text[HEAD:first] + text[second:]


def left_out(text: bytes) -> bytes:
    return text[:HEAD] + text[HEAD + SEGMENT :]


def twice(text: bytes) -> bytes:
    return text[: HEAD + SEGMENT] + text[HEAD:]


def from_another(text: bytes) -> bytes:
    _, other = encrypted(some(3 * SEGMENT_BYTES))
    return text[: HEAD + SEGMENT] + other[HEAD + SEGMENT : HEAD + 2 * SEGMENT] + text[HEAD + 2 * SEGMENT :]


def with_another_head(text: bytes) -> bytes:
    return encrypted(some(1))[1][:HEAD] + text[HEAD:]


def in_another_form(text: bytes) -> bytes:
    return b"accord segment/2" + text[16:]


@pytest.mark.parametrize("change", [swapped, left_out, twice, from_another, with_another_head, in_another_form])
def test_segments_that_belong_elsewhere(change: Callable[[bytes], bytes]) -> None:
    document, text = encrypted(some(3 * SEGMENT_BYTES))
    with pytest.raises(StoreCorrupt, match="ACC597"):
        decrypted(document, change(text))


def test_more_than_there_was() -> None:
    document, text = encrypted(some(7))
    with pytest.raises(StoreCorrupt, match=r"ACC598.*behind its end"):
        decrypted(document, text + b"x")


def test_an_end_that_is_none() -> None:
    """Whoever takes the last segment away, and says that the document is shorter."""
    document, text = encrypted(some(2 * SEGMENT_BYTES))
    shorter = Document(document.sha256, SEGMENT_BYTES, encrypted=document.encrypted)
    with pytest.raises(StoreCorrupt, match="ACC597"):
        decrypted(shorter, text[:-SEGMENT])


def test_another_document_of_the_run() -> None:
    """Nothing of its last segment is given."""
    document, _ = encrypted(some(SEGMENT_BYTES + 7))
    other = bytes(SEGMENT_BYTES + 7)
    seen: list[bytes] = []
    with pytest.raises(StoreCorrupt, match="ACC869"):
        read_into(seen, document, encrypted(other)[1])
    assert len(b"".join(seen)) <= SEGMENT_BYTES


def test_another_run() -> None:
    document, text = encrypted(some(7))
    with pytest.raises(StoreCorrupt, match="ACC597"):
        decrypted(document, text, cipher=Cipher(RUN, b"K" * 32))


def test_the_same_document_is_never_encrypted_in_the_same_way() -> None:
    assert encrypted(b"same")[1][HEAD:] != encrypted(b"same")[1][HEAD:]


def test_nothing_is_held_but_a_segment() -> None:
    """What has been fed is given, but for what may be the last segment; in pieces as large as what was fed."""
    encrypting, fed, given_bytes = CIPHER.encrypting(), 0, 0
    texts = []
    for _ in range(40):
        texts.append(encrypting.feed(bytes(SEGMENT_BYTES // 3)))
        fed, given_bytes = fed + SEGMENT_BYTES // 3, given_bytes + len(texts[-1])
        assert fed - SEGMENT_BYTES <= given_bytes <= fed + HEAD + 16 * (fed // SEGMENT_BYTES)
        assert len(texts[-1]) <= SEGMENT + HEAD
    texts.append(encrypting.end())
    decrypting = CIPHER.decrypting(encrypting.document(Digest("0" * 64)))
    fed = given_bytes = 0
    for text in texts:
        found = decrypting.feed(text)
        fed, given_bytes = fed + len(text), given_bytes + len(found)
        assert fed - HEAD - SEGMENT <= given_bytes + 16 * (fed // SEGMENT + 1)
        assert len(found) <= len(text) + SEGMENT_BYTES
    decrypting.end()


def read_into(seen: list[bytes], document: Document, text: bytes) -> None:
    decrypting = CIPHER.decrypting(document)
    for piece in pieces(text, [10_000] * (len(text) // 10_000)):
        seen += [decrypting.feed(piece)]
    decrypting.end()
