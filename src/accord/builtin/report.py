"""The editor: a comparison as a report for people, with its charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from accord.builtin.criteria import CRITERIA, RULES, Criterion, Facts
from accord.builtin.markdown import bullets, bytes_in_words, code, counted, document, escaped, listed, table
from accord.builtin.products import Chart, Product, Report
from accord.builtin.score import CriterionScore, ProductScore, Scores, Scoring
from accord.builtin.svg import Bar, DotRow, bar_chart, dot_plot
from accord.sdk import Agent

agent = Agent("editor")

CLOSE = 5.0
"""Points of difference below which two totals are called close."""
_UNKNOWN = "not known"


class Comparison(Scoring):
    """Everything that a comparison found: the records that were scored, the products, and the scores."""

    products: Annotated[list[Product], Field(min_length=1)]
    scores: Scores


@agent.capability(
    "report.compose@1.0.0",
    description="A comparison as Markdown with charts: recommendation, facts, differences, risks, method and limits.",
)
def compose(comparison: Comparison) -> Report:
    """The report on a comparison; its charts are named in it as `{name}.svg`."""
    facts = {one.name: one for one in comparison.facts()}
    scores = comparison.scores
    ordered = [facts[one.name] for one in scores.products if one.name in facts]
    summary = _summary(scores)
    markdown = document(
        f"# Comparison: {escaped(listed([one.name for one in scores.products]))}",
        f"> {escaped(scores.purpose)}" if scores.purpose else "",
        "## Recommendation",
        summary,
        _reasons(scores),
        _firmness(scores),
        "![Total scores, by criterion](totals.svg)",
        _missing(comparison),
        "## Key facts",
        _key_facts(comparison, ordered),
        "## Scores",
        _score_table(scores),
        "![Scores by criterion](criteria.svg)",
        "## Criterion by criterion",
        *(_criterion(scores, name) for name in CRITERIA),
        "## Product by product",
        *(_product(scores, one, facts[one.name]) for one in scores.products if one.name in facts),
        "## Risks, with evidence",
        *(_risks(one) for one in ordered),
        "## Method and limits",
        _method(scores, ordered),
    )
    return Report(markdown=markdown, charts=_charts(scores), summary=_plain(summary))


def _summary(scores: Scores) -> str:
    first = scores.products[0]
    lead = f"**{escaped(first.name)}** scores {first.total:.0f} of 100"
    if len(scores.products) == 1:
        return f"{lead}; it was the only product found, so this is an assessment, not a choice."
    second = scores.products[1]
    if scores.margin == 0:
        return f"{lead}, exactly as much as {escaped(second.name)}: these figures do not decide between them."
    close = (
        " The distance is small: let the criteria that matter to you decide." if scores.margin < CLOSE else ""
    )
    behind = f"{counted_points(scores.margin)} ahead of {escaped(second.name)} ({second.total:.0f})"
    last = scores.products[-1]
    field = f", with {escaped(last.name)} last at {last.total:.0f}" if len(scores.products) > 2 else ""
    return f"{lead}, {behind}{field}.{close}"


def counted_points(points: float) -> str:
    """`1 point`, `3.5 points`."""
    return "1 point" if points == 1 else f"{points:g} points"


def _reasons(scores: Scores) -> str:
    if len(scores.products) < 2:
        return ""
    first, second = scores.products[:2]
    gaps = _gaps(first, second)
    ahead = [line for gap, line in gaps if gap >= 0.5][:3]
    behind = [line for gap, line in reversed(gaps) if gap <= -0.5][:3]
    parts = []
    if ahead:
        parts.append(
            f"What speaks for {escaped(first.name)} over {escaped(second.name)}:\n\n{bullets(ahead)}"
        )
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
            line = f"**{mine.criterion}**, {mine.score:.0f} against {other.score:.0f}: {_difference(mine, other)}"
            gaps.append((mine.contribution - other.contribution, line))
    return sorted(gaps, key=lambda pair: -pair[0])


def _difference(mine: CriterionScore, other: CriterionScore) -> str:
    """The figure that makes most of the difference between two scores, in words."""
    theirs = {one.figure: one for one in other.figures}
    pairs = [(one, theirs[one.figure]) for one in mine.figures if one.figure in theirs]
    if not pairs:
        return "from different figures"
    up = (mine.score or 0) >= (other.score or 0)
    pairs.sort(key=lambda pair: (pair[0].score - pair[1].score) * (-1 if up else 1))
    return "; ".join(
        f"{one.figure} {escaped(one.value)} against {escaped(two.value)}"
        for one, two in pairs[:2]
        if one.value != two.value
    )


def _firmness(scores: Scores) -> str:
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


def _missing(comparison: Comparison) -> str:
    lines = []
    for one in comparison.missing:
        near = f"; similar names here: {listed([code(name) for name in one.near])}" if one.near else ""
        lines.append(f"{code(one.name)}: {escaped(one.reason)}{near}")
    return f"Not found, and therefore not compared:\n\n{bullets(lines)}" if lines else ""


def _key_facts(comparison: Comparison, ordered: Sequence[Facts]) -> str:
    products = {one.name: one for one in comparison.products}
    rows = [
        ("version", [(products[one.name].version if one.name in products else None) for one in ordered]),
        ("licence", [one.metadata.licence.expression if one.metadata else None for one in ordered]),
        ("status", [one.metadata.maturity if one.metadata else None for one in ordered]),
        ("Python", [one.metadata.requires_python if one.metadata else None for one in ordered]),
        ("lines of code", [_number(one.measures.lines.code) if one.measures else None for one in ordered]),
        ("functions, classes", [_functions(one) for one in ordered]),
        ("public names", [_number(one.measures.public_names) if one.measures else None for one in ordered]),
        ("mean / highest complexity", [_complexity(one) for one in ordered]),
        ("docstrings of public API", [_percent(one.measures and one.measures.docstring_coverage) for one in ordered]),
        ("annotations", [_percent(one.measures and one.measures.annotation_coverage) for one in ordered]),
        ("dependencies direct / in all", [_dependencies(one) for one in ordered]),
        ("size on disk", [bytes_in_words(one.measures.disk_bytes) if one.measures else None for one in ordered]),
        ("of that compiled", [_compiled(one) for one in ordered]),
        ("tests found here", [_tests(one) for one in ordered]),
        ("signals of risk per 1000 lines", [f"{one.risks.density:g}" if one.risks else None for one in ordered]),
    ]  # fmt: skip
    header = ["", *(escaped(one.name) for one in ordered)]
    return table(
        header, ([label, *(_cell(value) for value in values)] for label, values in rows), numeric=True
    )


def _cell(value: str | None) -> str:
    return escaped(value) if value else "—"


def _number(value: int) -> str:
    return f"{value:,}"


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.0%}"


def _functions(one: Facts) -> str | None:
    return f"{one.measures.functions:,}, {one.measures.classes:,}" if one.measures else None


def _complexity(one: Facts) -> str | None:
    found = one.measures.complexity if one.measures else None
    return f"{found.mean:g} / {found.maximum}" if found else None


def _dependencies(one: Facts) -> str | None:
    if one.dependencies is None or not one.dependencies.declared:
        return None
    every = len(one.dependencies.transitive) + len(one.dependencies.missing)
    return f"{len(one.dependencies.direct)} / {every}"


def _compiled(one: Facts) -> str | None:
    found = one.measures
    if found is None:
        return None
    return bytes_in_words(found.compiled_bytes) if found.compiled_files else "none"


def _tests(one: Facts) -> str | None:
    if one.tests is None:
        return None
    return f"{one.tests.test_functions:,} ({one.tests.ratio:g} lines per line)" if one.tests.ratio else "none"


def _score_table(scores: Scores) -> str:
    weights = {one.criterion: one.weight for one in scores.criteria}
    header = ["", "weight", *(escaped(one.name) for one in scores.products)]
    rows = [
        [name, f"{weights[name]:.0%}", *(_points(one, name) for one in scores.products)] for name in CRITERIA
    ]
    total = ["**total**", "", *(f"**{one.total:.1f}**" for one in scores.products)]
    sure = ["confidence", "", *(f"{one.confidence:.0%}" for one in scores.products)]
    return table(header, [*rows, total, sure], numeric=True)


def _points(product: ProductScore, name: Criterion) -> str:
    value = _score_of(product, name).score
    return "—" if value is None else f"{value:.0f}"


def _score_of(product: ProductScore, name: Criterion) -> CriterionScore:
    return next(one for one in product.criteria if one.criterion == name)


def _criterion(scores: Scores, name: Criterion) -> str:
    weighed = next(one for one in scores.criteria if one.criterion == name)
    found = [(one, _score_of(one, name)) for one in scores.products]
    known = [(one, score) for one, score in found if score.score is not None]
    head = f"### {name.capitalize()} ({weighed.weight:.0%}, {escaped(weighed.reason)})"
    about = f"{weighed.meaning.capitalize()}."
    if weighed.weight == 0:
        return f"{head}\n\n{about} It was given no weight."
    if not known:
        return f"{head}\n\n{about} Nothing is known about it for any of the products, so it does not count."
    lines = [
        f"**{escaped(one.name)}** {score.score:.0f}: "
        + "; ".join(f"{figure.figure} {escaped(figure.value)}" for figure in score.figures)
        for one, score in sorted(known, key=lambda pair: (-(pair[1].score or 0.0), pair[0].rank))
    ]
    unknown = [escaped(one.name) for one, score in found if score.score is None]
    rest = f"\n\nNot known for {listed(unknown)}; there it does not count." if unknown else ""
    return f"{head}\n\n{about} {_spread(known)}\n\n{bullets(lines)}{rest}"


def _spread(known: Sequence[tuple[ProductScore, CriterionScore]]) -> str:
    values = sorted(((score.score or 0.0, one.name) for one, score in known), reverse=True)
    if len(values) < 2:
        return ""
    (high, best), (low, last) = values[0], values[-1]
    if high - low < 10:
        return "The products hardly differ here."
    ends = f"from {high:.0f} ({escaped(best)}) to {low:.0f} ({escaped(last)})"
    return f"They differ {'widely' if high - low >= 40 else 'noticeably'}, {ends}."


def _product(scores: Scores, product: ProductScore, facts: Facts) -> str:
    summary = facts.metadata.summary if facts.metadata else None
    figures = [(one.score, score.criterion, one) for score in product.criteria for one in score.figures]
    strong = [f"{name}: {one.figure} {escaped(one.value)}" for value, name, one in figures if value >= 85]
    weak = [f"{name}: {one.figure} {escaped(one.value)}" for value, name, one in figures if value <= 40]
    return document(
        f"### {product.rank}. {escaped(product.name)}: {product.total:.0f} of 100",
        f"*{escaped(summary)}*" if summary else "",
        f"Strengths:\n\n{bullets(strong)}" if strong else "No figure stands out as a strength.",
        f"Weaknesses:\n\n{bullets(weak)}" if weak else "No figure stands out as a weakness.",
        _hot_spots(facts),
    )


def _hot_spots(facts: Facts) -> str:
    found = facts.measures.complexity if facts.measures else None
    lines = [
        f"{code(one.function)} at {code(str(one.place))}: complexity {one.complexity}, {counted(one.lines, 'line')}"
        for one in (found.worst[:3] if found else ())
        if one.complexity > 10
    ]
    return f"Hardest to change:\n\n{bullets(lines)}" if lines else ""


def _risks(facts: Facts) -> str:
    head = f"### {escaped(facts.name)}"
    if facts.risks is None:
        return f"{head}\n\nNot looked at."
    if not facts.risks.risks:
        return f"{head}\n\nNone of the rules found anything in {counted(facts.risks.lines, 'line')}."
    rows = [
        (
            code(one.rule),
            one.severity,
            f"{one.count:,}",
            escaped(one.meaning).replace("\\`", "`"),
            ", ".join(code(str(evidence.place)) for evidence in one.evidence[:3]),
        )
        for one in facts.risks.risks
    ]
    return f"{head}\n\n" + table(("rule", "severity", "count", "what it finds", "for example"), rows)


def _method(scores: Scores, ordered: Sequence[Facts]) -> str:
    rows = [(name, f"{RULES[name].weight:g}", escaped(RULES[name].normalisation)) for name in CRITERIA]
    limits = [
        "All figures were read from files on this machine. Nothing was downloaded, imported or run.",
        "A score depends only on the product's own figures and the purpose, never on what it is compared with. "
        "A criterion is the mean of its figures; the total is the weighted mean of the criteria that are known.",
        "Fit compares words, not meanings: it can miss a product that says the same thing differently.",
        "A signal of risk is a place to look at, not a flaw: `eval` may be what a tool is for.",
        "Wheels seldom contain tests, so no tests found here does not mean that there are none.",
        "Popularity, speed, community and release dates cannot be told from files, and are not part of the score.",
    ]
    for one in ordered:
        if one.measures and one.measures.extent.note:
            limits.append(f"{escaped(one.name)} was sampled: {escaped(one.measures.extent.note)}.")
    return f"{bullets(limits)}\n\n" + table(("criterion", "usual weight", "how figures become scores"), rows)


def _charts(scores: Scores) -> list[Chart]:
    names = [one.name for one in scores.products]
    totals = ", ".join(f"{one.name} {one.total:.0f}" for one in scores.products)
    bars = [
        Bar(one.name, tuple(part.contribution for part in one.criteria), f"{one.total:.0f}")
        for one in scores.products
    ]
    rows = [DotRow(name, tuple(_score_of(one, name).score for one in scores.products)) for name in CRITERIA]
    return [
        Chart(
            name="totals",
            title="Total scores, by criterion",
            svg=bar_chart("Total scores, by criterion", f"Of 100 points: {totals}.", bars, CRITERIA, 100),
        ),
        Chart(
            name="criteria",
            title="Scores by criterion",
            svg=dot_plot("Scores by criterion", f"One row per criterion, 0 to 100; {totals}.", rows, names),
        ),
    ]


def _plain(markdown: str) -> str:
    return markdown.replace("**", "").replace("\\", "")
