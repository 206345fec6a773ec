"""`accord verify`: templates and agent files, all their problems at once, without a home and without running."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from accord.builtin import agents as built_in
from accord.cli.actions.plan import show_bounds
from accord.cli.errors import BAD_INPUT, DONE, show_problem, usage
from accord.cli.examining import MISSED_AGENTS, MISSED_WORKFLOWS, WithDoubtful, verified
from accord.cli.hosting import agent_of_document, agents_of, contracts_of, offers_of, twice
from accord.cli.options import Shared
from accord.cli.output import Screen, clean, counted
from accord.cli.result import unwritable_file
from accord.cli.rules import rules
from accord.cli.sarif import Finding, sarif
from accord.domain.certificate import words_of
from accord.engine.authority import Authority
from accord.engine.verification import Cleared
from accord.errors import AccordError, BadInput, NotFound, Place, Problem, in_order
from accord.policy.cedar import checked
from accord.policy.live import LivePolicy
from accord.policy.source import read_source
from accord.sdk import Agent
from accord.templates.documents import is_file, printable, scan_document
from accord.templates.nodes import Document
from accord.templates.reading import Examined, examined, source_of
from accord.templates.workflow_tests import workflow_test_of
from accord.verifier.clearance import Offers
from accord.verifier.flow import Clearance
from accord.verifier.known import START, ContractTable
from accord.verifier.report import Report
from accord.views.catalogue import Catalogue, built_in_entries, entry_of

DOCUMENTS = (".yaml", ".yml", ".json")
_OURS = re.compile(rb"""^(?:["']?accord["']?[ \t]*:|\s*\{[^\0]*"accord"\s*:)""", re.MULTILINE)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of one file."""

    file: str
    kind: str
    """`template`, `agent` or `test`; empty for a file that is neither."""
    name: str = ""
    problems: tuple[Problem, ...] = ()
    """What keeps the file from being used."""
    warnings: tuple[Problem, ...] = ()
    report: Report | None = None
    examples: Mapping[Problem, Any] = {}
    """Of problems and warnings the counterexample, or the evidence, where there is one."""
    unsaid: bool = False
    """Whether something was not told, because it may follow from a file that could not be read."""


class Files:
    """The files to verify, read once: templates and agents of one call know each other."""

    def __init__(self, paths: Iterable[Path], agents: Iterable[str]) -> None:
        self.verdicts: list[Verdict] = []
        self.templates: list[tuple[str, Examined]] = []
        self.agents: list[Agent] = []
        for target in agents:
            self._read_agents(target, None, told=False)
        if problems := tuple(twice(self.agents)):
            self.verdicts.append(Verdict(file="--agents", kind="agent", problems=problems))
        for path in paths:
            self._read(path)

    @property
    def passed_over(self) -> frozenset[str]:
        """The findings that say nothing, because what is missed may be in a file that could not be read."""
        broken = {verdict.kind for verdict in self.verdicts if verdict.problems}
        missed = MISSED_AGENTS if broken else frozenset[str]()
        return missed | MISSED_WORKFLOWS if "" in broken else missed

    def _read(self, path: Path) -> None:
        file = printable(str(path))
        try:
            document = document_of(path)
            if document is None or _language(document) == "agent":
                self._read_agents(file, document)
            elif _language(document) == "test":
                self.verdicts.append(Verdict(file=file, kind="test", name=workflow_test_of(document).name))
            else:
                self.templates.append((file, examined(document)))
        except AccordError as error:
            self._refuse(file, "", error)

    def _read_agents(self, target: str, document: Document | None, *, told: bool = True) -> None:
        """The agents of a target; those that only help others to be verified are told where they are wrong."""
        try:
            found = agents_of(target) if document is None else [agent_of_document(document)]
        except AccordError as error:
            self._refuse(target, "agent", error)
            return
        self.agents.extend(found)
        if told:
            names = ", ".join(agent.name for agent in found)
            self.verdicts.append(Verdict(file=target, kind="agent", name=names))

    def _refuse(self, file: str, kind: str, error: AccordError) -> None:
        placed = in_order(_in_file(problem, file) for problem in error.problems)
        self.verdicts.append(Verdict(file=file, kind=kind, problems=placed))


def _in_file(problem: Problem, file: str) -> Problem:
    if problem.place.file is not None:
        return problem
    return msgspec.structs.replace(problem, place=msgspec.structs.replace(problem.place, file=file))


def document_of(path: Path) -> Document | None:
    """The document in a file; None for Python. Raises TemplateInvalid, NotFound, BadInput."""
    file = Path(str(path).partition(":")[0])
    if not path.exists() and not is_file(file):
        raise NotFound.of("ACC911", "there is no such file or directory")
    if file.suffix == ".py":
        return None
    if path.suffix not in DOCUMENTS:
        raise BadInput.of("ACC911", "neither a template nor an agent", hint="give .yaml, .yml, .json or .py files")
    return scan_document(path)


def _language(document: Document) -> str:
    """What a document says that it is: `template`, `agent`, `test`, or nothing of these."""
    language = document.value.get("accord") if isinstance(document.value, dict) else None
    return language.partition("/")[0] if isinstance(language, str) else ""


class Ruled(msgspec.Struct, frozen=True):
    """The policies by which leaks are found, and whose they are."""

    policies: Path
    organisation: str


def verify_paths(shared: Shared, paths: Sequence[Path], ruled: Ruled | None, sarif_at: Path | None) -> int:
    """Carry out `accord verify`; returns the exit code."""
    shared.here("verify")
    BadInput.raise_if(unwritable_file(sarif_at, "--sarif") if sarif_at is not None else ())
    authority = _authority(ruled) if ruled is not None else None
    files = Files([found for path in paths for found in _expanded(path)], shared.agents)
    files.verdicts.extend(_empty(path) for path in paths if path.is_dir() and not any(_expanded(path)))
    agents = [*built_in(), *files.agents]
    clearance = Cleared(lambda: offers_of(agents), authority, "") if authority is not None else None
    of_templates = _of_templates(files, agents, clearance)
    verdicts = sorted([*files.verdicts, *of_templates], key=lambda verdict: verdict.file)
    screen = Screen(as_json=shared.as_json)
    if screen.as_json:
        screen.document([_document(verdict) for verdict in verdicts])
    else:
        for verdict in verdicts:
            _show(verdict, screen)
        _show_sum(verdicts, screen)
        if any(verdict.unsaid for verdict in verdicts):
            screen.note("What files offer that could not be read is not known: nothing is said of who needs it.")
    if sarif_at is not None:
        written_sarif(sarif_at, [one for verdict in verdicts for one in _findings(verdict)])
    return BAD_INPUT if any(verdict.problems for verdict in verdicts) else DONE


def _findings(verdict: Verdict) -> Iterator[Finding]:
    examples = verdict.examples
    yield from (Finding("error", one, examples.get(one, msgspec.UNSET)) for one in verdict.problems)
    yield from (Finding("warning", one, examples.get(one, msgspec.UNSET)) for one in verdict.warnings)


def written_sarif(path: Path, findings: Sequence[Finding]) -> None:
    """Write these findings. Raises BadInput ACC914."""
    try:
        path.write_bytes(sarif(findings))
    except OSError as error:
        raise usage("ACC914", f"--sarif: {path} cannot be written: {error.strerror}") from error


def _expanded(path: Path) -> Iterator[Path]:
    """The file, or of a directory all templates and agent files below it."""
    if not path.is_dir():
        yield path
        return
    for found in sorted(path.rglob("*")):
        if found.suffix in DOCUMENTS and is_file(found) and _is_ours(found):
            yield found


def _is_ours(path: Path) -> bool:
    """Whether a file says of itself that it is Accord's; one that cannot be opened is to be told."""
    try:
        with path.open("rb") as file:
            return _OURS.search(file.read(4096)) is not None
    except OSError:
        return True


def _empty(path: Path) -> Verdict:
    hint = "they are YAML or JSON, with `accord: template/1` or `accord: agent/1`; Python files are given by name"
    problem = Problem("ACC911", "there is no template and no agent in this directory", Place(str(path)), hint)
    return Verdict(file=str(path), kind="", problems=(problem,))


def _authority(ruled: Ruled) -> Authority:
    return Authority(LivePolicy(checked(read_source(ruled.policies))), ruled.organisation, {})


def _of_templates(files: Files, agents: list[Agent], clearance: Clearance | None) -> Iterator[Verdict]:
    sound = [entry_of(source_of(found), file) for file, found in files.templates if not found.problems]
    doubtful = [found for _, found in files.templates if found.problems]
    known = WithDoubtful(Catalogue([*built_in_entries(), *sound]), doubtful)
    table, offering = ContractTable(contracts_of(agents)), Offers(lambda: offers_of(agents))
    for file, found in files.templates:
        told = verified(found, table, known, files.passed_over, clearance, offering)
        yield Verdict(
            file=file,
            kind="template",
            name=f"{found.template.name}@{found.template.version}" if found.template is not None else "",
            problems=tuple(map(_where_it_looks, told.problems)),
            warnings=told.warnings,
            report=told.report,
            examples=told.examples,
            unsaid=told.unsaid,
        )


def _where_it_looks(problem: Problem) -> Problem:
    """The problem with a way out that helps here: agents of a server, or started ones, are not looked at."""
    if problem.hint != START:
        return problem
    hint = "give the file of an agent that offers it: --agents FILE.py; agents of a server are not looked at"
    return msgspec.structs.replace(problem, hint=hint)


def _document(verdict: Verdict) -> dict[str, Any]:
    report = verdict.report
    return {
        "file": verdict.file,
        "kind": verdict.kind or None,
        "name": verdict.name or None,
        "ok": not verdict.problems,
        "problems": [_told(problem, verdict) for problem in verdict.problems],
        "warnings": [_told(problem, verdict) for problem in verdict.warnings],
        "proofs": [_told(finding.problem, verdict) for finding in report.proofs] if report is not None else [],
        "facts": report.facts if report is not None else (),
        "bounds": report.bounds if report is not None else None,
        "edges": report.edges if report is not None else None,
        "proven": report.proven if report is not None else None,
    }


def _told(problem: Problem, verdict: Verdict) -> dict[str, Any]:
    """A finding with what its code means, and its counterexample."""
    told = {**msgspec.to_builtins(problem), "rule": rules().get(problem.code)}
    return {**told, "example": verdict.examples[problem]} if problem in verdict.examples else told


def _show(verdict: Verdict, screen: Screen) -> None:
    report = verdict.report
    told = verdict.name
    if report is not None:
        told += f"  {report.proven} of {counted(report.edges, 'edge')} proven"
    sign = ("✘ ", "red") if verdict.problems else ("✔ ", "green")
    screen.line(Text.assemble(sign, (clean(verdict.file), "head"), (f"  {clean(told)}", "quiet")))
    if report is not None and not verdict.problems:
        screen.line(f"  proven: {words_of(report.facts)}", "quiet")
        if report.bounds is not None:
            show_bounds(report.bounds, screen)
    for problem in verdict.problems:
        show_problem(screen.out, problem)
    for problem in verdict.warnings:
        show_problem(screen.out, problem, "warn")


def _show_sum(verdicts: Sequence[Verdict], screen: Screen) -> None:
    errors = sum(len(verdict.problems) for verdict in verdicts)
    warnings = sum(len(verdict.warnings) for verdict in verdicts)
    parts = [counted(len(verdicts), "file"), counted(errors, "error") if errors else "no errors"]
    screen.note(", ".join([*parts, *([counted(warnings, "warning")] if warnings else [])]))
