"""Intents: short requests, each of one of many labels, or of none of them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, quantiles
from time import perf_counter

import msgspec

from accord.errors import BadInput
from accord.planner.classifier.examples import Example
from accord.planner.classifier.features import tokens
from accord.planner.classifier.model import Figures, Judgement
from accord.planner.classifier.training import Training
from bench.sets.files import Arguments, read, write

LEAST_LABELS = 2
"""There is nothing to tell apart with fewer."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a set."""

    text: str
    intent: str | msgspec.UnsetType | None = msgspec.UNSET
    """Its label; null where it has none of the labels. Left out where it is not known."""


class Prediction(msgspec.Struct, frozen=True):
    """A line of what is written."""

    intent: str | None
    """Null where the request is refused."""
    confidence: float
    best: tuple[tuple[str, float], ...]
    """The best labels with their shares, whether it is refused or not."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """How good the predictions are."""

    requests: int
    label_accuracy: float | None
    """Of requests that have a label: those whose best label is right, whether they are refused or not."""
    inside_accuracy: float | None
    """The same, and a refused one is wrong."""
    accepted_accuracy: float | None
    """Of those that are not refused: whose label is right."""
    outside_recall: float | None
    """Of requests without a label: those that are refused."""
    outside_precision: float | None
    """Of those that are refused: those without a label."""
    ms_p50: float
    """How long a decision takes, of one request alone."""
    ms_p95: float
    ms_mean: float
    training_s: float
    estimated: Figures
    """What the model expected of itself, from its examples alone."""


def run(arguments: Arguments) -> None:
    """Learn from the examples, decide on the set, print figures. Raises BadInput."""
    if arguments.train is None:
        raise BadInput.of("ACC911", "intents are learnt", hint="give examples with --train")
    known = [one for one in read(arguments.train, Request) if one.intent is not msgspec.UNSET]
    asked = read(arguments.file, Request)
    model = Training().whole(_examples(known))
    found: list[Judgement] = []
    times_ms: list[float] = []
    for one in asked:
        began = perf_counter()
        found.extend(model.judge([one.text]))
        times_ms.append((perf_counter() - began) * 1000)
    write(arguments.out, (Prediction(one.label, one.confidence, one.best) for one in found))
    print(msgspec.json.format(msgspec.json.encode(_measured(asked, found, times_ms, model.figures)), indent=2).decode())


def _examples(known: Sequence[Request]) -> list[Example]:
    """What can be learnt from: examples that have words. Raises BadInput where they do not have two labels."""
    found = [Example(one.text, one.intent or None) for one in known if tokens(one.text)]
    labels = {one.label for one in found if one.label is not None}
    if len(labels) < LEAST_LABELS:
        message = f"examples that have words are of {len(labels)} labels"
        raise BadInput.of("ACC911", message, hint=f"give examples of {LEAST_LABELS} labels or more with --train")
    return found


def _measured(
    asked: Sequence[Request], found: Sequence[Judgement], times_ms: Sequence[float], figures: Figures
) -> Measured:
    pairs = [(one.intent, judged) for one, judged in zip(asked, found, strict=True) if one.intent is not msgspec.UNSET]
    inside = [(intent, judged) for intent, judged in pairs if intent is not None]
    accepted = [(intent, judged) for intent, judged in inside if judged.label is not None]
    outside = [judged for intent, judged in pairs if intent is None]
    refused = [intent for intent, judged in pairs if judged.label is None]
    steps = quantiles(times_ms, n=20) if len(times_ms) > 1 else [0.0] * 19
    return Measured(
        requests=len(asked),
        label_accuracy=_share([judged.best[0][0] == intent for intent, judged in inside]),
        inside_accuracy=_share([judged.label == intent for intent, judged in inside]),
        accepted_accuracy=_share([judged.label == intent for intent, judged in accepted]),
        outside_recall=_share([judged.label is None for judged in outside]),
        outside_precision=_share([intent is None for intent in refused]),
        ms_p50=round(steps[9], 3),
        ms_p95=round(steps[18], 3),
        ms_mean=round(fmean(times_ms), 3) if times_ms else 0.0,
        training_s=round(figures.training_s, 2),
        estimated=figures,
    )


def _share(right: Sequence[bool]) -> float | None:
    return round(sum(right) / len(right), 4) if right else None
