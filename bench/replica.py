"""An orchestrator that does the runs that it is given: `python -m bench.replica`, which `bench.replicas` starts."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from pathlib import Path

import msgspec
import uvloop

from accord.app import settle_memory
from bench.agents import worker
from bench.deployment import orchestrator, staffed
from bench.own import runs
from bench.peers.load import Load, Order
from bench.scenarios import chain, fan, publish


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """Its first line."""

    order: Order
    home: str
    staffs: bool
    """Whether it has the agents started, as exactly one does."""


class Task(msgspec.Struct, frozen=True):
    """Each line after that: a run that is wanted."""

    load: Load
    number: int


class Done(msgspec.Struct, frozen=True):
    """What it answers with: what came of the run of this number. The first one says that it is ready."""

    number: int = -1
    found: int = 0


def _say(done: Done) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
    sys.stdout.buffer.flush()


async def _lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


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
