"""The chief editor: an audit of a source tree as a report for people, with its charts."""

from __future__ import annotations

from collections.abc import Sequence

from accord.builtin.findings import AREA_OF, Finding
from accord.builtin.grade import Audit, Grade, Grades, RuleTotal
from accord.builtin.history import History
from accord.builtin.markdown import bullets, bytes_in_words, code, counted, document, escaped, listed, table
from accord.builtin.products import Chart, Report
from accord.builtin.risks import WEIGHT_OF
from accord.builtin.svg import Bar, bar_chart
from accord.sdk import Agent

agent = Agent("chief-editor")

_MOST_URGENT = 15
_MOST_BLOCKS = 10
_MOST_LANGUAGES = 9


class GradedAudit(Audit):
    """Everything that an audit found, and its grades."""

    grades: Grades


@agent.capability(
    "report.audit@1.0.0",
    description="An audit as Markdown with charts: grades and their reasons, what to look at first, copies, history.",
)
def compose_audit(audit: GradedAudit) -> Report:
    """The report on an audit; its charts are named in it as `{name}.svg`."""
    summary = _summary(audit)
    markdown = document(
        f"# Audit of {escaped(audit.inventory.title)}",
        summary,
        "## Grades",
        _grade_table(audit.grades),
        "![Scores by area](grades.svg)" if audit.grades.score is not None else "",
        "## What to look at first",
        _urgent(audit),
        "## What is there",
        _contents(audit),
        "![Lines by language](languages.svg)" if audit.inventory.languages else "",
        "## All rules that applied",
        _rule_table(audit.grades.rules),
        "## Copies",
        _copies(audit),
        "## History",
        _history(audit),
        "## Method and limits",
        _method(audit),
    )
    return Report(markdown=markdown, charts=_charts(audit), summary=summary.replace("**", "").replace("\\", ""))


def _summary(audit: GradedAudit) -> str:
    grades, inventory = audit.grades, audit.inventory
    size = f"{counted(len(inventory.files), 'text file')} with {counted(inventory.lines, 'line')}"
    if grades.overall is None or grades.score is None:
        return f"**{escaped(inventory.title)}** has {size}, but no program code that could be graded."
    known = sorted((one for one in grades.grades if one.score is not None), key=lambda one: one.score or 0.0)
    best = [one.area for one in reversed(known) if one.grade == "A"]
    worst = [f"{one.area} ({one.grade})" for one in known if (one.score or 0) < 60][:3]
    praise = f" Good: {listed(best)}." if best else ""
    blame = f" Weakest: {listed(worst)}." if worst else " No area is below C."
    grave = sum(one.count for one in grades.rules if one.severity == "high")
    look = f" {counted(grave, 'finding')} of high severity should be looked at first." if grave else ""
    return (
        f"**{escaped(inventory.title)}** gets **{grades.overall}** ({grades.score:.0f} of 100): {size}, "
        f"{grades.code_lines:,} of code and {grades.test_code_lines:,} of test code.{praise}{blame}{look}"
    )


def _grade_table(grades: Grades) -> str:
    rows = [
        (one.area, f"**{one.grade}**" if one.grade else "—", _points(one), escaped(one.reasons[0]))
        for one in grades.grades
    ]
    if grades.score is None:
        whole = ("**whole**", "—", "—", "there is nothing to grade")
    else:
        whole = ("**whole**", f"**{grades.overall}**", f"{grades.score:.0f}", "mean of the known areas")
    return table(("area", "grade", "score", "because"), [*rows, whole])


def _points(one: Grade) -> str:
    return "—" if one.score is None else f"{one.score:.0f}"


def _urgent(audit: GradedAudit) -> str:
    every = [found for one in audit.inspections for found in one.findings]
    ordered = sorted(every, key=_urgency)
    grave = [one for one in ordered if one.severity != "low"]
    if not grave:
        return "Nothing of medium or high severity was found."
    rows = [
        (
            one.severity,
            code(one.rule),
            code(f"{one.path}:{one.line}"),
            _message(one) + (" (test code)" if one.test else ""),
        )
        for one in grave[:_MOST_URGENT]
    ]
    rest = len(grave) - len(rows)
    more = f"\n\nAnd {counted(rest, 'more finding')} of medium or high severity." if rest else ""
    return table(("severity", "rule", "place", "what"), rows) + more


def _urgency(one: Finding) -> tuple[float, bool, int, str, int]:
    areas = ("correctness", "safety", "complexity")
    area = AREA_OF.get(one.rule, "upkeep")
    return (
        -WEIGHT_OF[one.severity],
        one.test,
        areas.index(area) if area in areas else 9,
        one.path,
        one.line,
    )


def _message(one: Finding) -> str:
    """The message with its code spans kept, and everything else escaped."""
    parts = one.message.split("`")
    if len(parts) % 2 == 0:
        return escaped(one.message)
    return "".join(
        code(part) if number % 2 else _spaced(part) for number, part in enumerate(parts) if part.strip() or part
    )


def _spaced(part: str) -> str:
    """`part` escaped, with the blanks at its ends that separate it from a code span."""
    left = " " if part[:1].isspace() else ""
    right = " " if part[-1:].isspace() and part.strip() else ""
    return f"{left}{escaped(part)}{right}"


