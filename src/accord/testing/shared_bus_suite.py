"""What a bus must do that several processes share: all of `BusSuite`, and what becomes of a process that dies, and of a
server that is started again.
"""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

import asyncio
from abc import abstractmethod
from contextlib import AbstractAsyncContextManager, suppress

import pytest

from accord.errors import BusUnavailable
from accord.ports import Carrier, Inbox
from accord.testing.bus_suite import NOTICE, OTHER, SUBJECT, BusSuite, depth_becomes, names, parcels, take_all


class SharedBusSuite(BusSuite):
    """The contract of `Carrier` among processes. What is held and not spoken of should come again within a second."""

    @abstractmethod
    def beside(self, bus: Carrier) -> AbstractAsyncContextManager[Carrier]:
        """Another process's part of the same bus."""

    @abstractmethod
    async def kill(self, bus: Carrier) -> None:
        """Its process is gone, without a word to anybody."""

    @abstractmethod
    async def stop_server(self) -> None:
        """The server is killed, its disk stays."""

    @abstractmethod
    async def start_server(self) -> None:
        """The server is started again."""

    async def test_processes_share_queues_and_hear_each_others_notices(self) -> None:
        async with self.open() as one, self.beside(one) as two, two.inbox(SUBJECT) as inbox, one.inbox(NOTICE) as heard:
            sent = [f"m{number}" for number in range(20)]
            await one.publish(parcels(*sent))
            assert names(await take_all(inbox, 20)) == sent
            await two.publish(parcels("told", subject=NOTICE))
            assert names(await take_all(heard, 1)) == ["told"]
            await depth_becomes(one, SUBJECT, 0)

    async def test_hand_over_to_another_process(self) -> None:
        async with self.open() as one, self.beside(one) as two, two.inbox(OTHER) as inbox:
            handed_over = asyncio.ensure_future(one.hand_over(parcels("a", subject=OTHER)[0]))
            taken = await take_all(inbox, 1)
            assert not handed_over.done()
            await inbox.ack(taken)
            await handed_over

    async def test_what_a_dead_process_held_comes_again_and_what_a_slow_one_holds_does_not(self) -> None:
        async with self.open() as slow, slow.inbox(SUBJECT) as holds:
            await slow.publish(parcels("slow"))
            held = await take_all(holds, 1)
            for lost in ("first", "second"):  # both together take longer than anything is left in doubt
                async with self.beside(slow) as lives, self.beside(slow) as dying, dying.inbox(SUBJECT) as inbox:
                    await slow.publish(parcels(lost))
                    await take_all(inbox, 1)
                    await self.kill(dying)
                    async with lives.inbox(SUBJECT) as other:
                        await self._acknowledge(other, lost)
            await holds.ack(held)

    async def _acknowledge(self, inbox: Inbox, name: str) -> None:
        (again,) = await take_all(inbox, 1)
        assert (names([again]), again.attempts) == ([name], 2)
        await inbox.ack([again])

    async def test_a_dead_process_takes_nothing_with_it_that_it_was_waiting_for(self) -> None:
        async with self.open() as bus, self.beside(bus) as dying, dying.inbox(SUBJECT) as inbox:
            taking = asyncio.create_task(inbox.take(5))
            await asyncio.sleep(0.05)  # it has asked for them by now; where it has not, nothing is proven
            await self.kill(dying)
            await bus.publish(parcels("a"))
            async with bus.inbox(SUBJECT) as other:
                assert names(await take_all(other, 1)) == ["a"]
            taking.cancel()

    async def test_a_server_that_is_started_again_has_everything(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as inbox, bus.inbox(NOTICE) as notices:
            await bus.publish(parcels("a", "b", "c"))
            held = await take_all(inbox, 1)
            handed_over = asyncio.ensure_future(bus.hand_over(parcels("handed over", subject=OTHER)[0]))
            await depth_becomes(bus, OTHER, 1)
            await self.stop_server()
            with pytest.raises(BusUnavailable):
                await bus.publish(parcels("nowhere"))
            with pytest.raises(BusUnavailable):
                await bus.hand_over(parcels("nowhere")[0])
            await inbox.ack(held)
            taking = asyncio.create_task(take_all(inbox, 2))
            await self.start_server()
            assert names(await taking)[-2:] in (["b", "c"], ["a", "b"])
            await self._published(bus, "d")
            seen: list[str] = []
            while "d" not in seen:
                taken = await inbox.take(5)
                await inbox.ack(taken)
                seen += names(taken)
            await bus.publish(parcels("told", subject=NOTICE))
            assert names(await take_all(notices, 1)) == ["told"]
            async with bus.inbox(OTHER) as other:
                await other.ack(await take_all(other, 1))
                with suppress(BusUnavailable):  # an acknowledgement may have been told to nobody: it is tried again
                    await handed_over

    async def _published(self, bus: Carrier, name: str) -> None:
        """Publish as soon as there is a bus."""
        async with asyncio.timeout(20):
            while True:
                try:
                    return await bus.publish(parcels(name))
                except BusUnavailable:
                    await asyncio.sleep(0.01)
