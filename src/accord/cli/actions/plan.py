"""`accord plan`: the graph for an objective, why each part of it is there, and what the verifier says. Nothing runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from rich.text import Text

from accord.cli.choosing import Asked, choose, prepared
from accord.cli.errors import BAD_INPUT, DONE, show_problem
from accord.cli.hosting import contracts_of, offers_of
from accord.cli.options import Shared
from accord.cli.output import Screen, clean, counted
from accord.cli.session import carry_out, opened, who
from accord.planner.plan import PlannedTask
from accord.verifier.report import Finding, Report
from accord.views.leaks import with_leaks
from accord.views.planning import Planned, known_of, plan_document

__all__ = ["Asked", "plan"]


def plan(shared: Shared, asked: Asked) -> None:
    """Carry out `accord plan`."""

    async def work(screen: Screen) -> int:
        agents = prepared(asked, shared)
        async with opened(shared) as service:
            known = await known_of(service, contracts_of(agents))
            chosen = await with_leaks(service, choose(asked, known), known, offers_of(agents), by=who())
        if screen.as_json:
            screen.document(plan_document(chosen.plan))
        else:
            _show(chosen, screen)
        return DONE if chosen.plan.report.ok else BAD_INPUT

    carry_out(shared, work)


def _show(chosen: Planned, screen: Screen) -> None:
    found = chosen.plan
    if found.objective is not None:
        screen.line(found.objective, "head")
    screen.facts(
        [
            ("template", f"{found.template}  ({chosen.entry.origin})"),
            ("confidence", f"{found.confidence:.0%}" if found.objective is not None else ""),
            ("because", "; ".join(found.reasons) if found.objective is not None else ""),
            ("input", msgspec.json.encode(found.input).decode()),
        ]
    )
    for name, words in found.slots.items():
        screen.line(Text.assemble(("  slot ", "quiet"), clean(name), (" is ", "quiet"), clean(words)))
    screen.heading("Graph")
    for line in drawing(found.tasks):
        screen.line(line)
    screen.heading("Why")
    for task in found.tasks:
        _show_task(task, screen)
    if found.alternatives:
        screen.heading("Not taken")
        rows = [(one.template, f"{one.score:.0%}", one.why_not) for one in found.alternatives]
        screen.table(("template", "fits", "why not"), rows)
    screen.heading("Verification")
    show_report(found.report, screen)


def drawing(tasks: Iterable[PlannedTask]) -> Iterator[Text]:
    """The graph in layers: a task stands below everything that it needs; `name[…]` is done item by item."""
    depth: dict[str, int] = {}
    layers: list[list[PlannedTask]] = []
    for task in tasks:
        depth[task.task] = level = 1 + max((depth[need.task] for need in task.after), default=-1)
        while len(layers) <= level:
            layers.append([])
        layers[level].append(task)
    for level, layer in enumerate(layers):
        if level:
            yield Text("  │" if len(layer) == 1 else "  ├" + "─" * 3, "quiet")
        yield Text.assemble("  ", Text("   ").join(_node(task) for task in layer))


def _node(task: PlannedTask) -> Text:
    marks = ("[…]" if task.each else "") + (" when" if task.condition else "")
    return Text.assemble((task.task, "name"), (marks, "quiet"))


def _show_task(task: PlannedTask, screen: Screen) -> None:
    does = task.does.replace("`", "")
    screen.line(Text.assemble((f"  {task.task}", "name"), f"  {clean(does)}"))
    if task.why:
        screen.line(f"    {task.why}")
    if task.each:
        screen.line(f"    for each of {task.each.strip()}", "quiet")
    if task.condition:
        screen.line(f"    when {task.condition.strip()}", "quiet")
    if task.labels:
        screen.line(f"    labels {', '.join(task.labels)}", "quiet")
    for need in task.after:
        screen.line(f"    after {need.task}: {need.why}", "quiet")


def show_report(report: Report, screen: Screen) -> None:
    """The verifier's verdict, then its errors and warnings; proofs are counted."""
    edges = f"{report.proven} of {counted(report.edges, 'edge')} proven"
    if report.ok:
        warnings = f", {counted(len(report.warnings), 'warning')}" if report.warnings else ""
        screen.line(Text.assemble(("✔ ", "green"), f"{report.template} holds: {edges}{warnings}"))
    else:
        wrong = counted(len(report.errors), "error")
        screen.line(Text.assemble(("✘ ", "red"), f"{report.template} does not hold: {wrong}, {edges}"))
    show_findings(report.errors, "bad", screen)
    show_findings(report.warnings, "warn", screen)


def show_findings(findings: Iterable[Finding], style: str, screen: Screen) -> None:
    """Findings as problems."""
    for finding in findings:
        show_problem(screen.out, finding.problem, style)