def _contents(audit: GradedAudit) -> str:
    inventory = audit.inventory
    rows = [
        (escaped(one.language), f"{one.files:,}", f"{one.lines:,}", f"{one.share:.0%}", bytes_in_words(one.size_bytes))
        for one in inventory.languages
    ]  # fmt: skip
    functions = sum(one.functions for one in audit.inspections)
    complexity = sum(one.complexity_sum for one in audit.inspections)
    mean = (
        f" Its {functions:,} Python functions have a mean complexity of {complexity / functions:.2f}."
        if functions
        else ""
    )
    extra = f" {counted(inventory.binary_files, 'binary file')} besides." if inventory.binary_files else ""
    lead = f"{counted(len(inventory.files), 'text file')}, {bytes_in_words(inventory.size_bytes)}.{extra}{mean}"
    return f"{lead}\n\n" + table(("language", "files", "lines", "share", "size"), rows, numeric=True)


def _rule_table(rules: Sequence[RuleTotal]) -> str:
    if not rules:
        return "None."
    rows = [
        (
            code(one.rule),
            one.severity,
            one.area,
            f"{one.count:,}",
            f"{one.in_tests:,}",
            f"{one.files:,}",
            escaped(one.meaning).replace("\\`", "`"),
        )
        for one in rules
    ]
    return table(("rule", "severity", "area", "places", "in tests", "files", "what it finds"), rows)


def _copies(audit: GradedAudit) -> str:
    found = audit.duplication
    if found is None:
        return "Not looked for."
    lead = (
        f"{found.duplicated_lines:,} of {found.lines:,} compared lines ({found.share:.1%}) stand in more than one "
        f"place, in {counted(found.blocks_in_all, 'block')}."
    )
    rows = [
        (
            f"{one.lines}",
            ", ".join(code(f"{p.path}:{p.first_line}-{p.last_line}") for p in one.places[:4])
            + (f" and {len(one.places) - 4} more" if len(one.places) > 4 else ""),
            code(one.begins[:60]),
        )
        for one in found.blocks[:_MOST_BLOCKS]
    ]
    return document(lead, table(("lines", "places", "begins with"), rows) if rows else "", found.note or "").rstrip()


def _history(audit: GradedAudit) -> str:
    found = audit.history
    if found is None:
        return "Not looked at."
    if not found.available:
        return f"Not available: {escaped(found.reason or 'no reason was given')}."
    lead = (
        f"{counted(found.commits, 'commit')} by {counted(found.authors, 'author')}, {_dates(found)}: "
        f"{found.added:,} lines added, {found.deleted:,} deleted. "
        f"The most active author made {found.main_author_share or 0:.0%} of the commits."
    )
    note = f" ({escaped(found.note)}.)" if found.note else ""
    rows = [
        (code(one.path), f"{one.commits}", f"{one.added:,}", f"{one.deleted:,}", f"{one.authors}")
        for one in found.hot_files[:10]
    ]
    if not rows:
        return lead + note
    header = ("changed most", "commits", "added", "deleted", "authors")
    return f"{lead}{note}\n\n{table(header, rows, numeric=True)}\n\n{_hot_and_complex(audit, found)}".rstrip()


def _dates(found: History) -> str:
    return f"all on {found.first}" if found.first == found.last else f"from {found.first} to {found.last}"


def _hot_and_complex(audit: GradedAudit, found: History) -> str:
    """Files that change often and are complex: where work on structure pays first."""
    hard = {
        one.path for several in audit.inspections for one in several.findings if AREA_OF.get(one.rule) == "complexity"
    }
    both = [code(one.path) for one in found.hot_files if one.path in hard and one.commits > 1]
    return f"Changed often and hard to change: {listed(both[:5])}." if both else ""


def _method(audit: GradedAudit) -> str:
    lines = [
        "Every file was read as text; Python files also by their syntax tree. Nothing was imported, run or downloaded.",
        "An area's score falls with the weighted findings per 1000 lines of code: a high one counts 10, a medium 3, a "
        "low 1, and a quarter of that in test code. A from 90, B from 75, C from 60, D from 40.",
        "A finding is a place to look at: whether it is a flaw, only a person can tell.",
        "Paths in a `.gitignore`, version control folders, virtual environments and symbolic links were left out.",
        "In languages other than Python, only text rules apply: open tasks, secrets, long lines, whitespace, encoding.",
    ]
    lines += [escaped(one[0].upper() + one[1:]) + "." for one in audit.inventory.notes]
    gone = sorted(path for one in audit.inspections for path in one.unreadable)
    if gone:
        lines.append(f"Could not be read: {listed([code(path) for path in gone[:5]])}.")
    return bullets(lines)


def _charts(audit: GradedAudit) -> list[Chart]:
    graded = [one for one in audit.grades.grades if one.score is not None]
    bars = [Bar(one.area, (one.score or 0.0,), f"{one.grade}  {one.score:.0f}") for one in graded]
    spoken = ", ".join(f"{one.area} {one.grade}" for one in graded)
    charts = [_chart("grades", "Scores by area", f"Of 100 points each: {spoken}.", bars, 100)] if graded else []
    languages = audit.inventory.languages[:_MOST_LANGUAGES]
    if languages:
        most = max(one.lines for one in languages)
        bars = [Bar(one.language, (float(one.lines),), f"{one.lines:,}") for one in languages]
        said = ", ".join(f"{one.language} {one.lines}" for one in languages)
        charts.append(_chart("languages", "Lines by language", f"Lines: {said}.", bars, float(max(most, 4))))
    return charts


def _chart(name: str, title: str, description: str, bars: Sequence[Bar], full: float) -> Chart:
    return Chart(name=name, title=title, svg=bar_chart(title, description, bars, (), full))
