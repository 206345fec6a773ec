"""Servers that Accord or another system needs: each measurement gets new ones, on a disk; what they use is counted."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import gettempdir

import msgspec

from accord.testing import nats
from accord.testing.nats import nats_server
from accord.testing.postgres import postgres_server
from accord.testing.redis import RedisProgram, programs, redis_server

KEEPS = "appendonly yes\nappendfsync always\n"
"""A Redis that has on disk what it has said yes to."""

DISK = Path(gettempdir())


class Running(msgspec.Struct, frozen=True):
    """A server that runs."""

    address: str
    pid: int
    program: str
    version: str


@contextmanager
def _postgres() -> Iterator[Running]:
    with postgres_server(DISK) as server:
        yield Running(server.create().url, server.pid, "postgres", server.sql("SHOW server_version").split()[0])


@contextmanager
def _nats() -> Iterator[Running]:
    told = subprocess.run([str(nats.program()), "--version"], check=True, capture_output=True, text=True).stdout
    with nats_server(parent=DISK) as server:
        yield Running(server.url, server.pid, "nats-server", told.split("v")[-1].strip())


@contextmanager
def _redis(configuration: str = "") -> Iterator[Running]:
    with redis_server(_redis_program(), configuration) as server:
        program = server.program
        yield Running(server.address.url, server.pid, Path(program.path).name, ".".join(map(str, program.version)))


def _redis_program() -> RedisProgram | None:
    """The newest Redis; None where only others are, which work as it does."""
    return next((one for one in reversed(programs()) if Path(one.path).name == "redis-server"), None)


SERVERS: Mapping[str, Callable[[], AbstractContextManager[Running]]] = {
    "postgres": _postgres,
    "nats": _nats,
    "redis": _redis,
    "redis-on-disk": lambda: _redis(KEEPS),
}
"""By their kind. A bus need not keep what PostgreSQL has; a broker that is alone must."""


@contextmanager
def running(kinds: tuple[str, ...]) -> Iterator[dict[str, Running]]:
    """Servers of these kinds, new ones."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(SERVERS[kind]()) for kind in kinds}
