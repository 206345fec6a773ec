"""The recommendation of a comparison in words: who leads, what speaks for it, and how firm that is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from accord.builtin.markdown import bullets, escaped, listed
from accord.builtin.score import CriterionScore, ProductScore, Scores

CLOSE = 5.0
"""Points of difference below which two totals are called close."""
_TELLING = 3.0
"""Points of a figure, or of a criterion, below which a difference says nothing."""


def summary_of(scores: Scores) -> str:
    """Who leads, by how much, and of whom too little is known."""
    if len(scores.products) == 1:
        first = scores.products[0]
        partly = f" Only {scores.share_known(first):.0%} of the weight could be measured."
        only = "it was the only product found, so this is an assessment, not a choice"
        return f"{_lead(first)}; {only}.{partly if scores.is_incomplete(first) else ''}"
    incomplete = [one for one in scores.products if scores.is_incomplete(one)]
    if not scores.comparable:
        return f"These figures do not decide between them: {_too_little(scores, incomplete)}."
    if len(scores.comparable) == 1:
        first = scores.comparable[0]
        rest = _too_little(scores, incomplete)
        return f"{_lead(first)}, and is the only one of which enough is known to judge it. {_begun(rest)}."
    apart = f" {_begun(_too_little(scores, incomplete))}: listed after the others." if incomplete else ""
    return f"{_among(scores.comparable, scores.margin)}{apart}"


def _lead(first: ProductScore) -> str:
    return f"**{escaped(first.name)}** scores {first.total:.0f} of 100"


def _among(known: Sequence[ProductScore], margin: float) -> str:
    """The first of several that can be compared, and by how much."""
    tied = _tied(known)
    if len(tied) > 1:
        names = listed([f"**{escaped(one.name)}**" for one in tied])
        return f"{names} score the same, {tied[0].total:.0f} of 100: these figures do not decide between them."
    second, last = known[1], known[-1]
    close = " The distance is small: let the criteria that matter to you decide." if margin < CLOSE else ""
    seconds = listed([escaped(one.name) for one in known if one.rank == second.rank])
    behind = f"{counted_points(margin)} ahead of {seconds} ({second.total:.0f})"
    field = f", with {escaped(last.name)} last at {last.total:.0f}" if last.rank > second.rank else ""
    return f"{_lead(known[0])}, {behind}{field}.{close}"


def _tied(known: Sequence[ProductScore]) -> list[ProductScore]:
    """Those that share the first place."""
    return [one for one in known if one.rank == known[0].rank]


def _too_little(scores: Scores, unknown: Iterable[ProductScore]) -> str:
    """`of orjson only 43% of the weight could be measured, of attrs only 12%`."""
    first, *others = (f"of {escaped(one.name)} only {scores.share_known(one):.0%}" for one in unknown)
    return ", ".join([f"{first} of the weight could be measured", *others])


def _begun(sentence: str) -> str:
    return f"{sentence[:1].upper()}{sentence[1:]}"


def counted_points(points: float) -> str:
    """`1 point`, `3.5 points`."""
    return "1 point" if points == 1 else f"{points:g} points"


def reasons_of(scores: Scores) -> str:
    """What speaks for the first product over the second, and what against it; nothing where nobody leads."""
    known = scores.comparable
    if not known or len(scores.products) < 2 or len(_tied(known)) > 1:
        return ""
    first, second = scores.products[:2]
    gaps = _gaps(scores, first, second)
    ahead = [line for gap, line in gaps if gap > 0][:3]
    behind = [line for gap, line in reversed(gaps) if gap < 0][:3]
    name, other = escaped(first.name), escaped(second.name)
    partly = ", in what could be measured of both" if scores.is_incomplete(second) else ""
    parts = []
    if ahead:
        parts.append(f"What speaks for {name} over {other}{partly}:\n\n{bullets(ahead)}")
    if behind:
        parts.append(f"What speaks for {other} over {name}{partly}:\n\n{bullets(behind)}")
    return "\n\n".join(parts)


def _gaps(scores: Scores, first: ProductScore, second: ProductScore) -> list[tuple[float, str]]:
    """The criteria in which two products differ, by how much that weighs for `first`, the most first."""
    weights = {one.criterion: one.weight for one in scores.criteria}
    others = {one.criterion: one for one in second.criteria}
    gaps = []
    for mine in first.criteria:
        other = others[mine.criterion]
        if mine.score is not None and other.score is not None and abs(mine.score - other.score) >= _TELLING:
            line = f"**{mine.criterion}**, {mine.score:.0f} against {other.score:.0f}: {difference_of(mine, other)}"
            gaps.append(((mine.score - other.score) * weights[mine.criterion], line))
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
    """Whether another weight of one criterion would change the first place; nothing where nobody leads."""
    known = scores.comparable
    if len(known) < 2 or len(_tied(known)) > 1:
        return ""
    changes = [what for name in dict.fromkeys(_leaders(scores)) if (what := _what_if(scores, name))]
    if not changes:
        return "The first place is firm: no single criterion, counted twice or left out, would change it."
    return f"The first place is not firm. It would go {listed(changes, 'and')}."


def _leaders(scores: Scores) -> Iterable[str]:
    for one in scores.sensitivity:
        yield from (one.leader_if_doubled, one.leader_if_dropped)


def _what_if(scores: Scores, name: str) -> str:
    """`to **orjson** if fit or lightness counted twice, or safety did not count`; nothing for who leads anyway."""
    if name == scores.recommended:
        return ""
    doubled = [one.criterion for one in scores.sensitivity if one.leader_if_doubled == name]
    dropped = [one.criterion for one in scores.sensitivity if one.leader_if_dropped == name]
    conditions = [f"{listed(doubled, 'or')} counted twice"] if doubled else []
    conditions += [f"{listed(dropped, 'or')} did not count"] if dropped else []
    return f"to **{escaped(name)}** if {', or '.join(conditions)}"
