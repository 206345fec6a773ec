"""Celery on Redis, broker and results, set to lose nothing that can be kept: late acknowledgements, no prefetching.

A chain is handed on by the workers in messages: there is no durable record of a workflow.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvloop
from celery import Celery, Task, chain, chord
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from bench.peers.load import STEPS, TEXT, WIDTH, Load, Run, answer, asked, versions_of
from bench.peers.programs import program

ADDRESS = "ACCORD_BENCH_REDIS"
"""Where the worker, too, finds the server's address."""

CHANNEL = "celery-task-meta-"
"""What Celery's results are told under, with the task's id behind it."""

app = Celery("bench", broker=os.environ.get(ADDRESS, ""), backend=os.environ.get(ADDRESS, ""))
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@app.task(name="hop")
def hop(value: dict[str, Any]) -> dict[str, Any]:
    """The least that a step can do."""
    return {"n": value["n"] + 1, "text": value["text"]}


@app.task(name="items", bind=True)
def items(self: Task) -> Any:
    """The items of a fan; what comes of them takes its place."""
    return self.replace(chord([hop.s({"n": n, "text": TEXT}) for n in range(WIDTH)], total.s()))


@app.task(name="total")
def total(done: list[dict[str, Any]]) -> dict[str, Any]:
    """The end of a fan."""
    return {"n": len(done)}


class Waiting:
    """Runs that are waited for. Celery tells each result on a channel; a connection listens to those of last tasks."""

    def __init__(self, channels: PubSub) -> None:
        self._channels = channels
        self._waiting: dict[str, asyncio.Future[int]] = {}
        self._threads = ThreadPoolExecutor(2)

    def runs(self, load: Load) -> Run:
        """How a run is started and waited for."""

        async def run(number: int) -> int:
            hops = (hop.s() for _ in range(STEPS - 1))
            work = items.s() if load.fans else chain(hop.s({"n": number, "text": TEXT}), *hops)
            last = work.freeze().id
            ended = self._waiting[last] = asyncio.get_running_loop().create_future()
            await self._channels.subscribe(f"{CHANNEL}{last}")
            await asyncio.get_running_loop().run_in_executor(self._threads, work.apply_async)
            found = await ended
            await self._channels.unsubscribe(f"{CHANNEL}{last}")
            return found

        return run

    async def listen(self) -> None:
        """Take what the channels tell, until cancelled."""
        async for message in self._channels.listen():
            told = json.loads(message["data"])
            ended = self._waiting.pop(told["task_id"], None)
            if ended is None:
                continue
            if told["status"] == "SUCCESS":
                ended.set_result(int(told["result"]["n"]))
            else:
                ended.set_exception(RuntimeError(str(told)))


WORKER = ("-m", "celery", "-A", "bench.peers.celery_redis", "worker", "--without-gossip", "--without-mingle")
"""With a process for each core."""


async def main() -> None:
    """Measure what was asked for."""
    order = asked()
    address = order.addresses["redis-on-disk"]
    app.conf.update(broker_url=address, result_backend=address)
    async with Redis.from_url(address) as redis, asyncio.TaskGroup() as group:
        channels = redis.pubsub(ignore_subscribe_messages=True)
        await channels.subscribe("bench")  # it connects with the first one
        told = Waiting(channels)
        listening = group.create_task(told.listen())
        with program(sys.executable, *WORKER, environment={ADDRESS: address}) as pid:
            await answer(order, told.runs, versions_of("celery"), pid)
        listening.cancel()


if __name__ == "__main__":
    uvloop.run(main())
