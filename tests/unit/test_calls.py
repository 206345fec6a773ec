"""What agents ask for while they work: done by runs of their own, within what the template allows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import structs

from accord.domain import command as c
from accord.domain import event as e
from accord.domain.run import Run
from accord.engine.node import Node
from accord.sdk import Agent, CallFailed, Context, Failure, Result
from accord.templates.reading import read_source
from accord.testing.world import World, simulated
from accord.views.planning import planner_of

CALLER = """
accord: template/1
name: caller
version: 1.0.0
input: {{type: integer}}
limits: {{max_cost: "{max_cost}"}}
tasks:
  ask:
    uses: big.sum@^1
    with: {{number: "${{ input }}"}}
    retry: {{attempts: 2, backoff: {{first: 1s}}}}
    calls: {calls}
output: "${{ tasks.ask.output }}"
"""

DOUBLING = """
accord: template/1
name: doubling
version: 1.0.0
examples: ["double the number {number}"]
input: {type: object, properties: {number: {type: integer}}, required: [number], additionalProperties: false}
tasks:
  twice: {uses: small.double@^1, with: {number: "${ input.number }"}}
output: "${ tasks.twice.output }"
"""

Body = Callable[[int, Context], Awaitable[int]]


class Scene:
    """A node with an agent that doubles numbers, and one that calls it."""

    def __init__(self, world: World, body: Body, calls: str, max_cost: str = "100", concurrency: int = 1) -> None:
        self.world, self.body, self.calls, self.max_cost, self.concurrency = world, body, calls, max_cost, concurrency
        self.doubled: list[int] = []

    async def run(self, value: int = 3, then: Callable[[Node, Run], Awaitable[None]] | None = None) -> tuple[Node, Run]:
        self.world.tuning = structs.replace(self.world.tuning)
        node = await self.world.start()
        node.orchestrator.calls.planner = planner_of(node, node.parts.ports.clock)
        small, big = Agent("small", concurrency=2), Agent("big", concurrency=self.concurrency, queue=0)

        @small.capability("small.double@1.0.0", description="Doubles a number.")
        async def double(number: int) -> Result[int]:
            self.doubled.append(number)
            if number < 0:
                raise Failure("negative", "no number below nothing")
            await asyncio.sleep(5)
            return Result(number * 2, cost="1")

        big.capability("big.sum@1.0.0", description="Sums what others double.")(self.body)
        for agent in (small, big):
            await self.world.hire(agent)
            await node.present(agent.id)
        await self._publish(node, DOUBLING)
        digest = await self._publish(node, CALLER.format(calls=self.calls, max_cost=self.max_cost))
        run = await node.start_run(digest, value)
        if then is not None:
            await then(node, run)
        return node, await node.ended(run.id)

    async def _publish(self, node: Node, text: str) -> Any:
        source = read_source(text)
        return await node.publish(source.template, source.data)


ALLOWED = "{capabilities: [small.*], objectives: true}"


async def call_twice(number: int, context: Context) -> int:
    """Two calls at once."""
    first, second = await asyncio.gather(
        context.call("small.double", {"number": number}), context.call("small.double@^1", {"number": number + 1})
    )
    return int(first) + int(second)


async def of(node: Node, run: Run, kind: type[Any]) -> list[Any]:
    return [event for _, event in await node.events(run.id) if isinstance(event, kind)]


def test_runs_below_do_what_an_agent_asks_for_and_it_goes_on_with_what_came_of_it() -> None:
    async def body(world: World) -> None:
        scene = Scene(world, call_twice, ALLOWED)
        node, run = await scene.run(3)
        assert run.phase == "completed"
        assert run.output is not None
        assert run.output.data == b"14"
        made, ended = await of(node, run, e.CallMade), await of(node, run, e.CallEnded)
        assert [one.wanted for one in made] == ["small.double@1.0.0"] * 2
        assert sorted(scene.doubled) == [3, 4]
        assert {one.run for one in made} == {one.run for one in ended}
        below = await node.run(made[0].run)
        assert below.started.parent == e.Parent(run.id, made[0].task)
        assert below.started.depth == 1
        assert below.phase == "completed"
        assert run.spent == 2
        assert not run.called

    simulated(1, body)


def test_an_objective_in_words_is_planned() -> None:
    async def ask(number: int, context: Context) -> int:
        return int(await context.plan(f"double the number {number}"))

    async def body(world: World) -> None:
        scene = Scene(world, ask, ALLOWED)
        node, run = await scene.run(21)
        assert run.phase == "completed"
        (made,) = await of(node, run, e.CallMade)
        assert made.wanted == "double the number 21"
        assert (await node.run(made.run)).started.template == "doubling@1.0.0"

    simulated(2, body)


@pytest.mark.parametrize(
    ("calls", "capability", "code"),
    [
        ("{capabilities: [other.*]}", "small.double", "ACC474"),
        ("{capabilities: [small.*], at_most: 1}", "small.double", "ACC472"),
        ("{capabilities: ['*']}", "nobody.offers", "ACC479"),
        ("{capabilities: [small.double]}", "an objective", "ACC474"),
    ],
)
def test_what_the_template_does_not_allow_is_refused_and_told(calls: str, capability: str, code: str) -> None:
    told: list[str] = []

    async def ask(number: int, context: Context) -> int:
        try:
            if capability == "an objective":
                await context.plan("double the number 3")
            else:
                await context.call(capability, {"number": 1})
                await context.call(capability, {"number": 2})
        except CallFailed as failed:
            told.extend(problem.code for problem in failed.problems)
        return number

    async def body(world: World) -> None:
        node, run = await Scene(world, ask, calls).run()
        assert run.phase == "completed"
        assert told == [code]
        incidents = [one for _, one in await node.parts.incidents.newest()]
        assert (code in [getattr(one, "code", "") or one.problem.code for one in incidents]) == (code != "ACC479")

    simulated(3, body)


def test_a_task_that_allows_nothing_calls_nobody() -> None:
    async def body(world: World) -> None:
        node, run = await Scene(world, call_twice, "{}").run()
        assert run.phase == "failed"
        assert not await of(node, run, e.CallMade)

    with pytest.raises(Exception, match="calls"):
        read_source(CALLER.format(calls="{capabilities: [Small]}", max_cost="1"))
    simulated(4, body)


def test_a_later_attempt_gets_what_an_earlier_one_has_asked_for() -> None:
    tried: list[int] = []

    async def ask(number: int, context: Context) -> int:
        found = int(await context.call("small.double", {"number": number}))
        tried.append(context.attempt)
        if context.attempt == 1:
            raise Failure("shaky", "not this time", retryable=True)
        return found

    async def body(world: World) -> None:
        scene = Scene(world, ask, ALLOWED)
        node, run = await scene.run(4)
        assert run.phase == "completed"
        assert tried == [1, 2]
        assert scene.doubled == [4]
        assert len(await of(node, run, e.CallMade)) == 1

    simulated(5, body)


def test_nothing_is_left_over_when_the_task_ends_without_its_calls() -> None:
    async def ask(number: int, context: Context) -> int:
        waiting = asyncio.ensure_future(context.call("small.double", {"number": number}))
        await asyncio.sleep(2)
        waiting.cancel()
        return number

    async def body(world: World) -> None:
        node, run = await Scene(world, ask, ALLOWED).run()
        assert run.phase == "completed"
        (made,) = await of(node, run, e.CallMade)
        assert (await node.ended(made.run)).phase == "cancelled"
        assert not run.called
        assert not run.leaving

    simulated(6, body)


def test_a_failed_call_is_the_attempts_failure_where_nobody_catches_it() -> None:
    async def ask(number: int, context: Context) -> int:
        return int(await context.call("small.double", {"number": -number}))

    async def body(world: World) -> None:
        scene = Scene(world, ask, ALLOWED)
        node, run = await scene.run()
        assert run.phase == "failed"
        assert run.problem is not None
        assert "call-failed" in run.problem.message
        assert len(await of(node, run, e.CallMade)) == 1

    simulated(7, body)


def test_a_pause_holds_what_was_asked_for_as_well() -> None:
    async def body(world: World) -> None:
        seen: list[bool] = []

        async def then(node: Node, run: Run) -> None:
            await asyncio.sleep(2)  # of the simulated clock: the call is under way
            await node.control(run.id, c.Pause(by="me"))
            (below,) = (await node.run(run.id)).called
            await asyncio.sleep(1)
            seen.append((await node.run(below)).paused)
            await node.control(run.id, c.Resume(by="me"))

        async def ask(number: int, context: Context) -> int:
            return int(await context.call("small.double", {"number": number}))

        _, run = await Scene(world, ask, ALLOWED).run(then=then)
        assert seen == [True]
        assert run.phase == "completed"

    simulated(8, body)


def test_who_waits_leaves_its_place_to_others() -> None:
    """An agent with one place calls what only it can do."""
    agent = Agent("alone", concurrency=1, queue=0)

    @agent.capability("alone.count@1.0.0", description="Counts down.")
    async def count(number: int, context: Context) -> int:
        return 0 if number == 0 else 1 + int(await context.call("alone.count", {"number": number - 1}))

    template = """
accord: template/1
name: alone
version: 1.0.0
input: {type: integer}
tasks:
  count: {uses: alone.count@^1, with: {number: "${ input }"}, calls: {capabilities: [alone.count], depth: 2}}
output: "${ tasks.count.output }"
"""

    async def body(world: World) -> None:
        node = await world.start()
        await world.hire(agent)
        await node.present(agent.id)
        source = read_source(template)
        digest = await node.publish(source.template, source.data)
        deep = await node.ended((await node.start_run(digest, 2)).id)
        assert deep.phase == "completed"
        too_deep = await node.ended((await node.start_run(digest, 3)).id)
        assert too_deep.phase == "failed"
        assert too_deep.problem is not None
        assert "ACC471" in too_deep.problem.message

    simulated(9, body)
