"""Which template is meant, with which input: by its name, its file, or the objective in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from accord.cli.errors import usage
from accord.cli.inputs import changed, read_input, read_value
from accord.domain.defaults import completed
from accord.domain.schema import compile_schema
from accord.errors import ContractViolation, NotFound, TemplateInvalid
from accord.planner.plan import Plan, plan, plan_template
from accord.verifier.known import Capabilities
from accord.views.catalogue import Catalogue, Entry, read_entry

_REFERENCE = re.compile(r"[a-z][a-z0-9]*([-.][a-z0-9]+)*(@\S*)?")
_SUFFIXES = (".yaml", ".yml", ".json")


class Asked(msgspec.Struct, frozen=True):
    """What somebody wants to run, or to plan."""

    target: str
    given: str | None = None
    sets: tuple[str, ...] = ()


class Chosen(msgspec.Struct, frozen=True):
    """A template, and the plan of running it."""

    entry: Entry
    plan: Plan

    def refuse(self) -> None:
        """Raise TemplateInvalid with all that the verifier holds against it, unless there is nothing."""
        problems = [finding.problem for finding in self.plan.report.errors]
        document = self.entry.document
        TemplateInvalid.raise_if(document.located(problems) if document is not None else problems)


def choose(asked: Asked, catalogue: Catalogue, capabilities: Capabilities) -> Chosen:
    """The template and the plan for what is asked. Raises BadInput, NotFound."""
    entry = _named(asked.target, catalogue)
    if entry is None:
        return _by_objective(asked, catalogue, capabilities)
    known = catalogue.with_entry(entry)
    given = read_input(asked.given, asked.sets, entry.template.input)
    return Chosen(entry, plan_template(entry.known, given.value, capabilities, known))


def _named(target: str, catalogue: Catalogue) -> Entry | None:
    """The template that a file or a name stands for; None for an objective in words."""
    path = Path(target)
    if target.endswith(_SUFFIXES):
        if not path.is_file():
            raise NotFound.of("ACC911", f"there is no file {target}", hint="give a file, a template's name, or words")
        return read_entry(path)
    if path.is_file():
        return read_entry(path)
    return catalogue.find(target) if _REFERENCE.fullmatch(target) else None


def _by_objective(asked: Asked, catalogue: Catalogue, capabilities: Capabilities) -> Chosen:
    found = plan(asked.target, catalogue.known(), capabilities, catalogue)
    entry = catalogue.of_digest(found.digest)
    if asked.given is None and not asked.sets:
        return Chosen(entry, found)
    value = _changed_input(asked, found.input, entry)
    return Chosen(entry, msgspec.structs.replace(found, input=value))


def _changed_input(asked: Asked, value: Any, entry: Entry) -> Any:
    """What the objective says, with what `--input` and `--set` say in its place."""
    schema = entry.template.input
    if asked.given is not None:
        more = read_value(asked.given, "--input").value
        if not isinstance(more, dict):
            raise usage("ACC911", "--input: beside an objective, only members of the input can be given")
        value = {**value, **more}
    value = completed(changed(value, asked.sets, schema), schema)
    ContractViolation.raise_if(compile_schema(schema).violations(value, "ACC450"))
    return value
