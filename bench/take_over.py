"""How long it takes until one of two servers owns what the other one has left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from accord.app import open_stores
from accord.domain.shares import SHARED
from accord.ports import Journal
from accord.settings import Settings
from bench.deployment import settings_of
from bench.measure import Readings
from bench.scenarios import Scenario
from bench.servers import running

LOOK_EVERY_S = 0.02

WAYS = {
    "killed (SIGKILL)": signal.SIGKILL,
    "standing still (SIGSTOP)": signal.SIGSTOP,
    "stopped in good order (SIGTERM)": signal.SIGTERM,
}


async def take_over(_: float) -> Readings:
    """Two servers that share evenly; one of them goes, in each of these ways, and is started again."""
    values: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, running(("postgres",)) as servers:
        settings = settings_of({"postgres": servers["postgres"].address}, Path(folder) / "home")
        async with open_stores(settings) as (journal, _), _server(settings) as stays:
            for way, number in WAYS.items():
                async with _server(settings) as goes:
                    began_s = time.monotonic()
                    await _owned(journal, {stays.pid: len(SHARED) // 2, goes.pid: len(SHARED) // 2})
                    values["even again after one was started, s"] = time.monotonic() - began_s
                    began_s = time.monotonic()
                    goes.send_signal(number)
                    await _owned(journal, {stays.pid: len(SHARED)})
                    values[f"{way}, s"] = time.monotonic() - began_s
    return Readings(values)


@asynccontextmanager
async def _server(settings: Settings) -> AsyncIterator[Process]:
    """A server on this store; both have the same home, and so the same keys."""
    environment = {**os.environ, "ACCORD_HOME": str(settings.home)}
    if settings.store is not None:
        environment["ACCORD_STORE"] = settings.store.url
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "accord", "serve", "--port", "0", "--json", env=environment, stdin=DEVNULL, stdout=PIPE
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        await process.stdout.readline()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _owned(journal: Journal, wanted: dict[int, int]) -> None:
    """Wait until processes of these numbers own so many of the partitions that servers share."""
    while True:
        now = datetime.now(UTC)
        names = [one.name for one in await journal.owners() if one.partition in SHARED and one.until > now]
        if Counter(int(name.partition("-")[0]) for name in names) == Counter(wanted):
            return
        await asyncio.sleep(LOOK_EVERY_S)


TAKE_OVER = Scenario("take-over", "one of two servers on PostgreSQL is killed, stopped, ended", take_over)
