"""`accord plan`: the graph for an objective, why each part of it is there, and what the verifier says. Nothing runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from accord.cli.choosing import Asked, choose_or_ask, prepared
from accord.cli.errors import BAD_INPUT, DONE, show_problem
from accord.cli.estimates import expected_task, expected_words
from accord.cli.hosting import contracts_of, crews_of, described_of, offers_of
from accord.cli.options import Shared
from accord.cli.output import Screen, clean, counted
from accord.cli.result import unwritable_file
from accord.cli.session import carry_out, staffed, who
from accord.cli.suggesting import may_suggest, suggested_by
from accord.domain.ids import TaskId
from accord.engine.node import Node
from accord.engine.tracer import Planning
from accord.machine import SystemClock
from accord.planner.estimate import Estimate
from accord.planner.plan import PlannedTask
from accord.service import Service
from accord.templates.writing import yaml_text
from accord.verifier.report import Bounds, Finding, Queue, Report
from accord.views.authority import with_authority
from accord.views.planning import Planned, estimate_of, known_of, plan_document, reasoned, with_defaults
from accord.views.unstaffed import unstaffed

__all__ = ["Asked", "plan"]


def plan(shared: Shared, asked: Asked, save: Path | None = None) -> None:
    """Carry out `accord plan`; the template is written to `save`."""

    async def work(screen: Screen) -> int:
        agents = prepared(asked, shared, tuple(unwritable_file(save, "--save")) if save is not None else ())
        async with staffed(shared, ()) as service:
            known = await known_of(
                service, contracts_of(agents), described_of(agents), crews_of(agents), SystemClock().now()
            )
            known = may_suggest(known, service, shared, offers_of(agents))
            with _told(service) as told:
                told.calls = known.suggestion.calls if known.suggestion is not None else ()
                planned = await choose_or_ask(asked, known, screen)
                told.template = planned.plan.template
            chosen = await with_authority(service, planned, known, offers_of(agents), by=who())
            warnings = await unstaffed(service, chosen, contracts_of(agents))
            expected = await estimate_of(service, chosen, known)
        if save is not None:
            _save(chosen, save)
        if screen.as_json:
            screen.document(plan_document(chosen.plan, warnings, expected))
        else:
            show(chosen, expected, screen)
            for one in warnings:
                show_problem(screen.out, one, "warn")
        return DONE if chosen.plan.report.ok else BAD_INPUT

    carry_out(shared, work)


def _told(service: Service) -> AbstractContextManager[Planning]:
    """Tells that a plan is made, where spans are; what is planned for a server is told nowhere."""
    if not isinstance(service, Node):
        return nullcontext(Planning())
    return service.parts.tracer.planning(service.parts.ports.ids.token())


def _save(chosen: Planned, path: Path) -> None:
    """Write the template, which can be edited and run. One that was made for an objective has its parts in the order in
    which they were made; what the objective says is the default of its input, and why it is so is said above it.
    """
    made: dict[str, Any] | None = chosen.plan.document
    if made is None:
        path.write_text(yaml_text(msgspec.json.decode(chosen.entry.data)), encoding="utf-8")
        return
    above = "".join(f"# {line}\n" for line in reasoned(chosen.plan))
    path.write_text(above + yaml_text(with_defaults(made, chosen.plan.input)), encoding="utf-8")


def show(chosen: Planned, expected: Estimate | None, screen: Screen) -> None:
    """Show a plan: its graph, why each part is there, what else was considered, and what is proven."""
    found = chosen.plan
    if found.objective is not None:
        screen.line(found.objective, "head")
    screen.facts(
        [
            ("template", f"{found.template}  ({chosen.entry.origin})"),
            ("suggested by", suggested_by(found)),
            ("confidence", f"{found.confidence:.0%}" if found.objective is not None else ""),
            ("classifier", f"version {found.classifier}" if found.classifier is not None else ""),
            ("because", "; ".join(found.reasons) if found.objective is not None else ""),
            ("input", msgspec.json.encode(found.input).decode()),
        ]
    )
    for name, words in found.slots.items():
        screen.line(Text.assemble(("  slot ", "quiet"), clean(name), (" is ", "quiet"), clean(words)))
    screen.heading("Graph")
    for line in drawing(found.tasks):
        screen.line(line)
    told = {one.task: expected_task(one) for one in expected.tasks} if expected is not None else {}
    screen.heading("Why")
    for task in found.tasks:
        _show_task(task, told.get(TaskId(task.task), ""), screen)
    if found.alternatives:
        screen.heading("Not taken")
        rows = [(one.template, f"{one.score:.0%}", one.why_not) for one in found.alternatives]
        screen.table(("template", "fits", "why not"), rows)
        if found.document is None:
            screen.note("Another one is meant? Say so with --template NAME.")
    if expected is not None:
        screen.heading("Expected")
        for words in expected_words(expected):
            screen.line(f"  {words}")
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


def _show_task(task: PlannedTask, expected: str, screen: Screen) -> None:
    does = task.does.replace("`", "")
    screen.line(Text.assemble((f"  {task.task}", "name"), f"  {clean(does)}", (f"  {expected}", "quiet")))
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


def _bounded(bounds: Bounds) -> Iterator[str]:
    """What a run takes at most, in words."""
    yield "any number of attempts" if bounds.attempts is None else counted(bounds.attempts, "attempt")
    under_way = "" if bounds.budget is None else f" (its budget of {bounds.budget}, and what is under way then)"
    yield "any cost" if bounds.cost is None else f"a cost of {bounds.cost}{under_way}"
    path = f" ({' → '.join(bounds.path[:8])})" if bounds.path else ""
    yield f"any time{path}" if bounds.time_s is None else f"{bounds.time_s:g} s{path}"
    yield counted(bounds.at_once, "task") + " at once"
    for task, items in bounds.items.items():
        yield f"{task}: {'any number of items' if items is None else counted(items, 'item')}"
    if bounds.largest is not None:
        size = "of any length" if bounds.message_bytes is None else f"of {bounds.message_bytes} bytes"
        yield f"an input {size} ({bounds.largest})"
    if bounds.calls:
        yield counted(bounds.calls, "run") + " that agents ask for"


def show_bounds(bounds: Bounds, screen: Screen) -> None:
    """What a run takes at most, and where it waits for agents."""
    screen.line(f"  at most {', '.join(_bounded(bounds))}", "quiet")
    for queue in bounds.queues:
        screen.line(f"  waits for agents of {_queued(queue)}", "quiet")


def _queued(queue: Queue) -> str:
    """Why the last of some tasks is done late."""
    return f"{queue.capability}: {queue.at_once} at once, {queue.at_a_time} at a time: {queue.turns} turns"


def show_report(report: Report, screen: Screen) -> None:
    """The verifier's verdict, then its errors and warnings; proofs are counted."""
    edges = f"{report.proven} of {counted(report.edges, 'edge')} proven"
    if report.ok:
        warnings = f", {counted(len(report.warnings), 'warning')}" if report.warnings else ""
        screen.line(Text.assemble(("✔ ", "green"), f"{report.template} holds: {edges}{warnings}"))
    else:
        wrong = counted(len(report.errors), "error")
        screen.line(Text.assemble(("✘ ", "red"), f"{report.template} does not hold: {wrong}, {edges}"))
    if report.bounds is not None:
        show_bounds(report.bounds, screen)
    show_findings(report.errors, "bad", screen)
    show_findings(report.warnings, "warn", screen)


def show_findings(findings: Iterable[Finding], style: str, screen: Screen) -> None:
    """Findings as problems."""
    for finding in findings:
        show_problem(screen.out, finding.problem, style)
