"""Reading workflow tests with the templates that they are of, and playing them.

ACC946  a test names a task, or a capability, that its template does not have
ACC947  the template is not the one that a test was made for
ACC948  a test has no template that can be found
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import msgspec
from msgspec import UNSET

from accord.cli.examining import verified
from accord.cli.hosting import contracts_of, hosted_agents, offers_of
from accord.domain.compile import compile_graph
from accord.domain.graph import Graph
from accord.domain.ids import Digest
from accord.domain.schema import digest_of, pointer_of
from accord.domain.template import template_from_json
from accord.domain.workflow_test import WorkflowTest
from accord.engine.authority import Authority
from accord.engine.verification import Cleared
from accord.errors import AccordError, NotFound, Problem, in_order
from accord.policy.cedar import checked
from accord.policy.live import LivePolicy
from accord.policy.source import read_source as read_policies
from accord.sdk import Agent
from accord.templates.documents import scan_document
from accord.templates.nodes import Document
from accord.templates.reading import Examined, examine, examined, source_of
from accord.templates.workflow_tests import workflow_test_of
from accord.testing.rehearsal.judge import Seen, expectation_problems
from accord.testing.rehearsal.play import Piece, play
from accord.testing.rehearsal.roles import contracts_in, node_of
from accord.testing.rehearsal.script import is_capability
from accord.verifier.flow import Clearance
from accord.verifier.known import ContractTable
from accord.views.catalogue import PUBLISHED, Catalogue, Entry, built_in_entries, entry_of

DOCUMENTS = (".yaml", ".yml", ".json")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What is there for all tests of a command."""

    agents: tuple[str, ...] = ()
    """What `--agents` names."""
    policies: Path | None = None
    published: tuple[bytes, ...] = ()
    """Documents of templates that were published here."""
    record: bool = False
    """Whether agents that were given answer whatever they can, and what was answered is wanted."""
    within_s: float = 60.0


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of one test."""

    file: str
    name: str = ""
    verdict: str = "failed"
    """`passed`, `failed`, or `invalid`: it could not be played."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the test or its template, or is not as expected."""
    warnings: tuple[Problem, ...] = ()
    """What the verifier could not prove of the template."""
    verification: tuple[Problem, ...] = ()
    """Those of the problems that the verifier found."""
    seen: Seen | None = None
    recorded: WorkflowTest | None = None
    """What was answered, where that was wanted."""


def rehearsed(file: Path, setting: Setting) -> Rehearsed:
    """Read a test, verify its template, and play it."""
    try:
        with _unlogged():
            return _Rehearsal(file, setting).verdict()
    except AccordError as error:
        placed = in_order(_in_file(one, str(file)) for one in error.problems)
        return Rehearsed(file=str(file), verdict="invalid", problems=placed)


@contextmanager
def _unlogged() -> Iterator[None]:
    """What goes wrong on purpose is no news."""
    ours = logging.getLogger("accord")
    before = ours.level
    ours.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ours.setLevel(before)


def _in_file(problem: Problem, file: str) -> Problem:
    if problem.place.file is not None:
        return problem
    return msgspec.structs.replace(problem, place=msgspec.structs.replace(problem.place, file=file))


def read_test(file: Path) -> tuple[WorkflowTest, Document]:
    """The test in a file, with its document. Raises TemplateInvalid."""
    document = scan_document(file)
    return workflow_test_of(document), document


