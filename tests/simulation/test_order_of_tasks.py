"""In which order one agent is given what is ready, on simulated time: by what runs that have ended tell, within
fairness and deadlines. Templates say nowhere how long a task takes.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import msgspec

from accord.domain.ids import Digest, RunId
from accord.engine.node import Node
from accord.sdk import Agent, Context
from accord.templates.reading import read_source
from accord.testing.world import World, simulated

TOOK_S = {"a": 2, "b": 5, "c": 20, "d": 1, "quick": 1, "slow": 50}
"""How long jobs take."""
FREE = ("a", "b", "c", "d")
"""The tasks of a template, none of which waits for another one. Its end waits longest for one in the middle."""
BY_RANK = ["c", "b", "a", "d"]

Given = list[tuple[RunId, str]]
"""Which task of which run the agent was given, in order."""


def worker(given: Given) -> Agent:
    """It has room for one."""
    agent = Agent("worker", concurrency=1, queue=0)

    async def work(job: str, context: Context) -> None:
        given.append((context.run, context.task))
        await asyncio.sleep(TOOK_S[job])

    for name in ("work", "quick", "slow"):
        agent.capability(f"test.{name}@1.0.0")(work)
    return agent


def task(capability: str, job: str, *needs: str) -> dict[str, Any]:
    return {"uses": f"test.{capability}@^1", "with": {"job": job}, "needs": list(needs)}


async def published(node: Node, tasks: dict[str, Any] | None = None, **limits: Any) -> Digest:
    template = {
        "accord": "template/1",
        "name": "limited" if limits else "free",
        "version": "1.0.0",
        "input": True,
        "tasks": tasks or {name: task("work", name) for name in FREE},
        "limits": limits,
        "output": 1,
    }
    source = read_source(msgspec.json.encode(template).decode())
    return await node.publish(source.template, source.data)


async def ran(node: Node, digest: Digest) -> RunId:
    run = await node.ended((await node.start_run(digest, {})).id)
    assert run.phase == "completed"
    return run.id


async def together(node: Node, *digests: Digest) -> list[RunId]:
    """These runs, begun in this order, until all have ended."""
    begun = [(await node.start_run(digest, {})).id for digest in digests]
    for run in begun:
        await node.ended(run)
    return begun


def jobs_of(run: RunId, given: Given) -> list[str]:
    return [job for one, job in given if one == run]


def test_what_a_run_took_orders_the_next_one_and_a_restart_forgets_nothing() -> None:
    async def play(world: World) -> None:
        given: Given = []
        node, agent = await world.start(), worker(given)
        await world.hire(agent)
        await node.present(agent.id)
        digest = await published(node)
        assert jobs_of(await ran(node, digest), given) == list(FREE), "nothing is known: the first is first"
        assert jobs_of(await ran(node, digest), given) == BY_RANK

        await world.crash()
        later = await world.start("later")
        await world.own_all("later")
        await later.present(agent.id)
        assert jobs_of(await ran(later, digest), given) == BY_RANK, "the journal tells what the runs before took"

    simulated(1, play)


def test_runs_take_turns_and_each_does_first_what_its_end_waits_for() -> None:
    async def play(world: World) -> None:
        given: Given = []
        node, agent = await world.start(), worker(given)
        await world.hire(agent)
        await node.present(agent.id)
        digest = await published(node)
        await ran(node, digest)
        given.clear()
        one, other = await together(node, digest, digest)
        assert jobs_of(one, given) == jobs_of(other, given) == BY_RANK
        turns = [run for run, _ in given[1:-1]]
        assert all(run != next_ for run, next_ in pairwise(turns)), "a rank is no reason to pass another run"

    simulated(2, play)


def test_a_run_with_a_deadline_has_every_second_turn_whatever_the_ranks_of_others_are() -> None:
    async def play(world: World) -> None:
        given: Given = []
        node, agent = await world.start(), worker(given)
        await world.hire(agent)
        await node.present(agent.id)
        free, urgent = await published(node), await published(node, deadline="1h")
        await ran(node, free)
        await ran(node, urgent)
        given.clear()
        one, other, due = await together(node, free, free, urgent)
        assert jobs_of(due, given) == BY_RANK
        assert jobs_of(one, given) == jobs_of(other, given) == BY_RANK
        turns = [number for number, (run, _) in enumerate(given) if run == due]
        assert turns[0] <= 2, "two have begun before it"
        assert all(next_ - turn == 2 for turn, next_ in pairwise(turns)), "and the others have the other turns"

    simulated(3, play)


def test_what_waits_already_is_ordered_by_what_its_own_run_tells_meanwhile() -> None:
    """`a` has more tasks behind it than `b`. They turn out to be quick ones."""
    tasks = {
        "p": task("slow", "slow"),
        "q": task("quick", "quick"),
        "a": task("work", "a"),
        "b": task("work", "a"),
        **{f"{head}{number}": task("work", "a", head) for head in "pq" for number in range(2)},
        **{f"{head}_end": task("work", "a", f"{head}0", f"{head}1") for head in "pq"},
        **{f"{head}_last": task("work", "a", f"{head}_end") for head in "pq"},
        "a1": task("quick", "quick", "a"),
        "a2": task("quick", "quick", "a1"),
        "b1": task("slow", "slow", "b"),
    }

    async def play(world: World) -> None:
        given: Given = []
        node, agent = await world.start(), worker(given)
        await world.hire(agent)
        await node.present(agent.id)
        order = jobs_of(await ran(node, await published(node, tasks)), given)
        assert order.index("p") < order.index("b")
        assert order.index("q") < order.index("b")
        assert order.index("b") < order.index("a")

    simulated(4, play)


def test_what_no_agent_does_counts_as_long_as_it_took() -> None:
    """More tasks follow `a`; what follows `z` takes longer."""
    tasks = {
        "a": task("work", "a"),
        "a1": task("work", "a", "a"),
        "a2": task("work", "a", "a1"),
        "z": task("work", "a"),
        "rest": {"sleep": "5m", "needs": ["z"]},
    }

    async def play(world: World) -> None:
        given: Given = []
        node, agent = await world.start(), worker(given)
        await world.hire(agent)
        await node.present(agent.id)
        digest = await published(node, tasks)
        assert jobs_of(await ran(node, digest), given)[0] == "a"
        assert jobs_of(await ran(node, digest), given)[0] == "z"

        await world.crash()
        later = await world.start("later")
        await world.own_all("later")
        await later.present(agent.id)
        assert jobs_of(await ran(later, digest), given)[0] == "z"

    simulated(5, play)
