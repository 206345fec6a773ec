"""Restate: its server from npm, one node with its defaults; a service with its Python SDK, in a process of its own.

A step is a `ctx.run`: the service's process does it, and the server has it on disk before the next one starts.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import restate
import uvloop

from bench.peers.load import STEPS, TEXT, WIDTH, Load, Run, answer, asked, versions_of
from bench.peers.programs import free_port, program, ready

PROGRAMS = Path(sys.prefix) / "node/node_modules/@restatedev"

bench = restate.Service("bench")


async def hop(n: int, text: str) -> dict[str, Any]:
    """The least that a step can do."""
    return {"n": n + 1, "text": text}


async def items() -> list[int]:
    """The items of a fan."""
    return list(range(WIDTH))


async def total(numbers: list[int]) -> int:
    """The end of a fan."""
    return len(numbers)


@bench.handler("chain")
async def chain(context: restate.Context, number: int) -> int:
    """Steps one after the other."""
    n = number
    for step in range(STEPS):
        n = (await context.run_typed(f"t{step}", hop, n=n, text=TEXT))["n"]
    return n


@bench.handler("fan")
async def fan(context: restate.Context, number: int) -> int:
    """1 → 100 → 1."""
    done = [context.run_typed("hop", hop, n=n, text=TEXT) for n in await context.run_typed("items", items)]
    await restate.gather(*done)
    return await context.run_typed("total", total, numbers=[(await one)["n"] for one in done])


app = restate.app([bench])


def server() -> str:
    """The program that npm has brought. Raises RuntimeError."""
    for found in PROGRAMS.glob("restate-server-*/bin/restate-server"):
        return str(found)
    raise RuntimeError("restate-server is not there: without npm it was not installed into .venv-peers")


def runs(session: aiohttp.ClientSession, ingress: str) -> Callable[[Load], Run]:
    """How a run is started and waited for: one request."""

    def of(load: Load) -> Run:
        url = f"{ingress}/bench/{'fan' if load.fans else 'chain'}"

        async def run(number: int) -> int:
            async with session.post(url, json=number) as response:
                response.raise_for_status()
                return int(await response.json())

        return run

    return of


async def register(session: aiohttp.ClientSession, admin: str, service: str) -> None:
    """Tell the server of the service, once both answer."""

    async def asking() -> None:
        async with session.post(f"{admin}/deployments", json={"uri": service}) as response:
            response.raise_for_status()

    await ready(asking, aiohttp.ClientError)


def version() -> dict[str, str]:
    """The server's."""
    told = subprocess.run([server(), "--version"], check=True, capture_output=True, text=True).stdout
    return {"restate-server": told.split()[-1]}


async def main() -> None:
    """Measure what was asked for."""
    order = asked()
    node, ingress, admin, service = (f"127.0.0.1:{free_port()}" for _ in range(4))
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "RESTATE_BASE_DIR": folder,
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_BIND_ADDRESS": node,
            "RESTATE_INGRESS__BIND_ADDRESS": ingress,
            "RESTATE_ADMIN__BIND_ADDRESS": admin,
        }
        serve = (sys.executable, "-m", "hypercorn", "bench.peers.restate_server:app", "--bind", service)
        connector = aiohttp.TCPConnector(limit=0)
        with program(server(), environment=settings) as one, program(*serve) as other:
            async with aiohttp.ClientSession(connector=connector) as session:
                await register(session, f"http://{admin}", f"http://{service}")
                versions = {**versions_of("restate-sdk"), **version()}
                await answer(order, runs(session, f"http://{ingress}"), versions, one, other)


if __name__ == "__main__":
    uvloop.run(main())
