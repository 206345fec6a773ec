"""Which template is meant, and the plan of running it: for whoever asks over the network, and for the command line."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from accord.domain.defaults import completed
from accord.domain.ids import Digest
from accord.domain.schema import compile_schema
from accord.errors import ContractViolation
from accord.planner.plan import Plan, plan, plan_template
from accord.service import Service
from accord.verifier.known import Capabilities, ContractTable
from accord.views.catalogue import Catalogue, Entry, all_entries
from accord.views.plain import plain_value

_REFERENCE: Final = re.compile(r"[a-z][a-z0-9]*([-.][a-z0-9]+)*(@\S*)?")


def is_reference(text: str) -> bool:
    """Whether a text is a template's name, with or without a range of versions; else it is an objective in words."""
    return _REFERENCE.fullmatch(text) is not None


class Planned(msgspec.Struct, frozen=True):
    """A template, the plan of running it, and the templates among which it was found."""

    entry: Entry
    plan: Plan
    catalogue: Catalogue

    def refuse(self) -> None:
        """Raise TemplateInvalid with all that the verifier holds against it, unless there is nothing."""
        self.plan.report.refuse()


class Wanted(msgspec.Struct, frozen=True):
    """What somebody wants to have planned: one of objective, template and digest."""

    objective: str | None
    """In words."""
    template: str | None
    """`name`, `name@version` or `name@range`."""
    digest: Digest | None
    given: Any
    """The input; beside an objective the members that say it otherwise."""


async def planned(service: Service, wanted: Wanted) -> Planned:
    """The plan for an objective, or of running a template.

    Raises:
        NotUnderstood: there is no confident plan for the objective.
        NotFound: there is no such template.
        ContractViolation: the input breaks the template's schema.
    """
    catalogue, capabilities = await all_entries(service), ContractTable(await service.contracts())
    if wanted.objective is not None:
        return _by_objective(wanted.objective, wanted.given, catalogue, capabilities)
    entry = catalogue.of_digest(wanted.digest) if wanted.digest is not None else catalogue.find(wanted.template or "")
    value = _valid(wanted.given if wanted.given is not None else {}, entry)
    return Planned(entry, plan_template(entry.known, value, capabilities, catalogue), catalogue)


def _by_objective(objective: str, given: Any, catalogue: Catalogue, capabilities: Capabilities) -> Planned:
    found = plan(objective, catalogue.known(), capabilities, catalogue)
    entry = catalogue.of_digest(found.digest)
    if given is not None:
        if not isinstance(given, dict):
            raise ContractViolation.of("ACC461", "beside an objective, only members of the input can be given")
        found = msgspec.structs.replace(found, input=_valid({**found.input, **given}, entry))
    return Planned(entry, found, catalogue)


def _valid(value: Any, entry: Entry) -> Any:
    value = completed(value, entry.template.input)
    ContractViolation.raise_if(compile_schema(entry.template.input).violations(value, "ACC450"))
    return value


async def made_ready(service: Service, entry: Entry, catalogue: Catalogue, *, by: str) -> Digest:
    """Publish a template, and before it those that it runs as sub-workflows, so that a run of it can start.

    Raises what `Service.publish` raises.
    """
    for one in (*catalogue.below(entry), entry):
        await service.publish(one.template, one.data, by=by)
    return entry.digest


def plan_document(found: Plan) -> dict[str, Any]:
    """The plan as scripts get it."""
    document: dict[str, Any] = plain_value(found)
    document["ok"] = found.report.ok
    return document
