"""The criteria of a comparison: which measured figures make which score, and how they are normalised.

Every score is absolute: it depends on the product's own figures and the purpose, never on what else is compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from accord.builtin.dependencies import Dependencies
from accord.builtin.measure import Measures
from accord.builtin.metadata import Metadata
from accord.builtin.products import Name, Record
from accord.builtin.risks import Risks
from accord.builtin.tests_found import Examination

Criterion = Literal[
    "fit",
    "maintainability",
    "safety",
    "documentation",
    "typing",
    "lightness",
    "testing",
    "maturity",
    "licence",
]
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)


class Figure(Record):
    """One measured figure and the score that it gives; `source` is the capability that measured it."""

    figure: Name
    value: str
    score: float
    source: Name


@dataclass(frozen=True)
class Facts:
    """All records about one product; None where a capability gave none."""

    name: str
    metadata: Metadata | None = None
    measures: Measures | None = None
    dependencies: Dependencies | None = None
    tests: Examination | None = None
    risks: Risks | None = None


@dataclass(frozen=True)
class Rule:
    """How one criterion is scored; the score is the mean of its figures."""

    weight: float
    meaning: str
    normalisation: str
    emphasis: tuple[str, ...]
    """Beginnings of words which, in a purpose, say that this criterion matters more."""
    figures: Callable[[Facts, str], list[Figure]]
    reads_source: bool = False
    """Whether it rests on the source: then nothing is known where most of the code is compiled."""


def figures_of(criterion: Criterion, facts: Facts, purpose: str) -> list[Figure]:
    """The figures behind one criterion; none where what it rests on could not be read."""
    rule = RULES[criterion]
    return [] if rule.reads_source and is_compiled(facts) else rule.figures(facts, purpose)


def is_compiled(facts: Facts) -> bool:
    """Whether code that is compiled, and was not read, outweighs the source: then the source says too little."""
    return facts.measures is not None and facts.measures.compiled_bytes > facts.measures.extent.source_bytes


def ramp(value: float, worst: float, best: float) -> float:
    """0 at `worst` and beyond, 100 at `best` and beyond, linear between; `worst` may be the larger one."""
    return round(100 * min(max((value - worst) / (best - worst), 0.0), 1.0), 1)


def content_words(purpose: str, names: Iterable[str] = ()) -> list[str]:
    """The words of a purpose that say something about a product: no function words, none of the products' names."""
    own = {name.lower() for name in names}
    words = re.findall(r"[a-z][a-z0-9+#-]*", purpose.lower())
    return [word for word in dict.fromkeys(words) if len(word) > 2 and word not in _FUNCTION_WORDS | own]


def emphasised_by(word: str) -> list[Criterion]:
    """The criteria that a purpose with this word puts weight on."""
    return [name for name, rule in RULES.items() if word.startswith(rule.emphasis)]


def _fit(facts: Facts, purpose: str) -> list[Figure]:
    words = [word for word in content_words(purpose) if not emphasised_by(word)]
    if facts.metadata is None or not words or not facts.metadata.vocabulary:
        return []
    stems = {_stem(word) for word in facts.metadata.vocabulary}
    hits = [word for word in words if _stem(word) in stems]
    value = f"{len(hits)} of {len(words)}" + (f" ({', '.join(hits)})" if hits else "")
    return [Figure(figure="words of the purpose it uses", value=value, score=ramp(len(hits) / len(words), 0, 0.8),
                   source="software.metadata")]  # fmt: skip


def _maintainability(facts: Facts, _: str) -> list[Figure]:
    figures = []
    if facts.measures and facts.measures.complexity:
        measures, complexity = facts.measures, facts.measures.complexity
        share = complexity.complex_functions / max(measures.functions, 1)
        figures = [
            _figure("mean complexity", f"{complexity.mean:g}", ramp(complexity.mean, 7, 2)),
            _figure("functions above complexity 10", f"{share:.1%}", ramp(share, 0.12, 0)),
            _figure("90th percentile of function length", f"{measures.function_lines_p90 or 0:g} lines",
                    ramp(measures.function_lines_p90 or 0, 80, 20)),
        ]  # fmt: skip
    if facts.dependencies and facts.dependencies.modules:
        largest = max((len(one.modules) for one in facts.dependencies.cycles), default=0)
        tangled = largest / facts.dependencies.modules
        value = f"{largest} of {facts.dependencies.modules}" if largest else "none"
        figures.append(_figure("modules in the largest import cycle", value, ramp(tangled, 0.5, 0), "dependencies"))
    return figures


