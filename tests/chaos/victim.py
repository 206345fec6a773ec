"""A process with a node and its agents, to be killed: `victim.py HOME RUNS [POINT COUNTDOWN]`. Its store is in the
home, or where ACCORD_STORE says.

It takes over what the one before has left, starts RUNS more, and works until all have ended. On stdout it reports
`started ID` when a start was acknowledged, `event` whenever something is durable, `done` at the end. At the named point
of the commit, at the COUNTDOWNth time, it kills itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import orjson

from accord.app import host, open_node
from accord.domain import command as c
from accord.domain import event as e
from accord.domain.ids import TaskId
from accord.domain.news import Happened
from accord.domain.template import Template
from accord.engine.node import Node
from accord.engine.parts import Tuning
from accord.errors import AccordError, StoreUnavailable
from accord.ports import RunQuery, RunState
from accord.postgres.address import StoreAddress
from accord.sdk import Agent, Context
from accord.settings import Settings

T = TypeVar("T")

TEMPLATE = {
    "accord": "template/1",
    "name": "chaos",
    "version": "1.0.0",
    "input": True,
    "tasks": {
        "spread": {"uses": "chaos.spread@^1", "with": {"number": "${ input.number }"}},
        "double": {
            "uses": "chaos.double@^1",
            "for_each": "${ tasks.spread.output }",
            "with": {"number": "${ item }"},
        },
        "fill": {"uses": "chaos.fill@^1", "with": {"number": "${ input.number }"}, "needs": ["spread"]},
        "total": {
            "uses": "chaos.total@^1",
            "with": {"numbers": "${ tasks.double.output }", "text": "${ tasks.fill.output }"},
        },
    },
    "output": "${ tasks.total.output }",
}  # fmt: skip

TUNING = Tuning(
    lease=timedelta(seconds=5),
    partition_ttl=timedelta(seconds=0.6),
    sweep_every=timedelta(seconds=0.5),
    letters_every=timedelta(seconds=0.05),
)

UNFINISHED: tuple[RunState, ...] = ("running", "paused", "cancelling", "rolling_back", "failing")
COMMANDS: list[asyncio.Task[None]] = []
"""Rollbacks that were asked for."""


def mill(effects: Path) -> Agent:
    """An agent whose every function leaves a line in the file of effects, before its result is known to anybody."""
    agent = Agent("mill", concurrency=4, queue=40)
    file = os.open(effects, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def happened(context: Context, value: object) -> None:
        os.write(file, orjson.dumps([context.idempotency_key, value]) + b"\n")

    @agent.capability("chaos.spread@1.0.0")
    async def spread(number: int, *, context: Context) -> list[int]:
        happened(context, number)
        return [number + more for more in range(5)]

    @agent.capability("chaos.double@1.0.0")
    async def double(number: int, *, context: Context) -> int:
        happened(context, number)
        await asyncio.sleep(0)
        return 2 * number

    @agent.capability("chaos.fill@1.0.0")
    async def fill(number: int, *, context: Context) -> str:
        happened(context, number)
        return str(number) * 20_000  # too long for an event: it goes to the blob store

    @agent.capability("chaos.total@1.0.0")
    async def total(numbers: list[int], text: str, *, context: Context) -> int:
        happened(context, numbers)
        return sum(numbers)

    return agent


def say(word: str) -> None:
    """Tell whoever started this process, at once."""
    os.write(1, f"{word}\n".encode())


def die() -> None:
    """End as nobody can prevent."""
    os.kill(os.getpid(), signal.SIGKILL)


def crash_at(node: Node, point: str, countdown: int) -> None:
    """Die when the point is reached for the `countdown`th time."""
    left = countdown

    def reached(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                die()

    node.parts.reached = reached


async def own(node: Node, owns: asyncio.Event) -> None:
    """Take over everything that is free, again and again: the one before may still hold it for a while."""
    while True:
        await once_there(node.parts.partitions.claim_all)
        if node.parts.partitions.fences:
            owns.set()
        await asyncio.sleep(0.1)


async def roll_back(node: Node) -> None:
    """Undo every third run once, when it has doubled everything."""
    with node.parts.feed.subscribe() as news:
        async for item in news:
            if not isinstance(item, Happened):
                continue
            say("event")
            doubled = any(isinstance(one, e.TaskCompleted) and one.task == "double" for one in item.events)
            if doubled and item.run.epoch == 0 and int(item.run.started.title) % 3 == 0:
                command = c.Rollback(to=TaskId("spread"), by="chaos")
                COMMANDS.append(asyncio.get_running_loop().create_task(submitted(node, item.run.id, command)))


async def submitted(node: Node, run: str, command: c.Rollback) -> None:
    try:
        await node.control(run, command)  # type: ignore[arg-type]  # a run's id
    except AccordError as error:
        say(f"refused {error}")


@asynccontextmanager
async def in_background(*tasks: object) -> AsyncIterator[None]:
    running = [asyncio.create_task(task) for task in tasks]  # type: ignore[arg-type]  # coroutines
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def once_there(ask: Callable[[], Awaitable[T]]) -> T:
    """What is asked for, once there is a store: who only asks is told when there is none."""
    while True:
        try:
            return await ask()
        except StoreUnavailable:
            await asyncio.sleep(0.1)


async def finished(node: Node) -> None:
    """All runs have ended, those that were rolled back when they had ended as well."""
    while left := await once_there(lambda: node.runs(RunQuery(states=UNFINISHED, limit=100_000))):
        for summary in left:
            await once_there(partial(node.ended, summary.run))
        await asyncio.gather(*COMMANDS)


async def live(home: Path, runs: int, point: str, countdown: int) -> None:
    named = os.environ.get("ACCORD_STORE")
    settings = Settings(home=home, store=StoreAddress(named) if named else None)
    async with open_node(settings, TUNING) as node, host(node, [mill(home / "effects")]):
        crash_at(node, point, countdown)
        owns = asyncio.Event()
        async with in_background(own(node, owns), roll_back(node)):
            digest = await node.publish(msgspec.convert(TEMPLATE, Template), orjson.dumps(TEMPLATE))
            await owns.wait()
            say("ready")
            for number in range(runs):
                run = await node.start_run(digest, {"number": number}, title=str(number))
                say(f"started {run.id}")
            await finished(node)
    say("done")


if __name__ == "__main__":
    given = [*sys.argv[1:], "", "0"][:4]
    asyncio.run(live(Path(given[0]), int(given[1]), given[2], int(given[3])))
