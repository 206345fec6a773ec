"""Ended runs go after their time, and with them the blobs that nobody else refers to."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from msgspec import structs

from accord.domain.ids import Digest
from accord.engine.node import Node
from accord.engine.retention import Retention
from accord.errors import NotFound
from accord.ports import RunQuery
from accord.sdk import Agent
from accord.templates.reading import read_source
from accord.testing.world import World, simulated

TEMPLATE = """
accord: template/1
name: long
version: 1.0.0
input: {type: object, properties: {size: {type: integer}}, required: [size], additionalProperties: false}
tasks:
  make: {uses: text.make@^1, with: {size: "${ input.size }"}}
output: "${ tasks.make.output }"
"""


async def makes_long_texts(world: World) -> tuple[Node, Digest]:
    """A node that keeps runs for a moment, with its template."""
    world.tuning = structs.replace(world.tuning, keep=timedelta(seconds=20))
    node = await world.start()
    agent = Agent("maker")

    @agent.capability("text.make@1.0.0", description="A long text.")
    async def make(size: int) -> str:
        return "x" * size

    await world.hire(agent)
    await node.present(agent.id)
    source = read_source(TEMPLATE)
    return node, await node.publish(source.template, source.data)


async def keep_and_drop(world: World) -> tuple[list[str], bool, bool]:
    node, digest = await makes_long_texts(world)
    old = await node.ended((await node.start_run(digest, {"size": 50_000})).id)
    shared = await node.ended((await node.start_run(digest, {"size": 60_000})).id)
    await asyncio.sleep(timedelta(seconds=30).total_seconds())
    again = await node.ended((await node.start_run(digest, {"size": 60_000})).id)
    await Retention(node.parts).go()
    runs = [summary.run for summary in await node.runs(RunQuery())]
    assert old.output is not None
    assert shared.output is not None
    assert runs == [again.id]
    return runs, await there(world, old.output.sha256), await there(world, shared.output.sha256)


async def there(world: World, digest: str) -> bool:
    try:
        await world.blobs.get(digest)  # type: ignore[arg-type]
    except NotFound:
        return False
    return True


def test_old_runs_go_with_the_blobs_that_only_they_had() -> None:
    _, old, shared = simulated(7, keep_and_drop)
    assert not old
    assert shared


async def begin_after_the_scan(world: World) -> bool:
    node, digest = await makes_long_texts(world)
    old = await node.ended((await node.start_run(digest, {"size": 50_000})).id)
    await asyncio.sleep(timedelta(seconds=30).total_seconds())

    class Overtaken(Retention):
        async def _still_used(self, candidates: set[Digest]) -> set[Digest]:
            used = await super()._still_used(candidates)
            again = await node.ended((await node.start_run(digest, {"size": 50_000})).id)
            assert again.output == old.output
            return used

    await Overtaken(node.parts).go()
    assert old.output is not None
    return await there(world, old.output.sha256)


def test_a_blob_stays_that_a_run_has_begun_to_use_since_the_scan() -> None:
    assert simulated(8, begin_after_the_scan)
