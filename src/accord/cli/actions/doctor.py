"""`accord doctor`: whether this machine can run Accord, and what to do where it cannot."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal, ParamSpec

import msgspec
from rich.text import Text

from accord.app import open_node
from accord.cli.errors import DONE, FAILED
from accord.cli.hosting import contracts_of, hosted_agents
from accord.cli.options import Shared
from accord.cli.output import Screen, clean, size
from accord.domain.expression import compile_expression
from accord.domain.schema import compile_schema
from accord.engine.registry import unknown_limits
from accord.errors import AccordError
from accord.keys.file import FileKeyStore, load_passphrase
from accord.settings import Settings
from accord.store.sqlite_file import OLDEST_SQLITE, connect

P = ParamSpec("P")
Grade = Literal["ok", "warn", "fail"]

SPACE_FAIL_BYTES: Final = 100_000_000
SPACE_WARN_BYTES: Final = 1_000_000_000
SLOW_SYNC_S: Final = 0.05
EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""Before this code was written: a clock that says so is wrong."""

SIGNS: Final = {"ok": ("✔", "green"), "warn": ("!", "yellow"), "fail": ("✘", "red")}


class Finding(msgspec.Struct, frozen=True):
    """What was looked at, how it is, and what to do about it."""

    what: str
    grade: Grade
    told: str
    hint: str = ""


def doctor(shared: Shared) -> int:
    """Carry out `accord doctor`; returns the exit code."""
    screen = Screen(as_json=shared.as_json)
    findings = list(examined(shared))
    failed = any(finding.grade == "fail" for finding in findings)
    if screen.as_json:
        screen.document({"ok": not failed, "findings": findings})
    else:
        for finding in findings:
            _show(finding, screen)
    return FAILED if failed else DONE


def _show(finding: Finding, screen: Screen) -> None:
    sign, style = SIGNS[finding.grade]
    screen.line(Text.assemble((f"{sign} {finding.grade:<4} ", style), f"{finding.what:<18} ", clean(finding.told)))
    if finding.hint:
        screen.line(f"         → {finding.hint}", "hint")


def examined(shared: Shared) -> Iterator[Finding]:
    """All findings; one that cannot even be made is a failure, and the others are made all the same."""
    for look in (_python, _sqlite, _expressions, _schemas, _clock):
        yield _made(look)
    try:
        settings = shared.settings()
    except AccordError as error:
        yield Finding("settings", "fail", error.problems[0].message, error.problems[0].hint or "")
        return
    for check in (_home, _space, _durability, _journal, _keys, _limits):
        yield _made(check, settings)


def _made(check: Callable[P, Finding], *given: P.args, **named: P.kwargs) -> Finding:
    """What a check finds; that it cannot look is a failure of what it looks at."""
    what = getattr(check, "__name__", "").strip("_")
    try:
        return check(*given, **named)
    except AccordError as error:
        problem = error.problems[0]
        return Finding(what, "fail", f"{problem.code} {problem.message}", problem.hint or "")
    except (OSError, sqlite3.Error) as error:
        return Finding(what, "fail", str(error))


# -- the machine -------------------------------------------------------------------------------------------------


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()}, Accord {version('accord-orchestrator')}")


def _sqlite() -> Finding:
    told = f"{sqlite3.sqlite_version}, needs {'.'.join(map(str, OLDEST_SQLITE))}"
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        return Finding("sqlite", "fail", told, "use a newer Python")
    return Finding("sqlite", "ok", told)


def _expressions() -> Finding:
    works = compile_expression("1 + 1").evaluate({}) == 2
    return Finding("expressions", "ok" if works else "fail", f"CEL {version('cel-expr-python')}")


def _schemas() -> Finding:
    schema = compile_schema({"type": "integer", "minimum": 3})
    works = schema.is_valid(3) and not schema.is_valid(2)
    return Finding("schemas", "ok" if works else "fail", f"jsonschema-rs {version('jsonschema-rs')}")


def _clock() -> Finding:
    now = datetime.now(UTC)
    if now < EARLIEST:
        return Finding("clock", "fail", f"it says {now:%Y-%m-%d}", "set the clock: leases and signatures depend on it")
    before = time.monotonic(), time.time()
    time.sleep(0.02)
    drift = abs((time.time() - before[1]) - (time.monotonic() - before[0]))
    if drift > 0.01:
        return Finding("clock", "warn", f"it jumped by {drift * 1000:.0f} ms", "is something setting it just now?")
    return Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC")


