"""Accord and other systems side by side: each in processes of its own, one after the other, under the same load."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Timer

import msgspec

from bench.measure import Figures
from bench.peers.load import LOADS, Order, Told
from bench.servers import Running, running

PEERS = Path(".venv-peers/bin/python")
"""The interpreter of other systems, which scripts/bench makes."""

PATIENCE_S = 300
"""How long a system may take besides the time that it is measured."""


class System(msgspec.Struct, frozen=True, kw_only=True):
    """One that is compared."""

    key: str
    """How it is chosen."""
    name: str
    module: str
    arguments: tuple[str, ...] = ()
    """Of its module."""
    needs: tuple[str, ...] = ()
    """The servers that it needs, which are started for it."""
    setup: str
    """What it consists of here, and how it was set."""
    scenarios: tuple[str, ...] = tuple(LOADS)
    own: bool = False
    """Whether it is Accord."""
    unasked: bool = True
    """Whether it is measured without being named."""


SYSTEMS = (
    System(
        key="accord",
        name="Accord, embedded",
        module="bench.own",
        setup="one process: orchestrator and agents; SQLite with `synchronous=FULL`",
        own=True,
    ),
    System(
        key="accord-postgres",
        name="Accord, PostgreSQL",
        module="bench.own",
        needs=("postgres",),
        setup="one process: orchestrator and agents; a PostgreSQL server",
        own=True,
    ),
    System(
        key="accord-nats",
        name="Accord, PostgreSQL + NATS",
        module="bench.own",
        needs=("postgres", "nats"),
        setup="an orchestrator; the agents in a process of their own, connected to NATS; PostgreSQL and NATS servers",
        own=True,
    ),
    System(
        key="accord-redis",
        name="Accord, PostgreSQL + Redis",
        module="bench.own",
        needs=("postgres", "redis"),
        setup="an orchestrator; the agents in a process of their own, connected to Redis; PostgreSQL and Redis servers",
        own=True,
    ),
    System(
        key="replicas-1",
        name="Accord, 1 orchestrator",
        module="bench.replicas",
        arguments=("1",),
        needs=("postgres", "nats"),
        setup="PostgreSQL + NATS as above, but one more process gives out the runs",
        scenarios=("chain-500",),
        own=True,
    ),
    System(
        key="replicas-2",
        name="Accord, 2 orchestrators",
        module="bench.replicas",
        arguments=("2",),
        needs=("postgres", "nats"),
        setup="the same with two orchestrators, a process each, which get the runs in turn",
        scenarios=("chain-500",),
        own=True,
    ),
    System(
        key="restate",
        name="Restate",
        module="bench.peers.restate_server",
        setup="its server, one node with its defaults; the service in a process of its own; a step is a `ctx.run`",
    ),
    System(
        key="langgraph",
        name="LangGraph, SQLite",
        module="bench.peers.langgraph_savers",
        setup="one process; `AsyncSqliteSaver`, durability `sync`; a step is a node",
    ),
    System(
        key="langgraph-postgres",
        name="LangGraph, PostgreSQL",
        module="bench.peers.langgraph_savers",
        needs=("postgres",),
        setup="one process; `AsyncPostgresSaver` on a pool of 20, durability `sync`; a PostgreSQL server",
    ),
    System(
        key="dbos",
        name="DBOS, SQLite",
        module="bench.peers.dbos_databases",
        setup="one process, its default; a step is a `@DBOS.step`",
    ),
    System(
        key="dbos-postgres",
        name="DBOS, PostgreSQL",
        module="bench.peers.dbos_databases",
        needs=("postgres",),
        setup="one process; a PostgreSQL server",
    ),
    System(
        key="celery",
        name="Celery, Redis",
        module="bench.peers.celery_redis",
        needs=("redis-on-disk",),
        setup="a worker with a process for each core, `acks_late`, `reject_on_worker_lost`, no prefetching; "
        "Redis as broker and for results, `appendfsync always`; a chain is handed on in messages, without a record",
    ),
    System(
        key="temporal",
        name="Temporal, dev server",
        module="bench.peers.temporal_server",
        setup="the server of its command line with SQLite in a file; worker and client in one process; a step is an "
        "activity. That server is made for development, so it is measured only where it is named",
        scenarios=("lone", "chain-100"),
        unasked=False,
    ),
)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What a system did in a scenario."""

    scenario: str
    system: str
    figures: Figures
    versions: dict[str, str]
    machine: dict[str, str | int | float]
    """What it was measured on, and when."""


class Failed(Exception):
    """A system could not be measured."""


def compared(system: System, scenarios: Sequence[str], scale: float) -> Iterator[Row]:
    """What the system does in those scenarios that it knows. Raises Failed."""
    wanted = tuple(name for name in scenarios if name in system.scenarios)
    if not wanted:
        return
    if not system.own and not PEERS.exists():
        raise Failed(f"{system.name}: there is no {PEERS}; scripts/bench --compare makes it")
    where = machine()
    with running(system.needs) as servers:
        order = Order(
            scenarios=wanted,
            scale=scale,
            addresses={kind: one.address for kind, one in servers.items()},
            pids=tuple(one.pid for one in servers.values()),
        )
        for told in _told(system, order):
            yield Row(
                scenario=told.scenario,
                system=system.key,
                figures=told.figures,
                versions=told.versions | _versions(servers),
                machine=where,
            )


def _told(system: System, order: Order) -> Iterator[Told]:
    program = sys.executable if system.own else str(PEERS)
    patience = PATIENCE_S + sum(LOADS[name].seconds * order.scale for name in order.scenarios)
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,  # of what it leaves when it is ended
        TemporaryFile() as said,  # a pipe that nobody reads would fill up
        subprocess.Popen(
            [program, "-m", system.module, *system.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, "TMPDIR": folder},
            start_new_session=True,  # so that what it has started ends with it
        ) as child,
    ):
        limit = Timer(patience, _end, (child,))
        limit.start()
        try:
            left = len(order.scenarios)
            for told in _answers(child, order):
                yield told
                left -= 1
                if not left:
                    return  # how it ends is not measured
            child.wait()
            said.seek(0)
            late = f"ended after {patience:.0f} s" if limit.finished.is_set() else ""
            raise Failed(f"{system.name}: {late or _last_line(said.read()) or f'ended with {child.returncode}'}")
        finally:
            limit.cancel()
            _end(child)


def _answers(child: subprocess.Popen[bytes], order: Order) -> Iterator[Told]:
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the process was started without pipes")
    with suppress(BrokenPipeError):  # it has ended before it was asked, and has said why
        child.stdin.write(msgspec.json.encode(order))
        child.stdin.close()
    for line in child.stdout:
        yield msgspec.json.decode(line, type=Told)


def _last_line(said: bytes) -> str:
    return next((line for line in reversed(said.decode(errors="replace").splitlines()) if line.strip()), "")


def _end(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _versions(servers: dict[str, Running]) -> dict[str, str]:
    return {one.program: one.version for one in servers.values()}


def machine() -> dict[str, str | int | float]:
    """What figures belong to: this machine, its load average of the last minute, and the time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": cores,
        "load": round(os.getloadavg()[0], 1),
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
    }
