"""The grader: what was found, as grades from A to F per area, each with its reasons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, get_args

from pydantic import Field

from accord.builtin.criteria import ramp
from accord.builtin.duplication import Duplication
from accord.builtin.findings import AREA_OF, RULES, Area, Inspection
from accord.builtin.history import History
from accord.builtin.inventory import Inventory
from accord.builtin.markdown import counted
from accord.builtin.products import Count, Name, Record, Severity
from accord.builtin.risks import WEIGHT_OF
from accord.sdk import Agent

agent = Agent("grader")

Letter = Literal["A", "B", "C", "D", "F"]
_LOWEST_OF: tuple[tuple[float, Letter], ...] = ((90, "A"), (75, "B"), (60, "C"), (40, "D"), (0, "F"))
_FAILING_DENSITY: dict[Area, float] = {
    "correctness": 12,
    "safety": 8,
    "complexity": 12,
    "consistency": 20,
    "upkeep": 12,
}
"""Weighted findings per 1000 lines of code at which an area's score reaches 0."""
_IN_TESTS = 0.25
"""What a finding in test code counts, against one in the code that it tests."""
_FEWEST_LINES = 200
"""Below this, one finding in a small tree would look like hundreds in a large one."""


class Audit(Record):
    """Everything that an audit found; what was not looked at is None."""

    inventory: Inventory
    inspections: list[Inspection]
    duplication: Duplication | None = None
    history: History | None = None


class RuleTotal(Record):
    """How often one rule applied in the whole tree."""

    rule: Name
    area: Name
    severity: Severity
    meaning: str
    count: Annotated[int, Field(ge=1)]
    in_tests: Count
    files: Count


class Grade(Record):
    """One area's grade; None where there is nothing that it could rest on."""

    area: Area
    grade: Letter | None
    score: Annotated[float, Field(ge=0, le=100)] | None
    reasons: Annotated[list[str], Field(min_length=1)]


class Grades(Record):
    """The grades of all areas, and the grade of the whole: the mean of those that are known."""

    overall: Letter | None
    score: Annotated[float, Field(ge=0, le=100)] | None
    grades: list[Grade]
    rules: list[RuleTotal]
    code_lines: Count
    test_code_lines: Count


@agent.capability(
    "source.grade@1.0.0",
    description="Grades from A to F for correctness, safety, complexity, consistency, upkeep, copies, tests, docs.",
)
def grade(audit: Audit) -> Grades:
    """The grades of a source tree, with what they rest on."""
    code = sum(one.code_lines for one in audit.inspections)
    tests = sum(one.test_code_lines for one in audit.inspections)
    totals = rule_totals(audit.inspections)
    grades = [
        *(_by_findings(area, totals, code + tests) for area in _FAILING_DENSITY),
        _duplication(audit.duplication),
        _tests(code, tests),
        _documentation(audit.inspections),
    ]
    order = get_args(Area)
    known = [one.score for one in grades if one.score is not None]
    score = round(sum(known) / len(known), 1) if known else None
    return Grades(
        overall=None if score is None else letter(score),
        score=score,
        grades=sorted(grades, key=lambda one: order.index(one.area)),
        rules=totals,
        code_lines=code,
        test_code_lines=tests,
    )


def letter(score: float) -> Letter:
    """A from 90, B from 75, C from 60, D from 40, F below."""
    return next(name for lowest, name in _LOWEST_OF if score >= lowest)


def rule_totals(inspections: Iterable[Inspection]) -> list[RuleTotal]:
    """The counts of all groups by rule, the gravest first."""
    sums: dict[str, tuple[int, int, int]] = {}
    for one in (count for inspection in inspections for count in inspection.counts):
        count, in_tests, files = sums.get(one.rule, (0, 0, 0))
        sums[one.rule] = (count + one.count, in_tests + one.in_tests, files + one.files)
    totals = [
        RuleTotal(
            rule=rule,
            area=AREA_OF[rule],
            severity=RULES[rule][0],
            meaning=RULES[rule][1],
            count=count,
            in_tests=in_tests,
            files=files,
        )
        for rule, (count, in_tests, files) in sums.items()
        if rule in RULES
    ]
    return sorted(totals, key=lambda one: (-WEIGHT_OF[one.severity], -one.count, one.rule))


def _by_findings(area: Area, totals: Sequence[RuleTotal], lines: int) -> Grade:
    own = [one for one in totals if one.area == area]
    if not lines:
        return _unknown(area, "there is no program code")
    weight = sum(WEIGHT_OF[one.severity] * (one.count - one.in_tests * (1 - _IN_TESTS)) for one in own)
    density = 1000 * weight / max(lines, _FEWEST_LINES)
    reasons = [f"{one.rule}: {counted(one.count, 'place')} in {counted(one.files, 'file')}" for one in own]
    about = f"{density:.1f} weighted findings per 1000 lines of code; at {_FAILING_DENSITY[area]:g} the score is 0"
    return _graded(area, ramp(density, _FAILING_DENSITY[area], 0), [about, *reasons] if own else ["nothing found"])


def _duplication(found: Duplication | None) -> Grade:
    if found is None or not found.lines:
        return _unknown("duplication", "no code was compared")
    blocks = counted(found.blocks_in_all, "block")
    reason = f"{found.share:.1%} of {found.lines:,} lines stand in more than one place ({blocks})"
    return _graded("duplication", ramp(found.share, 0.25, 0.01), [reason])


def _tests(code: int, tests: int) -> Grade:
    if not code:
        return _unknown("tests", "there is no program code")
    reason = f"{tests:,} lines of test code for {code:,} lines of code"
    return _graded("tests", ramp(tests / code, 0, 0.8), [reason])


def _documentation(inspections: Sequence[Inspection]) -> Grade:
    possible = sum(one.documentable for one in inspections)
    done = sum(one.documented for one in inspections)
    if not possible:
        return _unknown("documentation", "there is no public Python code to look at")
    reason = f"{done:,} of {possible:,} public modules, classes and functions have a docstring"
    return _graded("documentation", ramp(done / possible, 0.1, 0.9), [reason])


def _graded(area: Area, score: float, reasons: list[str]) -> Grade:
    return Grade(area=area, grade=letter(score), score=score, reasons=reasons)


def _unknown(area: Area, reason: str) -> Grade:
    return Grade(area=area, grade=None, score=None, reasons=[reason])
