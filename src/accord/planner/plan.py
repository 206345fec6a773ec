"""Plans: which graph an objective means, with which input, and why; verified, and not yet run.

ACC800  no template fits the objective
ACC801  two templates fit equally well
ACC802  the objective leaves out what the template needs
ACC803  what the objective says is not what the template needs
ACC804  there are no templates with example phrases
ACC805  the objective is empty, or far too long
ACC806  what understands other words is not installed
ACC807  other words are too unlike all examples
ACC808  a slot of a phrase is not filled
ACC809  a slot of a phrase does not take all that is said
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from accord.domain.compile import compile_graph
from accord.domain.defaults import completed
from accord.domain.graph import Graph, Sleep, Subrun, Task, Wait
from accord.domain.ids import Digest, TaskId
from accord.domain.labels import told
from accord.domain.schema import compile_schema, unknown_members
from accord.domain.template import SuggestedSpec, Template
from accord.errors import ContractViolation, InputRequired, NotUnderstood, PlaceOf, Problem, pointer_only
from accord.planner.by_classifier import Classifier
from accord.planner.by_composition import COMPOSED
from accord.planner.by_rules import Rules
from accord.planner.rules import example_of
from accord.planner.ways import Candidate, Found, Incomplete, KnownTemplate, Objective, Unsure, Way, WayName
from accord.planner.words import words_of
from accord.verifier.flow import Flow, is_labelled
from accord.verifier.known import Capabilities, NoTemplates, Templates
from accord.verifier.report import Report
from accord.verifier.verify import verify
from accord.verifier.widths import Slots, unknown_slots

MAX_OBJECTIVE_WORDS = 80
_SLOT = re.compile(r"\{[^\W\d]\w*\}")
_QUOTED = re.compile('["\u201c\u201d][^"\u201c\u201d]+["\u201c\u201d]')
WAYS: tuple[Way, ...] = (Rules(), Classifier(), COMPOSED)
"""The ways that need nothing but what an objective comes with, in the order in which they are asked."""

_NONE = NoTemplates()


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
    """The task's description; of what was made for the objective, what in its words asks for it."""
    capability: str | None
    each: str | None
    """The expression of its `for_each`."""
    condition: str | None
    after: tuple[PlannedNeed, ...]
    labels: tuple[str, ...] = ()
    """What its result may have; none where nothing is labelled, or nothing is known of it."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A graph for an objective, with its reasons and its verification report."""

    objective: str | None
    """None for a plan that was asked for by the template's name alone."""
    way: WayName
    """How it was found."""
    classifier: int | None = None
    """The version of the classifier that has decided, 0 where it knows the phrases of templates alone; None where it
    did not decide."""
    template: str
    digest: Digest
    document: dict[str, Any] | None = None
    """The template's document, where it was made for this objective and is no known template."""
    input: Any
    confidence: float
    reasons: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    """What the objective says, and nothing is done for; it is among the reasons, too."""
    slots: dict[str, str]
    """The words of the objective that went into each part of the input."""
    tasks: tuple[PlannedTask, ...]
    """In an order in which they could run."""
    alternatives: tuple[Candidate, ...]
    report: Report
    suggested: SuggestedSpec | None = None
    """The language model that has suggested the graph, and what that took; None where none has."""


async def plan(objective: Objective, ways: Sequence[Way] = WAYS) -> Plan:
    """The plan of the first way that knows what is meant. With errors in its report it cannot run; a graph that is made
    for the objective has none. Of an objective for
    which somebody names a template, that way is `Named`.

    Raises:
        InputRequired: it is clear what is meant, and part of the input is missing (ACC802, ACC803,
            ACC811, ACC817), or it is not sure that it is meant (ACC818).
        ContractViolation: something is missing, and what is given beside the words has a member that the input does
            not take (ACC450).
        NotUnderstood: no way is sure (ACC800 to ACC819, ACC859, ACC150 to ACC157); hints name what is nearest.
    """
    check_objective(objective)
    problems: dict[Problem, None] = {}
    several: tuple[str, ...] = ()
    for way in ways:
        answer = await way.find(objective)
        if isinstance(answer, Found):
            made = _planned(objective, answer, way.name)
            if made.report.ok or made.document is None:
                return made
            answer = Unsure(tuple(_refuted(made)))
        if isinstance(answer, Incomplete):
            ContractViolation.raise_if(unknown_members(objective.change({}, answer.takes), answer.takes))
            raise _required(answer)
        problems.update(dict.fromkeys(answer.problems))
        several = several or answer.several
    raise _not_understood(problems, several)


