"""What the planner learns from use: examples that people have given, versions of the classifier, and which of two is
the better one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from math import sqrt
from typing import Final, Literal

import msgspec

from accord.domain.ids import Digest, RunId

EVERYBODY: Final = "*"
"""In the setting `learn_from`: all tenants."""

MOST_LEARNT: Final = 10_000
"""Examples that a version has at most: the newest ones."""

FORGIVEN: Final = 0.02
"""By how much a version may refuse fewer strangers, or be worse calibrated, where it is right as often. Of few
strangers it is the standard error: two measurements of one classifier differ by as much.
"""

DecidedBy = Literal["words", "sentences"]
"""What a classifier has decided by: words, and what they mean; or the meaning of the whole, where words were unsure."""

How = Literal["chosen", "corrected", "told"]
"""How an example came to be: somebody ran this template for the words; ran a changed one; or just said so."""


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """Words, and what somebody says that they mean."""

    objective: str
    template: str | None
    """A template's name; None: nothing that is here."""
    how: How = "told"
    run: RunId | None = None
    """What was run for it."""


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """An example, as it is kept."""

    example: str
    words: str | None
    """What goes into the template's input is left out of them: `{slot}` stands in its place. None: it is forgotten."""
    template: str | None
    how: How
    by: str
    at: datetime
    run: RunId | None = None
    forgotten_by: str | None = None
    forgotten_at: datetime | None = None


class Meant(msgspec.Struct, frozen=True, kw_only=True):
    """What the classifier makes of an objective."""

    label: str | None
    """The name of the template that is meant; None where it is taken to be outside of all."""
    confidence: float
    """How likely it is that the best one is meant: that any is, times that it is this one."""
    best: tuple[tuple[str, float], ...]
    """The likeliest templates, with the share of likelihood that each has among all."""
    negation: str | None = None
    """A word that turns the meaning around, and that no example of the template has."""
    version: int = 0
    """Of the classifier: 0 knows the phrases of templates alone."""
    by: DecidedBy = "words"


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What a classifier has made of an objective."""

    judged: Meant | None
    """None where there are too few examples for a classifier, or nothing that could train it."""


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """How good a classifier is, on examples that it has not seen."""

    examples: int
    """Of templates that it knows."""
    strangers: int
    """Of none that it knows."""
    inside_accuracy: float
    """The share of examples that get their template; one that is refused is wrong."""
    outside_recall: float
    """The share of strangers that are refused."""
    calibration_error: float
    """The mean square of how far its confidence is from the truth, from 0, the best, to 1 (Brier, 1950)."""
    phrases: int = 0
    """So many of the examples are phrases of templates: what their authors say, not who has taught."""
    phrase_accuracy: float = 1.0
    """The share of those that get their template; in trials of earlier releases they were not counted."""

    @property
    def recall_error(self) -> float:
        """The standard error of `outside_recall`."""
        return sqrt(self.outside_recall * (1 - self.outside_recall) / max(self.strangers, 1))


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Two classifiers on the same examples, which neither has seen."""

    after: Scores
    """Of the new one."""
    before: Scores | None = None
    """Of the one in use; None where its examples are too few for one."""

    def flaws(self) -> Iterator[str]:
        """In what the new one is worse: with any it is not used."""
        before, after = self.before, self.after
        if not after.examples:
            yield "too few examples to hold some out"
        if before is None:
            return
        if after.inside_accuracy < before.inside_accuracy:
            yield f"right of {after.inside_accuracy:.1%} of examples, before of {before.inside_accuracy:.1%}"
        if after.phrase_accuracy < before.phrase_accuracy - 1.5 / max(after.phrases, 1):  # one of them may be chance
            told = f"right of {after.phrase_accuracy:.1%} of templates' phrases, before of {before.phrase_accuracy:.1%}"
            yield f"{told}: what was taught may contradict them"
        if after.outside_recall < before.outside_recall - max(FORGIVEN, before.recall_error):
            yield f"refuses {after.outside_recall:.1%} of strangers, before {before.outside_recall:.1%}"
        if after.calibration_error > before.calibration_error + FORGIVEN:
            yield f"calibration error {after.calibration_error:.3f}, before {before.calibration_error:.3f}"


class ClassifierVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What the classifier had learnt at some time. Phrases of templates it always has as they are now."""

    version: int
    at: datetime
    by: str
    learnt: int
    """How many examples from use it was trained on."""
    digest: Digest
    """Of what it was trained on."""
    trial: Trial
    compared_with: int
    """The version that was in use."""
    flaws: tuple[str, ...]
    """Why it was not used at once; none where it was."""


class PlannerState(msgspec.Struct, frozen=True, kw_only=True):
    """What the planner has learnt."""

    learns_from: tuple[str, ...]
    """From whose use it learns, by name; `*` is everybody."""
    learns_from_you: bool
    learnt: int
    """Examples that are kept."""
    fresh: int
    """Those since the newest version, by which a new one may be made."""
    train_after: int
    """So many fresh ones, and a new version is trained."""
    version: int
    """The one in use; 0 knows the phrases of templates alone."""
    versions: int
    """How many were trained."""
