"""What words mean: a vector for each text, and texts that say the same in other words have vectors that are alike.

The numbers are those of WordLlama, which come within its package: one vector of each piece of a word, taken from large
language models and trained so that their mean stands for a text. There is nothing to download, and a text takes some
ten microseconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from accord.planner.packages import folder_of
from accord.planner.words import stem

ALIKE = 0.55
"""Two words mean nearly the same whose vectors are so much alike. It is more than for words that mean the opposite, as
`encode` and `decode` (0.54), `send` and `receive`, `buy` and `sell`.
"""

OPPOSITES: Final = {one: frozenset({other}) for one, other in (("import", "export"), ("export", "import"))}
"""Those that are as much alike all the same."""

SIZE = 128
"""The length of a vector. WordLlama's are twice as long, and trained so that the first half stands by itself; the
second one made no difference that could be measured.
"""


_BEGINS = "\u2581"
"""What a piece begins with that begins a word."""

_LEAST = 3
"""Words of fewer letters have no meaning of their own: `us`, `am`."""


class _Words(NamedTuple):
    """Words that have a vector of their own."""

    stems: list[str]
    rows: dict[str, list[int]]
    """By stem: its words may be several."""
    vectors: Any


class Meanings:
    """Makes vectors of texts. Needs the extra `meaning`."""

    def __init__(self, package: Path) -> None:
        import numpy as np  # noqa: PLC0415 - it comes with the extra, as the other two do
        from safetensors.numpy import load_file  # noqa: PLC0415
        from tokenizers import Tokenizer  # noqa: PLC0415

        self._numpy = np
        weights = load_file(package / "weights" / "l2_supercat_256.safetensors")
        self._vectors = weights["embedding.weight"][:, :SIZE]
        self._pieces: Any = Tokenizer.from_file(str(package / "tokenizers" / "l2_supercat_tokenizer_config.json"))

    def of(self, texts: Sequence[str]) -> Any:
        """A row of `SIZE` numbers for each text, of length 1. A text of nothing has zeros."""
        rows = self._numpy.zeros((len(texts), SIZE), dtype=self._numpy.float32)
        for row, text in zip(rows, texts, strict=True):
            pieces = self._pieces.encode(text, add_special_tokens=False).ids
            if pieces:
                row[:] = self._vectors[pieces].astype(self._numpy.float32).sum(axis=0)
        return self._at_length_1(rows)

    def near(self, word: str) -> frozenset[str]:
        """The stems of words that mean nearly the same as words of this stem; none for most."""
        known = self._words
        rows = known.rows.get(word)
        if rows is None:
            return frozenset()
        alike = (known.vectors @ known.vectors[rows].T >= ALIKE).any(axis=1).nonzero()[0]
        return frozenset(known.stems[int(row)] for row in alike) - {word} - OPPOSITES.get(word, frozenset())

    @cached_property
    def _words(self) -> _Words:
        """Those that are one piece. What is put together of pieces is like whatever else has them, as `invoice` is like
        `voice`.
        """
        pieces = sorted((piece[1:], at) for piece, at in self._pieces.get_vocab().items() if piece[0] == _BEGINS)
        whole = [(word, at) for word, at in pieces if len(word) >= _LEAST and word.islower() and word.isascii()]
        vectors = self._vectors[[at for _, at in whole]].astype(self._numpy.float32)
        stems = [stem(word) for word, _ in whole]
        rows: dict[str, list[int]] = defaultdict(list)
        for row, name in enumerate(stems):
            rows[name].append(row)
        return _Words(stems, rows, self._at_length_1(vectors))

    def _at_length_1(self, rows: Any) -> Any:
        lengths = self._numpy.linalg.norm(rows, axis=1, keepdims=True)
        return rows / self._numpy.maximum(lengths, 1e-9)


@cache
def meanings() -> Meanings | None:
    """Those that are installed, read once; None where they are not."""
    # WordLlama's own code is not imported: it would configure the root logger.
    package = folder_of("wordllama")
    return Meanings(package) if package is not None else None
