"""Runs on Redis while its server is killed and started again, empty, and all its connections are cut."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson

from accord.app import host, open_node
from accord.codec import follow
from accord.domain.template import Template
from accord.engine.parts import Tuning
from accord.ports import Head
from accord.sdk import Agent
from accord.settings import Settings
from accord.testing.redis import redis_server

STEPS = 5
RUNS = 20
RETRIES = {"attempts": 100, "backoff": {"first": "10ms", "jitter": 0}}


def chain() -> dict[str, Any]:
    """Tasks of which each adds one to what the one before gave."""
    tasks: dict[str, Any] = {}
    for index in range(STEPS):
        before = f"${{ tasks.t{index - 1}.output }}" if index else "${ input.number }"
        tasks[f"t{index}"] = {"uses": "count.add@^1", "with": {"number": before}, "retry": RETRIES}
    output = {"sum": f"${{ tasks.t{STEPS - 1}.output }}"}
    return {
        "accord": "template/1",
        "name": "chain",
        "version": "1.0.0",
        "input": True,
        "tasks": tasks,
        "output": output,
    }


async def test_runs_outlive_their_bus(tmp_path: Path) -> None:
    worked: Counter[int] = Counter()
    progress = asyncio.Condition()
    agent = Agent("adder", concurrency=8)

    @agent.capability("count.add@1.0.0")
    async def add(number: int) -> int:
        worked[number] += 1
        async with progress:
            progress.notify_all()
        return number + 1

    tuning = Tuning(sweep_every=timedelta(milliseconds=200), lease=timedelta(seconds=1))
    with redis_server() as server:
        settings = Settings(home=tmp_path / "home", bus=server.address)
        async with open_node(settings, tuning) as node, host(node, [agent]):
            await node.parts.partitions.claim_all()
            document = chain()
            digest = await node.publish(msgspec.convert(document, Template), orjson.dumps(document))
            runs = [(await node.start_run(digest, {"number": 1000 * number})).id for number in range(RUNS)]
            for share, strike in ((0.2, "cut"), (0.4, "kill"), (0.7, "cut")):
                async with progress:
                    await progress.wait_for(lambda wanted=share: len(worked) >= wanted * RUNS * STEPS)
                if strike == "kill":
                    server.stop()
                    server.start()
                else:
                    server.ask("CLIENT", "KILL", "TYPE", "normal")
                    server.ask("CLIENT", "KILL", "TYPE", "pubsub")
            async with asyncio.timeout(60):
                ended = [await node.ended(run) for run in runs]
            assert [run.phase for run in ended] == ["completed"] * RUNS
            assert set(worked) == {1000 * number + step for number in range(RUNS) for step in range(STEPS)}
            for number, run in enumerate(ended):
                assert node.parts.documents.value(run.tasks[f"t{STEPS - 1}"].output) == 1000 * number + STEPS
                follow(await node.records(run.id), Head())
            assert await node.parts.incidents.recent() == []
