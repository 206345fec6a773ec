"""`accord verify`: templates and agent files, all their problems at once, without a home and without running."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from accord.cli.errors import BAD_INPUT, DONE, show_problem
from accord.cli.hosting import agent_of_document, agents_of, contracts_of, hosted_agents
from accord.cli.options import Shared
from accord.cli.output import Screen, clean, counted
from accord.domain.contract import Contract
from accord.errors import AccordError, Problem
from accord.sdk import Agent
from accord.templates.documents import read_document
from accord.verifier.known import ContractTable
from accord.verifier.report import Report
from accord.verifier.verify import verify
from accord.views.catalogue import Catalogue, Entry, built_in_entries, read_entry

DOCUMENTS = (".yaml", ".yml", ".json")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of one file."""

    file: str
    kind: str
    """`template` or `agent`; empty for a file that is neither."""
    name: str = ""
    problems: tuple[Problem, ...] = ()
    report: Report | None = None

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What keeps the file from being used."""
        found = self.report.errors if self.report is not None else ()
        return (*self.problems, *(finding.problem for finding in found))


class Files:
    """The files to verify, read once: templates and agents of one call know each other."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.verdicts: list[Verdict] = []
        self.entries: list[tuple[str, Entry]] = []
        self.agents: list[Agent] = []
        for path in paths:
            self._read(path)

    def _read(self, path: Path) -> None:
        file = str(path)
        try:
            kind = kind_of(path)
            if kind == "template":
                self.entries.append((file, read_entry(path)))
            else:
                found = [agent_of_document(path)] if path.suffix in DOCUMENTS else agents_of(file)
                self.agents.extend(found)
                names = ", ".join(agent.name for agent in found)
                self.verdicts.append(Verdict(file=file, kind="agent", name=names))
        except AccordError as error:
            placed = tuple(_in_file(problem, file) for problem in error.problems)
            self.verdicts.append(Verdict(file=file, kind="", problems=placed))


def _in_file(problem: Problem, file: str) -> Problem:
    if problem.place.file is not None:
        return problem
    return msgspec.structs.replace(problem, place=msgspec.structs.replace(problem.place, file=file))


def kind_of(path: Path) -> str:
    """`template` or `agent`, by what the file says of itself. Raises TemplateInvalid, NotFound."""
    if path.suffix not in DOCUMENTS:
        return "agent"
    value = read_document(path).value
    language = value.get("accord") if isinstance(value, dict) else None
    return "agent" if isinstance(language, str) and language.startswith("agent/") else "template"


def verify_paths(shared: Shared, paths: Sequence[Path]) -> int:
    """Carry out `accord verify`; returns the exit code."""
    hosted = hosted_agents(shared.agents)
    files = Files(found for path in paths for found in _expanded(path))
    contracts = contracts_of([*hosted, *files.agents])
    verdicts = sorted([*files.verdicts, *_of_templates(files, contracts)], key=lambda verdict: verdict.file)
    screen = Screen(as_json=shared.as_json)
    if screen.as_json:
        screen.document([_document(verdict) for verdict in verdicts])
    else:
        for verdict in verdicts:
            _show(verdict, screen)
        _show_sum(verdicts, screen)
    return BAD_INPUT if any(verdict.errors for verdict in verdicts) else DONE


def _expanded(path: Path) -> Iterator[Path]:
    """The file, or of a directory all templates and agent files below it."""
    if not path.is_dir():
        yield path
        return
    for found in sorted(path.rglob("*")):
        if found.suffix in DOCUMENTS and b"accord" in found.read_bytes()[:4096] and _is_ours(found):
            yield found


def _is_ours(path: Path) -> bool:
    try:
        value = read_document(path).value
    except AccordError:
        return True  # it says something of Accord, and cannot be read: that is to be told
    return isinstance(value, dict) and str(value.get("accord", "")).startswith(("template/", "agent/"))


def _of_templates(files: Files, contracts: list[Contract]) -> Iterator[Verdict]:
    catalogue = Catalogue([*built_in_entries(), *(entry for _, entry in files.entries)])
    table = ContractTable(contracts)
    for file, entry in files.entries:
        graph = catalogue.graph(entry.name)
        assert graph is not None  # noqa: S101 - the catalogue holds the entry
        assert entry.document is not None  # noqa: S101 - it was read from a file
        report = verify(graph, table, catalogue, place_of=entry.document.place)
        yield Verdict(file=file, kind="template", name=entry.name, report=report)


def _document(verdict: Verdict) -> dict[str, Any]:
    report = verdict.report
    return {
        "file": verdict.file,
        "kind": verdict.kind or None,
        "name": verdict.name or None,
        "ok": not verdict.errors,
        "problems": verdict.errors,
        "warnings": [finding.problem for finding in report.warnings] if report is not None else [],
        "edges": report.edges if report is not None else None,
        "proven": report.proven if report is not None else None,
    }


def _show(verdict: Verdict, screen: Screen) -> None:
    report = verdict.report
    told = verdict.name
    if report is not None:
        told += f"  {report.proven} of {counted(report.edges, 'edge')} proven"
    sign = ("✘ ", "red") if verdict.errors else ("✔ ", "green")
    screen.line(Text.assemble(sign, (clean(verdict.file), "head"), (f"  {clean(told)}", "quiet")))
    for problem in verdict.errors:
        show_problem(screen.out, problem)
    for finding in report.warnings if report is not None else ():
        show_problem(screen.out, finding.problem, "warn")


def _show_sum(verdicts: Sequence[Verdict], screen: Screen) -> None:
    errors = sum(len(verdict.errors) for verdict in verdicts)
    files = counted(len(verdicts), "file")
    screen.note(f"{files}, {counted(errors, 'error')}" if errors else f"{files}, no errors")
