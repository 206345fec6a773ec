"""Two servers on one PostgreSQL and one NATS: whatever is connected to one works for the other as well, and the bus may
fail.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from accord import Client
from accord.client.events import RunEvent
from accord.postgres.address import StoreAddress
from accord.testing.nats import nats_server

from .pair import LENGTH, WITHIN_S, Pair
from .processes import Started, effects_in
from .proxy import Proxy


@asynccontextmanager
async def opened(folder: Path, store: StoreAddress, bus: str) -> AsyncIterator[Pair]:
    """Both servers, and the agent at the first one; no process is left."""
    pair = Pair(folder, store, bus)
    agents: list[Started] = []
    try:
        await pair.start()
        agents.append(pair.agent("mill", 0))
        await agents[0].start("--token", await pair.token())
        await pair.publish()
        yield pair
        for one in (*agents, *pair.servers):
            if one.runs:
                await one.end(signal.SIGTERM)
            assert one.complaints() == []
    finally:
        for one in (*agents, *pair.servers):
            await one.end(signal.SIGKILL)


async def test_an_agent_at_one_server_works_for_both_whatever_becomes_of_the_bus(
    tmp_path: Path, store: StoreAddress
) -> None:
    """First in peace; then connections are cut, and the bus is killed, when the agent has done something."""
    with nats_server() as server:
        async with Proxy.before("127.0.0.1", server.port) as proxy:
            proxy.is_raw = True
            bus = f"nats://127.0.0.1:{proxy.url.rpartition(':')[2]}"
            async with opened(tmp_path, store, bus) as pair:
                assert await asyncio.gather(pair.run(1), pair.run(0)) == [LENGTH] * 2
                assert len(effects_in(pair.effects)) == 2 * LENGTH
                await _ask_who_does_not_own_it(pair)
                runs = [asyncio.create_task(pair.run(number % 2)) for number in range(6)]
                await _effects(pair, 2 * LENGTH + 6)
                proxy.cut()
                await _effects(pair, 2 * LENGTH + 12)
                await asyncio.to_thread(server.stop)
                await asyncio.to_thread(server.start)
                assert await asyncio.gather(*runs) == [LENGTH] * 6
                await _kill_the_second_in_the_midst_of_its_run(pair)


GATED: dict[str, Any] = {
    "accord": "template/1",
    "name": "gated",
    "version": "1.0.0",
    "input": True,
    "tasks": {
        "agreed": {"approval": {"title": "Go on?"}},
        "paid": {"signal": {"name": "paid", "schema": {"type": "integer"}}},
        "done": {"uses": "mill.add@^1", "needs": ["agreed"], "with": {"parts": ["${ tasks.paid.output }"]}},
    },
    "output": "${ tasks.done.output.sum }",
}


async def _ask_who_does_not_own_it(pair: Pair) -> None:
    """Whatever is asked about a run is asked at the server that has not started it."""
    async with pair.client(0) as owner, pair.client(1) as other, asyncio.timeout(WITHIN_S):
        await other.publish(GATED)
        run = (await owner.start("gated", {})).run
        watching = asyncio.create_task(_told(other, run))
        assert (await other.pause(run)).state == "paused"
        assert (await owner.run(run))["state"] == "paused"
        await other.resume(run)
        await other.signal(run, {"approved": True}, task="agreed")
        await other.signal(run, 3, name="paid")
        assert (await other.result(run)).output == 4
        told = await watching
        assert told == list(range(1, len(told) + 1))
        assert [task.task async for task in other.tasks(run)] == ["agreed", "paid", "done"]
        fork = (await other.fork(run, task="done")).run
        assert (await owner.result(fork)).output == 4
        stopped = (await owner.start("gated", {})).run
        await other.cancel(stopped, reason="not wanted")
        assert (await owner.result(stopped)).state == "cancelled"


async def _told(client: Client, run: str) -> list[int]:
    return [one.sequence async for one in client.watch(run) if isinstance(one, RunEvent)]


async def _kill_the_second_in_the_midst_of_its_run(pair: Pair) -> None:
    """The first one ends the run, with the messages that the second one had."""
    done = len(effects_in(pair.effects))
    async with pair.client(1) as client:
        run = (await client.start("chain", {})).run
    await _effects(pair, done + 2)
    await pair.servers[1].end(signal.SIGKILL)
    async with pair.client(0) as client, asyncio.timeout(WITHIN_S):
        assert (await client.result(run)).output == LENGTH


async def _effects(pair: Pair, count: int) -> None:
    while len(effects_in(pair.effects)) < count:  # noqa: ASYNC110 - another process writes them
        await asyncio.sleep(0.02)
