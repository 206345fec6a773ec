"""Which template is meant, and the plan of running it: for whoever asks over the network, and for the command line."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from accord.domain.capability import CapabilityRange, Version, VersionRange
from accord.domain.compile import compile_graph
from accord.domain.contract import Contract
from accord.domain.defaults import completed
from accord.domain.experience import Try
from accord.domain.ids import Digest
from accord.domain.learning import Lesson
from accord.domain.run import Run
from accord.domain.schema import JsonSchema, canonical_form, compile_schema, digest_of
from accord.domain.template import template_from_json
from accord.errors import (
    ContractViolation,
    InputRequired,
    NotFound,
    NotUnderstood,
    PlaceOf,
    Problem,
    TemplateInvalid,
    in_order,
    pointer_only,
)
from accord.planner.by_composition import Accepted
from accord.planner.by_name import Named
from accord.planner.by_suggestion import Suggestion
from accord.planner.classifier.examples import Example, examples_of
from accord.planner.documents import is_composed
from accord.planner.estimate import Estimate
from accord.planner.plan import WAYS, Plan, plan, plan_template
from accord.planner.suggestion.wording import plain
from accord.planner.ways import Change, Judge, Objective, Way, nobody
from accord.ports.clock import Clock
from accord.service import Service
from accord.templates.reading import examine, read_source, source_of
from accord.verifier.known import Capabilities, ContractTable
from accord.views.catalogue import BUILT_IN, GIVEN, MADE, Catalogue, Entry, all_entries, entry_of
from accord.views.drawing import TemplateGraph
from accord.views.estimating import Crew, crews_of, estimated
from accord.views.result import value_of

_REFERENCE: Final = re.compile(r"[a-z][a-z0-9]*([-.][a-z0-9]+)*(@\S*)?")


def is_reference(text: str) -> bool:
    """Whether a text is a template's name, with or without a range of versions; else it is an objective in words."""
    return _REFERENCE.fullmatch(text) is not None


class Planned(msgspec.Struct, frozen=True):
    """A template, the plan of running it, and the templates among which it was found."""

    entry: Entry
    plan: Plan
    catalogue: Catalogue
    place_of: PlaceOf = pointer_only
    """Knows where the template's parts are written."""

    def refuse(self) -> None:
        """Raise TemplateInvalid with all that the verifier holds against it, unless there is nothing."""
        TemplateInvalid.raise_if(in_order(finding.problem for finding in self.plan.report.errors))


class Known(msgspec.Struct, frozen=True):
    """Among what is planned: the templates and the capabilities that there are."""

    templates: Catalogue
    capabilities: Capabilities
    described: Mapping[str, str] = {}
    """What agents that are here offer, `name@version`, each with what it is for."""
    crews: tuple[Crew, ...] = ()
    """These agents, with what they have to do."""
    tries: Mapping[str, Sequence[Try]] = {}
    """What is known of earlier attempts, by the name of the capability."""
    suggestion: Suggestion | None = None
    """A language model that is asked where no other way knows what an objective means."""
    judge: Judge = nobody
    """The classifier that has learnt from use."""
    examples: tuple[Example, ...] = ()
    """What it has learnt, where that is known here."""
    now: datetime | None = None
    """The present, from which objectives tell days; None where that is not known."""

    def slots(self, wanted: CapabilityRange) -> int | None:
        """How many tasks those who are there, or about to be, can do at a time; None where nobody is."""
        return sum(crew.places for crew in self.crews if str(wanted.name) in crew.capabilities) or None


async def known_of(
    service: Service,
    hosted: Sequence[Contract] = (),
    described: Mapping[str, str] | None = None,
    crews: Iterable[Crew] = (),
    now: datetime | None = None,
) -> Known:
    """What is known here and `now`, and the contracts of agents that are about to be here, with what they say of them,
    and these agents themselves.
    """
    agents = await service.agents()
    present = {
        offer.capability: offer.description
        for agent in agents
        if agent.capacity is not None
        for offer in agent.card.capabilities
    }
    table = ContractTable([*hosted, *await service.contracts()])
    there = (*crews_of(agents), *crews)
    tries = (await service.experience()).capabilities
    templates = await all_entries(service)
    offered, examples = {**present, **(described or {})}, _learnt(await service.lessons(), templates)
    return Known(templates, table, offered, there, tries, judge=service.judge, examples=examples, now=now)


def _learnt(lessons: Sequence[Lesson], templates: Catalogue) -> tuple[Example, ...]:
    newest = {entry.template.name: entry.template for entry in reversed(templates.entries())}
    return tuple(examples_of(lessons, list(newest.values()))) if lessons else ()


