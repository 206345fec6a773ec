"""DBOS on PostgreSQL, or on SQLite, its default: every step is recorded before the next one starts."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import uvloop
from dbos import DBOS, DBOSConfig

from bench.peers.load import STEPS, TEXT, WIDTH, Load, Run, answer, asked, versions_of


@DBOS.step()
async def hop(n: int, text: str) -> dict[str, object]:
    """The least that a step can do."""
    return {"n": n + 1, "text": text}


@DBOS.step()
async def items() -> list[int]:
    """The items of a fan."""
    return list(range(WIDTH))


@DBOS.step()
async def total(numbers: list[int]) -> int:
    """The end of a fan."""
    return len(numbers)


@DBOS.workflow()
async def chain(number: int) -> int:
    """Steps one after the other."""
    n = number
    for _ in range(STEPS):
        n = int(str((await hop(n, TEXT))["n"]))
    return n


@DBOS.workflow()
async def fan(number: int) -> int:
    """1 → 100 → 1."""
    done = await asyncio.gather(*(hop(n, TEXT) for n in await items()))
    return await total([int(str(one["n"])) for one in done])


def runs(load: Load) -> Run:
    """How a run is started and waited for."""
    workflow = fan if load.fans else chain

    async def run(number: int) -> int:
        handle = await DBOS.start_workflow_async(workflow, number)
        return int(await handle.get_result())

    return run


async def main() -> None:
    """Measure what was asked for."""
    order = asked()
    with tempfile.TemporaryDirectory() as folder:
        database = order.addresses.get("postgres", "") or f"sqlite:///{Path(folder) / 'peer.db'}"
        config: DBOSConfig = {"name": "bench", "system_database_url": database, "log_level": "ERROR"}
        DBOS(config=config)
        DBOS.launch()
        await answer(order, runs, versions_of("dbos"))
        DBOS.destroy()


uvloop.run(main())
