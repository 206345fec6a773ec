"""The assessor: explained scores from measured figures, weighed for a purpose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from accord.builtin.criteria import (
    CRITERIA,
    RULES,
    Criterion,
    Facts,
    Figure,
    content_words,
    emphasised_by,
    figures_of,
)
from accord.builtin.dependencies import Dependencies
from accord.builtin.measure import Measures
from accord.builtin.metadata import Metadata
from accord.builtin.products import MissingProduct, Name, Record, Share
from accord.builtin.risks import Risks
from accord.builtin.tests_found import Examination
from accord.sdk import Agent, Failure, Result

agent = Agent("assessor")

Points = Annotated[float, Field(ge=0, le=100)]
Weight = Annotated[float, Field(ge=0, le=1000)]
LEAST_KNOWN = 0.5
"""The share of the weight that has to be known of a product before its total is held against that of others."""

EMPHASIS = 2.0
"""By how much a purpose that names a criterion raises its weight."""


class Weights(Record):
    """Weights that replace the usual ones; only their proportions matter, 0 leaves a criterion out."""

    fit: Weight | None = None
    maintainability: Weight | None = None
    safety: Weight | None = None
    documentation: Weight | None = None
    typing: Weight | None = None
    lightness: Weight | None = None
    testing: Weight | None = None
    maturity: Weight | None = None
    licence: Weight | None = None


class Scoring(Record):
    """What is to be scored: records that belong together by their `name`, and what the product is wanted for."""

    purpose: Annotated[str, Field(max_length=2000)] = ""
    weights: Weights | None = None
    missing: list[MissingProduct] = Field(default_factory=list)
    metadata: list[Metadata] = Field(description="One record for each product that is to be scored.")
    measures: list[Measures] = Field(default_factory=list)
    dependencies: list[Dependencies] = Field(default_factory=list)
    tests: list[Examination] = Field(default_factory=list)
    risks: list[Risks] = Field(default_factory=list)

    def facts(self) -> list[Facts]:
        """The records by product, in the order of the metadata."""
        measures = {one.name: one for one in self.measures}
        dependencies = {one.name: one for one in self.dependencies}
        tests = {one.name: one for one in self.tests}
        risks = {one.name: one for one in self.risks}
        return [
            Facts(
                one.name,
                one,
                measures.get(one.name),
                dependencies.get(one.name),
                tests.get(one.name),
                risks.get(one.name),
            )
            for one in self.metadata
        ]


class WeighedCriterion(Record):
    """A criterion with its share of the total, and why it weighs that much."""

    criterion: Criterion
    weight: Share
    meaning: str
    normalisation: str
    reason: str


class CriterionScore(Record):
    """One product's score for one criterion; None where no figure is known, and then it does not count."""

    criterion: Criterion
    score: Points | None
    contribution: Points = Field(description="Points of the total that come from this criterion.")
    figures: list[Figure]


class ProductScore(Record):
    """One product's total, and what it is made of."""

    name: Name
    rank: Annotated[int, Field(ge=1)]
    total: Points
    confidence: Share = Field(description="Weight of the criteria that rest on figures; less where code was sampled.")
    criteria: list[CriterionScore]


class Sensitivity(Record):
    """Who would lead if one criterion counted twice, or not at all."""

    criterion: Criterion
    leader_if_doubled: Name
    leader_if_dropped: Name


class Scores(Record):
    """The products by rank, and how firm that order is."""

    purpose: str
    criteria: list[WeighedCriterion]
    products: Annotated[list[ProductScore], Field(min_length=1)]
    recommended: Name
    margin: Points = Field(description="Points between the first and the second; 0 when there is only one.")
    sensitivity: list[Sensitivity]

    def share_known(self, product: ProductScore) -> float:
        """The share of the weight of which something is known of a product, from 0 to 1."""
        weights = {one.criterion: one.weight for one in self.criteria}
        return known_share({one.criterion: one.score for one in product.criteria}, weights)

    def is_incomplete(self, product: ProductScore) -> bool:
        """Whether too little is known of a product to hold its total against that of others."""
        return self.share_known(product) < LEAST_KNOWN

    @property
    def comparable(self) -> list[ProductScore]:
        """Those whose totals can be held against each other, by rank."""
        return [one for one in self.products if not self.is_incomplete(one)]


@agent.capability(
    "software.score@1.0.0",
    description="Scores of 0 to 100 per criterion and in total, each traced to measured figures, for a purpose.",
)
def score(scoring: Scoring) -> Result[Scores]:
    """The scores of all products, with the mean of their confidences."""
    facts = scoring.facts()
    if not facts:
        raise Failure("nothing-to-score", "there is no record of metadata, and so no product to score")
    if len({one.name for one in facts}) < len(facts):
        raise Failure("ambiguous", "two records of metadata have the same name; give each product once")
    weighed = weighed_criteria(scoring.purpose, scoring.weights)
    figures = _figures(scoring, facts)
    points = {name: {key: _mean(several) for key, several in found.items()} for name, found in figures.items()}
    scores = scores_of(scoring.purpose, weighed, points, figures)
    sampled = {one.name for one in facts if one.measures and not one.measures.extent.complete}
    sure = [_less_sure(one) if one.name in sampled else one for one in scores.products]
    confidence = round(sum(one.confidence for one in sure) / len(sure), 3)
    return Result(scores.model_copy(update={"products": sure}), confidence=confidence)