def by_template(entry: Entry, value: Any, known: Known, *, place_of: PlaceOf = pointer_only) -> Planned:
    """The plan of running a template with this input, which is completed; `place_of` knows where its parts are written.

    Raises ContractViolation where the input breaks the template's schema.
    """
    found = plan_template(entry.known, value, known.capabilities, known.templates, place_of=place_of, slots=known.slots)
    return Planned(entry, found, known.templates, place_of)


async def by_objective(objective: str, change: Change, known: Known, named: Entry | None = None) -> Planned:
    """The plan for an objective in words, or for one that means the `named` template; `change` may make another input
    of what the objective says.

    Raises:
        NotUnderstood: there is no confident plan for the objective.
        ContractViolation: the changed input breaks the template's schema.
    """
    return await _by_ways(objective, change, known, _ways(known, named), named)


async def _by_ways(
    objective: str, change: Change, known: Known, ways: Sequence[Way], named: Entry | None = None
) -> Planned:
    templates = known.templates
    asked = Objective(
        objective,
        templates.known(),
        known.capabilities,
        templates,
        change=change,
        judge=known.judge,
        examples=known.examples,
        described=known.described,
        tries=known.tries,
        now=known.now,
        slots=known.slots,
    )
    found = await plan(asked, ways)
    entry = named or (templates.of_digest(found.digest) if found.document is None else made_entry(found.document))
    value = change(found.input, entry.template.input)
    if value is not found.input:
        found = replace(found, input=valid(value, entry))
    return Planned(entry, found, known.templates)


async def by_meaning(objective: str, reference: str, change: Change, known: Known) -> Planned:
    """The plan for an objective that means the template of this name; or the graph that is composed for it, where
    somebody was asked whether that is meant.

    Raises:
        NotUnderstood, ContractViolation: as `by_objective` does; ACC819, the words do not ask for that graph.
        NotFound: there is no such template.
    """
    name = reference.partition("@")[0]
    if not is_composed(name):
        return await by_objective(objective, change, known, known.templates.find(reference))
    try:
        return await _by_ways(objective, change, known, (Accepted(name),))
    except InputRequired:
        raise
    except NotUnderstood as error:
        try:
            named = known.templates.find(reference)
        except NotFound:
            raise error from None
    return await by_objective(objective, change, known, named)


def _ways(known: Known, named: Entry | None) -> Sequence[Way]:
    if named is not None:
        return (Named(named.known),)
    return WAYS if known.suggestion is None else (*WAYS, known.suggestion)


def made_entry(document: dict[str, Any]) -> Entry:
    """The entry of a template that was made for an objective."""
    data = canonical_form(document)
    return Entry(template=template_from_json(data), digest=digest_of(data), data=data, origin=MADE)


def valid(value: Any, entry: Entry) -> Any:
    """The input with its defaults filled in. Raises ContractViolation where it breaks the template's schema."""
    value = completed(value, entry.template.input)
    ContractViolation.raise_if(compile_schema(entry.template.input).violations(value, "ACC450"))
    return value


def with_members(value: Any, given: Any) -> Any:
    """What an objective says, with members that somebody gives in their place. Raises ContractViolation."""
    if given is None:
        return value
    if not isinstance(given, dict):
        raise ContractViolation.of("ACC461", "beside an objective, only members of the input can be given")
    return {**value, **given}


class Wanted(msgspec.Struct, frozen=True):
    """What somebody wants to have planned: one of objective, template, digest and document, or an objective with the
    template, or the document, that it means.
    """

    objective: str | None
    """In words."""
    template: str | None
    """`name`, `name@version` or `name@range`."""
    digest: Digest | None
    given: Any
    """The input; beside an objective the members that say it otherwise."""
    document: str | None = None
    """The text of a template that is no known one: a plan that somebody has written, or changed."""

    @property
    def input(self) -> Any:
        """The input of a template."""
        return self.given if self.given is not None else {}


async def planned(wanted: Wanted, known: Known) -> Planned:
    """The plan for an objective, or of running a template.

    Raises:
        NotUnderstood: there is no confident plan for the objective.
        NotFound: there is no such template.
        TemplateInvalid: the document is none, with all that is wrong in it.
        ContractViolation: the input breaks the template's schema.
    """
    templates = known.templates
    if wanted.document is not None:
        return await _by_document(wanted.document, wanted, known)
    if wanted.objective is not None:
        return await _by_words(wanted.objective, wanted, known)
    entry = templates.of_digest(wanted.digest) if wanted.digest is not None else templates.find(wanted.template or "")
    return by_template(entry, valid(wanted.input, entry), known)


async def _by_words(objective: str, wanted: Wanted, known: Known, named: Entry | None = None) -> Planned:
    def change(value: Any, schema: JsonSchema) -> Any:
        del schema
        return with_members(value, wanted.given)

    if wanted.template is not None:
        return await by_meaning(objective, wanted.template, change, known)
    return await by_objective(objective, change, known, named)