def _safety(facts: Facts, _: str) -> list[Figure]:
    if facts.risks is None or not facts.risks.lines:
        return []
    density = facts.risks.density
    high = sum(one.count for one in facts.risks.risks if one.severity == "high")
    per_thousand = 1000 * high / facts.risks.lines
    return [
        _figure("weighted signals per 1000 lines", f"{density:g}", ramp(density, 10, 0), "risks"),
        _figure(
            "high-severity signals", f"{high} ({per_thousand:.2f} per 1000 lines)", ramp(per_thousand, 1, 0), "risks"
        ),
    ]


def _documentation(facts: Facts, _: str) -> list[Figure]:
    figures = []
    if facts.measures and facts.measures.docstring_coverage is not None:
        covered = facts.measures.docstring_coverage
        figures.append(_figure("docstring coverage of the public API", f"{covered:.0%}", ramp(covered, 0.1, 0.9)))
    if facts.metadata and facts.metadata.stated_by != "nothing":
        words = facts.metadata.description_words
        figures.append(_figure("long description", f"{words:,} words", ramp(words, 0, 400), "metadata"))
        linked = any("doc" in link.label.lower() or "docs" in link.url for link in facts.metadata.links)
        figures.append(_figure("link to documentation", _yes(linked), 100.0 * linked, "metadata"))
    return figures


def _typing(facts: Facts, _: str) -> list[Figure]:
    figures = []
    if facts.measures and facts.measures.annotation_coverage is not None:
        covered = facts.measures.annotation_coverage
        figures.append(_figure("annotated parameters and returns", f"{covered:.0%}", ramp(covered, 0.1, 0.95)))
    if facts.metadata:
        typed = facts.metadata.typed
        figures.append(_figure("py.typed marker", _yes(typed), 100.0 * typed, "metadata"))
    return figures


def _lightness(facts: Facts, _: str) -> list[Figure]:
    figures = []
    if facts.dependencies and facts.dependencies.declared:
        needed = len(facts.dependencies.transitive) + len(facts.dependencies.missing)
        figures.append(_figure("distributions it brings along", str(needed), ramp(needed, 25, 0), "dependencies"))
        figures.append(_figure("depth of dependencies", str(facts.dependencies.depth),
                               ramp(facts.dependencies.depth, 6, 0), "dependencies"))  # fmt: skip
    if facts.measures and facts.dependencies and facts.dependencies.declared:
        megabytes = (facts.measures.disk_bytes + facts.dependencies.transitive_bytes) / 1e6
        figures.append(_figure("size with all it needs", f"{megabytes:.1f} MB", ramp(megabytes, 40, 0.5)))
    return figures


def _testing(facts: Facts, _: str) -> list[Figure]:
    if facts.tests is None or facts.tests.ratio is None:
        return []
    per_test = facts.tests.assertions / max(facts.tests.test_functions, 1)
    return [
        _figure("test code per line of code", f"{facts.tests.ratio:g}", ramp(facts.tests.ratio, 0, 0.8), "tests"),
        _figure("assertions per test", f"{per_test:.1f}", ramp(per_test, 0, 2), "tests"),
    ]


_MATURITY = {"Planning": 0, "Pre-Alpha": 10, "Alpha": 30, "Beta": 60, "Production/Stable": 100, "Mature": 100,
             "Inactive": 0}  # fmt: skip
_SCHEMES = {"semantic, stable": 100, "calendar": 90, "semantic, before 1.0": 50, "pre-release": 30,
            "development": 20, "other": 50}  # fmt: skip


def _maturity(facts: Facts, _: str) -> list[Figure]:
    figures = []
    if facts.metadata and facts.metadata.maturity:
        status = facts.metadata.maturity
        figures.append(_figure("declared status", status, float(_MATURITY.get(status, 50)), "metadata"))
    if facts.tests and facts.tests.version_scheme:
        version = facts.metadata.version if facts.metadata else None
        value = f"{version} ({facts.tests.version_scheme})" if version else facts.tests.version_scheme
        figures.append(_figure("version", value, float(_SCHEMES[facts.tests.version_scheme]), "tests"))
    if facts.metadata and facts.metadata.stated_by != "nothing":
        links = len(facts.metadata.links)
        figures.append(_figure("project links", str(links), ramp(links, 0, 4), "metadata"))
    return figures


