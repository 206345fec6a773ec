"""Which template is meant, with which input: by its name, its file, or the objective in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from accord.builtin import agents as built_in
from accord.cli.asking import NoAnswer, asked_value
from accord.cli.driving import can_ask
from accord.cli.errors import show_problem, usage
from accord.cli.examining import MISSED, verified
from accord.cli.hosting import contracts_of, staff_of
from accord.cli.inputs import Given, changed, read_input, read_value
from accord.cli.options import Shared
from accord.cli.output import Screen
from accord.domain.schema import JsonSchema
from accord.errors import InputRequired, NotFound, NotUnderstood, Problem, Problems, Wanting
from accord.planner.rules import example_of
from accord.planner.ways import Change
from accord.sdk import Agent
from accord.templates.documents import is_file
from accord.templates.reading import Examined, examine, source_of
from accord.verifier.known import ContractTable
from accord.views.catalogue import Catalogue, built_in_entries, entry_of
from accord.views.planning import Known, Planned, by_meaning, by_objective, by_template, is_reference

_MEANT: dict[str, object] = {
    "type": "object",
    "properties": {"meant": {"type": "boolean", "description": "is this what is meant?"}},
    "required": ["meant"],
}
_SUFFIXES = (".yaml", ".yml", ".json")


class Asked(msgspec.Struct, frozen=True):
    """What somebody wants to run, or to plan."""

    target: str
    given: str | None = None
    sets: tuple[str, ...] = ()
    meant: str | None = None
    """The template that an objective means, where somebody says so: a name, `name@range`, or a file."""
    answers: dict[str, Any] = {}
    """Members of the input that were asked for at the terminal."""


async def choose_or_ask(asked: Asked, known: Known, screen: Screen) -> Planned:
    """The template and the plan for what is asked. Where somebody is at the terminal, it is asked for what an objective
    leaves out, which one is meant of several templates, and whether a graph is that is not sure; else the error says
    how it can be given.

    Raises:
        BadInput, NotFound: as `choose` does; ACC917, nobody answers.
    """
    try:
        return await choose(asked, known)
    except InputRequired as error:
        if error.wanting is None:
            raise
        if error.wanting.document is not None:
            return await _accepted(asked, error, error.wanting, known, screen)
        return await choose_or_ask(await _completed(asked, error, error.wanting, screen), known, screen)
    except NotUnderstood as error:
        if not error.several:
            raise
        if not can_ask(screen):
            raise _or_by(error, "--template NAME") from error
        meant = await _which(error, known, screen)
        return await choose_or_ask(replace(asked, meant=meant), known, screen)


async def _completed(asked: Asked, error: InputRequired, wanting: Wanting, screen: Screen) -> Asked:
    """What is asked, with what somebody at the terminal says of what is missing."""
    options = " ".join(f"--set {name}=…" for name in wanting.schema["required"])
    if not can_ask(screen):
        raise _or_by(error, options) from error
    for problem in error.problems:
        show_problem(screen.err, problem, "warn")
    try:
        answers = await asked_value(wanting.schema, screen)
    except NoAnswer:
        raise usage("ACC917", "nobody has said what is missing", f"give it with {options}") from None
    return replace(asked, answers={**asked.answers, **answers})


async def _accepted(asked: Asked, error: InputRequired, wanting: Wanting, known: Known, screen: Screen) -> Planned:
    """The plan that is not sure, where somebody at the terminal says that it is meant. Raises the error otherwise."""
    unsure = _or_by(error, f"--template {wanting.template.partition('@')[0]}")
    if not can_ask(screen):
        raise unsure from error
    for problem in error.problems:
        show_problem(screen.err, problem, "warn")
    found = await choose(replace(asked, meant=wanting.template), known)
    for task in found.plan.tasks:
        screen.note(f"  {task.task}  {task.does.replace('`', '')}")
    screen.note(f"  input  {msgspec.json.encode(found.plan.input).decode()}")
    try:
        accepted = bool((await asked_value(_MEANT, screen))["meant"])
    except NoAnswer:
        raise unsure from None
    if not accepted:
        raise unsure
    return found


async def _which(error: NotUnderstood, known: Known, screen: Screen) -> str:
    """The template that somebody at the terminal says is meant. Raises the error where they say none."""
    screen.note("It is not clear which template is meant:")
    for number, name in enumerate(error.several, 1):
        template = known.templates.find(name).template
        screen.note(f"  {number}  {name}  {example_of(template)}")
    screen.note("  0  none of them")
    question: dict[str, object] = {
        "type": "object",
        "properties": {"template": {"type": "integer", "enum": [*range(len(error.several) + 1)]}},
        "required": ["template"],
    }
    try:
        answer = int((await asked_value(question, screen))["template"])
    except NoAnswer:
        raise error from None
    if answer == 0:
        raise error
    return error.several[answer - 1]


def _or_by(error: NotUnderstood, options: str) -> NotUnderstood:
    """The same error, whose hints name the options too."""
    return _told(error, f"give it with {options}", " or")


def _told(error: NotUnderstood, hint: str, joined: str = "") -> NotUnderstood:
    """The same error, whose hints say this too."""
    told = type(error)(*(_hinted(problem, hint, joined) for problem in error.problems))
    told.several = error.several
    if isinstance(error, InputRequired) and isinstance(told, InputRequired):
        told.wanting = error.wanting
    return told


def _hinted(problem: Problem, hint: str, joined: str) -> Problem:
    return replace(problem, hint=f"{problem.hint},{joined} {hint}" if problem.hint else hint)


async def choose(asked: Asked, known: Known) -> Planned:
    """The template and the plan for what is asked.

    Raises:
        BadInput, NotFound: all that is wrong with the template, by the verifier too, and with the input.
    """
    path = template_file(asked.target)
    if asked.meant is not None:
        return await _meant(asked, asked.meant, known)
    if path is not None:
        return _from_file(path, asked, known)
    if not _is_template(asked.target, known):
        return await _by_words(asked, known)
    entry = known.templates.find(asked.target)
    return by_template(entry, read_input(asked.given, asked.sets, entry.template.input).value, known)


def _is_template(target: str, known: Known) -> bool:
    """Whether a target is a template's name, or is written like one. A word alone is an objective where no template is
    called so.
    """
    return is_reference(target) and (not target.isalnum() or target in known.templates.names())


async def _by_words(asked: Asked, known: Known) -> Planned:
    try:
        return await by_objective(asked.target, change_of(asked), known)
    except NotUnderstood as error:
        if not is_reference(asked.target):
            raise
        raise _told(error, f"no template is called `{asked.target}`, so it is read as an objective") from error


async def _meant(asked: Asked, reference: str, known: Known) -> Planned:
    """The plan for an objective that means this template."""
    if template_file(asked.target) is not None or _is_template(asked.target, known):
        raise usage("ACC911", f"{asked.target} is a template: --template says which one words mean")
    path = template_file(reference)
    if path is None:
        return await by_meaning(asked.target, reference, change_of(asked), known)
    entry = entry_of(source_of(examine(path)), str(path))
    among = replace(known, templates=known.templates.with_entry(entry))
    return await by_objective(asked.target, change_of(asked), among, entry)


def _from_file(path: Path, asked: Asked, known: Known) -> Planned:
    found = examine(path)
    given = checked_input(found, asked, known)
    entry = entry_of(source_of(found), str(path))
    among = replace(known, templates=known.templates.with_entry(entry))
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


def change_of(asked: Asked) -> Change:
    """Puts what `--input` and `--set` say in the place of what an objective says; stdin is read once."""
    given = read_value(asked.given, "--input").value if asked.given is not None else {}
    if not isinstance(given, dict):
        raise usage("ACC911", "--input: beside an objective, only members of the input can be given")

    def change(value: Any, schema: JsonSchema) -> Any:
        value = {**value, **asked.answers, **given} if given or asked.answers else value
        return changed(value, asked.sets, schema) if asked.sets else value

    return change