async def _by_document(text: str, wanted: Wanted, known: Known) -> Planned:
    found = examine(text)
    entry = entry_of(source_of(found), GIVEN)
    among = replace(known, templates=known.templates.with_entry(entry))
    if wanted.objective is not None:
        return replace(await _by_words(wanted.objective, wanted, among, entry), place_of=found.place)
    return by_template(entry, valid(wanted.input, entry), among, place_of=found.place)


async def is_of(service: Service, run: Run, wanted: Wanted, title: str) -> bool:
    """Whether a run is what such a request has started, whatever templates have been published since: it has the
    template, the title and the input.
    """
    started = run.started
    if started.title != (title or wanted.objective or run.graph.title):
        return False
    value = await value_of(service, started.input)
    if wanted.objective is not None:
        means = wanted.template is not None or wanted.document is not None
        same = not means or _same_template(wanted, run)
        return same and bool(with_members(value, wanted.given) == value)
    same = _same_template(wanted, run)
    return same and bool(completed(wanted.input, run.graph.input_schema) == value)


def _same_template(wanted: Wanted, run: Run) -> bool:
    if wanted.document is not None:
        return read_source(wanted.document).digest == run.started.graph
    return wanted.digest == run.started.graph if wanted.digest is not None else admits(wanted.template or "", run)


def admits(reference: str, run: Run) -> bool:
    """Whether a run is of a template that the reference may mean. Raises BadInput."""
    name, _, text = reference.partition("@")
    of, _, version = run.started.template.partition("@")
    return name == of and VersionRange.parse(text or "*").matches(Version.parse(version))


async def made_ready(
    service: Service, entry: Entry, catalogue: Catalogue, *, by: str, as_written: bool = False
) -> Digest:
    """Publish a template, and before it those that it runs as sub-workflows, so that a run of it can start. What comes
    with Accord has the version that it has: whoever runs it cannot give it another.

    Raises what `Service.publish` raises.
    """
    for one in (*catalogue.below(entry), entry):
        ours = one.origin == BUILT_IN or (as_written and one is entry)
        await service.publish(one.template, one.data, by=by, as_written=ours)
    return entry.digest


def planner_of(service: Service, clock: Clock) -> Callable[[str, dict[str, Any], str], Awaitable[tuple[Digest, Any]]]:
    """The planner for what agents ask for while they work: the graph and the input for an objective, some members of
    the input, and by whom it is wanted; ready to be started.
    """

    async def plan_for(objective: str, given: dict[str, Any], by: str) -> tuple[Digest, Any]:
        found = await planned(Wanted(objective, None, None, given or None), await known_of(service, now=clock.now()))
        found.refuse()
        return await made_ready(service, found.entry, found.catalogue, by=by), found.plan.input

    return plan_for


async def estimate_of(service: Service, found: Planned, known: Known) -> Estimate | None:
    """How long the plan takes and what it costs, by the runs that have ended so far; None where it does not hold."""
    if not found.plan.report.ok:
        return None
    graph = compile_graph(found.entry.template, found.entry.digest)
    return await estimated(service, graph, found.plan.input, known.capabilities, known.crews)


def with_defaults(document: dict[str, Any], value: Any) -> dict[str, Any]:
    """The document of a template that was made for an objective, with what that says as the default of its input: so it
    runs as it was planned, and can be run with something else.
    """
    schema = document["input"]
    given = value if isinstance(value, dict) else {}
    members = {
        name: {**part, "default": given[name]} if isinstance(part, dict) and name in given else part
        for name, part in schema["properties"].items()
    }
    return {**document, "input": {**schema, "properties": members}}


def reasoned(found: Plan) -> Iterator[str]:
    """Why a plan is as it is, and what else was weighed: what stands above its document."""
    yield f"For: {plain(found.objective or '')}"
    yield f"Found by {found.way}, {found.confidence:.0%} sure; {'it holds' if found.report.ok else 'it does not hold'}."
    yield from (plain(each) for each in found.reasons)
    for one in found.alternatives:
        yield f"Not taken: {one.template} ({one.score:.0%}): {plain(one.why_not)}"


class PlanDocument(Plan, frozen=True, kw_only=True):
    """A plan, and whether it holds."""

    ok: bool
    warnings: tuple[Problem, ...] = ()
    """What does not keep it from starting: tasks that nobody who is present could do (ACC497)."""
    estimate: Estimate | None = None
    """How long it takes and what it costs, by the runs that have ended so far; None where it does not hold."""
    drawing: TemplateGraph | None = None
    """How its graph is drawn, over HTTP and where it is no known template's."""


def plan_document(found: Plan, warnings: tuple[Problem, ...], estimate: Estimate | None) -> PlanDocument:
    """The plan as scripts get it."""
    return PlanDocument(**msgspec.structs.asdict(found), ok=found.report.ok, warnings=warnings, estimate=estimate)
