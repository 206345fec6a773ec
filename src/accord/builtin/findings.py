"""What an audit can find in a file: the rules, their severities and areas, and the records of what was found."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from accord.builtin.products import Count, Name, Record, Severity
from accord.builtin.signals import RULES as SIGNAL_RULES

Area = Literal["correctness", "safety", "complexity", "consistency", "upkeep", "duplication", "tests", "documentation"]

_OWN_RULES: dict[str, tuple[Severity, str]] = {
    "syntax-error": ("high", "a file that does not parse"),
    "broken-encoding": ("medium", "a file that is not in the encoding that it claims"),
    "conflict-marker": ("high", "a merge conflict that was committed"),
    "complex-function": ("medium", "a function above complexity 15"),
    "tangled-function": ("high", "a function above complexity 30"),
    "long-function": ("low", "a function of more than 80 lines"),
    "large-file": ("low", "a source file of more than 1000 lines"),
    "long-line": ("low", "a line of more than 140 characters"),
    "mixed-indentation": ("low", "lines that begin with tabs beside lines that begin with spaces"),
    "trailing-whitespace": ("low", "lines that end in blanks"),
}
RULES: dict[str, tuple[Severity, str]] = {**_OWN_RULES, **SIGNAL_RULES}

AREA_OF: dict[str, Area] = {
    "syntax-error": "correctness",
    "broken-encoding": "correctness",
    "conflict-marker": "correctness",
    "bare-except": "correctness",
    "swallowed-error": "correctness",
    "mutable-default": "correctness",
    "assert-outside-tests": "correctness",
    "hard-coded-secret": "safety",
    "dynamic-code": "safety",
    "shell-command": "safety",
    "unsafe-loading": "safety",
    "tls-not-verified": "safety",
    "predictable-temporary-file": "safety",
    "weak-hash": "safety",
    "complex-function": "complexity",
    "tangled-function": "complexity",
    "long-function": "complexity",
    "large-file": "complexity",
    "long-line": "consistency",
    "mixed-indentation": "consistency",
    "trailing-whitespace": "consistency",
    "open-task": "upkeep",
}


class Finding(Record):
    """One rule that applies at one place."""

    rule: Name
    severity: Severity
    path: Name
    line: Annotated[int, Field(ge=1)]
    message: str
    test: bool = Field(description="Whether the file is test code.")


class RuleCount(Record):
    """How often a rule applied in one group of files, also beyond the findings that are listed."""

    rule: Name
    count: Annotated[int, Field(ge=1)]
    in_tests: Count
    files: Count


class Inspection(Record):
    """What was found in one group of files. Findings are cut per rule and file; the counts are whole."""

    files: Count
    lines: Count
    code_lines: Count = Field(description="Lines of programs, without blank and comment lines.")
    test_code_lines: Count
    functions: Count
    complexity_sum: Count
    documentable: Count
    documented: Count
    unreadable: list[Name] = Field(description="Paths that are gone, binary, or lead out of the root.")
    findings: list[Finding]
    counts: list[RuleCount]


def finding(rule: str, path: str, line: int, message: str, *, test: bool) -> Finding:
    """A finding with the severity of its rule; in test code, a high one is only medium."""
    severity = RULES[rule][0]
    if test and severity == "high" and AREA_OF[rule] in {"safety", "complexity"}:
        severity = "medium"
    return Finding(rule=rule, severity=severity, path=path, line=max(line, 1), message=message, test=test)
