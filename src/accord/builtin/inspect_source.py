"""The reader: looks at one group of files, line by line, and Python files by their syntax tree as well."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import orjson
from pydantic import Field

from accord.builtin.batches import in_batches
from accord.builtin.complexity import ModuleFacts, module_facts
from accord.builtin.findings import Finding, Inspection, RuleCount, finding
from accord.builtin.languages import Language, language_of
from accord.builtin.line_kinds import LineKinds, physical_lines, plain_lines, python_lines
from accord.builtin.products import Name, Record
from accord.builtin.signals import python_signals, text_signals
from accord.builtin.sources import SourceFile, directory_at, file_below, read_text
from accord.builtin.syntax import parse
from accord.sdk import Agent, Context

agent = Agent("reader")

MOST_LISTED = 5
"""Findings of one rule in one file that are listed; the others are counted."""
_COMPLEX, _TANGLED = 15, 30
_LONG_FUNCTION, _LARGE_FILE, _LONG_LINE = 80, 1000, 140
_CONFLICT = re.compile(r"^(<{7} |>{7} )", re.MULTILINE)
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)


class InspectionOrder(Record):
    """One group of files of an inventory."""

    root: Name
    paths: Annotated[list[Name], Field(min_length=1)]


@dataclass
class _File:
    file: SourceFile
    kinds: LineKinds = field(default_factory=LineKinds)
    code: bool = False
    facts: ModuleFacts | None = None
    findings: list[Finding] = field(default_factory=list)
    unreadable: bool = False

    def add(self, rule: str, line: int, message: str) -> None:
        self.findings.append(finding(rule, self.file.path, line, message, test=self.file.is_test))


@agent.capability(
    "source.inspect@1.0.0",
    description="Findings in a group of files: syntax, complexity, risky calls, secrets, long lines, whitespace.",
)
async def inspect(order: InspectionOrder, context: Context) -> Inspection:
    """What there is to find in one group of files; nothing of it is imported or run."""
    root = directory_at(order.root)
    found = [(path, file_below(root, path)) for path in sorted(set(order.paths))]
    files = [file for _, file in found if file]
    looked_at = await in_batches(files, look_at, context, "inspected")
    gone = [path for path, file in found if file is None]
    return _inspection(looked_at, gone)


def look_at(file: SourceFile) -> _File:
    """All findings in one file."""
    seen = _File(file)
    text = read_text(file)
    if text is None:
        seen.unreadable = True
        return seen
    language = language_of(file.path)
    seen.code = language.code
    if text.damage:
        seen.add("broken-encoding", 1, text.damage)
    if file.suffix == ".py":
        _look_at_python(seen, text.content)
    else:
        seen.kinds = plain_lines(text.content, language.comments)
        _check_data(seen, text.content)
    for signal in text_signals(text.content):
        seen.add(signal.rule, signal.line, signal.message)
    _look_at_lines(seen, text.content, language)
    return seen


def _look_at_python(seen: _File, content: str) -> None:
    try:
        tree = parse(content)
    except SyntaxError as error:
        seen.add("syntax-error", error.lineno or 1, error.msg)
        seen.kinds = plain_lines(content)
        return
    seen.kinds = python_lines(content, tree)
    seen.facts = module_facts(tree)
    for signal in python_signals(tree, test=seen.file.is_test):
        seen.add(signal.rule, signal.line, signal.message)
    for one in seen.facts.functions:
        if one.complexity > _COMPLEX:
            rule = "tangled-function" if one.complexity > _TANGLED else "complex-function"
            seen.add(rule, one.line, f"`{one.qualname}` has complexity {one.complexity}")
        if one.lines > _LONG_FUNCTION:
            seen.add("long-function", one.line, f"`{one.qualname}` has {one.lines} lines")


def _check_data(seen: _File, content: str) -> None:
    try:
        if seen.file.suffix == ".json":
            orjson.loads(content)
        elif seen.file.suffix == ".toml":
            tomllib.loads(content)
    except (orjson.JSONDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", None) or int((re.findall(r"line (\d+)", str(error)) or ["1"])[0])
        seen.add("syntax-error", line, str(error))


def _look_at_lines(seen: _File, content: str, language: Language) -> None:
    lines = physical_lines(content)
    for match in _CONFLICT.finditer(content):
        seen.add("conflict-marker", content.count("\n", 0, match.start()) + 1, "a conflict marker")
    if language.code:
        for number, line in enumerate(lines, 1):
            if len(line) > _LONG_LINE:
                seen.add("long-line", number, f"{len(line)} characters")
        if len(lines) > _LARGE_FILE:
            seen.add("large-file", 1, f"{len(lines):,} lines")
    if language.name != "Prose":
        _look_at_blanks(seen, content, lines)


def _look_at_blanks(seen: _File, content: str, lines: Sequence[str]) -> None:
    """One finding each for the whole file: hundreds of them would bury everything else."""
    trailing = list(_TRAILING.finditer(content))
    if trailing:
        first = content.count("\n", 0, trailing[0].start()) + 1
        seen.add("trailing-whitespace", first, f"{len(trailing)} lines, this is the first")
    tabs = [number for number, line in enumerate(lines, 1) if line.startswith("\t")]
    if tabs and any(line.startswith("  ") and not line.startswith("  *") for line in lines):
        seen.add("mixed-indentation", tabs[0], f"{len(tabs)} lines begin with a tab, others with spaces")


def _inspection(looked_at: Sequence[_File], gone: Sequence[str]) -> Inspection:
    seen = [one for one in looked_at if not one.unreadable]
    programs = [one for one in seen if one.code]
    facts = [one.facts for one in seen if one.facts and not one.file.is_test]
    functions = [function for one in facts for function in one.functions]
    every = [found for one in seen for found in one.findings]
    return Inspection(
        files=len(seen),
        lines=sum(one.kinds.total for one in seen),
        code_lines=sum(one.kinds.code for one in programs if not one.file.is_test),
        test_code_lines=sum(one.kinds.code for one in programs if one.file.is_test),
        functions=len(functions),
        complexity_sum=sum(one.complexity for one in functions),
        documentable=sum(one.documentable for one in facts),
        documented=sum(one.documented for one in facts),
        unreadable=sorted([*gone, *(one.file.path for one in looked_at if one.unreadable)]),
        findings=sorted(
            (found for one in seen for found in _listed(one.findings)),
            key=lambda one: (one.path, one.line, one.rule),
        ),
        counts=_counts(every),
    )


def _listed(findings: Sequence[Finding]) -> Iterator[Finding]:
    listed: Counter[str] = Counter()
    for one in sorted(findings, key=lambda one: one.line):
        listed[one.rule] += 1
        if listed[one.rule] <= MOST_LISTED:
            yield one


def _counts(findings: Sequence[Finding]) -> list[RuleCount]:
    by_rule: dict[str, list[Finding]] = {}
    for one in findings:
        by_rule.setdefault(one.rule, []).append(one)
    return [
        RuleCount(
            rule=rule,
            count=len(several),
            in_tests=sum(one.test for one in several),
            files=len({one.path for one in several}),
        )
        for rule, several in sorted(by_rule.items())
    ]
