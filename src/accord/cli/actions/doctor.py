"""`accord doctor`: everything that can be wrong here, each with its way out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from accord.cli.doctor.agents import agents
from accord.cli.doctor.bus import bus
from accord.cli.doctor.finding import Finding, failures
from accord.cli.doctor.home import home
from accord.cli.doctor.keys import keys
from accord.cli.doctor.machine import machine
from accord.cli.doctor.planner import planner
from accord.cli.doctor.policies import policies
from accord.cli.doctor.server import server
from accord.cli.doctor.store import store
from accord.cli.doctor.suggestions import suggestions
from accord.cli.errors import DONE, FAILED
from accord.cli.options import Shared, home_option
from accord.cli.output import Screen, clean
from accord.errors import AccordError

SIGNS: Final = {"ok": ("✔", "green"), "warn": ("!", "yellow"), "fail": ("✘", "red")}


def doctor(shared: Shared) -> int:
    """Carry out `accord doctor`; returns the exit code."""
    screen = Screen(as_json=shared.as_json)
    url = _server(shared)
    findings = list(examined(shared)) if url is None else asyncio.run(server(url, shared))
    failed = any(finding.grade == "fail" for finding in findings)
    if screen.as_json:
        screen.document({"ok": not failed, "findings": findings})
    else:
        for finding in findings:
            _show(finding, screen)
        if url is None:
            _tell_home(shared, findings, screen)
    return FAILED if failed else DONE


def _server(shared: Shared) -> str | None:
    """The server that is asked; what is wrong with the settings is told with the rest."""
    try:
        return shared.server()
    except AccordError:
        return None


def _show(finding: Finding, screen: Screen) -> None:
    sign, style = SIGNS[finding.grade]
    screen.line(Text.assemble((f"{sign} {finding.grade:<4} ", style), f"{finding.what:<18} ", clean(finding.told)))
    if finding.hint:
        screen.line(f"         → {finding.hint}", "hint")


def _tell_home(shared: Shared, findings: Sequence[Finding], screen: Screen) -> None:
    """Say how the commands of hints find this home, where it is not the one that holds by itself."""
    try:
        home = home_option(shared.settings())
    except AccordError:
        return
    if home and any("accord " in finding.hint for finding in findings):
        screen.note(f"Here and in every other terminal, these commands need{home}.")


def examined(shared: Shared) -> Iterator[Finding]:
    """All findings; one that cannot even be made is a failure, and the others are made all the same."""
    yield from machine()
    try:
        settings = shared.settings()
    except AccordError as error:
        yield from failures("settings", error.problems)
        return
    file = settings.home / "settings.toml"
    yield Finding("settings", "ok", f"{file if file.exists() else 'the defaults'}, and the environment")
    found = []
    for look in (home, keys, store, policies, bus, planner, suggestions):
        for finding in look(settings):
            found.append(finding)
            yield finding
    works = all(finding.grade != "fail" for finding in found)
    yield from agents(
        settings, shared.agents, asks_journal=works and (settings.store is not None or settings.journal.exists())
    )
