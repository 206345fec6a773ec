"""The editor: a comparison as a report for people, with its charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from accord.builtin.criteria import CRITERIA, RULES, Criterion, Facts, Figure, is_compiled
from accord.builtin.dependencies import Dependencies
from accord.builtin.markdown import bullets, bytes_in_words, code, counted, document, escaped, listed, table
from accord.builtin.measure import Measures
from accord.builtin.metadata import Metadata
from accord.builtin.products import Chart, Product, Report
from accord.builtin.recommendation import difference_of, firmness_of, reasons_of, summary_of
from accord.builtin.score import CriterionScore, ProductScore, Scores, Scoring
from accord.builtin.svg import Bar, DotRow, bar_chart, dot_plot
from accord.sdk import Agent

agent = Agent("editor")

_GOOD = 70
"""Points of a figure from which on it may be a strength."""
_CLEARLY = 10
"""Points by which a strength is ahead of most others."""


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
    summary = summary_of(scores)
    markdown = document(
        f"# Comparison: {escaped(listed([one.name for one in scores.products]))}",
        f"> {escaped(scores.purpose)}" if scores.purpose else "",
        "## Recommendation",
        summary,
        reasons_of(scores),
        firmness_of(scores),
        "![Total scores, by criterion](totals.svg)",
        _missing(comparison),
        "## Key facts",
        _key_facts(comparison, ordered),
        _compiled_note(ordered),
        "## Scores",
        _score_table(scores),
        _incomplete_note(scores),
        "![Scores by criterion](criteria.svg)",
        "## Criterion by criterion",
        *(_criterion(scores, name, facts) for name in CRITERIA),
        "## Product by product",
        *(_product(scores, one, facts[one.name]) for one in scores.products if one.name in facts),
        "## Risks, with evidence",
        *(_risks(one) for one in ordered),
        "## Method and limits",
        _method(scores, ordered),
    )
    return Report(markdown=markdown, charts=_charts(scores), summary=_plain(summary))


def _missing(comparison: Comparison) -> str:
    lines = []
    for one in comparison.missing:
        near = f"; similar names here: {listed([code(name) for name in one.near])}" if one.near else ""
        lines.append(f"{code(one.name)}: {escaped(one.reason)}{near}")
    return f"Not found, and therefore not compared:\n\n{bullets(lines)}" if lines else ""


def _key_facts(comparison: Comparison, ordered: Sequence[Facts]) -> str:
    versions = {one.name: one.version for one in comparison.products}
    header = ["", *(escaped(one.name) for one in ordered)]
    rows = [["version", *(_cell(versions.get(one.name)) for one in ordered)]]
    rows += [[label, *(_cell(fact(one)) for one in ordered)] for label, fact in _KEY_FACTS]
    return table(header, rows, numeric=True)


def _compiled_note(ordered: Sequence[Facts]) -> str:
    compiled = [escaped(one.name) for one in ordered if is_compiled(one)]
    if not compiled:
        return ""
    about = "what stands here of lines, functions, names, complexity, docstrings, annotations and risks"
    return f"Most of the code of {listed(compiled)} is compiled, and was not read: {about} is of the Python part alone."


def _incomplete_note(scores: Scores) -> str:
    """What is to be known of totals that rest on too little."""
    names = [escaped(one.name) for one in scores.products if scores.is_incomplete(one)]
    about = "a total of less than half of the weight, which is not held against the others"
    return f"Incomplete ({listed(names)}): {about}." if names else ""


def _mark(scores: Scores, product: ProductScore) -> str:
    """What stands behind a total that is not to be held against others."""
    return ", incomplete" if scores.is_incomplete(product) else ""


def _cell(value: str | None) -> str:
    return escaped(value) if value else "—"


def _of_metadata(read: Callable[[Metadata], str | None]) -> Callable[[Facts], str | None]:
    return lambda one: read(one.metadata) if one.metadata else None


def _of_measures(read: Callable[[Measures], str | None]) -> Callable[[Facts], str | None]:
    return lambda one: read(one.measures) if one.measures else None


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.0%}"


def _complexity(found: Measures) -> str | None:
    return f"{found.complexity.mean:g} / {found.complexity.maximum}" if found.complexity else None


def _sampled(found: Measures) -> str:
    return "" if found.extent.complete else " (in a sample)"


def _compiled(found: Measures) -> str:
    return bytes_in_words(found.compiled_bytes) if found.compiled_files else "none"


def _dependencies(one: Facts) -> str | None:
    if one.dependencies is None or not one.dependencies.declared:
        return None
    every = len(one.dependencies.transitive) + len(one.dependencies.missing)
    return f"{len(one.dependencies.direct)} / {every}"


def _needed_bytes(one: Facts) -> str | None:
    known = one.dependencies is not None and one.dependencies.declared
    return bytes_in_words(one.dependencies.transitive_bytes) if one.dependencies and known else None


def _tests(one: Facts) -> str | None:
    if one.tests is None:
        return None
    return f"{one.tests.test_functions:,} ({one.tests.ratio:g} lines per line)" if one.tests.ratio else "none"


def _density(one: Facts) -> str | None:
    return f"{one.risks.density:g}" if one.risks else None


_KEY_FACTS: tuple[tuple[str, Callable[[Facts], str | None]], ...] = (
    ("licence", _of_metadata(lambda found: found.licence.expression)),
    ("status", _of_metadata(lambda found: found.maturity)),
    ("Python", _of_metadata(lambda found: found.requires_python)),
    ("lines of code", _of_measures(lambda found: f"{found.lines.code:,}{_sampled(found)}")),
    ("functions, classes", _of_measures(lambda found: f"{found.functions:,}, {found.classes:,}{_sampled(found)}")),
    ("public names", _of_measures(lambda found: f"{found.public_names:,}")),
    ("mean / highest complexity", _of_measures(_complexity)),
    ("docstrings of public API", _of_measures(lambda found: _percent(found.docstring_coverage))),
    ("annotations", _of_measures(lambda found: _percent(found.annotation_coverage))),
    ("dependencies direct / in all", _dependencies),
    ("size on disk", _of_measures(lambda found: bytes_in_words(found.disk_bytes))),
    ("of that compiled", _of_measures(_compiled)),
    ("size of its dependencies", _needed_bytes),
    ("tests found here", _tests),
    ("signals of risk per 1000 lines", _density),
)


def _score_table(scores: Scores) -> str:
    weights = {one.criterion: one.weight for one in scores.criteria}
    header = ["", "weight", *(escaped(one.name) for one in scores.products)]
    rows = [[name, f"{weights[name]:.0%}", *(_points(one, name) for one in scores.products)] for name in CRITERIA]
    total = ["**total**", "", *(f"**{one.total:.1f}**{_mark(scores, one)}" for one in scores.products)]
    sure = ["confidence", "", *(f"{one.confidence:.0%}" for one in scores.products)]
    return table(header, [*rows, total, sure], numeric=True)


def _points(product: ProductScore, name: Criterion) -> str:
    value = _score_of(product, name).score
    return "—" if value is None else f"{value:.0f}"


def _score_of(product: ProductScore, name: Criterion) -> CriterionScore:
    return next(one for one in product.criteria if one.criterion == name)


def _criterion(scores: Scores, name: Criterion, facts: Mapping[str, Facts]) -> str:
    weighed = next(one for one in scores.criteria if one.criterion == name)
    found = [(one, _score_of(one, name)) for one in scores.products]
    known = [(one, score) for one, score in found if score.score is not None]
    head = f"### {name.capitalize()} ({weighed.weight:.0%}, {escaped(weighed.reason)})"
    about = f"{weighed.meaning[0].upper()}{weighed.meaning[1:]}."
    if weighed.weight == 0:
        return f"{head}\n\n{about} It was given no weight."
    if not known:
        return f"{head}\n\n{about} Nothing is known about it for any of the products, so it does not count."
    rest = _unknown([facts[one.name] for one, score in found if score.score is None and one.name in facts], name)
    return document(head, f"{about} {_spread(known)}".rstrip(), _figure_table(known), rest).rstrip("\n")


def _unknown(unknown: Sequence[Facts], name: Criterion) -> str:
    """For which products nothing is known, and why; what is unknown is never the best."""
    compiled = [escaped(one.name) for one in unknown if RULES[name].reads_source and is_compiled(one)]
    others = [escaped(one.name) for one in unknown if escaped(one.name) not in compiled]
    reasons = [f"Not known for {listed(others)}"] if others else []
    if compiled:
        reasons.append(f"Not measured for {listed(compiled)}: most of the code is compiled, and was not read")
    return f"{'. '.join(reasons)}; there it does not count." if reasons else ""


def _figure_table(known: Sequence[tuple[ProductScore, CriterionScore]]) -> str:
    """The figures behind one criterion: a row each, a column per product."""
    labels = dict.fromkeys(figure.figure for _, score in known for figure in score.figures)
    values = [{figure.figure: figure.value for figure in score.figures} for _, score in known]
    header = ["", *(escaped(one.name) for one, _ in known)]
    scores = ["**score**", *(f"**{score.score or 0:.0f}**" for _, score in known)]
    rows = [[label, *(_cell(found.get(label)) for found in values)] for label in labels]
    return table(header, [*rows, scores], numeric=True)


def _spread(known: Sequence[tuple[ProductScore, CriterionScore]]) -> str:
    """How far the products are apart in one criterion, and which figure sets the ends apart."""
    order = sorted(known, key=lambda pair: (-(pair[1].score or 0.0), pair[0].rank))
    if len(order) < 2:
        return ""
    (best, high), (last, low) = order[0], order[-1]
    gap = (high.score or 0.0) - (low.score or 0.0)
    if gap < 10:
        return "The products hardly differ here."
    words = "widely" if gap >= 40 else "noticeably"
    ends = f"from {escaped(best.name)} ({high.score:.0f}) to {escaped(last.name)} ({low.score:.0f})"
    return f"They differ {words}, {ends}: {difference_of(high, low)}."


def _product(scores: Scores, product: ProductScore, facts: Facts) -> str:
    others = [one for one in scores.products if one.name != product.name]
    same = [one for one in others if one.rank == product.rank]
    shared = f", the same as {escaped(listed([one.name for one in same]))}" if same else ""
    total = f"{product.total:.0f} of 100{_mark(scores, product)}{shared}"
    summary = facts.metadata.summary if facts.metadata else None
    strong, weak = _standing(product, others)
    return document(
        f"### {product.rank}. {escaped(product.name)}: {total}",
        f"*{escaped(summary)}*" if summary else "",
        _portrait(facts),
        f"Strengths:\n\n{bullets(strong)}" if strong else "No figure stands out as a strength.",
        f"Weaknesses:\n\n{bullets(weak)}" if weak else "No figure stands out as a weakness.",
        _hot_spots(facts),
    )


def _standing(product: ProductScore, others: Sequence[ProductScore]) -> tuple[list[str], list[str]]:
    """The figures in which a product is good and clearly ahead of most others, and those in which it is weak."""
    strong, weak = [], []
    for score in product.criteria:
        for figure in score.figures:
            field = [(one.name, found) for one in others if (found := _figure_of(one, score, figure))]
            line = f"**{score.criterion}**: {figure.figure} {escaped(figure.value)}{_beside(field, others)}"
            scores = [found.score for _, found in field]
            behind = [one for one in scores if figure.score >= one + _CLEARLY]
            if figure.score >= _GOOD and (not scores or len(behind) > len(scores) / 2):
                strong.append(line)
            elif figure.score <= 40 or (scores and figure.score <= max(scores) - 30):
                weak.append(line)
    return strong, weak


def _beside(field: Sequence[tuple[str, Figure]], others: Sequence[ProductScore]) -> str:
    """What the others have: `, against 4 of attrs and 7 of msgspec`."""
    if field:
        return f", against {listed([f'{escaped(found.value)} of {escaped(name)}' for name, found in field])}"
    return ", not measured of the others" if others else ""


def _figure_of(product: ProductScore, score: CriterionScore, figure: Figure) -> Figure | None:
    figures = _score_of(product, score.criterion).figures
    return next((one for one in figures if one.figure == figure.figure), None)


def _portrait(facts: Facts) -> str:
    """What the product is made of, in a few sentences."""
    sentences = (
        _size(facts.measures),
        _needs(facts.dependencies),
        _commands(facts.metadata),
        _tangle(facts.dependencies),
    )
    return " ".join(one for one in sentences if one)


def _size(measures: Measures | None) -> str:
    if measures is None or not measures.functions:
        return ""
    own = f"{counted(measures.lines.code, 'line')} of code in {counted(measures.python_files, 'Python file')}"
    return f"{own}; half of its functions have at most {measures.function_lines_median:g} lines."


def _needs(needs: Dependencies | None) -> str:
    if needs is None or not needs.declared:
        return ""
    extras = f"; {counted(len(needs.extras), 'optional group')}" if needs.extras else ""
    if not needs.direct:
        return f"It needs nothing but Python{extras}."
    return f"It needs {_first_few([escaped(one.name) for one in needs.direct], 8)}{extras}."


def _commands(metadata: Metadata | None) -> str:
    points = metadata.entry_points if metadata else ()
    names = [code(one.name) for one in points if one.group == "console_scripts"]
    return f"It installs the {'command' if len(names) == 1 else 'commands'} {listed(names)}." if names else ""


def _tangle(needs: Dependencies | None) -> str:
    if needs is None or not needs.cycles:
        return ""
    return f"In its largest import cycle are {_first_few([code(one) for one in needs.cycles[0].modules], 5)}."


def _first_few(words: Sequence[str], most: int) -> str:
    return listed([*words[:most], *([f"{len(words) - most} more"] if len(words) > most else [])])


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
        read = f"{counted(facts.risks.lines, 'line')}{' of its Python part' if is_compiled(facts) else ''}"
        return f"{head}\n\nNone of the rules found anything in {read}."
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
        "What a product needs is counted and weighed in bytes; the code of its dependencies is not looked at.",
        "Compiled code is not read. Where it outweighs the source, nothing is said that rests on the source. "
        "What is unknown is never the best: with less than half of the weight known, a product comes after the others.",
        "Wheels seldom contain tests, so no tests found here does not mean that there are none.",
        "Popularity, speed, community and release dates cannot be told from files, and are not part of the score.",
    ]
    limits += [
        f"{escaped(one.name)} was sampled: {escaped(one.measures.extent.note)}."
        for one in ordered
        if one.measures and one.measures.extent.note
    ]
    return f"{bullets(limits)}\n\n" + table(("criterion", "usual weight", "how figures become scores"), rows)


def _charts(scores: Scores) -> list[Chart]:
    names = [one.name for one in scores.products]
    ends = [f"{one.total:.0f}{_mark(scores, one)}" for one in scores.products]
    totals = "; ".join(f"{one.name} {end}" for one, end in zip(scores.products, ends, strict=True))
    bars = [
        Bar(one.name, tuple(part.contribution for part in one.criteria), end, pale=scores.is_incomplete(one))
        for one, end in zip(scores.products, ends, strict=True)
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
