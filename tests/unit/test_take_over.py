"""A server carries on runs that nobody owns any more; it leaves alone what somebody does, and what is idle."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from accord.domain.ids import partition_of
from accord.engine.parts import Tuning
from accord.testing.stage import QUIET, Stage, node_on

WAIT = {"wait": {"signal": {"name": "go"}}}
SERVER: Tuning = msgspec.structs.replace(QUIET, takes_over=True)


async def test_only_what_was_left_is_taken_over() -> None:
    async with Stage.open() as stage, await node_on(stage.ports, SERVER) as server:
        run = await stage.start(WAIT)
        partitions = server.parts.partitions
        await partitions.claim_left()
        assert not partitions.fences
        await stage.node.parts.partitions.release()
        await partitions.claim_left()
        assert set(partitions.fences) == {partition_of(run.id)}
        await server.signal(run.id, {}, by="somebody", name="go")
        assert (await server.run(run.id)).ended
        assert await stage.node.parts.partitions.claim_idle() is not None  # there is room beside the server


@pytest.mark.parametrize("tuning", [QUIET, SERVER], ids=["command", "server"])
async def test_a_server_does_so_by_itself_and_a_command_does_not(tuning: Tuning) -> None:
    async with Stage.open() as stage:
        run = await stage.start(WAIT)
        await stage.node.parts.partitions.release()
        node = await node_on(stage.ports, tuning)
        looked = asyncio.Event()
        claim_left, check = node.parts.partitions.claim_left, node.parts.partitions.check

        async def claim_left_and_tell() -> None:
            await claim_left()
            looked.set()

        async def check_and_tell() -> None:
            await check()
            if not tuning.takes_over:
                looked.set()

        node.parts.partitions.claim_left = claim_left_and_tell  # type: ignore[method-assign]
        node.parts.partitions.check = check_and_tell  # type: ignore[method-assign]
        async with node:
            await looked.wait()
            assert set(node.parts.partitions.fences) == ({partition_of(run.id)} if tuning.takes_over else set())
