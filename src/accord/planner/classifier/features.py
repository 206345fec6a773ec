"""Features of a text: its words and pairs of words, stemmed and not, both its ends, pieces of its words, and, where
there are vectors of it, what it means.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import hypot, log
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from accord.planner.words import stem

_WORD = re.compile(r"[\w']+|[$€£%]")
MAX_TEXT = 4000
"""Characters of a text that are looked at."""


def tokens(text: str) -> list[str]:
    """The words of a text, without case."""
    return _WORD.findall(text[:MAX_TEXT].casefold())


def stems(text: str) -> list[str]:
    """The words of a text, without case and endings."""
    return [stem(word.removesuffix("'s").replace("'", "")) for word in tokens(text)]


def word_features(text: str) -> list[str]:
    """Words, stems, neighbours of both, and both ends."""
    words, bare = tokens(text), stems(text)
    found = [*words, *_neighbours(words), *(f"#{one}" for one in (*bare, *_neighbours(bare)))]
    return [*found, f"^{' '.join(words[:2])}", f"{' '.join(words[-2:])}$"] if words else found


def piece_features(text: str) -> list[str]:
    """Three and four letters in a row, within a word and its ends."""
    padded = (f" {word} " for word in tokens(text))
    return [word[at : at + size] for word in padded for size in (3, 4) for at in range(max(1, len(word) - size + 1))]


def _neighbours(words: Sequence[str]) -> list[str]:
    return [f"{one} {other}" for one, other in pairwise(words)]


class Rows(NamedTuple):
    """Texts as rows of numbers, each kind of them of length 1, or of nothing where a text has no known feature."""

    words: Any
    """Sparse; rare features weigh more."""
    pieces: Any
    """Sparse, too."""
    meaning: Any | None
    """Dense: a vector each. None where there are none."""

    @property
    def kinds(self) -> list[Any]:
        """Those that there are."""
        return [self.words, self.pieces] if self.meaning is None else [self.words, self.pieces, self.meaning]


class Features:
    """What texts are told apart by, learnt from some of them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._words = _Kind(word_features, texts, least=1)
        # Of many texts, a piece of a word that a single one has says little.
        self._pieces = _Kind(piece_features, texts, least=1 if len(texts) < 2000 else 2)
        self._known = {feature for feature in self._words.places if " " not in feature}

    def rows(self, texts: Sequence[str], vectors: Any | None = None) -> Rows:
        """A row for each text; what they mean is given."""
        return Rows(self._words.rows(texts), self._pieces.rows(texts), vectors)

    def unknown(self, text: str) -> float:
        """The share of a text's words that no example has, in any form."""
        bare = stems(text)
        return sum(f"#{word}" not in self._known for word in bare) / len(bare) if bare else 1.0


class _Kind:
    """One kind of features. scikit-learn learns which there are and what each weighs; for a single text it takes longer
    to get ready than to count, so that is done here.
    """

    def __init__(self, of: Callable[[str], list[str]], texts: Sequence[str], *, least: int) -> None:
        learnt = TfidfVectorizer(analyzer=of, min_df=least).fit(texts)
        self._of = of
        self.places: dict[str, int] = learnt.vocabulary_
        """The column of each feature."""
        self._weights: list[float] = learnt.idf_.tolist()

    def rows(self, texts: Sequence[str]) -> Any:
        """A row for each text: the logarithm of how often it has a feature, times the feature's weight."""
        columns: list[int] = []
        values: list[float] = []
        ends = [0]
        for text in texts:
            counts = Counter(place for one in self._of(text) if (place := self.places.get(one)) is not None)
            row = [(1 + log(count)) * self._weights[place] for place, count in counts.items()]
            length = hypot(*row) or 1.0
            columns.extend(counts)
            values.extend(value / length for value in row)
            ends.append(len(columns))
        data = np.array(values, dtype=np.float32)
        return csr_matrix((data, np.array(columns, dtype=np.int32), ends), shape=(len(texts), len(self.places)))


def lengths(texts: Sequence[str]) -> Any:
    """The logarithm of each text's number of words."""
    return np.log1p([len(tokens(text)) for text in texts])
