"""Training: of examples a model, by what is installed. It takes seconds, so it is not for the loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from accord.planner.classifier.examples import Example
from accord.planner.meaning import meanings
from accord.planner.sentences import sentences
from accord.planner.vectors import Vectors

if TYPE_CHECKING:
    from accord.planner.classifier.cascade import Cascade
    from accord.planner.classifier.model import Model

Trained: TypeAlias = "Model | Cascade"
"""What judges texts, and tells how good it is."""


class Training:
    """Trains one model after another. What sentences of examples mean is remembered from one to the next."""

    def __init__(self) -> None:
        self._sentences: Vectors | None = None

    def by_words(self, examples: Sequence[Example]) -> Model:
        """A model by words alone, and by what they mean where that is installed."""
        # It needs scikit-learn, which is an extra, and takes seconds to be imported.
        from accord.planner.classifier.model import Model  # noqa: PLC0415

        words = meanings()
        return Model(examples, Vectors(words, remembered=0) if words is not None else None)

    def joined(self, by_words: Model, examples: Sequence[Example]) -> Trained:
        """That model, and behind it one by sentences where that is installed."""
        from accord.planner.classifier.cascade import Cascade  # noqa: PLC0415 - it needs scikit-learn, too
        from accord.planner.classifier.model import Model  # noqa: PLC0415

        encoder = sentences()
        if encoder is None:
            return by_words
        if self._sentences is None:
            self._sentences = Vectors(encoder)
        return Cascade(by_words, Model(examples, self._sentences))

    def whole(self, examples: Sequence[Example]) -> Trained:
        """All that can be trained of these."""
        return self.joined(self.by_words(examples), examples)

    def forget(self) -> None:
        """Let go of what examples mean."""
        if self._sentences is not None:
            self._sentences.forget()
