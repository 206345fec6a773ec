"""Everything that is wrong with a template file: in its text, and by the verifier in all of it that is sound."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from accord.domain.graph import Graph
from accord.errors import Problem, in_order
from accord.templates.reading import Examined
from accord.templates.soundness import Told
from accord.verifier.flow import Clearance, Offering
from accord.verifier.known import Capabilities, Templates
from accord.verifier.report import Finding, Report
from accord.verifier.verify import staffed, verify

MISSED_AGENTS = frozenset(("ACC170", "ACC171", "ACC820", "ACC821"))
"""Findings that may only follow from agents that could not be read."""

MISSED_WORKFLOWS = frozenset(("ACC827",))
"""Findings that may only follow from templates that could not be read."""


MISSED = MISSED_AGENTS | MISSED_WORKFLOWS


class Verified(msgspec.Struct, frozen=True):
    """What is to be said of a template file."""

    problems: tuple[Problem, ...]
    """All of them, in the order of the file."""
    warnings: tuple[Problem, ...] = ()
    report: Report | None = None
    """Of all that is sound; None where nothing is."""
    unsaid: bool = False
    """Whether there were findings that were passed over."""
    examples: Mapping[Problem, Any] = {}
    """Of problems and warnings the counterexample, or the evidence, where there is one."""


def verified(
    found: Examined,
    capabilities: Capabilities,
    templates: Templates,
    passed_over: Collection[str] = (),
    clearance: Clearance | None = None,
    offering: Offering | None = None,
) -> Verified:
    """What the text and the verifier say of a file; findings with codes that are `passed_over` are not told. With a
    `clearance` its leaks are, too; where there is none, `offering` says who could do its tasks.
    """
    if found.graph is None:
        return Verified(found.problems)
    report = verify(found.graph, capabilities, templates, place_of=found.place, clearance=clearance)
    if clearance is None and offering is not None:
        report = staffed(report, found.graph, offering, found.place)
    told = Told(found.problems)
    errors = [each for each in _problems(report.errors, passed_over) if not told.covers(each)]
    warnings = [each for each in _problems(report.warnings, passed_over) if not told.touches(each)]
    unsaid = any(finding.code in passed_over for finding in report.findings)
    examples = {one.problem: one.example for one in report.findings if one.example is not msgspec.UNSET}
    return Verified(in_order([*found.problems, *errors]), in_order(warnings), report, unsaid, examples)


def _problems(findings: Iterable[Finding], passed_over: Collection[str]) -> Iterable[Problem]:
    return (finding.problem for finding in findings if finding.code not in passed_over)


class WithDoubtful:
    """Templates, and beside them graphs of files that are wrong: nobody who runs those is told that there are none."""

    def __init__(self, templates: Templates, doubtful: Iterable[Examined]) -> None:
        self._templates = templates
        self._doubtful = {one.template.name: one.graph for one in doubtful if one.template is not None}

    def graph(self, wanted: str) -> Graph | None:
        """The graph of the best version in a range; that of a file which is wrong stands for all versions."""
        return self._doubtful.get(wanted.partition("@")[0]) or self._templates.graph(wanted)

    def names(self) -> Iterable[str]:
        """The names of all known templates."""
        return dict.fromkeys([*self._templates.names(), *self._doubtful])
