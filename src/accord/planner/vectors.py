"""Vectors of texts: those that mean the same have vectors that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Final, Protocol

from accord.recent import Recent

REMEMBERED: Final = 20_000
"""Vectors of so many examples are kept at most."""


class Encoder(Protocol):
    """Makes vectors of texts."""

    def of(self, texts: Sequence[str]) -> Any:
        """A row of numbers for each text, of length 1 or of zeros."""
        ...


class Vectors:
    """Those of an encoder, each example's made once: who trains a model again has nearly all of them. What is asked is
    not kept: it is nobody's example.
    """

    def __init__(self, encoder: Encoder, remembered: int = REMEMBERED) -> None:
        self._encoder = encoder
        self._remembered = remembered
        self._turn = Lock()  # several threads may train
        self.forget()

    def of(self, texts: Sequence[str]) -> Any:
        """A row for each text."""
        return self._encoder.of(texts)

    def of_examples(self, texts: Sequence[str]) -> dict[str, Any]:
        """The row of each of these examples."""
        kept = self._kept  # what is forgotten meanwhile is not put back
        with self._turn:
            found = {text: kept.get(text) for text in texts}
        fresh = [text for text, row in found.items() if row is None]
        # Copies: a part of what was made together would keep all of that.
        found.update((text, row.copy()) for text, row in zip(fresh, self._encoder.of(fresh), strict=True))
        with self._turn:
            for text, row in found.items():
                kept[text] = row
        return found

    def forget(self) -> None:
        """Let go of all examples."""
        self._kept: Recent[str, Any] = Recent(self._remembered)
