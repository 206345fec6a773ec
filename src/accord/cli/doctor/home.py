"""The home: who may read and write it, how much room there is, whether a commit is durable; keys and settings."""

from __future__ import annotations

import asyncio
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
from accord.cli.output import counted, size
from accord.keys.file import FileKeyStore, load_passphrase
from accord.settings import Settings
from accord.store.sqlite_file import connect

SPACE_FAIL_BYTES: Final = 100_000_000
SPACE_WARN_BYTES: Final = 1_000_000_000
SLOW_SYNC_S: Final = 0.05


def home(settings: Settings) -> Iterator[Finding]:
    """All findings about it."""
    looks = (_home, _space, _passphrase, _keys) if settings.store else (_home, _space, _durability, _passphrase, _keys)
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


def _passphrase(settings: Settings) -> Finding:
    path = settings.passphrase
    if not path.exists():
        if settings.passphrase_file is not None:
            hint = "put it there, or leave passphrase_file out: then one is made in the home"
            return Finding("passphrase", "fail", f"{path} is not there", hint)
        if settings.keys.is_dir() and any(settings.keys.glob("*.pem")):
            return Finding("passphrase", "fail", f"{path} is gone, and there are keys", "restore it from a copy")
        return Finding("passphrase", "ok", "none yet")
    load_passphrase(path, settings.keys)
    return Finding("passphrase", "ok", f"{path}, readable by you alone")


def _keys(settings: Settings) -> Finding:
    if not settings.keys.is_dir() or not any(settings.keys.glob("*.pem")):
        return Finding("keys", "ok", "none yet")
    if not settings.passphrase.exists():
        return Finding("keys", "fail", "they cannot be opened without their passphrase")

    async def load() -> int:
        passphrase = load_passphrase(settings.passphrase, settings.keys)
        async with FileKeyStore.open(settings.keys, passphrase) as keys:
            return len(await keys.stored())

    count = asyncio.run(load())
    return Finding("keys", "ok", f"{counted(count, 'key')}, readable by you alone")
