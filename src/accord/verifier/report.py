"""Reports: what the verifier has found of one graph.

    ACC820  no known agent offers a capability            ACC827  a sub-workflow that is not known
    ACC821  no known version of a capability will do      ACC828  templates that run each other for ever
    ACC822  an edge that its contract refutes             ACC829  a graph whose structure does not hold
    ACC823  an edge that is not proven (warning)          ACC830  a task that can never start
    ACC824  an edge that is proven                        ACC831  a member that may be absent
    ACC825  an output that may be absent
    ACC826  a compensation that reads what may be absent  ACC832  an answer that nobody reads (warning)

and ACC207 and ACC208 (`accord.domain.expression`): paths that their schemas rule out, and results of the wrong type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from accord.domain.ids import Digest
from accord.errors import Place, PlaceOf, Problem, TemplateInvalid

Severity = Literal["error", "warning", "proof"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was found: an error, something that could not be proven, or a proof."""

    severity: Severity
    code: str
    message: str
    place: Place
    hint: str | None = None
    example: Any = msgspec.UNSET
    """A value that the edge lets through and that breaks the contract."""

    @property
    def problem(self) -> Problem:
        """The finding as a problem, with its example in the hint."""
        hint = self.hint
        if self.example is not msgspec.UNSET:
            shown = f"for example: {_shown(self.example)}"
            hint = f"{shown}; {hint}" if hint else shown
        return Problem(self.code, self.message, self.place, hint)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a graph: it may run only if `ok`."""

    template: str
    digest: Digest
    findings: tuple[Finding, ...]
    edges: int
    """Inputs that were checked against contracts, each with each contract that may receive it."""
    proven: int

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        return self._of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return self._of("warning")

    @property
    def proofs(self) -> tuple[Finding, ...]:
        return self._of("proof")

    def _of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def refuse(self) -> None:
        """Raise TemplateInvalid with all errors, unless there are none."""
        TemplateInvalid.raise_if(finding.problem for finding in self.errors)


class Findings:
    """Collects findings, and finds their places."""

    def __init__(self, place_of: PlaceOf) -> None:
        self._place_of = place_of
        self.all: list[Finding] = []
        self.edges = self.proven = 0

    def error(self, code: str, message: str, at: str, hint: str | None = None) -> None:
        """Add an error at a JSON pointer."""
        self._add("error", code, message, at, hint)

    def warning(self, code: str, message: str, at: str, hint: str | None = None) -> None:
        """Add a warning at a JSON pointer."""
        self._add("warning", code, message, at, hint)

    def problems(self, problems: Iterable[Problem]) -> None:
        """Add problems, whose places are JSON pointers, as errors."""
        for problem in problems:
            self._add("error", problem.code, problem.message, problem.place.pointer or "", problem.hint)

    def edge(self, *findings: Finding) -> None:
        """Add what became of one edge."""
        self.edges += 1
        self.proven += findings[0].severity == "proof"
        self.all.extend(findings)

    def at(self, pointer: str, *, key: bool = False) -> Place:
        """The place of a JSON pointer; with `key` that of the member's name."""
        return self._place_of(pointer, key=key)

    def _add(self, severity: Severity, code: str, message: str, at: str, hint: str | None) -> None:
        place = self._place_of(at)
        self.all.append(Finding(severity=severity, code=code, message=message, place=place, hint=hint))


def _shown(value: object, most: int = 300) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= most else f"{text[:most]}…"
