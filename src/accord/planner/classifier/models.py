"""Models that are at hand: of each set of examples one, trained beside the loop when it is asked for the first time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from threading import Lock, Thread
from typing import TYPE_CHECKING
from weakref import ref

from accord.domain.ids import Digest
from accord.domain.learning import Meant
from accord.planner.asides import NEGATIONS
from accord.planner.classifier.examples import Example, digest_of_examples
from accord.planner.classifier.training import Trained, Training
from accord.planner.words import words_of
from accord.recent import Recent

if TYPE_CHECKING:
    from accord.planner.classifier.model import Model

LEAST_TEMPLATES = 3
LEAST_EXAMPLES = 4
"""Of each template that is learnt: from fewer nothing can be measured, and what was not measured is not trusted."""

AT_ONCE = 300
"""Up to so many examples whoever asks waits for what their sentences teach, too: seconds, once. Of more, words decide
alone until that is learnt: a minute of a core for some ten thousand.
"""

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

    def __init__(self, model: Trained, examples: Sequence[Example]) -> None:
        self.model = model
        """The one in use: another one of the same examples may take its place."""
        self._words: dict[str | None, set[str]] = {}
        for one in examples:
            self._words.setdefault(one.label, set()).update(word.plain for word in words_of(one.text))

    async def judged(self, objective: str, version: int = 0) -> Meant:
        """What it makes of an objective. What a sentence means takes milliseconds: not in the loop."""
        (found,) = await asyncio.to_thread(self.model.judge, [objective])
        return Meant(
            label=found.label,
            confidence=found.confidence,
            best=found.best,
            negation=self._negation(objective, found.label) if found.label is not None else None,
            version=version,
            by=found.by,
        )

    def _negation(self, objective: str, label: str) -> str | None:
        said = (word.plain for word in words_of(objective) if not word.quoted)
        return next((word for word in said if word in NEGATIONS and word not in self._words[label]), None)


class Models:
    """Trains each model once."""

    def __init__(self) -> None:
        self._training = Training()
        self._kept: Recent[Digest, Taught] = Recent(KEPT)
        self._turn = asyncio.Lock()
        self._joining = Lock()

    async def of(self, examples: Sequence[Example]) -> Taught:
        """What is taught by these, which are learnable."""
        digest = digest_of_examples(examples)
        async with self._turn:
            taught = self._kept.get(digest)
            if taught is None:
                taught = self._kept[digest] = await self._taught(examples)
            return taught

    def forget(self) -> None:
        """Let go of all models: some of them know what is to be known no more."""
        self._kept.clear()
        self._training.forget()

    async def _taught(self, examples: Sequence[Example]) -> Taught:
        if len(examples) <= AT_ONCE:
            return Taught(await asyncio.to_thread(self._training.whole, examples), examples)
        by_words = await asyncio.to_thread(self._training.by_words, examples)
        taught = Taught(by_words, examples)
        # A daemon: whoever only wanted a plan does not wait for it at the end.
        asked = (ref(taught), by_words, examples)
        Thread(target=self._join, args=asked, name="accord-sentences", daemon=True).start()
        return taught

    def _join(self, wanted: ref[Taught], by_words: Model, examples: Sequence[Example]) -> None:
        """One after the other, and none for which it is too late: other examples are known by now."""
        with self._joining:
            if wanted() is None:
                return
            model = self._training.joined(by_words, examples)
            if (taught := wanted()) is not None:
                taught.model = model
