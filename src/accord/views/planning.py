"""Which template is meant, and the plan of running it: for whoever asks over the network, and for the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from accord.domain.capability import Version, VersionRange
from accord.domain.contract import Contract
from accord.domain.defaults import completed
from accord.domain.ids import Digest
from accord.domain.run import Run
from accord.domain.schema import compile_schema
from accord.errors import ContractViolation, PlaceOf, TemplateInvalid, in_order, pointer_only
from accord.planner.plan import Plan, plan, plan_template
from accord.service import Service
from accord.verifier.known import Capabilities, ContractTable
from accord.views.catalogue import Catalogue, Entry, all_entries
from accord.views.result import value_of

Change = Callable[[Any, Entry], Any]
"""Makes an input of that which an objective says; it gives the same one where nothing is changed."""

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


async def known_of(service: Service, hosted: Sequence[Contract] = ()) -> Known:
    """What is known here, and the contracts of agents that are about to be here."""
    return Known(await all_entries(service), ContractTable([*hosted, *await service.contracts()]))


def by_template(entry: Entry, value: Any, known: Known, *, place_of: PlaceOf = pointer_only) -> Planned:
    """The plan of running a template with this input, which is completed; `place_of` knows where its parts are written.

    Raises ContractViolation where the input breaks the template's schema.
    """
    found = plan_template(entry.known, value, known.capabilities, known.templates, place_of=place_of)
    return Planned(entry, found, known.templates, place_of)


def by_objective(objective: str, change: Change, known: Known) -> Planned:
    """The plan for an objective in words; `change` may make another input of what the objective says.

    Raises:
        NotUnderstood: there is no confident plan for the objective.
        ContractViolation: the changed input breaks the template's schema.
    """
    found = plan(objective, known.templates.known(), known.capabilities, known.templates)
    entry = known.templates.of_digest(found.digest)
    value = change(found.input, entry)
    if value is not found.input:
        found = msgspec.structs.replace(found, input=valid(value, entry))
    return Planned(entry, found, known.templates)


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
    """What somebody wants to have planned: one of objective, template and digest."""

    objective: str | None
    """In words."""
    template: str | None
    """`name`, `name@version` or `name@range`."""
    digest: Digest | None
    given: Any
    """The input; beside an objective the members that say it otherwise."""

    @property
    def input(self) -> Any:
        """The input of a template."""
        return self.given if self.given is not None else {}


def planned(wanted: Wanted, known: Known) -> Planned:
    """The plan for an objective, or of running a template.

    Raises:
        NotUnderstood: there is no confident plan for the objective.
        NotFound: there is no such template.
        ContractViolation: the input breaks the template's schema.
    """
    if wanted.objective is not None:
        return by_objective(wanted.objective, lambda value, _: with_members(value, wanted.given), known)
    templates = known.templates
    entry = templates.of_digest(wanted.digest) if wanted.digest is not None else templates.find(wanted.template or "")
    return by_template(entry, valid(wanted.input, entry), known)


async def is_of(service: Service, run: Run, wanted: Wanted, title: str) -> bool:
    """Whether a run is what such a request has started, whatever templates have been published since: it has the
    template, the title and the input.
    """
    started = run.started
    if started.title != (title or wanted.objective or run.graph.title):
        return False
    value = await value_of(service, started.input)
    if wanted.objective is not None:
        return bool(with_members(value, wanted.given) == value)
    same = wanted.digest == started.graph if wanted.digest is not None else admits(wanted.template or "", run)
    return same and bool(completed(wanted.input, run.graph.input_schema) == value)


def admits(reference: str, run: Run) -> bool:
    """Whether a run is of a template that the reference may mean. Raises BadInput."""
    name, _, text = reference.partition("@")
    of, _, version = run.started.template.partition("@")
    return name == of and VersionRange.parse(text or "*").matches(Version.parse(version))


async def made_ready(service: Service, entry: Entry, catalogue: Catalogue, *, by: str) -> Digest:
    """Publish a template, and before it those that it runs as sub-workflows, so that a run of it can start.

    Raises what `Service.publish` raises.
    """
    for one in (*catalogue.below(entry), entry):
        await service.publish(one.template, one.data, by=by)
    return entry.digest


class PlanDocument(Plan, frozen=True, kw_only=True):
    """A plan, and whether it holds."""

    ok: bool


def plan_document(found: Plan) -> PlanDocument:
    """The plan as scripts get it."""
    return PlanDocument(**msgspec.structs.asdict(found), ok=found.report.ok)
