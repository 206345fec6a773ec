"""Verifying a graph before it runs: its structure, its expressions, its agents, and its contracts edge by edge."""

from __future__ import annotations

from difflib import get_close_matches

import msgspec

from accord.domain.graph import Graph, Subrun
from accord.domain.labels import NOTHING, Labels
from accord.errors import PlaceOf, pointer_only
from accord.verifier.authority import AuthorityCheck, check_agreement
from accord.verifier.bindings import BindingCheck, pointer_of_task
from accord.verifier.bounds import Known, bounds_of
from accord.verifier.branches import BranchCheck
from accord.verifier.flow import Clearance, ClearanceCheck, Flow, Offering, is_labelled
from accord.verifier.known import Capabilities, NoTemplates, Templates
from accord.verifier.report import Bounds, Finding, Findings, Report
from accord.verifier.structure import check_structure
from accord.verifier.widths import Slots, unknown_slots

_NONE = NoTemplates()


def verify(  # noqa: PLR0913 - what is known of the world, part by part
    graph: Graph,
    capabilities: Capabilities,
    templates: Templates = _NONE,
    *,
    place_of: PlaceOf = pointer_only,
    clearance: Clearance | None = None,
    labels: Labels = NOTHING,
    slots: Slots = unknown_slots,
) -> Report:
    """What can be proven of a graph with these capabilities and templates; nothing runs unless the report is `ok`.

    `place_of` gives JSON pointers of the template their places in a file, e.g. `Document.place`. With a `clearance` it
    is checked that labels reach only those who may see them; `labels` is what all of the input has. `slots` says how
    many tasks agents can do at a time, for the queues among the bounds.
    """
    report = _Verification(capabilities, templates, slots).report(graph, place_of, ())
    if clearance is None:
        return report
    return cleared(report, graph, capabilities, templates, place_of=place_of, clearance=clearance, labels=labels)


def cleared(  # noqa: PLR0913 - what is known of the world, part by part
    report: Report,
    graph: Graph,
    capabilities: Capabilities,
    templates: Templates = _NONE,
    *,
    place_of: PlaceOf = pointer_only,
    clearance: Clearance,
    labels: Labels = NOTHING,
) -> Report:
    """A report without a clearance, with what that holds against the graph; one that is not `ok` stays as it is."""
    if not report.ok:
        return report
    findings = Findings(place_of)
    AuthorityCheck(graph, clearance, findings).check()
    if labels or is_labelled(graph, capabilities, templates):
        given, before = dict.fromkeys(labels, ("what was said at the start",)), len(findings.all)
        certain, possible = (Flow(graph, capabilities, templates, given, certain=one) for one in (True, False))
        ClearanceCheck(clearance, findings).check(certain, possible)
        if len(findings.all) == before:
            findings.fact("labels", "policy", len(graph.tasks))
    told, facts = (*report.findings, *_distinct(findings.all)), (*report.facts, *findings.facts)
    return msgspec.structs.replace(report, findings=told, facts=facts)


def staffed(report: Report, graph: Graph, offering: Offering, place_of: PlaceOf = pointer_only) -> Report:
    """A report without a clearance, with what is to be said of who offers something, where no policy is known; one
    that is not `ok` stays as it is.
    """
    if not report.ok:
        return report
    findings = Findings(place_of)
    check_agreement(graph, offering, findings)
    return msgspec.structs.replace(report, findings=(*report.findings, *_distinct(findings.all)))


class _Verification:
    """One verification, sub-workflows included, each of them once."""

    def __init__(self, capabilities: Capabilities, templates: Templates, slots: Slots) -> None:
        self._capabilities, self._templates, self._slots = capabilities, templates, slots
        self._done: dict[str, Report] = {}

    def report(self, graph: Graph, place_of: PlaceOf, above: tuple[str, ...]) -> Report:
        findings = Findings(place_of)
        bounds = None
        check_structure(graph, findings)
        self._check_subruns(graph, findings, (*above, _name(graph)))
        if not findings.all:
            findings.fact("structure", "search", len(graph.tasks))
        if not _is_broken(findings):
            bindings = BindingCheck(graph, self._capabilities, self._templates, findings)
            bindings.check()
            BranchCheck(graph, bindings.outputs.everywhere(), findings).check()
            known = Known(self._capabilities, bindings.lists(), bindings.inputs(), self._slots, self._bounds_within)
            bounds = bounds_of(graph, known, findings)
            told = (bounds.attempts, bounds.cost, bounds.time_s, bounds.message_bytes, *bounds.items.values())
            findings.fact("bounds", "arithmetic", len(told) - told.count(None), told.count(None))
        return Report(
            template=graph.template,
            digest=graph.digest,
            findings=tuple(_distinct(findings.all)),
            edges=findings.edges,
            proven=findings.proven,
            bounds=bounds,
            facts=tuple(findings.facts),
        )

    def _bounds_within(self, template: str) -> Bounds | None:
        """The bounds of a workflow that was verified because a task runs it."""
        graph = self._templates.graph(template)
        report = None if graph is None else self._done.get(graph.digest)
        return None if report is None else report.bounds

    def _check_subruns(self, graph: Graph, findings: Findings, path: tuple[str, ...]) -> None:
        for task in graph.tasks.values():
            if isinstance(task.action, Subrun):
                self._check_subrun(task.action, f"{pointer_of_task(task)}/workflow", findings, path)

    def _check_subrun(self, action: Subrun, at: str, findings: Findings, path: tuple[str, ...]) -> None:
        wanted = action.template
        name = wanted.partition("@")[0]
        if name in path:
            cycle = " → ".join((*path[path.index(name) :], name))
            hint = "loop inside one workflow with `for_each`, or let an agent do it"
            findings.error("ACC828", f"the workflows would run each other for ever: {cycle}", at, hint)
            return
        graph = self._templates.graph(wanted)
        if graph is None:
            close = get_close_matches(name, list(self._templates.names()), n=1)
            hint = f"did you mean `{close[0]}`?" if close else "see `accord templates list`"
            findings.error("ACC827", f"there is no workflow `{wanted}`", at, hint)
            return
        if graph.digest not in self._done:
            self._done[graph.digest] = self.report(graph, pointer_only, path)
        report = self._done[graph.digest]
        if not report.ok:
            first = report.errors[0]
            message = f"the workflow `{graph.template}` has {len(report.errors)} errors; the first: {first.problem}"
            findings.error("ACC827", message, at, f"see `accord verify {graph.template}`")


def _name(graph: Graph) -> str:
    return graph.template.partition("@")[0]


def _is_broken(findings: Findings) -> bool:
    """Whether the order does not hold, or workflows run each other, so that nothing can be said of values."""
    return any(finding.code in ("ACC828", "ACC829") for finding in findings.all)


def _distinct(findings: list[Finding]) -> list[Finding]:
    """Without what was found twice (a fallback may share its task's input)."""
    seen: set[tuple[str, str, str]] = set()
    kept = []
    for finding in findings:
        key = (finding.code, finding.message, str(finding.place))
        if key not in seen:
            seen.add(key)
            kept.append(finding)
    return kept
