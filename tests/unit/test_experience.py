"""What runs that have ended tell, read from their events: after a restart, and by a process that had none of them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from accord.codec import decode_event
from accord.domain.command import Cancel, RetryTask
from accord.domain.experience import Observed, observed
from accord.domain.ids import StreamId, TaskId
from accord.domain.run import Run
from accord.engine import hindsight
from accord.engine.node import Node
from accord.sdk import Agent, Result
from accord.templates.reading import read_source
from accord.testing.world import World, simulated

FIRST, NEVER, EACH, AGAIN = map(TaskId, ("first", "never", "each", "again"))
TEMPLATE: dict[str, Any] = {
    "accord": "template/1",
    "name": "told",
    "version": "1.0.0",
    "input": True,
    "defaults": {"backoff": {"first": "1s", "jitter": 0}},
    "tasks": {
        "first": {"uses": "test.work@^1", "with": {"seconds": 2}},
        "never": {"uses": "test.work@^1", "with": {"seconds": 1}, "when": "${ input == 'never' }"},
        "each": {
            "uses": "test.work@^1",
            "for_each": "${ [1, 3] }",
            "with": {"seconds": "${ item }"},
            "needs": ["first"],
        },
        "again": {"uses": "test.twice@^1", "with": {}},
    },
    "output": 1,
}


def worker() -> Agent:
    agent, tried = Agent("worker", concurrency=4), list[int]()

    @agent.capability("test.work@1.0.0")
    async def work(seconds: float) -> Result[int]:
        await asyncio.sleep(seconds)
        return Result(1, confidence=0.75, cost=Decimal("0.5"))

    @agent.capability("test.twice@1.0.0")
    async def twice() -> int:
        tried.append(1)
        if len(tried) % 2:
            raise RuntimeError("not the first time")
        return 1

    return agent


async def ran(node: Node) -> Run:
    source = read_source(msgspec.json.encode(TEMPLATE).decode())
    digest = await node.publish(source.template, source.data)
    return await node.ended((await node.start_run(digest, {})).id)


async def told(node: Node, run: Run) -> Observed:
    found = observed([decode_event(record) for record in await node.parts.ports.journal.read(StreamId(run.id))])
    assert found is not None
    return found


def test_a_run_tells_what_its_attempts_and_tasks_took() -> None:
    async def play(world: World) -> Observed:
        node, agent = await world.start(), worker()
        await world.hire(agent)
        await node.present(agent.id)
        return await told(node, await ran(node))

    found = simulated(1, play)
    assert found.template == "told@1.0.0"
    tries = {(task, one.ok): (capability, one) for task, capability, _, one in found.tries}
    assert {task for task, _ in tries} == {"first", "each[0]", "each[1]", "again"}
    capability, one = tries[FIRST, True]
    assert (capability, one.cost, one.confidence) == ("test.work", Decimal("0.5"), 0.75)
    assert 2 <= one.took_s < 3
    assert (AGAIN, False) in tries
    assert 3 <= found.done[EACH].took_s < 5
    assert found.done[EACH].cost == 1
    assert found.done[AGAIN].took_s > 1, "the wait between the attempts belongs to the task"
    assert found.skipped == (NEVER,)
    assert found.whole is not None
    assert found.whole.cost == Decimal("1.5")
    assert found.whole.took_s >= 5


def test_a_restart_forgets_nothing_and_others_know_as_much() -> None:
    async def play(world: World) -> None:
        node, agent = await world.start(), worker()
        await world.hire(agent)
        await node.present(agent.id)
        run = await ran(node)
        known = await node.experience("told@1.0.0")
        assert known.runs == 1
        assert {name: len(tries) for name, tries in known.capabilities.items()} == {"test.work": 3, "test.twice": 2}
        assert set(known.tasks) == {FIRST, EACH, AGAIN}
        assert known.skipped == ((NEVER,),)
        assert set(known.templates) == {"told"}
        learned = node.parts.ranks.of(run, FIRST)

        await world.crash()
        later = await world.start("later", claims=False)
        after = await later.experience("told@1.0.0")
        assert after == known
        assert later.parts.ranks.of(run, FIRST) == pytest.approx(learned, rel=0.2)

    simulated(2, play)


def test_no_run_is_read_twice_and_long_ones_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(world: World) -> None:
        node, agent = await world.start(), worker()
        await world.hire(agent)
        await node.present(agent.id)
        await ran(node)
        assert (await node.experience()).runs == 1
        await asyncio.sleep(hindsight.FRESH.total_seconds() + 1)
        assert (await node.experience("told@1.0.0")).runs == 1
        monkeypatch.setattr(hindsight, "EVENTS", 5)
        await ran(node)
        await asyncio.sleep(hindsight.FRESH.total_seconds() + 1)
        assert (await node.experience()).runs == 1

    simulated(3, play)


def test_a_run_that_was_cancelled_tells_of_its_attempts_alone() -> None:
    async def play(world: World) -> Observed:
        node, agent = await world.start(), worker()
        await world.hire(agent)
        await node.present(agent.id)
        source = read_source(msgspec.json.encode(TEMPLATE).decode())
        run = await node.start_run(await node.publish(source.template, source.data), {})
        await asyncio.sleep(1)
        await node.control(run.id, Cancel(by="me"))
        return await told(node, await node.ended(run.id))

    found = simulated(4, play)
    assert found.whole is None
    assert found.skipped == ()
    assert [(task, one.ok) for task, _, _, one in found.tries] == [(AGAIN, False)]


def test_what_a_run_does_after_it_was_taken_up_again_is_learned_too_and_its_rest_is_not() -> None:
    once = {**TEMPLATE["tasks"]["again"], "retry": {"attempts": 1}}
    document = {**TEMPLATE, "tasks": {**TEMPLATE["tasks"], "again": once}}

    async def play(world: World) -> None:
        node, agent = await world.start(), worker()
        await world.hire(agent)
        await node.present(agent.id)
        source = read_source(msgspec.json.encode(document).decode())
        run = await node.start_run(await node.publish(source.template, source.data), {})
        assert (await node.ended(run.id)).phase == "failed"
        before = await node.experience("told@1.0.0")
        assert (before.runs, len(before.capabilities["test.twice"]), before.templates) == (1, 1, {})
        await asyncio.sleep(3600)
        await node.control(run.id, RetryTask(task=AGAIN, by="me"))
        ended = await node.ended(run.id)
        assert ended.phase == "completed"
        await asyncio.sleep(hindsight.FRESH.total_seconds() + 1)
        known = await node.experience("told@1.0.0")
        assigned = [one for state in ended.tasks.values() for one in state.attempts if one.phase != "cancelled"]
        assert (known.runs, sum(map(len, known.capabilities.values()))) == (1, len(assigned))
        (whole,) = known.templates["told"]
        assert whole.took_s == pytest.approx(ended.worked(ended.started.at, ended.updated_at).total_seconds())

    simulated(5, play)
