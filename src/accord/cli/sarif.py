"""Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec

from accord.cli.rules import rules
from accord.errors import Problem
from accord.release import release

Level = Literal["error", "warning"]

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
"""Names the schema; it is not fetched."""


class Finding(msgspec.Struct, frozen=True):
    """A problem, how bad it is, and its counterexample or evidence, where there is one."""

    level: Level
    problem: Problem
    example: Any = msgspec.UNSET


def sarif(findings: Iterable[Finding]) -> bytes:
    """The document of these findings, each once."""
    told = list({(one.level, one.problem): one for one in findings}.values())
    codes = sorted({one.problem.code for one in told})
    levels = {one.problem.code: one.level for one in told}
    driver = {
        "name": "Accord",
        "version": release(),
        "rules": [_rule(code, levels[code]) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, codes) for one in told],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _rule(code: str, level: Level) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": code, "defaultConfiguration": {"level": level}}
    meaning = rules().get(code)
    return {**rule, "shortDescription": {"text": meaning}} if meaning else rule


def _result(finding: Finding, codes: Sequence[str]) -> dict[str, Any]:
    problem = finding.problem
    hint = f". {problem.hint}" if problem.hint else ""
    result: dict[str, Any] = {
        "ruleId": problem.code,
        "ruleIndex": codes.index(problem.code),
        "level": finding.level,
        "message": {"text": f"{problem.message}{hint}"},
    }
    location = _location(problem)
    if location:
        result["locations"] = [location]
    more = {"hint": problem.hint} if problem.hint else {}
    if finding.example is not msgspec.UNSET:
        more = {**more, "example": finding.example}
    return {**result, "properties": more} if more else result


def _location(problem: Problem) -> dict[str, Any]:
    place = problem.place
    found: dict[str, Any] = {}
    if place.file is not None:
        artifact: dict[str, Any] = {"uri": quote(Path(place.file).as_posix(), safe="/")}
        found["physicalLocation"] = {"artifactLocation": artifact}
        if place.line is not None:
            column = {"startColumn": place.column} if place.column is not None else {}
            found["physicalLocation"]["region"] = {"startLine": place.line, **column}
    if place.pointer:
        found["logicalLocations"] = [{"fullyQualifiedName": place.pointer}]
    return found
