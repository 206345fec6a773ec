"""DBOS on SQLite, its default: every step is recorded before the next one starts."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from dbos import DBOS, DBOSConfig

from bench.peers.steps import STEPS, TEXT, WIDTH, asked, measured, tell


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
async def fan() -> int:
    """1 → 100 → 1."""
    done = await asyncio.gather(*(hop(n, TEXT) for n in await items()))
    return await total([int(str(one["n"])) for one in done])


async def main() -> None:
    """Measure the scenario that was asked for."""
    scenario, scale = asked()
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{Path(folder) / 'peer.db'}"
        config: DBOSConfig = {"name": "bench", "system_database_url": database, "log_level": "ERROR"}
        DBOS(config=config)
        DBOS.launch()

        async def run(number: int) -> int:
            handle = await (
                DBOS.start_workflow_async(fan) if scenario == "fan-out" else DBOS.start_workflow_async(chain, number)
            )
            return int(await handle.get_result())

        tell(await measured(scenario, scale, run))
        DBOS.destroy()


asyncio.run(main())
