"""An orchestrator that does the runs that it is given: `python -m bench.replica`, which `bench.replicas` starts."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from pathlib import Path

import msgspec
import uvloop

from accord.app import settle_memory
from accord.domain.shares import SHARED
from accord.engine.node import Node
from bench.agents import worker
from bench.deployment import orchestrator, staffed
from bench.own import runs
from bench.peers.load import Load, Order
from bench.scenarios import chain, fan, publish

LOOK_EVERY_S = 0.05


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """Its first line."""

    order: Order
    home: str
    replicas: int
    """How many there are; the runs are given out once they share the partitions evenly."""
    staffs: bool
    """Whether it has the agents started, as exactly one does."""


class Task(msgspec.Struct, frozen=True):
    """Each line after that: a run that is wanted."""

    load: Load
    number: int


class Done(msgspec.Struct, frozen=True):
    """What it answers with: what came of the run of this number. Two come before any run: one when it has begun, one
    when it has its share.
    """

    number: int = -1
    found: int = 0


def _say(done: Done) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
    sys.stdout.buffer.flush()


async def _lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _shares(node: Node, replicas: int) -> None:
    """Return once this one of so many replicas has its share."""
    ours = node.parts.partitions.fences
    while sum(partition in SHARED for partition in ours) * replicas != len(SHARED):  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(LOOK_EVERY_S)


async def main() -> None:
    """Work until the input ends."""
    lines = await _lines()
    duty = msgspec.json.decode(await lines.readline(), type=Duty)
    servers, home = duty.order.addresses, Path(duty.home)
    async with (
        orchestrator(servers, home) as node,
        staffed(node, servers, home) if duty.staffs else nullcontext(),
    ):
        await node.present(worker().id)
        _say(Done())
        await _shares(node, duty.replicas)
        of = runs(node, await publish(node, chain()), await publish(node, fan()))

        async def do(task: Task) -> None:
            _say(Done(task.number, await of(task.load)(task.number)))

        _say(Done())
        async with asyncio.TaskGroup() as group:
            async for line in lines:
                group.create_task(do(msgspec.json.decode(line, type=Task)))


if __name__ == "__main__":
    settle_memory()
    uvloop.run(main())
