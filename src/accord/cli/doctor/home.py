"""The home: who may read and write it, how much room there is, whether a commit is durable."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from accord.cli.doctor.finding import Finding, Grade, made
from accord.cli.output import size
from accord.settings import Settings
from accord.store.sqlite_file import connect

SPACE_FAIL_BYTES: Final = 100_000_000
SPACE_WARN_BYTES: Final = 1_000_000_000
SLOW_SYNC_S: Final = 0.05


def home(settings: Settings) -> Iterator[Finding]:
    """All findings about it."""
    looks = (_home, _space) if settings.store else (_home, _space, _durability)
    for look in looks:
        yield from made(look, settings)


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
