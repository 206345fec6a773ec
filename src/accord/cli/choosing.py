"""Which template is meant, with which input: by its name, its file, or the objective in words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from accord.builtin import agents as built_in
from accord.cli.errors import usage
from accord.cli.examining import MISSED, verified
from accord.cli.hosting import contracts_of, staff_of
from accord.cli.inputs import Given, changed, read_input, read_value
from accord.cli.options import Shared
from accord.errors import NotFound, Problem, Problems
from accord.sdk import Agent
from accord.templates.documents import is_file
from accord.templates.reading import Examined, examine, source_of
from accord.verifier.known import ContractTable
from accord.views.catalogue import Catalogue, Entry, built_in_entries, entry_of
from accord.views.planning import Known, Planned, by_objective, by_template, is_reference

_SUFFIXES = (".yaml", ".yml", ".json")


class Asked(msgspec.Struct, frozen=True):
    """What somebody wants to run, or to plan."""

    target: str
    given: str | None = None
    sets: tuple[str, ...] = ()


def choose(asked: Asked, known: Known) -> Planned:
    """The template and the plan for what is asked.

    Raises:
        BadInput, NotFound: all that is wrong with the template, by the verifier too, and with the input.
    """
    path = template_file(asked.target)
    if path is not None:
        return _from_file(path, asked, known)
    if not is_reference(asked.target):
        return by_objective(asked.target, partial(_changed_input, asked), known)
    entry = known.templates.find(asked.target)
    return by_template(entry, read_input(asked.given, asked.sets, entry.template.input).value, known)


def _from_file(path: Path, asked: Asked, known: Known) -> Planned:
    found = examine(path)
    given = checked_input(found, asked, known)
    entry = entry_of(source_of(found), str(path))
    among = Known(known.templates.with_entry(entry), known.capabilities)
    return by_template(entry, given.value, among, place_of=found.place)


def prepared(asked: Asked, shared: Shared, others: Sequence[Problem] = ()) -> list[Agent]:
    """The agents that a command will host, before anything is opened; none where a server is asked.

    Raises:
        BadInput: the settings or the agents are wrong, or there are `others`; then with all that is wrong with template
            and input, too.
    """
    problems = Problems()
    problems.found.extend(others)
    problems.attempt(shared.settings)
    staff = staff_of(shared.agents)
    problems.found.extend(staff.problems)
    agents = [*built_in(), *staff.agents]
    if problems.found:
        _refuse_all(asked, agents, problems)
    return agents if shared.server() is None else []


def _refuse_all(asked: Asked, agents: Sequence[Agent], problems: Problems) -> None:
    """Raise BadInput with these problems, and what can be told of template and input without a home."""
    path = problems.attempt(lambda: template_file(asked.target))
    found = problems.attempt(lambda: examine(path)) if path is not None else None
    if found is not None:
        known = Known(Catalogue(built_in_entries()), ContractTable(contracts_of(agents)))
        checked_input(found, asked, known, problems.found, MISSED)
    given = asked.given
    if given is not None:
        problems.attempt(lambda: read_value(given, "--input"))
    problems.refuse()


def checked_input(
    found: Examined,
    asked: Asked,
    known: Known,
    others: Sequence[Problem] = (),
    passed_over: frozenset[str] = frozenset(),
) -> Given:
    """The input for a file, where file and input are sound and there are no `others`. Findings that are `passed_over`
    are not told, because not all that is known could be read.

    What the verifier holds against a sound file is not asked: its plan says that.

    Raises:
        BadInput: all that is wrong with both, by the verifier too, and the others.
    """
    problems = Problems()
    problems.found.extend((*others, *found.problems))
    given = None
    if found.template is not None and found.knows_input:
        schema = found.template.input
        given = problems.attempt(lambda: read_input(asked.given, asked.sets, schema))
    if problems.found:
        problems.found.extend(verified(found, known.capabilities, known.templates, passed_over).problems)
    problems.refuse()
    assert given is not None, "a sound file knows its input"  # noqa: S101
    return given


def template_file(target: str) -> Path | None:
    """The file that is meant; None for a name, or an objective in words. Raises NotFound."""
    path = Path(target)
    if is_file(path):
        return path
    if target.endswith(_SUFFIXES):
        raise NotFound.of("ACC911", f"there is no file {target}", hint="give a file, a template's name, or words")
    return None


def _changed_input(asked: Asked, value: Any, entry: Entry) -> Any:
    """What the objective says, with what `--input` and `--set` say in its place."""
    if asked.given is not None:
        more = read_value(asked.given, "--input").value
        if not isinstance(more, dict):
            raise usage("ACC911", "--input: beside an objective, only members of the input can be given")
        value = {**value, **more}
    return changed(value, asked.sets, entry.template.input) if asked.sets else value
