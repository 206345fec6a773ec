"""The numbers that the planner weighs evidence with; `scripts/fit_composition.py` makes `weights.json`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

RAREST = 8.9
"""The rarity of a stem that was never seen."""


class Linear(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A logistic regression: log-odds are `bias` and the weighted evidence."""

    bias: float
    weights: dict[str, float]

    def log_odds(self, evidence: dict[str, float]) -> float:
        """Evidence that has no weight counts nothing."""
        known = self.weights
        return self.bias + sum(known[name] * value for name, value in evidence.items() if name in known)


class Choosing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What abilities are chosen by."""

    alone: Linear
    """Whether an ability is wanted."""
    settled: Linear
    """The same, knowing what likelier ones explain."""


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them."""

    rarity: dict[str, float]
    """By stem: how much it says."""
    link: Linear
    """Whether an output feeds an input."""
    settled: Linear
    """The same, knowing how well the others would."""
    link_threshold: float
    """The least probability of a link."""
    by_words: Choosing
    """By words alone."""
    by_meaning: Choosing
    """By words, and by what they mean."""
    choice_threshold: float
    """The least probability of an ability that is chosen."""

    def choosing(self, *, with_meaning: bool) -> Choosing:
        """What abilities are chosen by, as it is known what words mean, or not."""
        return self.by_meaning if with_meaning else self.by_words


@cache
def weights() -> Weights:
    """The numbers that come with Accord."""
    data = (files("accord.planner.composition") / "weights.json").read_bytes()
    return msgspec.json.decode(data, type=Weights)


def rarity() -> dict[str, float]:
    """By stem: how much it says."""
    return weights().rarity
