"""The suite of the port `Bus` on every adapter, and what is particular to the one in memory."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.bus.memory import MemoryBus
from accord.bus.nats import NatsBus
from accord.errors import Overloaded, Refused
from accord.nats.streams import Limits
from accord.ports import Carrier, Delivery
from accord.testing.bus_suite import NOTICE, OTHER, SUBJECT, BusSuite, names, parcels, take_all
from accord.testing.nats import NatsServer
from accord.testing.shared_bus_suite import SharedBusSuite


class TestMemoryBus(BusSuite):
    def open(self, bound: int = 1000, deliveries: int = 1000) -> AbstractAsyncContextManager[Carrier]:
        return MemoryBus(bound=bound, deliveries=deliveries)


class TestNatsBus(SharedBusSuite):
    @pytest.fixture(autouse=True)
    def _server(self, nats: NatsServer) -> None:
        self._nats = nats

    def open(self, bound: int = 1000, deliveries: int = 1000) -> AbstractAsyncContextManager[Carrier]:
        self._limits = Limits(bound=bound, deliveries=deliveries, ack_wait_s=0.3)
        self._namespace = secrets.token_hex(8)
        return NatsBus.open(self._nats.address(), self._namespace, limits=self._limits)

    def beside(self, bus: Carrier) -> AbstractAsyncContextManager[Carrier]:
        return NatsBus.open(self._nats.address(), self._namespace, limits=self._limits)

    async def kill(self, bus: Carrier) -> None:
        assert isinstance(bus, NatsBus)
        bus._inboxes.clear()
        await bus._connection.end()

    async def stop_server(self) -> None:
        await asyncio.to_thread(self._nats.stop)

    async def start_server(self) -> None:
        await asyncio.to_thread(self._nats.start)


async def test_a_publish_that_is_refused_hands_over_nothing() -> None:
    async with MemoryBus(bound=2) as bus:
        with pytest.raises(Overloaded) as refusal:
            await bus.publish([*parcels("x", subject=OTHER), *parcels("a", "b", "c")])
        assert refusal.value.problems[0].code == "ACC751"
        assert await bus.depth(SUBJECT) == await bus.depth(OTHER) == 0


async def test_a_publish_that_is_refused_tells_nobody() -> None:
    async with MemoryBus(bound=1) as bus, bus.inbox(NOTICE) as inbox:
        with pytest.raises(Overloaded):
            await bus.publish([*parcels("told", subject=NOTICE), *parcels("a", "b")])
        await bus.publish(parcels("c", subject=NOTICE))
        assert names(await inbox.take(5)) == ["c"]


async def test_notices_are_bounded_for_each_inbox() -> None:
    async with MemoryBus(bound=3) as bus, bus.inbox(NOTICE) as inbox, bus.inbox(NOTICE) as quick:
        await bus.publish(parcels("a", "b", subject=NOTICE))
        await quick.ack(await quick.take(5))
        (held,) = await inbox.take(1)
        await bus.publish(parcels("c", "d", "e", subject=NOTICE))
        assert names(await quick.take(5)) == ["c", "d", "e"]
        assert names(await inbox.take(5)) == ["d", "e"]
        await inbox.ack([held])
    assert bus._listening == {}


async def test_an_inbox_that_was_closed_turns_away() -> None:
    async with MemoryBus() as bus, bus.inbox(SUBJECT):
        async with bus.inbox(SUBJECT) as inbox:
            waiting = asyncio.create_task(inbox.take(1))
            await asyncio.sleep(0)
        with pytest.raises(Refused):
            await waiting
        await bus.publish(parcels("a"))
        with pytest.raises(Refused):
            await inbox.take(1)


async def test_takes_that_were_cancelled_leave_nothing_behind() -> None:
    async with MemoryBus() as bus, bus.inbox(SUBJECT) as inbox:
        for _ in range(10):
            taking = asyncio.create_task(inbox.take(1))
            await asyncio.sleep(0)
            taking.cancel()
            await asyncio.wait([taking])
        assert bus._queues[SUBJECT].takers == {}


async def test_a_subject_without_messages_and_inboxes_costs_nothing() -> None:
    async with MemoryBus() as bus:
        async with bus.inbox(SUBJECT) as one, bus.inbox(SUBJECT):
            await bus.publish(parcels("a"))
            await one.ack(await one.take(1))
        assert bus._queues == {}


@given(st.lists(st.sampled_from(["publish", "take", "ack", "nack", "reopen"]), max_size=60), st.integers(1, 4))
def test_nothing_is_lost_and_nothing_exceeds_the_bound(steps: list[str], limit: int) -> None:
    async def live() -> None:
        async with MemoryBus(bound=5) as bus:
            opened = bus.inbox(SUBJECT)
            inbox = await opened.__aenter__()
            sent: set[str] = set()
            acked: set[str] = set()
            held: list[Delivery] = []
            for number, step in enumerate(steps):
                if step == "publish":
                    with suppress(Overloaded):
                        await bus.publish(parcels(f"m{number}"))
                        sent.add(f"m{number}")
                    assert len(sent) - len(acked) <= 5
                elif step == "take" and await bus.depth(SUBJECT):
                    held += await inbox.take(limit)
                elif step == "ack":
                    await inbox.ack(held)
                    acked.update(names(held))
                    held = []
                elif step == "nack":
                    await inbox.nack(held)
                    held = []
                elif step == "reopen":
                    await opened.__aexit__(None, None, None)
                    held = []
                    opened = bus.inbox(SUBJECT)
                    inbox = await opened.__aenter__()
            left = len(sent) - len(acked) - len(held)
            assert await bus.depth(SUBJECT) == left
            assert set(names(await take_all(inbox, left))) | set(names(held)) == sent - acked
            await opened.__aexit__(None, None, None)

    asyncio.run(live())


async def test_who_gives_everything_back_does_not_starve_another() -> None:
    """What is given back wakes both who wait; the greedy one must not be first each time and have it all."""
    async with MemoryBus() as bus, bus.inbox(SUBJECT) as greedy, bus.inbox(SUBJECT) as meant:
        rounds = 0

        async def give_back() -> None:
            nonlocal rounds
            while rounds < 100:
                taken = await greedy.take(100)
                rounds += 1
                returning.append(asyncio.create_task(return_later(taken)))

        async def return_later(taken: Sequence[Delivery]) -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            for delivery in taken:
                await greedy.nack([delivery])

        async def work() -> None:
            for _ in range(20):
                await meant.ack(await meant.take(1))
                for _ in range(2):
                    await asyncio.sleep(0)

        returning: list[asyncio.Task[None]] = []
        giving_back = asyncio.create_task(give_back())
        await asyncio.sleep(0)
        await bus.publish(parcels(*map(str, range(20))))
        working = asyncio.create_task(work())
        await asyncio.wait([giving_back, working], return_when=asyncio.FIRST_COMPLETED)
        assert working.done(), "it got nothing while the other one took and gave back a hundred times"
        giving_back.cancel()
