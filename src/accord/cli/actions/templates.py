"""`accord templates`: which there are, what one of them does, and publishing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
from rich.text import Text

from accord.cli.actions.agents import schema_words
from accord.cli.actions.plan import drawing
from accord.cli.errors import DONE
from accord.cli.examining import MISSED_WORKFLOWS, WithDoubtful, verified
from accord.cli.options import Shared
from accord.cli.output import Screen, clean, shortened
from accord.cli.session import carry_out, opened, staffed, who
from accord.cli.tables import Column
from accord.domain.compile import compile_graph
from accord.errors import Problem, Problems, Refused
from accord.planner.plan import planned_tasks
from accord.templates.documents import is_file
from accord.templates.reading import Examined, examine, source_of
from accord.templates.schema import accord_template_schema
from accord.verifier.known import Capabilities, ContractTable, Templates
from accord.verifier.revisions import predecessor, revision, too_low
from accord.views.catalogue import Catalogue, Entry, all_entries, entry_of, read_entry
from accord.views.templates import template_document


def list_templates(shared: Shared) -> None:
    """Carry out `accord templates list`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            entries = (await all_entries(service)).entries()
        if screen.as_json:
            screen.document([template_document(entry, whole=False) for entry in entries])
        else:
            columns = ("template", Column("from", spare=1), Column("tasks", spare=2), "what it does")
            screen.table(columns, [_row(entry) for entry in entries])
        return DONE

    carry_out(shared, work)


def _row(entry: Entry) -> tuple[str | Text, ...]:
    about = shortened(entry.template.description, 160)
    return entry.name, Text(entry.origin, "quiet"), str(len(entry.template.tasks)), about


def show_template(shared: Shared, reference: str) -> None:
    """Carry out `accord templates show`: the document itself with `--json`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            entry = _entry(reference, await all_entries(service))
        if screen.as_json:
            screen.document(template_document(entry, whole=True))
        else:
            _show(entry, screen)
        return DONE

    carry_out(shared, work)


def _entry(reference: str, catalogue: Catalogue) -> Entry:
    path = Path(reference)
    return read_entry(path) if is_file(path) else catalogue.find(reference)


def _show(entry: Entry, screen: Screen) -> None:
    template = entry.template
    tasks = list(planned_tasks(compile_graph(template, entry.digest)))
    screen.line(Text.assemble((entry.name, "head"), (f"  {entry.origin}", "quiet")))
    screen.line(" ".join(template.description.split()))
    screen.line()
    screen.facts([("digest", entry.digest), ("input", schema_words(template.input))])
    if template.examples:
        screen.heading("Said like this")
        for phrase in template.examples:
            screen.line(f"  {phrase}")
    screen.heading("Graph")
    for line in drawing(tasks):
        screen.line(line)
    screen.line()
    rows = [(task.task, task.does.replace("`", ""), clean(task.why)) for task in tasks]
    screen.table(("task", "does", "why"), rows)


def print_schema() -> None:
    """Carry out `accord templates schema`."""
    Screen(as_json=True).document(accord_template_schema())


def publish(shared: Shared, paths: list[Path], *, as_written: bool = False) -> None:
    """Carry out `accord templates publish`: all of the files, or none where one of them is wrong."""

    async def work(screen: Screen) -> int:
        async with staffed(shared) as service:
            known, catalogue = ContractTable(await service.contracts()), await all_entries(service)
            entries = _verified(paths, catalogue, known, as_written=as_written)
            for entry in entries:
                await service.publish(entry.template, entry.data, by=who(), as_written=as_written)
        if screen.as_json:
            screen.document([template_document(entry, whole=False) for entry in entries])
        else:
            for entry in entries:
                screen.line(f"published {entry.name}")
        return DONE

    carry_out(shared, work)


def _verified(paths: list[Path], there: Catalogue, capabilities: Capabilities, *, as_written: bool) -> list[Entry]:
    """The templates in these files, those that others run first in front.

    Raises:
        BadInput: all that is wrong with them.
        Refused: all versions that are too low.
    """
    catalogue = there
    problems = Problems()
    found = {path: examined for path in paths if (examined := problems.attempt(partial(examine, path))) is not None}
    entries = [entry_of(source_of(one), str(path)) for path, one in found.items() if not one.problems]
    for entry in entries:
        catalogue = catalogue.with_entry(entry)
    known = WithDoubtful(catalogue, [one for one in found.values() if one.problems])
    passed_over = MISSED_WORKFLOWS if problems.found else frozenset[str]()
    for one in found.values():
        problems.found.extend(verified(one, capabilities, known, passed_over).problems)
    problems.refuse()
    if not as_written:
        low = (_too_low(entry, found[Path(entry.origin)], there, capabilities, catalogue) for entry in entries)
        Refused.raise_if(problem for several in low for problem in several)
    given = {entry.digest: entry for entry in entries}
    ordered = {one.digest: one for entry in entries for one in (*catalogue.below(entry), entry)}
    return [entry for digest, entry in ordered.items() if digest in given]


def _too_low(
    entry: Entry, one: Examined, there: Catalogue, capabilities: Capabilities, templates: Templates
) -> Iterator[Problem]:
    """What is wrong with its version, after those that are published there, at its place in the file."""
    name = entry.template.name
    known = {
        each.template.version: each for each in there.entries() if each.template.name == name and each.published_at
    }
    earlier = predecessor(entry.template.version, known)
    if earlier is not None:
        found = revision(known[earlier], entry, capabilities, templates).evolution
        for problem in too_low(name, earlier, found):
            yield msgspec.structs.replace(problem, place=one.place(problem.place.pointer or ""))
