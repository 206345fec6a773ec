"""The sweeper trusts nothing but the store: without any alarm in memory, what is due still happens."""

from __future__ import annotations

import asyncio
from typing import Any

from accord.domain.run import Run
from accord.templates.reading import read_source
from accord.testing.world import World, simulated

SLEEPER = """
accord: template/1
name: sleeper
version: 1.0.0
tasks:
  nap: {sleep: 30s}
output: "${ tasks.nap.status }"
"""


async def without_alarms(world: World) -> tuple[Run, float]:
    node = await world.start()
    silent: Any = lambda now: []  # noqa: E731 - an alarm clock that is broken
    node.parts.timers._due = silent  # type: ignore[method-assign]
    source = read_source(SLEEPER)
    started = await node.start_run(await node.publish(source.template, source.data), {})
    before = asyncio.get_running_loop().time()
    return await node.ended(started.id), asyncio.get_running_loop().time() - before


def test_a_run_whose_alarm_is_lost_wakes_up_within_the_sweep() -> None:
    run, took_s = simulated(3, without_alarms)
    assert run.phase == "completed"
    assert 30 <= took_s < 40
