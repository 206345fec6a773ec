"""Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec

from accord.errors import Problem

Level = Literal["error", "warning"]
Finding = tuple[Level, Problem]

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
"""Names the schema; it is not fetched."""


def sarif(findings: Iterable[Finding]) -> bytes:
    """The document of these findings, each once."""
    told = list(dict.fromkeys(findings))
    rules = sorted({problem.code for _, problem in told})
    driver = {"name": "Accord", "version": version("accord-orchestrator"), "rules": [{"id": code} for code in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(level, problem, rules) for level, problem in told],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _result(level: Level, problem: Problem, rules: Sequence[str]) -> dict[str, Any]:
    hint = f". {problem.hint}" if problem.hint else ""
    text = f"{problem.message}{hint}"
    result = {"ruleId": problem.code, "ruleIndex": rules.index(problem.code), "level": level, "message": {"text": text}}
    location = _location(problem)
    return {**result, "locations": [location]} if location else result


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
