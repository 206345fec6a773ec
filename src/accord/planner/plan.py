"""Plans: which graph an objective means, with which input, and why; verified, and not yet run.

ACC800  no template fits the objective
ACC801  two templates fit equally well
ACC802  the objective leaves out what the template needs
ACC803  what the objective says is not what the template needs
ACC804  there are no templates with example phrases
ACC805  the objective is empty, or far too long
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from accord.domain.capability import Version
from accord.domain.compile import compile_graph
from accord.domain.defaults import completed
from accord.domain.graph import Graph, Sleep, Subrun, Task, Wait
from accord.domain.ids import Digest, TaskId
from accord.domain.labels import told
from accord.domain.schema import compile_schema
from accord.domain.template import Template
from accord.errors import ContractViolation, NotUnderstood, Place, PlaceOf, Problem, pointer_only
from accord.planner.rules import (
    CONFIDENT,
    Match,
    bound_words,
    confident,
    example_of,
    matches,
    nearest,
    rivals,
)
from accord.planner.words import words_of
from accord.verifier.flow import Flow, is_labelled
from accord.verifier.known import Capabilities, NoTemplates, Templates
from accord.verifier.report import Report
from accord.verifier.verify import verify

MAX_OBJECTIVE_WORDS = 80
_NONE = NoTemplates()


class KnownTemplate(msgspec.Struct, frozen=True):
    """A template that a plan may use, and the digest of its document."""

    template: Template
    digest: Digest


class PlannedNeed(msgspec.Struct, frozen=True):
    """An edge: the task that comes first, and why."""

    task: TaskId
    why: str


class PlannedTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task of a plan: what it does, by which capability, and why it comes where it does."""

    task: TaskId
    does: str
    """`uses text.summarize@^1`, `waits for an approval`, ..."""
    why: str
    """The task's description."""
    capability: str | None
    each: str | None
    """The expression of its `for_each`."""
    condition: str | None
    after: tuple[PlannedNeed, ...]
    labels: tuple[str, ...] = ()
    """What its result may have; none where nothing is labelled, or nothing is known of it."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """Another template that was considered, and why it was not taken."""

    template: str
    phrase: str
    score: float
    why_not: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A graph for an objective, with its reasons and its verification report."""

    objective: str | None
    """None for a plan that was asked for by the template's name."""
    template: str
    digest: Digest
    input: Any
    confidence: float
    reasons: tuple[str, ...]
    slots: dict[str, str]
    """The words of the objective that went into each part of the input."""
    tasks: tuple[PlannedTask, ...]
    """In an order in which they could run."""
    alternatives: tuple[Candidate, ...]
    report: Report


def plan(
    objective: str,
    templates: Sequence[KnownTemplate],
    capabilities: Capabilities,
    others: Templates = _NONE,
) -> Plan:
    """The plan for an objective, by the phrases of the newest templates. With errors in its report it cannot run.

    Raises:
        NotUnderstood: there is no confident plan (ACC800 to ACC805); hints name the nearest templates and phrases.
    """
    newest = _newest(templates)
    with_phrases = [known.template for known in newest.values() if known.template.examples]
    _check_objective(objective, with_phrases)
    found = matches(objective, with_phrases)
    best = confident(found)
    if best is None:
        raise NotUnderstood(*_why_not_understood(objective, found, with_phrases))
    known = newest[best.template.name]
    graph = compile_graph(known.template, known.digest)
    report = verify(graph, capabilities, others)
    return Plan(
        objective=objective,
        template=best.name,
        digest=known.digest,
        input=completed(best.input, graph.input_schema),
        confidence=round(best.score, 2),
        reasons=tuple(_reasons(best, objective)),
        slots=bound_words(best, objective),
        tasks=tuple(_labelled_tasks(graph, report, capabilities, others)),
        alternatives=tuple(_candidate(match, best) for match in found if match is not best),
        report=report,
    )


def plan_template(
    known: KnownTemplate,
    value: Any,
    capabilities: Capabilities,
    others: Templates = _NONE,
    *,
    place_of: PlaceOf = pointer_only,
) -> Plan:
    """The plan of running a template with this input; `place_of` knows where the template's parts are written.

    Raises:
        ContractViolation: ACC250, the input breaks the template's input schema.
    """
    ContractViolation.raise_if(compile_schema(known.template.input).violations(value))
    graph = compile_graph(known.template, known.digest)
    report = verify(graph, capabilities, others, place_of=place_of)
    return Plan(
        objective=None,
        template=graph.template,
        digest=known.digest,
        input=completed(value, graph.input_schema),
        confidence=1.0,
        reasons=("the template was named",),
        slots={},
        tasks=tuple(_labelled_tasks(graph, report, capabilities, others)),
        alternatives=(),
        report=report,
    )


