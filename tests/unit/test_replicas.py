"""Replicas on one store and one bus: what one is told, all act upon; any of them takes any call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from accord.codec import decode_system_event
from accord.domain import command as c
from accord.domain.event import AttemptExpired
from accord.domain.ids import partition_of
from accord.domain.news import Happened
from accord.domain.shares import SHARED
from accord.domain.system import REGISTRY, CardAccepted
from accord.engine.absence import Departed
from accord.engine.departures import Belongings
from accord.engine.node import Node
from accord.engine.parts import Tuning
from accord.engine.sharing import Sharing
from accord.errors import MessageRefused
from accord.sdk import Agent
from accord.testing.stage import QUIET, ScriptedAgent, Stage, attempts_of, node_on

REPLICA: Tuning = msgspec.structs.replace(QUIET, serves=True, shared_bus=True)
GIVES_UP_S = 60
WAIT = {"wait": {"signal": {"name": "go"}}}
WORK = {"work": {"uses": "test.work@^1"}}
AT_ONCE = {"defaults": {"attempts": 3, "backoff": {"first": "0s", "jitter": 0}}}


def working(name: str = "worker") -> Agent:
    agent = Agent(name)

    @agent.capability("test.work@1.0.0")
    async def work() -> int:
        return 1

    return agent


class Pair:
    """Two replicas, each with its half of the partitions."""

    def __init__(self, stage: Stage, other: Node) -> None:
        self.stage = stage
        self.one = stage.node
        self.other = other

    async def share(self) -> None:
        """Let the rounds come that move partitions."""
        for _ in range(12):
            for node in (self.one, self.other):
                await Sharing(node.orchestrator).go()


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with asyncio.timeout(GIVES_UP_S), Stage.open(REPLICA) as stage, await node_on(stage.ports, REPLICA) as other:
        pair = Pair(stage, other)
        await pair.share()
        yield pair


async def test_they_share_evenly(pair: Pair) -> None:
    owned = [set(node.parts.partitions.fences) for node in (pair.one, pair.other)]
    assert owned[0] | owned[1] == set(SHARED)
    assert len(owned[0]) == len(owned[1])


# -- runs that move ----------------------------------------------------------------------------------------------


async def test_runs_go_on_where_their_partition_goes() -> None:
    async with asyncio.timeout(GIVES_UP_S), Stage.open(REPLICA) as stage:
        await Sharing(stage.node.orchestrator).go()
        agent = await stage.enlist(working())
        digest = await stage.publish(WORK)
        for _ in range(60):
            await stage.node.start_run(digest, None)
        await agent.assigned()
        busy = {partition_of(slot.run.id) for slot in stage.parts.ledger.slots()}
        assert len(busy) > len(SHARED) / 2, "some of them have to move"
        async with await node_on(stage.ports, REPLICA) as other:
            await Pair(stage, other).share()
            assert len(stage.parts.partitions.fences) == len(other.parts.partitions.fences) == len(SHARED) / 2
            moved = [slot.run.id for slot in other.parts.ledger.slots()]
            assert moved
            await stage.node.control(moved[0], c.Pause(by="test"))
            assert (await stage.run(moved[0])).paused


async def test_a_run_that_is_started_while_its_partition_goes_is_started_in_another(pair: Pair) -> None:
    """The partition was chosen, and is given up before the turn that starts the run."""
    digest, partitions = await pair.stage.publish(WAIT), pair.one.parts.partitions
    new_run, given = partitions.new_run, []

    def new_run_that_is_late() -> object:
        run = new_run()
        if not given:
            given.append(partition_of(run))
            del partitions.fences[partition_of(run)]
        return run

    partitions.new_run = new_run_that_is_late  # type: ignore[assignment]
    run = await pair.one.start_run(digest, None)
    assert partition_of(run.id) not in given


# -- agents ------------------------------------------------------------------------------------------------------


async def test_all_hear_an_agent_and_one_writes_its_card_down(pair: Pair) -> None:
    """The other one has not followed the stream in which the agent was enrolled, and hears its card all the same."""
    agent = await pair.stage.enlist(working())
    await pair.other.present(agent.id)
    events = [decode_system_event(record) for record in await pair.stage.ports.journal.read(REGISTRY)]
    assert sum(isinstance(event, CardAccepted) for event in events) == 1
    assert await pair.stage.codes() == []


async def test_two_cards_under_one_version_are_not_both_accepted(pair: Pair) -> None:
    """Each replica hears one of them first."""
    changed = Agent("other")

    @changed.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    first = await pair.stage.enlist(working(), present=False)
    second = await pair.stage.enlist(changed, present=False)
    await pair.other.parts.refresh()
    await registered(pair.one, first)
    with pytest.raises(MessageRefused, match="ACC710"):
        await registered(pair.other, second)


async def registered(node: Node, agent: ScriptedAgent) -> None:
    """Let this replica alone hear the agent's card."""
    card = await agent.news("card", agent.card())
    document = node.parts.documents.document(card.payload)
    await node.parts.documents.store()
    said, statement = agent.agent.card(agent.instance, [agent.key]), card.statement.decode()
    await node.parts.enrolment.register(said, document, statement, agent.stage.clock.now())


async def test_who_left_the_one_has_lost_what_the_other_owns(pair: Pair) -> None:
    """The connection closed at the one; the run is the other's."""
    stage, scene = pair.stage, working()
    agent = await stage.enlist(scene)
    await pair.other.present(agent.id)
    run = await pair.other.start_run(await stage.publish(WORK, **AT_ONCE), None)
    lease = (await agent.assigned()).claims.lease
    assert lease is not None
    pair.one.parts.departures.left(agent.instance, Belongings(frozenset((lease,))), stage.clock.now())
    stage.clock.forward(8)
    told = anext_expired(pair.other, run.id)
    await Departed(pair.one.orchestrator).go()
    await told
    assert "work/1 expired" in list(attempts_of(await pair.other.run(run.id)))
    assert pair.other.parts.registry.capacity(agent.id) is None


async def test_what_a_heartbeat_has_kept_is_not_lost(pair: Pair) -> None:
    """The instance is connected elsewhere by now, and says so."""
    stage = pair.stage
    agent = await stage.enlist(working())
    await pair.other.present(agent.id)
    run = await pair.other.start_run(await stage.publish(WORK, **AT_ONCE), None)
    lease = (await agent.assigned()).claims.lease
    assert lease is not None
    pair.one.parts.departures.left(agent.instance, Belongings(frozenset((lease,))), stage.clock.now())
    stage.clock.forward(5)
    await agent.heartbeat(lease)
    while pair.other.parts.registry.renewed().get(lease, stage.clock.now()) <= stage.clock.now():  # noqa: ASYNC110
        await asyncio.sleep(0)  # nothing tells of a heartbeat that changes nothing
    stage.clock.forward(3)
    await Departed(pair.one.orchestrator).go()
    await pair.one.hold("everything", "", by="test")  # whoever has answered this has read what was posted before
    assert list(attempts_of(await pair.other.run(run.id))) == ["work/1 assigned"]
    assert pair.other.parts.registry.capacity(agent.id) is not None


async def anext_expired(node: Node, run: object) -> None:
    """Wait until an attempt of the run has expired."""
    with node.parts.feed.subscribe(run) as news:  # type: ignore[arg-type]  # the id of a run
        while True:
            item = await news.take()
            if isinstance(item, Happened) and any(isinstance(event, AttemptExpired) for event in item.events):
                return
