"""`python -m bench.crowd KIND COUNT URL FOLDER`: agents in a process of their own, joined over the network.

Its standard input holds an admin's API key in the first line; each further line is a word that lets it go on. It says
on its standard output how far it is, a JSON line each time.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import uvloop

from accord.custody import Custody
from accord.joining import Destination, Station, join
from accord.sdk import Agent
from bench.agents import hopper, maker, reader, worker

KINDS: dict[str, Callable[[str], Agent]] = {"hopper": hopper, "worker": worker, "maker": maker, "reader": reader}

AT_ONCE = 16
"""Agents that are enrolled at a time, before anything is measured."""


def main() -> None:
    """Join, and stay until the input ends."""
    kind, count, url, folder = sys.argv[1:]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    names = [kind] if count == "1" else [f"{Path(folder).name}-{number}" for number in range(int(count))]
    agents = [KINDS[kind](name) for name in names]
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    uvloop.run(_crowd(agents, url, Path(folder)))


async def _crowd(agents: Sequence[Agent], url: str, folder: Path) -> None:
    loop = asyncio.get_running_loop()

    async def told() -> str:
        return await loop.run_in_executor(None, sys.stdin.readline)

    to = Destination(url=url, credential=(await told()).strip())
    if len(agents) > 1:
        await _enrol(agents, to, folder)
        _tell("enrolled", 0)
        await told()
    begun = time.perf_counter()
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(_joined(agent, to, folder)) for agent in agents))
        _tell("joined", time.perf_counter() - begun)
        while await told():
            pass


async def _enrol(agents: Sequence[Agent], to: Destination, folder: Path) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def enrol(agent: Agent) -> None:
        async with places, _joined(agent, to, folder):
            pass

    await asyncio.gather(*map(enrol, agents))


@asynccontextmanager
async def _joined(agent: Agent, to: Destination, folder: Path) -> AsyncIterator[None]:
    home = folder / agent.name
    station = Station(
        home=home,
        custody=Custody(files=home / "keys", passphrase=home / "passphrase"),
        drain_within=timedelta(seconds=1),
    )
    async with join([agent], to, station):
        yield


def _tell(state: str, seconds: float) -> None:
    print(json.dumps({"state": state, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