_LICENCES = {"permissive": 100.0, "weak copyleft": 70.0, "strong copyleft": 30.0}


def _licence(facts: Facts, _: str) -> list[Figure]:
    licence = facts.metadata.licence if facts.metadata else None
    if licence is None or licence.licence_class == "unknown":
        return []
    value = f"{licence.expression} ({licence.licence_class})"
    return [_figure("licence", value, _LICENCES[licence.licence_class], "metadata")]


def _figure(figure: str, value: str, score: float, source: str = "measure") -> Figure:
    return Figure(figure=figure, value=value, score=score, source=f"software.{source}")


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def _stem(word: str) -> str:
    """`word` without a common ending: `validating`, `validation` and `validated` meet in `valid`."""
    for ending in ("ations", "ation", "ators", "ator", "ating", "ated", "ates", "ings", "ing", "ies", "ers", "ors",
                   "es", "er", "or", "ed", "ly", "s", "e", "y"):  # fmt: skip
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


RULES: dict[Criterion, Rule] = {
    "fit": Rule(
        15, "how far the product's own words are those of the purpose",
        "share of the purpose's content words that its metadata uses; 100 from 80% on",
        ("fit", "purpose"), _fit,
    ),
    "maintainability": Rule(
        15, "how easy the code is to read and change",
        "mean complexity 2→7, complex functions 0→12%, long functions 20→80 lines, import cycle 0→50% of the "
        "modules give 100→0",
        ("maintain", "extend", "fork", "contribut", "readab", "simple"), _maintainability, reads_source=True,
    ),
    "safety": Rule(
        15, "how few risky constructs the code contains",
        "weighted signals 0→10 and high-severity signals 0→1 per 1000 lines give 100→0",
        ("secur", "safe", "trust", "hardened", "untrusted", "complian"), _safety, reads_source=True,
    ),
    "documentation": Rule(
        10, "how much of the public API explains itself",
        "docstring coverage 10→90% and description 0→400 words give 0→100; a documentation link gives 100",
        ("document", "docs", "learn", "teach", "beginner", "newcomer", "onboard"), _documentation, reads_source=True,
    ),
    "typing": Rule(
        10, "how well type checkers and editors can see into it",
        "annotated parameters and returns 10→95% give 0→100; py.typed gives 100",
        ("typed", "typing", "types", "type", "mypy", "pyright", "editor", "ide"), _typing, reads_source=True,
    ),
    "lightness": Rule(
        15, "how little it brings along",
        "dependencies 0→25, their depth 0→6 and size with all of them 0.5→40 MB give 100→0",
        ("light", "small", "minimal", "embed", "lambda", "serverless", "footprint", "slim", "container"), _lightness,
    ),
    "testing": Rule(
        10, "how much test code stands beside the code",
        "test code 0→0.8 lines per line of code and 0→2 assertions per test give 0→100; unknown without tests",
        ("test", "reliab", "robust", "critical"), _testing, reads_source=True,
    ),
    "maturity": Rule(
        10, "what status and stability it declares",
        "declared status, version scheme (stable 100, calendar 90, before 1.0 50), project links 0→4",
        ("stable", "production", "matur", "enterprise", "long-term", "proven"), _maturity,
    ),
    "licence": Rule(
        5, "how freely it may be used",
        "permissive 100, weak copyleft 70, strong copyleft 30",
        ("licen", "commercial", "proprietary", "closed", "redistribut", "legal"), _licence,
    ),
}  # fmt: skip
"""The criteria in the order of a report, with their usual weights."""

_FUNCTION_WORDS = frozenset(
    """
    about against all also analyse analysis analyze and any app application applications apps are assess
    best better between build building but can choose choosing compare comparing comparison competitive
    could evaluate for from good had has have how into its just less libraries library like make makes
    may might more most must need needed needs new not one onto our over package packages pick product
    products project projects python select shall should software some than that the their this three
    two under use used uses using versus very want wants was well were what when where which who whom
    why will with would your
    """.split()  # noqa: SIM905 -- a list of 100 literals is harder to read and to keep sorted
)
