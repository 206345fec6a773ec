"""Models that are at hand: of each set of examples one, trained beside the loop when it is asked for the first time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from accord.domain.ids import Digest
from accord.domain.learning import Meant
from accord.planner.asides import NEGATIONS
from accord.planner.classifier.examples import Example, digest_of_examples
from accord.planner.words import words_of
from accord.recent import Recent

if TYPE_CHECKING:
    from accord.planner.classifier.model import Model

LEAST_TEMPLATES = 3
LEAST_EXAMPLES = 4
"""Of each template that is learnt: from fewer nothing can be measured, and what was not measured is not trusted."""

KEPT = 4
"""How many models are kept: another set of examples is another one."""


def is_installed() -> bool:
    """Whether what a model is made of is there: it comes with an extra."""
    return find_spec("sklearn") is not None


def learnable(examples: Sequence[Example]) -> list[Example]:
    """The examples of the templates that have enough of them; none where those are too few to tell apart."""
    of: dict[str | None, set[Example]] = {}
    for one in examples:
        of.setdefault(one.label, set()).add(one)
    enough = {label for label, some in of.items() if label is None or len(some) >= LEAST_EXAMPLES}
    kept = sorted({one for one in examples if one.label in enough}, key=lambda one: (one.label or "", one.text))
    return kept if len(enough - {None}) >= LEAST_TEMPLATES else []


class Taught:
    """A model, and the examples that it knows."""

    def __init__(self, model: Model, examples: Sequence[Example]) -> None:
        self._model = model
        self._words: dict[str | None, set[str]] = {}
        for one in examples:
            self._words.setdefault(one.label, set()).update(word.plain for word in words_of(one.text))

    def judged(self, objective: str, version: int = 0) -> Meant:
        """What it makes of an objective."""
        (found,) = self._model.judge([objective])
        return Meant(
            label=found.label,
            confidence=found.confidence,
            best=found.best,
            negation=self._negation(objective, found.label) if found.label is not None else None,
            version=version,
        )

    def _negation(self, objective: str, label: str) -> str | None:
        said = (word.plain for word in words_of(objective) if not word.quoted)
        return next((word for word in said if word in NEGATIONS and word not in self._words[label]), None)


def _trained(examples: Sequence[Example]) -> Model:
    # It needs scikit-learn, which is an extra, and takes seconds to be imported: not in the loop.
    from accord.planner.classifier.model import Model  # noqa: PLC0415

    return Model(examples)


class Models:
    """Trains each model once."""

    def __init__(self) -> None:
        self._kept: Recent[Digest, Taught] = Recent(KEPT)
        self._training = asyncio.Lock()

    async def of(self, examples: Sequence[Example]) -> Taught:
        """What is taught by these, which are learnable."""
        digest = digest_of_examples(examples)
        async with self._training:
            if digest not in self._kept:
                self._kept[digest] = Taught(await asyncio.to_thread(_trained, examples), examples)
            return self._kept[digest]

    def forget(self) -> None:
        """Let go of all models: some of them know what is to be known no more."""
        self._kept.clear()
