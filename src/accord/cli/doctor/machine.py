"""The machine: Python, the libraries that everything rests on, and the clock."""

from __future__ import annotations

import platform
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from accord.cli.doctor.finding import Finding, made
from accord.domain.expression import compile_expression
from accord.domain.schema import compile_schema
from accord.release import release
from accord.store.sqlite_file import OLDEST_SQLITE

EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""Before this code was written: a clock that says so is wrong."""


def machine() -> Iterator[Finding]:
    """All findings about it."""
    for look in (_python, _sqlite, _expressions, _schemas, _clock):
        yield from made(look)


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()}, Accord {release()}")


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