def _refuted(made: Plan) -> Iterator[Problem]:
    """Why a graph that nobody has written is not planned: its verification."""
    hint = "say it in parts, or write a template"
    message = "the graph that these words ask for does not hold"
    yield Problem("ACC859", message, hint=hint)
    yield from (finding.problem for finding in made.report.errors)


def _not_understood(problems: Iterable[Problem], several: tuple[str, ...]) -> NotUnderstood:
    error = NotUnderstood(*problems)
    error.several = several
    return error


def _required(answer: Incomplete) -> NotUnderstood:
    if answer.wanting is None:
        return _not_understood(answer.problems, answer.several)
    error = InputRequired(*answer.problems)
    error.wanting = answer.wanting
    return error


def _planned(objective: Objective, found: Found, way: WayName) -> Plan:
    graph = compile_graph(found.known.template, found.known.digest)
    report = verify(graph, objective.capabilities, objective.others, slots=objective.slots)
    return Plan(
        objective=objective.text,
        way=way,
        classifier=found.version,
        template=found.known.name,
        digest=found.known.digest,
        document=found.document,
        input=completed(found.input, graph.input_schema),
        confidence=found.confidence,
        reasons=found.reasons,
        left_out=found.left_out,
        slots=found.slots,
        tasks=tuple(_said(_labelled_tasks(graph, report, objective.capabilities, objective.others), found.whys)),
        alternatives=found.alternatives,
        report=report,
        suggested=found.known.template.suggested,
    )


def plan_template(
    known: KnownTemplate,
    value: Any,
    capabilities: Capabilities,
    others: Templates = _NONE,
    *,
    place_of: PlaceOf = pointer_only,
    slots: Slots = unknown_slots,
) -> Plan:
    """The plan of running a template with this input; `place_of` knows where the template's parts are written, `slots`
    how much the agents that are there can do at a time.

    Raises:
        ContractViolation: ACC250, the input breaks the template's input schema.
    """
    ContractViolation.raise_if(compile_schema(known.template.input).violations(value))
    graph = compile_graph(known.template, known.digest)
    report = verify(graph, capabilities, others, place_of=place_of, slots=slots)
    return Plan(
        objective=None,
        way="named",
        template=graph.template,
        digest=known.digest,
        input=completed(value, graph.input_schema),
        confidence=1.0,
        reasons=("the template was named",),
        slots={},
        tasks=tuple(_labelled_tasks(graph, report, capabilities, others)),
        alternatives=(),
        report=report,
        suggested=known.template.suggested,
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


def _said(tasks: Iterable[PlannedTask], whys: Mapping[str, str]) -> Iterator[PlannedTask]:
    """The tasks with what is said of why they are there, where that is more than their templates say."""
    for task in tasks:
        yield msgspec.structs.replace(task, why=whys.get(task.task, task.why))


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


def check_objective(objective: Objective) -> None:
    """Nothing where an objective has words, not far too many, and no slot of a phrase. Raises NotUnderstood (ACC805,
    ACC808).
    """
    words = words_of(objective.text)
    if not words:
        raise NotUnderstood.of("ACC805", "the objective is empty", hint=_examples_hint(objective.phrased))
    if len(words) > MAX_OBJECTIVE_WORDS:
        hint = "say it in one sentence, or run a template by its name with an input file"
        raise NotUnderstood.of("ACC805", f"the objective has {len(words)} words", hint=hint)
    slots = dict.fromkeys(_SLOT.findall(_QUOTED.sub(" ", objective.text)))
    NotUnderstood.raise_if(
        [Problem("ACC808", f"`{slot}` is a slot of a phrase", hint="say in its place what is meant") for slot in slots]
    )


def _examples_hint(templates: Sequence[Template]) -> str | None:
    shown = [example_of(template) for template in templates[:3]]
    return f"for example: {', '.join(shown)}" if shown else None