# -- the home ----------------------------------------------------------------------------------------------------


def _home(settings: Settings) -> Finding:
    home = settings.home
    if not home.exists():
        parent = next(path for path in home.absolute().parents if path.exists())
        if not os.access(parent, os.W_OK):
            return Finding("home", "fail", f"{home} cannot be made", "give another one with --home or ACCORD_HOME")
        return Finding("home", "ok", f"{home} will be made")
    if not home.is_dir():
        return Finding("home", "fail", f"{home} is no directory", "give another one with --home or ACCORD_HOME")
    if not os.access(home, os.W_OK | os.X_OK):
        return Finding("home", "fail", f"{home} cannot be written", "give another one with --home or ACCORD_HOME")
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & 0o022:
        return Finding("home", "fail", f"{home} can be written by others ({mode:04o})", f"chmod 700 {home}")
    if mode & 0o055:
        return Finding("home", "warn", f"{home} can be read by others ({mode:04o})", f"chmod 700 {home}")
    return Finding("home", "ok", f"{home} ({mode:04o})")


def _nearest(path: Path) -> Path:
    return next(one for one in (path.absolute(), *path.absolute().parents) if one.is_dir())


def _space(settings: Settings) -> Finding:
    free = shutil.disk_usage(_nearest(settings.home)).free
    grade: Grade = "fail" if free < SPACE_FAIL_BYTES else "warn" if free < SPACE_WARN_BYTES else "ok"
    return Finding("space", grade, f"{size(free)} free", "" if grade == "ok" else "make room, or choose another home")


def _durability(settings: Settings) -> Finding:
    """Commits as the journal makes them, on the same file system."""
    with (
        tempfile.TemporaryDirectory(dir=_nearest(settings.home), prefix=".accord-doctor-") as folder,
        closing(connect(Path(folder) / "probe.db", writes=True)) as connection,
    ):
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        full = connection.execute("PRAGMA synchronous").fetchone()[0]
        connection.execute("CREATE TABLE probe (value)")
        begin = time.perf_counter()
        for value in range(10):
            connection.execute("INSERT INTO probe VALUES (?)", (value,))
        each_s = (time.perf_counter() - begin) / 10
    told = f"{mode.upper()}, synchronous {'FULL' if full == 2 else full}, {each_s * 1000:.1f} ms a commit"
    if mode != "wal" or full != 2:
        return Finding("durability", "fail", told, "the file system cannot keep a journal: choose another home")
    if each_s > SLOW_SYNC_S:
        return Finding("durability", "warn", told, "this disk is slow to sync: runs will be, too")
    return Finding("durability", "ok", told)


def _journal(settings: Settings) -> Finding:
    if not settings.journal.exists():
        return Finding("journal", "ok", "none yet")
    with closing(sqlite3.connect(f"file:{settings.journal}?mode=ro", uri=True, timeout=2)) as connection:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        (runs,) = connection.execute("SELECT count(*) FROM runs").fetchone()
    length = size(settings.journal.stat().st_size)
    if found != "ok":
        return Finding("journal", "fail", f"damaged: {found}", "restore it from a copy")
    return Finding("journal", "ok", f"{runs} runs, {length}")


def _limits(settings: Settings) -> Finding:
    """Whether each limit is one of a capability that somebody offers, or has offered."""
    if not settings.capability_limits:
        return Finding("limits", "ok", "none are set")
    offered = {contract.capability for contract in contracts_of(hosted_agents(()))}
    known = asyncio.run(_recorded(settings)) if settings.journal.exists() else []
    unknown = list(unknown_limits(settings.capability_limits, {*offered, *known}))
    if unknown:
        hint = "; ".join(one.hint for one in unknown if one.hint)
        return Finding("limits", "warn", "; ".join(f"{one.code} {one.message}" for one in unknown), hint)
    return Finding("limits", "ok", ", ".join(f"{name}: {most}" for name, most in settings.capability_limits.items()))


async def _recorded(settings: Settings) -> list[str]:
    """The capabilities that the journal knows."""
    async with open_node(settings) as node:
        return node.parts.registry.names()


def _keys(settings: Settings) -> Finding:
    if not settings.keys.is_dir():
        return Finding("keys", "ok", "none yet")

    async def load() -> int:
        async with FileKeyStore.open(settings.keys, load_passphrase(settings.passphrase)) as keys:
            return len(await keys.stored())

    count = asyncio.run(load())
    return Finding("keys", "ok", f"{count} keys, all readable by you alone")
