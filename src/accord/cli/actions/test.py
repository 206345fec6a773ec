"""`accord test`: workflow tests, found, played and told."""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import msgspec
from rich.text import Text

from accord.cli.actions.verify import written_sarif
from accord.cli.errors import BAD_INPUT, DONE, FAILED, show_problem, usage
from accord.cli.hosting import staff_of
from accord.cli.options import Shared
from accord.cli.output import Screen, clean, counted
from accord.cli.rehearsing import DOCUMENTS, Rehearsed, Setting, is_path, read_test, rehearsed
from accord.cli.result import unwritable_file
from accord.cli.rewriting import rewrite
from accord.cli.sarif import Finding
from accord.cli.session import at_home
from accord.conformance.junit import Case, document
from accord.domain.duration import duration_words
from accord.errors import AccordError, Problem, Problems
from accord.policy.cedar import checked
from accord.policy.source import read_source as read_policies
from accord.templates.documents import is_file
from accord.views.catalogue import Catalogue, built_in_entries

_TEST = re.compile(rb"""^(?:["']?accord["']?[ \t]*:|\s*\{[^\0]*"accord"\s*:)\s*["']?test/""", re.MULTILINE)

_SIGNS = {"passed": ("✔ ", "green"), "failed": ("✘ ", "red"), "invalid": ("✘ ", "red")}
_ENDS = {"passed": "passed", "failed": "failure", "invalid": "error"}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says."""

    paths: tuple[Path, ...]
    only: str | None = None
    jobs: int = 1
    policies: Path | None = None
    update: bool = False
    record: bool = False
    junit: Path | None = None
    sarif: Path | None = None
    within_s: float = 60.0

    def flaws(self) -> Iterator[Problem]:
        """What cannot be written, or is not there: it is told before anything is played."""
        for option, path in (("--junit", self.junit), ("--sarif", self.sarif)):
            yield from unwritable_file(path, option) if path is not None else ()
        for path in self.paths:
            if not path.exists():
                yield Problem("ACC911", f"there is no such file or directory: {path}")
            elif not any(tests_in(path)):
                hint = "they are YAML or JSON, with `accord: test/1`"
                yield Problem("ACC911", f"there is no workflow test in {path}", hint=hint)


def run_tests(shared: Shared, asked: Asked) -> int:
    """Carry out `accord test`; returns the exit code."""
    shared.here("test")
    problems = Problems()
    problems.found.extend(asked.flaws())
    problems.found.extend(staff_of(shared.agents).problems)
    problems.attempt(lambda: checked(read_policies(asked.policies)) if asked.policies is not None else None)
    problems.refuse()
    screen = Screen(as_json=shared.as_json)
    with redirect_stdout(sys.stderr):  # whatever agents print
        told, left_out = _told(shared, asked, screen)
    _show_all(told, screen, left_out=left_out)
    _write(told, asked)
    return _code(told)


def _told(shared: Shared, asked: Asked, screen: Screen) -> tuple[list[Rehearsed], int]:
    """What is to be said of each test, and how many were left out."""
    files = sorted({found for path in asked.paths for found in tests_in(path)})
    wanted = [file for file in files if _is_wanted(file, asked.only)]
    elsewhere = any(map(_is_elsewhere, wanted))
    published = asyncio.run(_published(shared)) if elsewhere else ()
    setting = Setting(
        agents=shared.agents,
        policies=asked.policies,
        published=published,
        record=asked.record,
        within_s=asked.within_s,
    )
    told = list(_all_rehearsed(wanted, setting, asked.jobs))
    if asked.update or asked.record:
        told = [_updated(one, setting, screen) for one in told]
    return told, len(files) - len(wanted)


def tests_in(path: Path) -> Iterator[Path]:
    """The file, or of a directory all workflow tests below it, in the order of their names."""
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return (one for one in found if one == path or (one.suffix in DOCUMENTS and is_file(one) and is_test(one)))


def is_test(path: Path) -> bool:
    """Whether a file says of itself that it is a workflow test."""
    try:
        with path.open("rb") as file:
            return _TEST.search(file.read(4096)) is not None
    except OSError:
        return False


def _is_wanted(file: Path, only: str | None) -> bool:
    """Whether `-k` names the file, or what the test in it is called."""
    if only is None or only.casefold() in str(file).casefold():
        return True
    try:
        return only.casefold() in read_test(file)[0].name.casefold()
    except AccordError:
        return True  # what is wrong with it is to be told


async def _published(shared: Shared) -> tuple[bytes, ...]:
    """The templates that were published here."""
    async with at_home(shared) as node:
        return tuple([await node.template(one.digest) for one in await node.templates()])


def _is_elsewhere(file: Path) -> bool:
    """Whether a test names a template that does not come with Accord: it may have been published here."""
    try:
        said = read_test(file)[0].template
        if isinstance(said, str) and not is_path(said):
            Catalogue(built_in_entries()).find(said)
    except AccordError:
        return True
    return False


def _all_rehearsed(files: Sequence[Path], setting: Setting, jobs: int) -> Iterator[Rehearsed]:
    play = partial(rehearsed, setting=setting)
    if min(jobs, len(files)) <= 1:
        yield from map(play, files)
        return
    with ProcessPoolExecutor(min(jobs, len(files)), multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(play, files)


def _updated(told: Rehearsed, setting: Setting, screen: Screen) -> Rehearsed:
    """The test once it has what was recorded, and expects what came of it."""
    file = Path(told.file)
    if told.seen is None or not rewrite(file, told.seen, told.recorded):
        return told
    screen.note(f"{told.file} is rewritten: look at what has changed before you rely on it.", "yellow")
    return rehearsed(file, msgspec.structs.replace(setting, record=False))


def _code(told: Sequence[Rehearsed]) -> int:
    if any(one.verdict == "invalid" for one in told):
        return BAD_INPUT
    return FAILED if any(one.verdict == "failed" for one in told) else DONE


# -- telling -----------------------------------------------------------------------------------------------------


def _show_all(told: Sequence[Rehearsed], screen: Screen, *, left_out: int) -> None:
    if screen.as_json:
        screen.document([msgspec.structs.replace(one, recorded=None) for one in told])
        return
    for one in told:
        _show(one, screen)
    ends = [one.verdict for one in told]
    parts = [counted(len(told), "test"), *(f"{ends.count(end)} {end}" for end in _SIGNS if end in ends)]
    screen.note(", ".join([*parts, *([f"{left_out} left out"] if left_out else [])]))


def _show(one: Rehearsed, screen: Screen) -> None:
    head = Text.assemble(_SIGNS[one.verdict], (clean(one.file), "head"), f"  {clean(one.name)}")
    screen.line(Text.assemble(head, (f"  {_facts(one)}", "quiet")) if one.seen is not None else head)
    for problem in one.problems:
        show_problem(screen.out, problem)


def _facts(one: Rehearsed) -> str:
    seen = one.seen
    return "" if seen is None else f"{seen.state} after {duration_words(seen.duration_s)}, cost {seen.cost}"


def _write(told: Sequence[Rehearsed], asked: Asked) -> None:
    if asked.junit is not None:
        _written(asked.junit, document("accord test", [_case(one) for one in told]).encode(), "--junit")
    if asked.sarif is not None:
        findings = [Finding("error", problem) for one in told for problem in _found(one)]
        findings += [Finding("warning", problem) for one in told for problem in one.warnings]
        written_sarif(asked.sarif, findings)


def _found(one: Rehearsed) -> tuple[Problem, ...]:
    """What is wrong with the files of a test, whatever would come of a run."""
    return one.problems if one.verdict == "invalid" else one.verification


def _case(one: Rehearsed) -> Case:
    file = Path(one.file)
    return Case(
        group=".".join(file.with_suffix("").parts).strip("./"),
        name=one.name or file.name,
        ended=_ENDS[one.verdict],  # type: ignore[arg-type]  # the words of `ended`
        message=one.problems[0].message if one.problems else "",
        kind=one.problems[0].code if one.problems else "",
        text="\n".join(map(str, one.problems)),
    )


def _written(path: Path, data: bytes, option: str) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise usage("ACC914", f"{option}: {path} cannot be written: {error.strerror}") from error
