"""An attempt that waits in its agent's queue for longer than a lease keeps it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from msgspec import structs

from accord.domain import event as e
from accord.sdk import Agent
from accord.templates.reading import read_source
from accord.testing.world import World, simulated

TEMPLATE = """
accord: template/1
name: queueing
version: 1.0.0
input: {type: array, items: {type: integer}}
tasks:
  work: {uses: slow.work@^1, for_each: "${ input }", with: {number: "${ item }"}, retry: {attempts: 1}}
output: "${ tasks.work.output }"
"""


async def work_one_by_one(world: World) -> tuple[str, list[e.Event]]:
    world.tuning = structs.replace(world.tuning, lease=timedelta(seconds=10), absent_after=timedelta(seconds=8))
    node = await world.start()
    agent = Agent("slow", concurrency=1, queue=8)

    @agent.capability("slow.work@1.0.0", description="Takes longer than a lease.")
    async def work(number: int) -> int:
        await asyncio.sleep(timedelta(seconds=15).total_seconds())
        return number

    await world.hire(agent)
    await node.present(agent.id)
    source = read_source(TEMPLATE)
    digest = await node.publish(source.template, source.data)
    run = await node.ended((await node.start_run(digest, [1, 2, 3, 4, 5])).id)
    return run.phase, [event for _, event in await node.events(run.id)]


def test_attempts_that_wait_longer_than_a_lease_do_not_expire() -> None:
    phase, events = simulated(11, work_one_by_one)
    assert not [event for event in events if isinstance(event, e.AttemptExpired)]
    assert len([event for event in events if isinstance(event, e.AttemptSucceeded)]) == 5
    assert phase == "completed"
