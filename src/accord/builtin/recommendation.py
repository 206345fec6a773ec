"""The recommendation of a comparison in words: who leads, what speaks for it, and how firm that is."""

from __future__ import annotations

from collections.abc import Sequence

from accord.builtin.markdown import bullets, escaped, listed
from accord.builtin.score import LEAST_KNOWN, CriterionScore, ProductScore, Scores, known_share

CLOSE = 5.0
"""Points of difference below which two totals are called close."""
_TELLING = 3.0
"""Points of a figure below which a difference says nothing."""


def summary_of(scores: Scores) -> str:
    """Who leads, by how much, and of whom too little is known."""
    first = scores.products[0]
    lead = f"**{escaped(first.name)}** scores {first.total:.0f} of 100"
    if len(scores.products) == 1:
        return f"{lead}; it was the only product found, so this is an assessment, not a choice."
    known = [one for one in scores.products if _share_known(scores, one) >= LEAST_KNOWN]
    unknown = [one for one in scores.products if one not in known]
    if not known:
        return f"{lead}, but {_too_little(scores, unknown)}: these figures do not decide between them."
    told = _too_little(scores, unknown)
    apart = f" {told[:1].upper()}{told[1:]}: listed after the others, whatever the total." if unknown else ""
    if len(known) == 1:
        return f"{lead}.{apart}"
    return f"{_among(scores, known, lead)}{apart}"


def _among(scores: Scores, known: Sequence[ProductScore], lead: str) -> str:
    """The first of several that can be compared, and by how much."""
    second, last = known[1], known[-1]
    if scores.margin == 0:
        return f"{lead}, exactly as much as {escaped(second.name)}: these figures do not decide between them."
    close = " The distance is small: let the criteria that matter to you decide." if scores.margin < CLOSE else ""
    behind = f"{counted_points(scores.margin)} ahead of {escaped(second.name)} ({second.total:.0f})"
    field = f", with {escaped(last.name)} last at {last.total:.0f}" if len(known) > 2 else ""
    return f"{lead}, {behind}{field}.{close}"


def _share_known(scores: Scores, product: ProductScore) -> float:
    weights = {one.criterion: one.weight for one in scores.criteria}
    return known_share({one.criterion: one.score for one in product.criteria}, weights)


def _too_little(scores: Scores, unknown: Sequence[ProductScore]) -> str:
    """`of orjson only 43% of the weight could be measured`."""
    told = [f"of {escaped(one.name)} only {_share_known(scores, one):.0%}" for one in unknown]
    return f"{listed(told)} of the weight could be measured"


def counted_points(points: float) -> str:
    """`1 point`, `3.5 points`."""
    return "1 point" if points == 1 else f"{points:g} points"


def reasons_of(scores: Scores) -> str:
    """What speaks for the first product over the second, and what against it."""
    if len(scores.products) < 2:
        return ""
    first, second = scores.products[:2]
    gaps = _gaps(first, second)
    ahead = [line for gap, line in gaps if gap >= 0.5][:3]
    behind = [line for gap, line in reversed(gaps) if gap <= -0.5][:3]
    parts = []
    if ahead:
        parts.append(f"What speaks for {escaped(first.name)} over {escaped(second.name)}:\n\n{bullets(ahead)}")
    if behind:
        parts.append(f"What speaks against it:\n\n{bullets(behind)}")
    return "\n\n".join(parts)


def _gaps(first: ProductScore, second: ProductScore) -> list[tuple[float, str]]:
    """The criteria by how many points of the total they set `first` ahead of `second`, the most first."""
    others = {one.criterion: one for one in second.criteria}
    gaps = []
    for mine in first.criteria:
        other = others[mine.criterion]
        if mine.score is not None and other.score is not None:
            line = f"**{mine.criterion}**, {mine.score:.0f} against {other.score:.0f}: {difference_of(mine, other)}"
            gaps.append((mine.contribution - other.contribution, line))
    return sorted(gaps, key=lambda pair: -pair[0])


def difference_of(mine: CriterionScore, other: CriterionScore) -> str:
    """The figure that makes most of the difference between two scores, in words."""
    theirs = {one.figure: one for one in other.figures}
    pairs = [(one, theirs[one.figure]) for one in mine.figures if one.figure in theirs]
    if not pairs:
        return "from different figures"
    up = (mine.score or 0) >= (other.score or 0)
    pairs.sort(key=lambda pair: (pair[0].score - pair[1].score) * (-1 if up else 1))
    telling = [
        f"{one.figure} {escaped(one.value)} against {escaped(two.value)}"
        for one, two in pairs
        if (one.score - two.score) * (1 if up else -1) >= _TELLING
    ]
    return "; ".join(telling[:2]) or "many small differences"


def firmness_of(scores: Scores) -> str:
    """Whether another weight of one criterion would change the first place."""
    if len(scores.products) < 2:
        return ""
    leader = scores.recommended
    doubled = [
        f"**{escaped(one.leader_if_doubled)}** if {one.criterion} counted twice"
        for one in scores.sensitivity
        if one.leader_if_doubled != leader
    ]
    dropped = [
        f"**{escaped(one.leader_if_dropped)}** if {one.criterion} did not count"
        for one in scores.sensitivity
        if one.leader_if_dropped != leader
    ]
    if not doubled and not dropped:
        return "The first place is firm: no single criterion, counted twice or left out, would change it."
    return f"The first place is not firm. It would go to {listed(doubled + dropped, 'or')}."
