"""Orders, messages, letters and ownership survive what fails, or is broken off, in the middle: nothing waits for ever,
nothing is done twice, nothing grows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from accord.domain import command as c
from accord.domain.ids import PARTITIONS, RunId, partition_of
from accord.engine.letters import LetterContent
from accord.engine.order import Order
from accord.engine.timers import SLACK, Timers
from accord.errors import Overloaded, Refused, StoreUnavailable
from accord.ports import Letter, Parcel, partition_subject
from accord.sdk import Agent
from accord.testing.stage import NOON, QUIET, SetClock, Stage

WAITS = {"wait": {"signal": {"name": "go"}}}

GIVES_UP_S = 60
"""So long is waited for what would hang if it were wrong, and comes at once on any machine."""

WORKS = {"work": {"uses": "test.work@^1", "with": {"number": "${ input.n }"}}}


def working() -> Agent:
    agent = Agent("worker", concurrency=1, queue=1)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


class Gate:
    """Holds up calls of a method until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, thing: Any, name: str) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        real = getattr(thing, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            self.reached.set()
            await self.open.wait()
            return await real(*arguments, **named)

        monkeypatch.setattr(thing, name, call)


async def post(stage: Stage, run: RunId, data: bytes) -> None:
    await stage.ports.journal.post(Letter(id="letter", partition=partition_of(run), data=data, posted_at=NOON))


# -- stopping ------------------------------------------------------------------------------------------------------


async def test_a_turn_under_way_is_finished_before_the_orchestrator_stops(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await stage.publish(WAITS)
    append = Gate(monkeypatch, stage.ports.journal, "append")
    starting = asyncio.create_task(stage.node.start_run(digest, None))
    await append.reached.wait()
    stopping = asyncio.create_task(stage.node.orchestrator.stop())
    await asyncio.sleep(0)
    append.open.set()
    await stopping
    run = await asyncio.wait_for(starting, GIVES_UP_S)
    assert await stage.run(run) == run


async def test_nobody_waits_for_a_store_that_hangs_when_the_orchestrator_stops(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await stage.publish(WAITS)
    append = Gate(monkeypatch, stage.ports.journal, "append")
    under_way = asyncio.create_task(stage.node.start_run(digest, None))
    await append.reached.wait()
    queued = asyncio.create_task(stage.node.start_run(digest, None))
    await asyncio.sleep(0)
    await stage.node.orchestrator.stop(timedelta(0))
    for starting in (under_way, queued, asyncio.create_task(stage.node.start_run(digest, None))):
        with pytest.raises(Overloaded, match="ACC466"):
            await asyncio.wait_for(starting, GIVES_UP_S)
    append.open.set()


# -- listening -----------------------------------------------------------------------------------------------------


async def test_a_bus_that_fails_for_a_moment_is_read_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(WORKS, {"n": 1})
    subject = partition_subject(partition_of(run.id))
    pump = stage.node.orchestrator._listener._pumps[subject]
    broken = asyncio.Event()
    real = stage.parts.ports.bus.inbox

    def inbox(name: str) -> Any:
        broken.set()
        monkeypatch.setattr(stage.bus, "inbox", real)
        raise ConnectionError("the bus is away")

    monkeypatch.setattr(stage.bus, "inbox", inbox)
    queue = stage.bus._queues[subject]
    taker = next(iter(queue.takers))
    taker.set_exception(ConnectionError("the connection is cut"))
    await asyncio.wait_for(broken.wait(), GIVES_UP_S)
    await agent.answer(await agent.assigned(), 1)
    assert (await asyncio.wait_for(stage.node.ended(run.id), GIVES_UP_S)).phase == "completed"
    assert not pump.done()


async def test_a_claim_that_is_broken_off_leaves_no_partition_unread(stage: Stage) -> None:
    claiming = asyncio.create_task(stage.parts.partitions.claim_all())
    for _ in range(10_000):
        await asyncio.sleep(0)
        if len(stage.parts.partitions.fences) == PARTITIONS:
            break
    claiming.cancel()
    await asyncio.gather(claiming, return_exceptions=True)
    pumps = stage.node.orchestrator._listener._pumps
    assert {partition_subject(one) for one in stage.parts.partitions.fences} <= set(pumps)


async def test_messages_that_cannot_be_given_back_hold_nobody_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(WORKS, {"n": 1})
    assignment = await agent.assigned()
    given_up = asyncio.Event()

    async def nack(deliveries: Any) -> None:
        given_up.set()
        raise ConnectionError("the bus is away")

    listener = stage.node.orchestrator._listener
    real = listener.taken

    def taken() -> Any:
        arrivals = real()
        for arrival in arrivals:
            monkeypatch.setattr(arrival.inbox, "nack", nack)
        return arrivals

    monkeypatch.setattr(listener, "taken", taken)
    faults = stage.ports.journal._faults  # type: ignore[attr-defined]  # the memory journal's
    digest = await stage.publish(WAITS, name="other")
    faults.plan("append", "refused")
    await stage.bus.publish([Parcel(partition_subject(partition_of(run.id)), await agent.result(assignment, 1))])
    await asyncio.wait_for(given_up.wait(), GIVES_UP_S)
    other = await asyncio.wait_for(stage.node.start_run(digest, None), GIVES_UP_S)
    assert stage.parts.ledger.find(run.id) is not None, "the run was read again"
    assert other.phase == "running"


# -- letters -------------------------------------------------------------------------------------------------------


async def test_a_letter_is_carried_out_once_although_it_is_looked_for_twice(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks first, and hears last, must not forget what was found meanwhile."""
    run = await stage.start(WAITS)
    letters, orders = stage.node._rounds.letters, []
    monkeypatch.setattr(stage.node.orchestrator, "order", orders.append)
    before, slow = stage.ports.journal.letters, asyncio.Event()

    async def early(partitions: Any) -> Any:
        monkeypatch.setattr(stage.ports.journal, "letters", before)
        found = await before(partitions)
        await slow.wait()
        return found

    monkeypatch.setattr(stage.ports.journal, "letters", early)
    first = asyncio.create_task(letters.go())
    await asyncio.sleep(0)
    await post(stage, run.id, msgspec.json.encode(LetterContent(run.id, c.Pause(by="test"))))
    second = asyncio.create_task(letters.go())
    for _ in range(5):
        await asyncio.sleep(0)
    slow.set()
    await asyncio.gather(first, second)
    await letters.go()
    assert len(orders) == 1


async def test_a_letter_that_nobody_can_read_is_answered_when_the_store_is_back(stage: Stage) -> None:
    run = await stage.start(WAITS)
    stage.ports.journal._faults.plan("answer", "refused")  # type: ignore[attr-defined]  # the memory journal's
    await post(stage, run.id, b"no letter")
    letters = stage.node._rounds.letters
    for _ in range(3):
        try:
            await letters.go()
        except StoreUnavailable:
            continue
    answer = await stage.ports.journal.answered("letter")
    assert answer is not None
    assert b"ACC446" in answer.data


# -- committing ----------------------------------------------------------------------------------------------------


async def test_a_text_that_cannot_be_written_down_is_refused_and_concerns_nobody_else(stage: Stage) -> None:
    digest = await stage.publish(WAITS)
    good, bad = await asyncio.gather(
        stage.node.start_run(digest, None, title="good"),
        stage.node.start_run(digest, None, title="\udcff"),
        return_exceptions=True,
    )
    assert not isinstance(good, BaseException), good
    assert isinstance(bad, Refused)
    assert bad.problems[0].code == "ACC465"
    with pytest.raises(Refused, match="ACC465"):
        await stage.node.control(good.id, c.Pause(by="\udcff"))
    assert not (await stage.run(good)).paused


async def test_a_snapshot_that_fails_does_not_fail_the_commit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(snapshot: Any) -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setattr("accord.engine.ledger.SNAPSHOT_FROM", 1)
    monkeypatch.setattr(stage.ports.journal, "save_snapshot", broken)
    run = await asyncio.wait_for(stage.start(WAITS), GIVES_UP_S)
    await asyncio.wait_for(stage.node.control(run.id, c.Pause(by="test")), GIVES_UP_S)
    assert (await stage.run(run)).paused


async def test_a_run_that_is_lost_while_it_is_read_is_not_kept(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await stage.start(WAITS)
    ledger, partition = stage.parts.ledger, partition_of(run.id)
    ledger.forget(list(ledger.slots()))
    reading = Gate(monkeypatch, stage.ports.journal, "read")
    stage.node.orchestrator.order(Order(run.id, c.Tick()))
    await reading.reached.wait()
    del stage.parts.partitions.fences[partition]
    await stage.node.orchestrator.disown(partition)
    reading.open.set()
    other = await asyncio.wait_for(stage.start(WAITS), GIVES_UP_S)
    assert [slot.run.id for slot in ledger.slots()] == [other.id]
    assert run.id not in stage.parts.timers._at


# -- nothing grows -------------------------------------------------------------------------------------------------


async def test_what_waits_is_counted_once_however_often_the_store_fails(stage: Stage) -> None:
    agent = await stage.enlist(working())
    tasks = {f"t{n}": {"uses": "test.work@^1", "with": {"number": n}} for n in range(30)}
    run = await stage.start(tasks)
    await agent.assigned()
    waiting = stage.parts.dispatcher.waiting
    assert 0 < waiting < 30
    for _ in range(5):
        stage.ports.journal._faults.plan("append", "refused")  # type: ignore[attr-defined]  # the memory journal's
        with pytest.raises(StoreUnavailable):
            await stage.node.control(run.id, c.Pause(by="test"))
        await stage.node.orchestrator.submit(run.id, c.Tick())
    assert stage.parts.dispatcher.waiting == waiting


async def test_back_offs_are_counted_once_however_often_the_store_fails(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(WORKS, {"n": 1})
    problem = msgspec.json.encode({"code": "no", "message": "not now", "retryable": True})
    await stage.deliver(run.id, await agent.result(await agent.assigned(), problem, kind="failure"))
    assert len(stage.parts.dispatcher._later) == 1
    for _ in range(5):
        stage.ports.journal._faults.plan("append", "refused")  # type: ignore[attr-defined]  # the memory journal's
        with pytest.raises(StoreUnavailable):
            await stage.node.control(run.id, c.Pause(by="test"))
        await stage.node.orchestrator.submit(run.id, c.Tick())
    assert len(stage.parts.dispatcher._later) == 1
    assert stage.parts.dispatcher._later_of == {run.id: 1}


def test_alarms_that_were_put_off_are_let_go() -> None:
    timers = Timers(SetClock(), lambda: None)
    for second in range(10 * SLACK):
        timers.set(RunId("run_a"), NOON + timedelta(seconds=second))
    assert len(timers._heap) <= SLACK + 3
    assert timers._due(NOON + timedelta(seconds=10 * SLACK)) == ["run_a"]


# -- a clock that is set back --------------------------------------------------------------------------------------


async def test_who_lives_is_heard_after_the_clock_was_set_back(stage: Stage) -> None:
    agent = await stage.enlist(working())
    await agent.heartbeat()
    stage.clock.forward(-3600)
    await agent.heartbeat(draining=True)
    assert stage.parts.registry.instances(agent.id)[agent.instance].draining


async def test_who_is_gone_is_missed_after_the_clock_was_set_back(stage: Stage) -> None:
    agent = await stage.enlist(working())
    stage.clock.forward(-3600)
    assert stage.parts.registry.expire(stage.clock.now()) == []
    stage.clock.forward(QUIET.absent_after.total_seconds() + 1)
    assert stage.parts.registry.expire(stage.clock.now()) == [agent.id]
