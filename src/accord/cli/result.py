"""The result of a run: shown, and written to files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from textwrap import indent
from typing import Any

import msgspec
from rich.json import JSON
from rich.markdown import Markdown
from rich.text import Text

from accord.cli.errors import DONE, FAILED, show_problem, usage
from accord.cli.output import Screen, agent_name, clean, counted, run_text, state_text, worked
from accord.cli.repairs import words_of
from accord.domain.state import Run
from accord.errors import Problem
from accord.views.result import Result

RAISED_TOLD = 3
"""Tasks of which it is told where their agents raised."""


def code_of(result: Result) -> int:
    """The exit code that tells how the run ended."""
    return DONE if result.state == "completed" else FAILED


def markdown_of(result: Result) -> str | None:
    """The report in the output, where there is one."""
    output = result.output
    text = output.get("markdown") if isinstance(output, dict) else None
    return text if isinstance(text, str) else None


def reports_at(home: Path) -> Path:
    """The folder of a home with a folder for the report of each run."""
    return home / "reports"


def removed_reports(home: Path, runs: Collection[str]) -> Iterator[Path]:
    """Remove the folders with the reports of these runs in the home; gives each once it is gone.

    Raises:
        BadInput: ACC914, one cannot be removed.
    """
    reports = reports_at(home)
    # Only what is found here is removed: names of runs may come from a server.
    for folder in sorted(reports.iterdir()) if reports.is_dir() else []:
        if folder.name in runs:
            try:
                shutil.rmtree(folder)
            except OSError as error:
                text = f"{folder}: the report cannot be removed: {error.strerror or error}"
                raise usage("ACC914", text, "remove it yourself, or erase the run again") from error
            yield folder


def written(result: Result, folder: Path) -> Result:
    """Write report, charts, output and statement into a folder; an output without a report writes nothing.

    Raises:
        BadInput: ACC914, the folder cannot be written.
    """
    markdown = markdown_of(result)
    if markdown is None or not isinstance(result.statement, str):
        return result
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.md").write_text(markdown, encoding="utf-8")
        for name, svg in _charts(result.output):
            (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        (folder / "output.json").write_bytes(encoded(result.output))
        (folder / "statement.jws").write_text(result.statement + "\n", encoding="ascii")
    except OSError as error:
        hint = f"accord runs show {result.run} --json has the output"
        raise usage("ACC914", f"{folder}: the report cannot be written: {error.strerror}", hint) from error
    return msgspec.structs.replace(result, reports=str(folder))


def unwritable_file(path: Path, option: str) -> Iterator[Problem]:
    """Why a file cannot be written (ACC914); nothing where it can."""
    if path.is_dir():
        yield Problem("ACC914", f"{option}: {path} is a directory", hint="give the name of a file")
    elif path.exists():
        if not os.access(path, os.W_OK):
            yield Problem("ACC914", f"{option}: {path} may not be written", hint="give another file")
    elif not path.parent.is_dir():
        yield Problem(
            "ACC914", f"{option}: there is no directory {path.parent}", hint=f"make it: mkdir -p {path.parent}"
        )
    else:
        yield from unwritable_folder(path.parent, option)


def unwritable_folder(path: Path, option: str) -> Iterator[Problem]:
    """Why files cannot be written into a folder (ACC914), which is made where it is not there."""
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not there.is_dir():
        yield Problem("ACC914", f"{option}: {there} is no directory", hint="give another directory")
    elif not os.access(there, os.W_OK | os.X_OK):
        yield Problem("ACC914", f"{option}: {there} may not be written into", hint="give another directory")


def write_output(result: Result, path: Path) -> None:
    """Write the output: as Markdown where the file's name asks for it and there is some, as JSON else."""
    markdown = markdown_of(result)
    text = markdown.encode() if markdown is not None and path.suffix == ".md" else encoded(result.output)
    try:
        path.write_bytes(text)
    except OSError as error:
        hint = f"accord runs show {result.run} --json has the output"
        raise usage("ACC914", f"{path} cannot be written: {error.strerror}", hint) from error


def encoded(value: Any) -> bytes:
    """JSON for people: indented, members in their order, with a new line at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def _charts(output: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and drawings of the charts; a name that is no plain file name is passed over."""
    found = output.get("charts")
    charts = [chart for chart in found if isinstance(chart, dict)] if isinstance(found, list) else []
    pairs = [(chart.get("name"), chart.get("svg")) for chart in charts]
    return [(name, svg) for name, svg in pairs if isinstance(name, str) and isinstance(svg, str) and _is_plain(name)]


def _is_plain(name: str) -> bool:
    return name.replace("-", "").replace("_", "").isalnum() and len(name) <= 100


def show_result(result: Result, run: Run, screen: Screen, *, to_file: Path | None) -> None:
    """Print the result: the report as a terminal can show it, the output as JSON else, then who signed it."""
    if screen.as_json:
        screen.document(result)
        return
    if result.state == "completed" and to_file is None:
        _show_output(result, screen)
    _show_end(result, run, screen)


def _show_output(result: Result, screen: Screen) -> None:
    markdown = markdown_of(result)
    if markdown is not None and screen.watched:
        screen.line()
        screen.out.print(Markdown(_without_pictures(clean(markdown)), hyperlinks=False))
        screen.line()
    elif markdown is not None:
        screen.write(markdown if markdown.endswith("\n") else markdown + "\n")
    elif screen.watched:
        screen.line()
        screen.out.print(JSON(clean(encoded(result.output).decode())))
        screen.line()
    else:
        screen.write(encoded(result.output).decode())


def _without_pictures(markdown: str) -> str:
    """A terminal shows no pictures; they are in the folder of the report."""
    lines = markdown.split("\n")
    return "\n".join(line for line in lines if not (line.startswith("![") and line.endswith(")")))


def _show_end(result: Result, run: Run, screen: Screen) -> None:
    took = worked(run)
    taken = sum(one.phase == "succeeded" for state in run.tasks.values() for one in state.attempts)
    detail = f"  {took} · {counted(taken, 'signed hand-off')}" if run.phase == "completed" else f"  {took}"
    screen.note(Text.assemble(state_text(result.state), "  ", run_text(run.id), (detail, "quiet")))
    summary = result.output.get("summary") if isinstance(result.output, dict) else None
    if isinstance(summary, str) and screen.watched:
        screen.note(f"  {summary}", style="")
    if run.problem is not None:
        show_problem(screen.err, run.problem)
        _show_raised(run, screen)
        screen.note(f"  → accord runs show {run.id}", "hint")
    if result.repaired:
        screen.note(f"  {words_of(result.repaired)}", "yellow")
    if isinstance(result.signed_by, str):
        key = f"{result.key}"[:12]
        screen.note(f"  signed by {agent_name(result.signed_by).removeprefix('spiffe://')}, key {key}…")
    if isinstance(result.reports, str):
        screen.note(Text.assemble(("  report and charts: ", "quiet"), clean(result.reports)))


def _show_raised(run: Run, screen: Screen) -> None:
    """Where the agents of this process raised what the run failed of: for their authors, and for nobody else."""
    failed = (task for task in sorted(run.tasks) if run.state(task).phase == "failed")
    told = ((task, screen.raised.of(run, task)) for task in failed) if screen.raised is not None else ()
    for task, text in islice(((task, text) for task, text in told if text), RAISED_TOLD):
        screen.note(f"  {task} raised, in this process:", style="")
        screen.note(indent(text, "    "))