def scores_of(
    purpose: str,
    weighed: list[WeighedCriterion],
    points: Mapping[str, Mapping[Criterion, float | None]],
    figures: Mapping[str, Mapping[Criterion, list[Figure]]],
) -> Scores:
    """The products by rank, from their points in each criterion."""
    weights = {one.criterion: one.weight for one in weighed}
    order = ranked(points, weights)
    known = [name for name in order if _is_known(points[name], weights)]
    ranks = zip(_ranks(order, points, weights), order, strict=True)
    return Scores(
        purpose=purpose,
        criteria=weighed,
        products=[_product(rank, name, points[name], figures[name], weights) for rank, name in ranks],
        recommended=order[0],
        margin=_margin([round(total_of(points[name], weights), 1) for name in known]),
        sensitivity=_sensitivity(known, points, weights),
    )


def _figures(scoring: Scoring, facts: Iterable[Facts]) -> dict[str, dict[Criterion, list[Figure]]]:
    """The figures of every product by criterion, with the products' own names taken out of the purpose."""
    several = list(facts)
    names = [one.name for one in several] + [one.name for one in scoring.missing]
    purpose = " ".join(content_words(scoring.purpose, names))
    return {one.name: {name: figures_of(name, one, purpose) for name in CRITERIA} for one in several}


def _margin(totals: Sequence[float]) -> float:
    """Between the first two that can be held against each other."""
    return round(totals[0] - totals[1], 1) if len(totals) > 1 else 0.0


def weighed_criteria(purpose: str, given: Weights | None) -> list[WeighedCriterion]:
    """The criteria with their shares: the given weights, or the usual ones raised by what the purpose names."""
    raw = {name: _weight(name, purpose, given) for name in CRITERIA}
    total = sum(weight for weight, _ in raw.values())
    if total <= 0:
        raise Failure("no-weight", "all weights are 0; give at least one criterion a weight above 0")
    return [
        WeighedCriterion(
            criterion=name,
            weight=round(weight / total, 4),
            meaning=RULES[name].meaning,
            normalisation=RULES[name].normalisation,
            reason=reason,
        )
        for name, (weight, reason) in raw.items()
    ]


def total_of(points: Mapping[Criterion, float | None], weights: Mapping[Criterion, float]) -> float:
    """The weighted mean of the scores that are known; 0 when none is."""
    known = {name: value for name, value in points.items() if value is not None and weights[name] > 0}
    weight = sum(weights[name] for name in known)
    return sum(weights[name] * value for name, value in known.items()) / weight if weight else 0.0


def ranked(points: Mapping[str, Mapping[Criterion, float | None]], weights: Mapping[Criterion, float]) -> list[str]:
    """The names by total, the highest first; equal totals by name.

    What is unknown wins nothing: those of which too little is known to be compared come after all others.
    """

    def position(name: str) -> tuple[bool, float, str, str]:
        total = round(total_of(points[name], weights), 1)
        return not _is_known(points[name], weights), -total, name.lower(), name

    return sorted(points, key=position)


def _ranks(
    order: Sequence[str], points: Mapping[str, Mapping[Criterion, float | None]], weights: Mapping[Criterion, float]
) -> list[int]:
    """The places of the names in this order; equal totals share one: 1, 1, 3."""
    places = [(_is_known(points[name], weights), round(total_of(points[name], weights), 1)) for name in order]
    return [places.index(place) + 1 for place in places]


def _is_known(points: Mapping[Criterion, float | None], weights: Mapping[Criterion, float]) -> bool:
    return known_share(points, weights) >= LEAST_KNOWN


def known_share(points: Mapping[Criterion, float | None], weights: Mapping[Criterion, float]) -> float:
    """The share of the weight of which something is known, from 0 to 1."""
    whole = sum(weights.values())
    known = sum(weights[name] for name, value in points.items() if value is not None)
    return round(known / whole, 6) if whole else 0.0


def _weight(name: Criterion, purpose: str, given: Weights | None) -> tuple[float, str]:
    stated = getattr(given, name) if given else None
    if stated is not None:
        return float(stated), "given with the request"
    rule = RULES[name]
    words = [word for word in content_words(purpose) if name in emphasised_by(word)]
    if words:
        return rule.weight * EMPHASIS, f"doubled, since the purpose says “{words[0]}”"
    return rule.weight, "usual weight"


def _mean(figures: Iterable[Figure]) -> float | None:
    scores = [one.score for one in figures]
    return round(sum(scores) / len(scores), 1) if scores else None


def _product(
    rank: int,
    name: str,
    points: Mapping[Criterion, float | None],
    figures: Mapping[Criterion, list[Figure]],
    weights: Mapping[Criterion, float],
) -> ProductScore:
    known = sum(weights[one] for one in CRITERIA if points[one] is not None)
    return ProductScore(
        name=name,
        rank=rank,
        total=round(total_of(points, weights), 1),
        confidence=round(min(known, 1.0), 3),
        criteria=[
            CriterionScore(
                criterion=one,
                score=points[one],
                contribution=round((points[one] or 0.0) * weights[one] / known, 2) if known else 0.0,
                figures=figures[one],
            )
            for one in CRITERIA
        ],
    )


def _less_sure(product: ProductScore) -> ProductScore:
    return product.model_copy(update={"confidence": round(product.confidence * 0.9, 3)})


def _sensitivity(
    order: Sequence[str], points: Mapping[str, Mapping[Criterion, float | None]], weights: Mapping[Criterion, float]
) -> list[Sensitivity]:
    """Who of those that can be compared would lead: another weight makes nothing known that was not measured."""
    if len(order) < 2:
        return []

    def leader(changed: Mapping[Criterion, float]) -> str:
        # The first of several: who leads goes on leading where another only draws level.
        return max(order, key=lambda name: round(total_of(points[name], changed), 1))

    return [
        Sensitivity(
            criterion=name,
            leader_if_doubled=leader({**weights, name: weights[name] * 2}),
            leader_if_dropped=leader({**weights, name: 0.0}),
        )
        for name in CRITERIA
        if weights[name] > 0
    ]
