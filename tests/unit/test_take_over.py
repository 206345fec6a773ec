"""A server carries on runs that nobody owns any more; it leaves alone what somebody does, and what is idle."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta

import msgspec
import pytest

from accord.domain import command as c
from accord.domain.ids import PARTITIONS, partition_of
from accord.domain.run import Run
from accord.domain.shares import SHARED
from accord.engine.parts import Tuning
from accord.engine.sharing import Sharing
from accord.errors import Fenced
from accord.sdk import Agent
from accord.testing.stage import QUIET, ScriptedAgent, Stage, node_on

GIVES_UP_S = 60
WAIT = {"wait": {"signal": {"name": "go"}}}
WORK = {"work": {"uses": "test.work@^1", "with": {"number": "${input}"}}}
SERVER: Tuning = msgspec.structs.replace(QUIET, serves=True)


async def test_what_was_left_is_taken_over_and_given_up_once_it_has_ended() -> None:
    async with Stage.open() as stage, await node_on(stage.ports, SERVER) as server:
        run = await stage.start(WAIT)
        partitions, sharing = server.parts.partitions, Sharing(server.orchestrator)
        await sharing.go()
        assert set(partitions.fences) == set(SHARED)
        await stage.node.parts.partitions.release()
        await sharing.go()
        assert set(partitions.fences) == {*SHARED, partition_of(run.id)}
        await server.signal(run.id, {}, by="somebody", name="go")
        assert (await server.run(run.id)).ended
        await sharing.go()
        assert partition_of(run.id) in partitions.fences  # agents may have something to say, or to be told
        stage.clock.forward(QUIET.lease.total_seconds())
        await sharing.go()
        assert set(partitions.fences) == set(SHARED)
        assert await stage.node.parts.partitions.claim_idle() is not None  # there is room beside the server


@pytest.mark.parametrize("tuning", [QUIET, SERVER], ids=["command", "server"])
async def test_a_server_does_so_by_itself_and_a_command_does_not(tuning: Tuning) -> None:
    async with Stage.open() as stage:
        run = await stage.start(WAIT)
        await stage.node.parts.partitions.release()
        node = await node_on(stage.ports, tuning)
        looked = asyncio.Event()
        claim_some, check = node.parts.partitions.claim_some, node.parts.partitions.check

        async def claim_some_and_tell(of: Iterable[int], most: int = PARTITIONS) -> None:
            await claim_some(of, most)
            if most == PARTITIONS:
                looked.set()

        async def check_and_tell() -> None:
            await check()
            if not tuning.serves:
                looked.set()

        node.parts.partitions.claim_some = claim_some_and_tell  # type: ignore[method-assign]
        node.parts.partitions.check = check_and_tell  # type: ignore[method-assign]
        async with node:
            await looked.wait()
            owned = {*SHARED, partition_of(run.id)} if tuning.serves else set()
            assert set(node.parts.partitions.fences) == owned
            assert len(await stage.ports.journal.replicas(stage.clock.now())) == tuning.serves
        assert await stage.ports.journal.replicas(stage.clock.now()) == []


async def test_what_is_taken_over_goes_on_at_once() -> None:
    """No round comes by here: the take-over alone sees to it."""
    async with Stage.open() as stage:
        agent = await stage.enlist(working())
        await agent.heartbeat(draining=True)
        async with await node_on(stage.ports) as first:
            run = await first.start_run(await stage.publish(WORK), 1)
        async with await node_on(stage.ports, SERVER) as second, asyncio.timeout(GIVES_UP_S):
            await Sharing(second.orchestrator).go()
            await agent.announce()
            await agent.answer(await agent.assigned(), 2)
            assert (await second.ended(run.id)).phase == "completed"


async def test_what_was_lost_with_a_process_is_sent_again() -> None:
    """The agents of this process hold nothing of what another one has assigned: they get it at once."""
    async with Stage.open() as stage:
        agent = await stage.enlist(working())
        async with await node_on(stage.ports) as first:
            await agent.announce()
            await first.start_run(await stage.publish(WORK), 1)
            lost = await agent.assigned()
        async with await node_on(stage.ports, SERVER) as second, asyncio.timeout(GIVES_UP_S):
            second.parts.hosted.add(agent.id)
            await Sharing(second.orchestrator).go()
            assert (await agent.assigned()).message == lost.message


async def test_nothing_is_kept_of_what_was_lost() -> None:
    async with Stage.open() as stage:
        agent, run = await at_work(stage)
        await given_to_another(stage, run)
        await stage.node.parts.partitions.check()
        assert nothing_of(stage, agent, run)


async def test_a_refused_append_has_everything_left_that_is_not_ours() -> None:
    async with Stage.open() as stage:
        agent, run = await at_work(stage)
        await given_to_another(stage, run)
        with pytest.raises(Fenced):
            await stage.node.orchestrator.submit(run.id, c.Pause(by="test"))
        await stage.node.orchestrator.catch_up()
        assert nothing_of(stage, agent, run)


def working() -> Agent:
    agent = Agent("working")

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


async def at_work(stage: Stage) -> tuple[ScriptedAgent, Run]:
    """An agent that holds an attempt of a run."""
    agent = await stage.enlist(working())
    run = await stage.start(WORK, 1)
    await agent.assigned()
    assert stage.parts.router.load(agent.id).held == 1
    return agent, run


async def given_to_another(stage: Stage, run: Run) -> None:
    """What happens when a process stands still for longer than its ownership lasts."""
    journal, partition = stage.ports.journal, partition_of(run.id)
    await journal.release([stage.parts.partitions.fences[partition]])
    assert await journal.claim("another", partition=partition, now=stage.clock.now(), ttl=timedelta(hours=1))


def nothing_of(stage: Stage, agent: ScriptedAgent, run: Run) -> bool:
    """Whether the stage's own node has left the run, and counts nothing of it any more."""
    parts = stage.parts
    owned = partition_of(run.id) in parts.partitions.fences
    return not owned and parts.ledger.hot(run.id) is None and not parts.router.load(agent.id).held