def planned_tasks(graph: Graph) -> Iterator[PlannedTask]:
    """What each task of a graph does and why, in the graph's order."""
    for name in graph.order:
        task = graph.tasks[name]
        does, capability = _does(task)
        yield PlannedTask(
            task=name,
            does=does,
            why=task.description,
            capability=capability,
            each=_source(task),
            condition=task.when.source if task.when is not None else None,
            after=tuple(PlannedNeed(need, task.reasons[need]) for need in task.needs),
        )


def _labelled_tasks(
    graph: Graph, report: Report, capabilities: Capabilities, others: Templates
) -> Iterator[PlannedTask]:
    """The tasks with the labels that their results may have; without them where the graph does not hold."""
    if not report.ok or not is_labelled(graph, capabilities, others):
        yield from planned_tasks(graph)
        return
    flow = Flow(graph, capabilities, others, {}, certain=False)
    for task in planned_tasks(graph):
        yield msgspec.structs.replace(task, labels=told(flow.results[task.task]))


def _newest(templates: Sequence[KnownTemplate]) -> dict[str, KnownTemplate]:
    """The highest version of each template, by name."""
    ordered = sorted(templates, key=lambda known: Version.parse(known.template.version))
    return {known.template.name: known for known in ordered}


def _does(task: Task) -> tuple[str, str | None]:
    action = task.action
    if isinstance(action, Wait):
        return (f"waits for the signal `{action.signal}`" if action.signal else "waits for an approval"), None
    if isinstance(action, Sleep):
        return "sleeps", None
    if isinstance(action, Subrun):
        return f"runs the workflow `{action.template}`", None
    capability = str(action.options[0].capability)
    return f"uses `{capability}`", capability


def _source(task: Task) -> str | None:
    expression = getattr(task.for_each, "expression", None)
    return str(expression.source) if expression is not None else None


def _check_objective(objective: str, templates: Sequence[Template]) -> None:
    words = words_of(objective)
    if not words:
        raise NotUnderstood.of("ACC805", "the objective is empty", hint=_examples_hint(templates))
    if len(words) > MAX_OBJECTIVE_WORDS:
        hint = "say it in one sentence, or run a template by its name with an input file"
        raise NotUnderstood.of("ACC805", f"the objective has {len(words)} words", hint=hint)
    if not templates:
        hint = "give a template `examples`, or run one by its name"
        raise NotUnderstood.of("ACC804", "no known template has example phrases", hint=hint)


def _why_not_understood(objective: str, found: Sequence[Match], templates: Sequence[Template]) -> Iterator[Problem]:
    usable = [match for match in found if match.is_complete and match.score >= CONFIDENT]
    if usable:
        several = rivals(usable)
        names = " and ".join(f"`{match.template.name}`" for match in several)
        phrases = "; ".join(f"`{match.phrase}`" for match in several)
        hint = f"say it as one of them does: {phrases}"
        yield Problem("ACC801", f"{names} fit the objective equally well", Place(), hint)
        return
    close = [match for match in found if match.score >= CONFIDENT / 2]
    for match in close[:3]:
        yield from _why_incomplete(match)
    if not close:
        near = ", ".join(f"`{template.name}` ({example_of(template)})" for template in nearest(objective, templates))
        yield Problem("ACC800", "no template fits the objective", Place(), f"the nearest: {near}")


def _why_incomplete(match: Match) -> Iterator[Problem]:
    name, hint = match.template.name, f"say it like {example_of(match.template)}"
    if match.missing:
        slots = ", ".join(f"`{slot}`" for slot in match.missing)
        yield Problem("ACC802", f"for `{name}` the objective does not say {slots}", Place(), hint)
    for problem in match.unusable:
        yield msgspec.structs.replace(problem, message=f"for `{name}`: {problem.message}")
    if match.is_complete:
        share = f"{match.score:.0%}"
        message = f"only {share} of the words fit `{match.phrase}` of `{name}`"
        yield Problem("ACC800", message, Place(), hint)


def _examples_hint(templates: Sequence[Template]) -> str | None:
    shown = [example_of(template) for template in templates[:3]]
    return f"for example: {', '.join(shown)}" if shown else None


def _reasons(match: Match, objective: str) -> Iterator[str]:
    words = " ".join(match.alignment.fixed)
    yield f"`{words}` is said in the phrase `{match.phrase}` of `{match.name}`"
    for name, said in bound_words(match, objective).items():
        yield f"`{said}` is its `{name}`"


def _candidate(match: Match, best: Match) -> Candidate:
    if not match.is_complete:
        missing = [*match.missing, *(problem.place.pointer or "" for problem in match.unusable)]
        why = f"not said, or not fitting: {', '.join(name.strip('/') for name in missing)}"
    elif match.score < CONFIDENT:
        why = f"only {match.score:.0%} of the words fit"
    else:
        why = f"fewer words fit than with `{best.template.name}`"
    return Candidate(template=match.name, phrase=match.phrase, score=round(match.score, 2), why_not=why)
