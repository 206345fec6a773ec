"""Links with examples: how often one ability fed the other, kinds, and the order in which they are spoken of.

Needs scikit-learn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from accord.planner.composition.ability import ANY, Ability
from accord.planner.composition.examples import Example, Habits, components
from accord.planner.composition.reach import reached
from accord.planner.composition.teaching import Pair, Placed
from accord.planner.composition.wording import likeness

PRIOR = 2.0
"""What is known before any example counts as much as so many examples."""

CONNECTED = 0.9
"""From this share of connected examples on, what is not connected is joined by the likeliest links."""

LEAST = 0.05
"""No link that is less likely than this joins anything."""


class LearnedLinks:
    """What examples teach about which abilities feed which."""

    def __init__(
        self, examples: Sequence[Example], places: Sequence[Mapping[str, float]], abilities: Mapping[str, Ability]
    ) -> None:
        self._habits, self._abilities = Habits(examples), abilities
        rows: list[list[float]] = []
        right: list[bool] = []
        owners: list[int] = []
        for number, (example, place) in enumerate(zip(examples, places, strict=True)):
            wanted = [Placed(name, place.get(name, 0.0)) for name in dict.fromkeys(example.abilities)]
            links = set(example.links)
            for pair, row in self._pieces(wanted, links).items():
                rows.append(row)
                right.append(pair in links)
                owners.append(number)
        values, truth, owner = np.array(rows), np.array(right), np.array(owners)
        self._model = _boosting().fit(values, truth) if truth.any() and not truth.all() else None
        self.threshold = _threshold(values, truth, owner) if self._model is not None else 1.0

    def of(self, wanted: Sequence[Placed]) -> dict[Pair, float]:
        """The links between abilities that are wanted, with their probabilities: acyclic."""
        pieces = self._pieces(wanted, None)
        if not pieces or self._model is None:
            return {}
        told = self._model.predict_proba(np.array(list(pieces.values())))[:, 1]
        likely = dict(zip(pieces, map(float, told), strict=True))
        return self._joined([one.name for one in wanted], likely)

    def _joined(self, names: Sequence[str], likely: Mapping[Pair, float]) -> dict[Pair, float]:
        ranked = sorted(likely, key=lambda pair: (-likely[pair], pair))
        taken: dict[Pair, float] = {}
        for pair in ranked:
            if likely[pair] > self.threshold and not _reaches(taken, pair[1], pair[0]):
                taken[pair] = likely[pair]
        if self._habits.share_connected >= CONNECTED:
            for pair in ranked:
                parts = components(names, taken)
                apart = not any(pair[0] in part and pair[1] in part for part in parts)
                if apart and likely[pair] > LEAST and not _reaches(taken, pair[1], pair[0]):
                    taken[pair] = likely[pair]
        return taken

    def _pieces(self, wanted: Sequence[Placed], own: set[Pair] | None) -> dict[Pair, list[float]]:
        """For each pair what there is to be weighed; of an example its own links are not counted."""
        placed = sorted(wanted, key=lambda one: one.place)
        at = {one.name: rank for rank, one in enumerate(placed)}
        names = [one.name for one in wanted]
        rates = {(one, other): self._rate((one, other), own) for one in names for other in names if one != other}
        into: dict[str, list[float]] = defaultdict(list)
        out: dict[str, list[float]] = defaultdict(list)
        for (one, other), rate in rates.items():
            into[other].append(rate)
            out[one].append(rate)
        where = {one.name: one.place for one in wanted}
        return {
            pair: [
                *self._of_pair(pair, rates, own),
                *_rivals(rates[pair], into[pair[1]], out[pair[0]]),
                where[pair[1]] - where[pair[0]],
                at[pair[1]] - at[pair[0]],
                float(where[pair[0]] == where[pair[1]]),
                at[pair[0]],
                at[pair[1]],
                len(names),
            ]
            for pair in rates
        }

    def _of_pair(self, pair: Pair, rates: Mapping[Pair, float], own: set[Pair] | None) -> list[float]:
        one, other = pair
        less = 0 if own is None else 1
        together = self._habits.together[pair] - less
        fed = self._habits.fed[other] - (less and any(link[1] == other for link in own or ()))
        feeds = self._habits.feeds[one] - (less and any(link[0] == one for link in own or ()))
        return [
            rates[pair],
            rates[other, one],
            together,
            (fed + 0.5) / (self._habits.wanted[other] - less + 1),
            (feeds + 0.5) / (self._habits.wanted[one] - less + 1),
            *_kinds(self._abilities.get(one), self._abilities.get(other)),
        ]

    def _rate(self, pair: Pair, own: set[Pair] | None) -> float:
        """How often the first one fed the second one when both were wanted."""
        linked = self._habits.linked[pair] - (own is not None and pair in own)
        together = self._habits.together[pair] - (own is not None)
        return (linked + PRIOR * self._habits.link_rate) / (together + PRIOR)


def _rivals(rate: float, into: Sequence[float], out: Sequence[float]) -> list[float]:
    """How a rate stands among those of the same target, and of the same source."""
    return [rate - max(into), rate - max(out), sum(into) - rate, sum(out) - rate]


def _kinds(one: Ability | None, other: Ability | None) -> list[float]:
    """How many members fit by kind either way, and how like the best pair of names is."""
    if one is None or other is None:
        return [0.0, 0.0, 0.0, 0.0, 0.0]
    return [*_fitting(one, other), *_fitting(other, one)[:2], float(bool(one.outputs))]


def _fitting(one: Ability, other: Ability) -> list[float]:
    pairs = [(gives, takes) for gives in one.outputs for takes in other.inputs]
    fitting = [(gives, takes) for gives, takes in pairs if gives.kind == takes.kind or ANY in (gives.kind, takes.kind)]
    like = max((likeness(gives.words, takes.words) for gives, takes in fitting), default=0.0)
    return [float(bool(fitting)), like]


def _reaches(links: Mapping[Pair, float], start: str, end: str) -> bool:
    return end in reached(start, lambda here: (other for one, other in links if one == here))


def _threshold(values: np.ndarray, truth: np.ndarray, owner: np.ndarray) -> float:
    """The threshold of the greatest F1 on halves that the other half's model has not seen."""
    half = owner % 2 == 0
    told = np.zeros(len(truth))
    for inside in (half, ~half):
        if truth[inside].any() and not truth[inside].all() and (~inside).any():
            told[~inside] = _boosting().fit(values[inside], truth[inside]).predict_proba(values[~inside])[:, 1]
    steps = np.linspace(0.2, 0.7, 26)
    scores = [2 * (told > step)[truth].sum() / max((told > step).sum() + truth.sum(), 1) for step in steps]
    return float(steps[int(np.argmax(scores))])


def _boosting() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.08, max_leaf_nodes=12, l2_regularization=1.0, early_stopping=False, random_state=0
    )