class _Rehearsal:
    """One test on its way."""

    def __init__(self, file: Path, setting: Setting) -> None:
        self._file = file
        self._setting = setting
        self._test, self._document = read_test(file)

    def verdict(self) -> Rehearsed:
        """What is to be said of it. Raises what keeps it from being played."""
        given = tuple(_agents(self._setting.agents))
        found = self._template()
        declared, problems = contracts_in(self._test, self._document.place)
        problems += expectation_problems(self._test.expect, self._document.place)
        catalogue = self._catalogue()
        contracts = {one.ref: one for one in (*contracts_of(given), *declared)}.values()
        policy = _policy(self._setting.policies)
        told = verified(found, ContractTable(contracts), catalogue, (), _clearance(given, policy))
        plain = Rehearsed(
            file=str(self._file), name=self._test.name, warnings=told.warnings, verification=told.problems
        )
        if told.problems or problems:
            everything = in_order([*problems, *told.problems])
            return msgspec.structs.replace(plain, verdict="invalid" if problems else "failed", problems=everything)
        entry = entry_of(source_of(found), str(self._file))
        catalogue = catalogue.with_entry(entry)
        entries = (entry, *catalogue.below(entry))
        graphs = tuple(compile_graph(one.template, one.digest) for one in entries)
        problems = [*self._unknown(graphs), *self._other(entry.digest)]
        if problems:
            return msgspec.structs.replace(plain, verdict="invalid", problems=in_order(problems))
        played = play(
            Piece(
                test=self._test,
                place_of=self._document.place,
                entry=entry,
                catalogue=catalogue,
                graphs=graphs,
                contracts=tuple(declared),
                agents=given,
                policy=policy,
                record=self._setting.record,
                within_s=self._setting.within_s,
            )
        )
        verdict = "failed" if played.problems else "passed"
        return msgspec.structs.replace(
            plain, verdict=verdict, problems=in_order(played.problems), seen=played.seen, recorded=played.recorded
        )

    def _template(self) -> Examined:
        """The template as it is written. Raises TemplateInvalid, NotFound (ACC948)."""
        said = self._test.template
        if not isinstance(said, str):
            return examine(msgspec.json.encode(said).decode(), file=f"{self._file}, its template")
        if is_path(said):
            path = Path(os.path.normpath(self._file.parent / said))
            if not path.is_file():
                raise self._not_found(f"there is no file {path}", "the path is from the folder of the test")
            return examine(path)
        try:
            entry = self._catalogue().find(said)
        except NotFound as error:
            raise self._not_found(error.problems[0].message, error.problems[0].hint) from None
        return examine(entry.data.decode(), file=entry.origin)

    def _not_found(self, text: str, hint: str | None) -> NotFound:
        return NotFound(Problem("ACC948", text, self._document.place("/template"), hint))

    def _catalogue(self) -> Catalogue:
        """The templates that come with Accord, those that were published, and those beside the test."""
        published = [_published(data) for data in self._setting.published]
        folders = {self._file.parent}
        if isinstance(self._test.template, str) and is_path(self._test.template):
            folders.add((self._file.parent / self._test.template).parent)
        beside = [entry for folder in sorted(folders) for entry in _entries_in(folder.resolve())]
        return Catalogue([*built_in_entries(), *published, *beside])

    def _unknown(self, graphs: Sequence[Graph]) -> Iterator[Problem]:
        """What the test names and no graph has."""
        tasks = {name for graph in graphs for name in graph.tasks}
        named = [("/agents", one) for one in self._test.agents if not is_capability(one)]
        named += [("/expect/tasks", one) for one in self._test.expect.tasks]
        named += [("/expect/attempts", one) for one in self._test.expect.attempts]
        for at, name in named:
            if node_of(name) not in tasks:
                yield self._no_task(name, at + pointer_of((name,)), key=True)
        listed = [(f"/expect/order/{number}", one) for number, one in enumerate(self._test.expect.order)]
        listed += [(f"/faults/{number}/task", one.task) for number, one in enumerate(self._test.faults)]
        said = enumerate(self._test.said)
        listed += [(f"/said/{number}/task", one.task) for number, one in said if isinstance(one.task, str)]
        for at, name in listed:
            if node_of(name) not in tasks:
                yield self._no_task(name, at)

    def _no_task(self, name: str, at: str, *, key: bool = False) -> Problem:
        return Problem("ACC946", f"the template has no task `{name}`", self._document.place(at, key=key))

    def _other(self, digest: Digest) -> Iterator[Problem]:
        if self._test.digest not in (UNSET, digest):
            text = f"the template is {digest[:12]} now, and was {str(self._test.digest)[:12]}"
            hint = "take `digest` out where any version will do"
            yield Problem("ACC947", text, self._document.place("/digest"), hint)


def is_path(template: str) -> bool:
    """Whether a test names its template by a path; else by its name."""
    return template.startswith(("./", "../", "/")) or template.endswith(DOCUMENTS)


@cache  # of one process: all tests of a command have the same
def _agents(targets: tuple[str, ...]) -> list[Agent]:
    return hosted_agents(targets)


@cache  # as above
def _policy(path: Path | None) -> LivePolicy | None:
    return None if path is None else LivePolicy(checked(read_policies(path)))


def _clearance(agents: Sequence[Agent], policy: LivePolicy | None) -> Clearance | None:
    return None if policy is None else Cleared(lambda: offers_of(agents), Authority(policy, "local", {}), "")


@cache  # as above
def _entries_in(folder: Path) -> tuple[Entry, ...]:
    """The templates of a folder, as far as they are sound: what is wrong with others is not for this test to say."""
    return tuple(_sound(folder))


def _sound(folder: Path) -> Iterator[Entry]:
    for path in sorted(folder.iterdir()):
        if path.suffix not in DOCUMENTS or not path.is_file():
            continue
        try:
            document = scan_document(path)
            value = document.value
            if isinstance(value, dict) and str(value.get("accord", "")).startswith("template/"):
                yield entry_of(source_of(examined(document)), str(path))
        except AccordError:
            continue


def _published(data: bytes) -> Entry:
    return Entry(template=template_from_json(data), digest=digest_of(data), data=data, origin=PUBLISHED)
