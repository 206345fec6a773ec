"""`accord serve --workers`: one address, several orchestrators; none is missed, and none outlives its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from accord.cli.actions.serve import Worker
from accord.cli.children import until_stopped
from accord.cli.output import Screen
from accord.gateway.colleagues import Gathered
from accord.testing.nats import NatsServer

from .processes import ACCORD, SHORT, Started

LOOK_S = 0.1


async def until(holds: Callable[[], bool]) -> None:
    """Wait until this holds: other processes do it."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - as above
            await asyncio.sleep(LOOK_S)


def children_of(pid: int) -> set[int]:
    """The processes that this one has started and that are there."""
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").exists()


class Server:
    """A server of two workers."""

    def __init__(self, folder: Path, nats: NatsServer) -> None:
        self.folder = folder
        environment = {
            "ACCORD_HOME": str(folder / "home"), "ACCORD_DRAIN_WITHIN_S": "1",
            "ACCORD_BUS": nats.url, "ACCORD_ORGANISATION": "workers",
        }  # fmt: skip
        self.process = Started(folder, "server", (*SHORT, "serve", "--port", "0", "--workers", "2"), **environment)
        self.url = ""
        self.pid = 0

    async def start(self) -> None:
        told = await self.process.start()
        self.url, self.pid = told["url"], told["pid"]

    def partitions(self) -> dict[str, float]:
        """How many partitions each worker owns, as whoever was asked tells it."""
        key = (self.folder / "home" / "credentials").read_text().strip()
        text = httpx.get(f"{self.url}/metrics", headers={"Authorization": f"Bearer {key}"}, timeout=20).text
        families = {one.name: one for one in text_string_to_metric_families(text)}
        return {one.labels["worker"]: one.value for one in families["accord_partitions_owned"].samples}


async def test_two_workers_share_address_and_work_and_end_together(tmp_path: Path, nats: NatsServer) -> None:
    server = Server(tmp_path, nats)
    try:
        await server.start()
        await until(lambda: server.partitions() == {"1": 24, "2": 24})
        workers = children_of(server.pid)
        assert len(workers) == 2

        killed = max(workers)
        os.kill(killed, signal.SIGKILL)
        await until(lambda: len(children_of(server.pid) - {killed}) == 2)
        await until(lambda: server.partitions().keys() == {"1", "2"})

        workers = children_of(server.pid)
        await server.process.end(signal.SIGKILL)
        await until(lambda: not any(map(is_there, workers)))
    finally:
        await server.process.end(signal.SIGKILL)


async def test_a_worker_leaves_it_to_its_parent_to_say_that_it_drains(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        worker = Worker(socket=taken.fileno(), number=1, folder=str(tmp_path))
        process = await asyncio.create_subprocess_exec(
            *ACCORD, "serve", "--worker", msgspec.json.encode(worker).decode(),
            env={**os.environ, "ACCORD_HOME": str(tmp_path / "home")}, pass_fds=(taken.fileno(),),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert await process.stdout.readline()
        _, told = await process.communicate(b"")  # its stdin ends: the parent is gone
    assert (process.returncode, told) == (0, b"")


async def test_that_they_drain_is_said_once_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    started, ended = asyncio.Event(), []

    async def child(name: str) -> int:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            ended.append(name)
        return 0

    running = asyncio.create_task(until_stopped([child("a"), child("b")], Screen()))
    await started.wait()
    running.cancel()
    assert await running == 0
    assert sorted(ended) == ["a", "b"]
    assert capsys.readouterr().err.count("Draining") == 1


async def test_without_a_bus_there_is_nothing_to_share(tmp_path: Path) -> None:
    alone = Started(tmp_path, "alone", (*SHORT, "serve", "--workers", "2"), ACCORD_HOME=str(tmp_path / "home"))
    assert await alone.start() == {}
    await alone.end(signal.SIGTERM)
    assert alone.problems == ["alone ended with 2"]
    assert "ACC969" in alone.said


def test_metrics_of_all_workers_are_told_once_with_their_number() -> None:
    def text(count: int) -> str:
        registry = CollectorRegistry()
        Counter("hops", "Hops", ("kind",), registry=registry).labels("far").inc(count)
        return generate_latest(registry).decode()

    (hops, *_) = Gathered({"1": text(3), "2": text(4)}).collect()
    told = {one.labels["worker"]: one.value for one in hops.samples if one.name == "hops_total"}
    assert told == {"1": 3, "2": 4}
    assert {one.labels["kind"] for one in hops.samples} == {"far"}
