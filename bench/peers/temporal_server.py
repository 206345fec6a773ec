"""Temporal: the server of its command line, with its SQLite in a file; worker and client are this process.

That server is made for development. The production one needs a cluster of its own, and cannot be had from a registry.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import uvloop
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from bench.peers.load import STEPS, TEXT, WIDTH, Load, Run, answer, asked, versions_of
    from bench.peers.programs import free_port, program, ready

QUEUE = "bench"
LIMIT = timedelta(minutes=1)


@activity.defn
async def hop(n: int, text: str) -> dict[str, Any]:
    """The least that a step can do."""
    return {"n": n + 1, "text": text}


@activity.defn
async def items() -> list[int]:
    """The items of a fan."""
    return list(range(WIDTH))


@activity.defn
async def total(numbers: list[int]) -> int:
    """The end of a fan."""
    return len(numbers)


@workflow.defn
class Chain:
    """Steps one after the other."""

    @workflow.run
    async def run(self, number: int) -> int:
        """The number after the last step."""
        n = number
        for _ in range(STEPS):
            n = (await hopped(n))["n"]
        return n


@workflow.defn
class Fan:
    """1 → 100 → 1."""

    @workflow.run
    async def run(self, number: int) -> int:
        """How wide it was."""
        numbers = await workflow.execute_activity(items, start_to_close_timeout=LIMIT)
        done = await asyncio.gather(*(hopped(n) for n in numbers))
        return await workflow.execute_activity(total, [one["n"] for one in done], start_to_close_timeout=LIMIT)


async def hopped(n: int) -> dict[str, Any]:
    """What a step gives."""
    return await workflow.execute_activity(hop, args=[n, TEXT], start_to_close_timeout=LIMIT)


def server() -> str:
    """The program that the wheel has brought."""
    return str(Path(sys.executable).with_name("temporal"))


def runs(client: Client) -> Callable[[Load], Run]:
    """How a run is started and waited for."""
    ids = count()

    def of(load: Load) -> Run:
        work = Fan.run if load.fans else Chain.run

        async def run(number: int) -> int:
            return await client.execute_workflow(work, number, id=f"run-{next(ids)}", task_queue=QUEUE)

        return run

    return of


async def connected(address: str) -> Client:
    """A client, once the server answers."""
    await ready(lambda: Client.connect(address), RuntimeError)
    return await Client.connect(address)


def version() -> dict[str, str]:
    """The server's."""
    told = subprocess.run([server(), "--version"], check=True, capture_output=True, text=True).stdout
    return {"temporal-server": told.partition("(Server ")[2].partition(",")[0]}


async def main() -> None:
    """Measure what was asked for."""
    order = asked()
    port = str(free_port())
    with tempfile.TemporaryDirectory() as folder:
        database = str(Path(folder) / "temporal.db")
        command = (server(), "server", "start-dev", "--headless", "--db-filename", database)
        with program(*command, "--ip", "127.0.0.1", "--port", port) as one:
            client = await connected(f"127.0.0.1:{port}")
            async with Worker(client, task_queue=QUEUE, workflows=[Chain, Fan], activities=[hop, items, total]):
                await answer(order, runs(client), {**versions_of("temporalio"), **version()}, one)


if __name__ == "__main__":
    uvloop.run(main())
