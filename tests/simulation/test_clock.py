"""A clock that jumps, back by an hour or ahead by a day, while runs are under way: nothing is lost, and nothing waits
for longer than the jump.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import orjson
import pytest

from accord.domain import command as c
from accord.domain.document import document_of
from accord.domain.ids import RunId
from accord.errors import AccordError
from accord.templates.reading import read_source
from accord.testing.cast import Cast
from accord.testing.outcome import Told, mistakes
from accord.testing.workflows import Maker
from accord.testing.world import World, simulated

QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
LATE = timedelta(minutes=10)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def _answer(world: World, signals: dict[str, int]) -> None:
    for run in [run for run in world.watch.runs.values() if not run.ended]:
        for task in sorted(run.busy):
            waiting = run.state(task).waiting
            if waiting is None or waiting.for_ == "time" or (waiting.signal and waiting.signal not in signals):
                continue
            payload = document_of(b"%d" % signals[waiting.signal] if waiting.signal else b'{"approved":true}')
            name = {"name": waiting.signal} if waiting.signal else {"task": task}
            try:
                await world.node.control(run.id, c.Signal(payload=payload, by="test", **name))  # type: ignore[arg-type]  # texts
            except AccordError:
                continue


async def _jumps(world: World, jump: timedelta, after_s: float, within: timedelta) -> None:
    cast = Cast(world.rng, world.weather)
    world.weather.fail, world.weather.slow_s = 0.2, 0.3
    await world.start()
    for name in ("ada", "bob"):
        agent = cast.adder(name)
        await world.hire(agent)
        await world.node.present(agent.id)
    flow = Maker(world.rng).workflow("main", 8)
    source = read_source(orjson.dumps(flow.source).decode())
    digest = await world.node.publish(source.template, source.data)
    told: dict[RunId, Told] = {}
    for n in range(3):
        run = await world.node.start_run(digest, {"n": n})
        told[run.id] = Told(flow, n)
    await asyncio.sleep(after_s)
    world.clock.offset += jump
    loop = asyncio.get_running_loop()
    until = loop.time() + within.total_seconds()
    while not all(run.ended for run in world.watch.runs.values()) and loop.time() < until:
        await _answer(world, flow.signals())
        await asyncio.sleep(1)
    stuck = [f"{run.id} hangs" for run in world.watch.runs.values() if not run.ended]
    world.watch.broken.extend(stuck)
    world.watch.broken.extend(await mistakes(world.watch, world.node, told, cast.traces))


@pytest.mark.parametrize(
    ("jump", "after_s", "within"),
    [
        (-QUARTER, 0.4, QUARTER + LATE),
        (-HOUR, 2.5, HOUR + LATE),  # every second of it is played
        (DAY, 0.4, timedelta(minutes=5)),
        (DAY, 2.5, timedelta(minutes=5)),
    ],
    ids=("back early", "back late", "ahead early", "ahead late"),
)
def test_a_clock_that_jumps(jump: timedelta, after_s: float, within: timedelta) -> None:
    simulated(0 if after_s < 1 else 1, partial(_jumps, jump=jump, after_s=after_s, within=within))
