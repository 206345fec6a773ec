"""The whole engine against a reference interpreter: what agents did, and what came out, match exactly."""

from __future__ import annotations

import logging
from collections import Counter

import orjson
import pytest

from accord.domain.ids import RunId
from accord.templates.reading import read_source
from accord.testing.cast import Cast
from accord.testing.outcome import Told, mistakes
from accord.testing.workflows import Maker
from accord.testing.world import World, simulated


@pytest.fixture(autouse=True)
def _quiet() -> object:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class _Alone(Maker):
    """Makes workflows that need nobody's answer."""

    def _signal(self, name: str) -> object:  # type: ignore[override]  # the same, spelled for tests
        return self._sum(name)

    _approval = _unsure = _signal  # type: ignore[assignment]  # as above


async def _play(world: World, cast: Cast, runs: int) -> dict[RunId, Told]:
    await world.start()
    for name in ("ada", "bob", "cyd"):
        agent = cast.adder(name, reliable=name == "cyd")
        await world.hire(agent)
        await world.node.present(agent.id)
    child = _Alone(world.rng).workflow("child", 3)
    flow = _Alone(world.rng).workflow("main", 8, child=child)
    sources = [read_source(orjson.dumps(one.source).decode()) for one in (child, flow)]
    _, digest = [await world.node.publish(one.template, one.data) for one in sources]
    told: dict[RunId, Told] = {}
    for n in range(runs):
        run = await world.node.start_run(digest, {"n": n})
        told[run.id] = Told(flow, n)
    for run_id in told:
        await world.node.ended(run_id)
    return told


def _tried(world: World) -> Counter[str]:
    attempts = (one for run in world.watch.runs.values() for state in run.tasks.values() for one in state.attempts)
    return Counter(one.phase for one in attempts)


def test_in_fair_weather_every_task_is_done_once_and_by_one_attempt() -> None:
    async def scenario(world: World) -> None:
        cast = Cast(world.rng, world.weather)
        told = await _play(world, cast, 5)
        world.watch.broken.extend(await mistakes(world.watch, world.node, told, cast.traces))
        tried = _tried(world)
        assert set(tried) <= {"succeeded", "failed", "expired", "cancelled"}
        done = sum(
            len([one for one in state.attempts if one.phase == "succeeded"])
            for run in world.watch.runs.values()
            for state in run.tasks.values()
        )
        assert done == tried["succeeded"]
        assert all(count == 1 for count in world.watch.accepted.values())

    for seed in range(15):
        simulated(seed, scenario)


def test_in_foul_weather_the_same_comes_out() -> None:
    async def scenario(world: World) -> None:
        weather = world.weather
        cast = Cast(world.rng, weather)
        weather.duplicate, weather.delay_s, weather.fail, weather.break_contract = 0.3, 1.0, 0.2, 0.2
        weather.refuse_commit = weather.lose_answer = 0.0
        told = await _play(world, cast, 4)
        world.watch.broken.extend(await mistakes(world.watch, world.node, told, cast.traces))
        world.watch.broken.extend(cast.conflicts)

    for seed in range(15):
        simulated(seed, scenario)
