"""Which template is meant, and the plan of running it: for whoever asks over the network, and for the command line."""

from __future__ import annotations

from typing import Any

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


class Planned(msgspec.Struct, frozen=True):
    """A template, the plan of running it, and the templates among which it was found."""

    entry: Entry
    plan: Plan
    catalogue: Catalogue

    def refuse(self) -> None:
        """Raise TemplateInvalid with all that the verifier holds against it, unless there is nothing."""
        self.plan.report.refuse()


async def planned(service: Service, *, objective: str | None, template: str | None, given: Any) -> Planned:
    """The plan for an objective in words, or for a template's name; `given` is the input, or of an objective the
    members that say it otherwise.

    Raises:
        NotUnderstood: there is no confident plan for the objective.
        NotFound: there is no such template.
        ContractViolation: the input breaks the template's schema.
    """
    catalogue, capabilities = await all_entries(service), ContractTable(await service.contracts())
    if objective is not None:
        return _by_objective(objective, given, catalogue, capabilities)
    entry = catalogue.find(template or "")
    value = _valid(given if given is not None else {}, entry)
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
