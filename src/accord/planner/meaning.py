"""What words mean: a vector for each text, and texts that say the same in other words have vectors that are alike.

The numbers are those of WordLlama, which come within its package: one vector of each piece of a word, taken from large
language models and trained so that their mean stands for a text. There is nothing to download, and a text takes some
ten microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SIZE = 128
"""The length of a vector. WordLlama's are twice as long, and trained so that the first half stands by itself; the
second one made no difference that could be measured.
"""


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
        lengths = self._numpy.linalg.norm(rows, axis=1, keepdims=True)
        return rows / self._numpy.maximum(lengths, 1e-9)


@cache
def meanings() -> Meanings | None:
    """Those that are installed, read once; None where they are not."""
    # WordLlama's own code is not imported: it would configure the root logger.
    found = find_spec("wordllama")
    places = found.submodule_search_locations if found is not None else None
    return Meanings(Path(places[0])) if places else None
