"""Several orchestrators on one store and one bus, each a process of its own: `python -m bench.replicas COUNT`.

This process only gives out the runs, in turn, a line each; the agents are one more process.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle

import msgspec
import uvloop

from accord.app import settle_memory
from bench.peers.load import Load, Run, answer, asked, versions_of
from bench.replica import Done, Duty, Task


class Replica:
    """An orchestrator, seen from the process that gives out the runs."""

    def __init__(self, process: Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process was started without pipes")
        self.pid = process.pid
        self._input, self._output = process.stdin, process.stdout
        self._waiting: dict[int, asyncio.Future[int]] = {}

    async def begin(self, duty: Duty) -> None:
        """Tell it what to do, and return once it has begun."""
        self._tell(duty)
        await self._next()

    async def shares(self) -> None:
        """Return once it has its share."""
        await self._next()

    async def run(self, load: Load, number: int) -> int:
        """What comes of a run."""
        ended = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._tell(Task(load, number))
        return await ended

    async def listen(self) -> None:
        """Take what it says, until cancelled."""
        while True:
            done = await self._next()
            self._waiting.pop(done.number).set_result(done.found)

    def end(self) -> None:
        """Give it no more."""
        self._input.close()

    def _tell(self, line: Duty | Task) -> None:
        self._input.write(msgspec.json.encode(line) + b"\n")

    async def _next(self) -> Done:
        line = await self._output.readline()
        if not line:
            raise RuntimeError(f"process {self.pid} has ended")
        return msgspec.json.decode(line, type=Done)


@asynccontextmanager
async def replica(duty: Duty) -> AsyncIterator[Replica]:
    """An orchestrator that works as long as the block."""
    child = await create_subprocess_exec(sys.executable, "-m", "bench.replica", stdin=PIPE, stdout=PIPE)
    found = Replica(child)
    try:
        await found.begin(duty)
        yield found
    finally:
        found.end()
        await child.wait()


def shared(replicas: Sequence[Replica]) -> Callable[[Load], Run]:
    """How a run is given to one of them, in turn."""
    turns = cycle(replicas)

    def of(load: Load) -> Run:
        async def run(number: int) -> int:
            return await next(turns).run(load, number)

        return run

    return of


async def main(count: int) -> None:
    """Measure what was asked for."""
    order = asked()
    with tempfile.TemporaryDirectory() as home:
        async with AsyncExitStack() as stack:
            duties = (Duty(order=order, home=home, replicas=count, staffs=number == 0) for number in range(count))
            replicas = [await stack.enter_async_context(replica(duty)) for duty in duties]
            for one in replicas:
                await one.shares()
            listening = [asyncio.create_task(one.listen()) for one in replicas]
            await answer(order, shared(replicas), versions_of("accord-orchestrator"), *(one.pid for one in replicas))
            for task in listening:
                task.cancel()


if __name__ == "__main__":
    settle_memory()
    uvloop.run(main(int(sys.argv[1])))
