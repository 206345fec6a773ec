"""What every bus must do; an adapter is proved by a subclass that says how a bus with a bound is opened."""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import pytest

from accord.domain.message import Message
from accord.errors import Overloaded
from accord.ports import Bus, Carrier, DeadLetter, Delivery, Inbox, Parcel

SUBJECT = "agent/spiffe://here/agent/writer"
OTHER = "partition/7"
NOTICE = "notice/spiffe://here/agent/writer"


def parcels(*names: str, subject: str = SUBJECT) -> list[Parcel]:
    """A parcel for each name, which is in its message's statement."""
    return [Parcel(subject, Message(name.encode(), b'{"payload":"\x00\xff"}')) for name in names]


def names(deliveries: Sequence[Delivery]) -> list[str]:
    """What `parcels` was given for these."""
    return [delivery.message.statement.decode() for delivery in deliveries]


async def take_all(inbox: Inbox, count: int) -> list[Delivery]:
    """Exactly `count` deliveries."""
    taken: list[Delivery] = []
    while len(taken) < count:
        taken += await inbox.take(count - len(taken))
    return taken


WITHIN_S = 20.0
"""Something that a bus does in a moment has not been done after that."""

LOOK_EVERY_S = 0.002


async def comes_true(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds: a bus hears of an acknowledgement when it has arrived there."""
    async with asyncio.timeout(WITHIN_S):
        while not await holds():  # noqa: ASYNC110 - nobody tells when a bus has come so far
            await asyncio.sleep(LOOK_EVERY_S)


async def depth_becomes(bus: Bus, subject: str, depth: int) -> None:
    """Wait until so many messages wait there."""

    async def holds() -> bool:
        return await bus.depth(subject) == depth

    await comes_true(holds)


async def has_room(bus: Bus, sent: Sequence[Parcel]) -> None:
    """Publish as soon as there is room."""

    async def holds() -> bool:
        try:
            await bus.publish(sent)
        except Overloaded:
            return False
        return True

    await comes_true(holds)


class BusSuite:
    """The contract of `Bus`."""

    @abstractmethod
    def open(self, bound: int = 1000, deliveries: int = 1000) -> AbstractAsyncContextManager[Carrier]:
        """An empty bus whose queues hold at most `bound` messages, each delivered at most so often."""

    async def test_messages_arrive_unchanged_and_in_order(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as inbox:
            sent = parcels(*(f"m{number}" for number in range(100)))
            await bus.publish(sent[:60])
            await bus.publish(sent[60:])
            taken = await take_all(inbox, 100)
            assert [delivery.message for delivery in taken] == [parcel.message for parcel in sent]
            assert {delivery.attempts for delivery in taken} == {1}

    async def test_hand_over_returns_when_the_consumer_has_acknowledged(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as inbox:
            handed_over = asyncio.ensure_future(bus.hand_over(parcels("a")[0]))
            taken = await take_all(inbox, 1)
            await inbox.nack(taken)
            taken = await take_all(inbox, 1)
            assert names(taken) == ["a"]
            assert not handed_over.done()
            await inbox.ack(taken)
            await handed_over

    async def test_hand_over_outlives_the_inbox_that_took_it(self) -> None:
        async with self.open() as bus:
            async with bus.inbox(SUBJECT) as inbox:
                handed_over = asyncio.ensure_future(bus.hand_over(parcels("a")[0]))
                await take_all(inbox, 1)
            assert not handed_over.done()
            async with bus.inbox(SUBJECT) as inbox:
                await inbox.ack(await take_all(inbox, 1))
            await handed_over

    async def test_hand_over_is_bounded_as_publish_is(self) -> None:
        async with self.open(bound=1) as bus:
            await bus.publish(parcels("a"))
            with pytest.raises(Overloaded):
                await bus.hand_over(parcels("b")[0])

    async def test_what_was_published_before_the_inbox_opened_arrives(self) -> None:
        async with self.open() as bus:
            await bus.publish(parcels("a", "b"))
            await depth_becomes(bus, SUBJECT, 2)
            async with bus.inbox(SUBJECT) as inbox:
                assert names(await take_all(inbox, 2)) == ["a", "b"]

    async def test_subjects_are_apart(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as inbox, bus.inbox(OTHER) as other:
            await bus.publish([*parcels("a"), *parcels("b", subject=OTHER), *parcels("c")])
            assert names(await take_all(inbox, 2)) == ["a", "c"]
            assert names(await other.take(10)) == ["b"]

    async def test_take_gives_at_most_the_limit(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as inbox:
            await bus.publish(parcels("a", "b", "c"))
            assert names(await take_all(inbox, 2)) == ["a", "b"]
            assert names(await inbox.take(2)) == ["c"]

    async def test_take_waits_for_a_message(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as inbox:
            taking = asyncio.create_task(inbox.take(5))
            await asyncio.sleep(0)
            assert not taking.done()
            await bus.publish(parcels("a"))
            assert names(await taking) == ["a"]

    async def test_a_take_that_is_cancelled_takes_nothing(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as inbox, bus.inbox(SUBJECT) as other:
            first, second = asyncio.create_task(inbox.take(1)), asyncio.create_task(other.take(1))
            await asyncio.sleep(0)
            await bus.publish(parcels("a"))
            first.cancel()
            await asyncio.wait([first])
            if first.cancelled():
                assert names(await second) == ["a"]
            else:
                second.cancel()
                assert names(first.result()) == ["a"]

    async def test_inboxes_of_one_subject_share_its_messages(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as one, bus.inbox(SUBJECT) as two:
            seen: list[str] = []
            all_seen = asyncio.Event()

            async def consume(inbox: Inbox) -> None:
                while True:
                    deliveries = await inbox.take(3)
                    await inbox.ack(deliveries)
                    seen.extend(names(deliveries))
                    if len(seen) >= 50:
                        all_seen.set()
                    await asyncio.sleep(0)

            consumers = [asyncio.create_task(consume(inbox)) for inbox in (one, two)]
            sent = [f"m{number}" for number in range(50)]
            for start in range(0, 50, 5):
                await bus.publish(parcels(*sent[start : start + 5]))
            await all_seen.wait()
            for consumer in consumers:
                consumer.cancel()
            await asyncio.wait(consumers)
            assert sorted(seen) == sorted(sent)

    async def test_what_was_acknowledged_never_comes_again(self) -> None:
        async with self.open() as bus:
            await bus.publish(parcels("a", "b"))
            async with bus.inbox(SUBJECT) as inbox:
                await inbox.ack((await take_all(inbox, 2))[:1])
            async with bus.inbox(SUBJECT) as inbox:
                (again,) = await inbox.take(5)
                assert names([again]) == ["b"]
                assert again.attempts == 2

    async def test_what_was_not_acknowledged_comes_first_and_in_order(self) -> None:
        async with self.open() as bus:
            await bus.publish(parcels("a", "b", "c"))
            async with bus.inbox(SUBJECT) as inbox:
                await take_all(inbox, 2)
                await depth_becomes(bus, SUBJECT, 1)
            await depth_becomes(bus, SUBJECT, 3)
            async with bus.inbox(SUBJECT) as inbox:
                assert names(await take_all(inbox, 3)) == ["a", "b", "c"]

    async def test_a_closing_inbox_hands_over_to_another_that_waits(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as other:
            async with bus.inbox(SUBJECT) as inbox:
                await bus.publish(parcels("a"))
                await inbox.take(1)
                waiting = asyncio.create_task(other.take(1))
                await asyncio.sleep(0)
            assert names(await waiting) == ["a"]

    async def test_all_who_wait_get_a_share_of_what_comes_back(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as one, bus.inbox(SUBJECT) as two:
            async with bus.inbox(SUBJECT) as closing:
                await bus.publish(parcels("a", "b"))
                await take_all(closing, 2)
                waiting = [asyncio.create_task(inbox.take(1)) for inbox in (one, two)]
                await asyncio.sleep(0)
            assert sorted([name for taking in waiting for name in names(await taking)]) == ["a", "b"]

    async def test_nack_brings_it_again(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as inbox:
            await bus.publish(parcels("a"))
            await inbox.nack(await inbox.take(1))
            (again,) = await inbox.take(1)
            assert names([again]) == ["a"]
            assert again.attempts == 2
            await inbox.ack([again])
            await depth_becomes(bus, SUBJECT, 0)

    async def test_acknowledging_twice_is_harmless(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as inbox:
            await bus.publish(parcels("a", "b"))
            first = await take_all(inbox, 1)
            await inbox.ack(first)
            await inbox.ack(first)
            await inbox.nack(first)
            assert names(await inbox.take(5)) == ["b"]

    async def test_a_full_subject_refuses_until_something_is_acknowledged(self) -> None:
        async with self.open(bound=3) as bus, bus.inbox(SUBJECT) as inbox:
            await bus.publish(parcels("a", "b", "c"))
            with pytest.raises(Overloaded):
                await bus.publish(parcels("d"))
            await bus.publish(parcels("elsewhere", subject=OTHER))
            taken = await take_all(inbox, 3)
            with pytest.raises(Overloaded):
                await bus.publish(parcels("d"))
            await inbox.ack(taken[:1])
            await has_room(bus, parcels("d"))
            assert names(await inbox.take(5)) == ["d"]

    async def test_depth_counts_what_waits(self) -> None:
        async with self.open() as bus, bus.inbox(SUBJECT) as inbox:
            await depth_becomes(bus, SUBJECT, 0)
            await bus.publish(parcels("a", "b", "c"))
            await depth_becomes(bus, SUBJECT, 3)
            await take_all(inbox, 1)
            await depth_becomes(bus, SUBJECT, 2)
            await depth_becomes(bus, OTHER, 0)

    # -- what comes again ----------------------------------------------------------------------------------------

    async def test_what_comes_back_too_often_is_a_dead_letter(self) -> None:
        async with self.open(deliveries=3) as bus, bus.inbox(SUBJECT) as inbox:
            await bus.publish(parcels("bad", "good"))
            attempts = 0
            while attempts < 3:
                for delivery in await inbox.take(5):
                    if names([delivery]) == ["bad"]:
                        attempts = delivery.attempts
                        await inbox.nack([delivery])
                    else:
                        await inbox.ack([delivery])

            async def is_buried() -> bool:
                return bool(await bus.dead_letters())

            await comes_true(is_buried)
            (letter,) = await bus.dead_letters()
            assert letter == DeadLetter(SUBJECT, parcels("bad")[0].message, 3)
            await depth_becomes(bus, SUBJECT, 0)
            await bus.publish(parcels("next"))
            assert names(await inbox.take(5)) == ["next"]
            assert await bus.dead_letters(limit=0) == []

    async def test_a_dead_letter_makes_room(self) -> None:
        async with self.open(bound=1, deliveries=1) as bus:
            async with bus.inbox(SUBJECT) as inbox:
                await bus.publish(parcels("bad"))
                await inbox.take(1)
            await has_room(bus, parcels("good"))
            async with bus.inbox(SUBJECT) as inbox:
                assert names(await inbox.take(1)) == ["good"]
                assert [letter.message.statement for letter in await bus.dead_letters()] == [b"bad"]

    # -- notices -------------------------------------------------------------------------------------------------

    async def test_a_notice_is_heard_by_all_who_listen(self) -> None:
        async with self.open() as bus, bus.inbox(NOTICE) as one, bus.inbox(NOTICE) as two, bus.inbox(SUBJECT) as queue:
            await bus.publish([*parcels("a", subject=NOTICE), *parcels("work"), *parcels("b", subject=NOTICE)])
            for inbox in (one, two):
                heard = await take_all(inbox, 2)
                assert names(heard) == ["a", "b"]
                assert {delivery.attempts for delivery in heard} == {1}
                await inbox.ack(heard)
            assert names(await queue.take(5)) == ["work"]

    async def test_a_notice_that_nobody_hears_is_gone(self) -> None:
        async with self.open(bound=1) as bus:
            await bus.publish(parcels("a", "b", subject=NOTICE))
            async with bus.inbox(NOTICE) as inbox:
                await bus.publish(parcels("c", subject=NOTICE))
                assert names(await inbox.take(5)) == ["c"]
            await depth_becomes(bus, NOTICE, 0)

    async def test_a_notice_that_was_not_acknowledged_goes_with_its_inbox(self) -> None:
        async with self.open() as bus, bus.inbox(NOTICE) as other:
            async with bus.inbox(NOTICE) as inbox:
                await bus.publish(parcels("a", subject=NOTICE))
                await inbox.take(1)
            await bus.publish(parcels("b", subject=NOTICE))
            assert names(await take_all(other, 2)) == ["a", "b"]

    async def test_nack_brings_a_notice_again_to_the_same_inbox(self) -> None:
        async with self.open() as bus, bus.inbox(NOTICE) as inbox, bus.inbox(NOTICE) as other:
            await bus.publish(parcels("a", subject=NOTICE))
            await inbox.nack(await inbox.take(1))
            (again,) = await inbox.take(1)
            assert (names([again]), again.attempts) == (["a"], 2)
            await inbox.ack([again])
            await bus.publish(parcels("b", subject=NOTICE))
            assert names(await take_all(other, 2)) == ["a", "b"]
            assert names(await inbox.take(5)) == ["b"]

    async def test_who_does_not_keep_up_loses_the_oldest_notices(self) -> None:
        async with self.open(bound=3) as bus, bus.inbox(NOTICE) as slow:
            sent = [f"n{number}" for number in range(10)]
            for name in sent:
                await bus.publish(parcels(name, subject=NOTICE))
            heard: list[str] = []
            while sent[-1] not in heard:
                taken = await slow.take(10)
                await slow.ack(taken)
                heard += names(taken)
            assert heard == [name for name in sent if name in heard]

    async def test_a_take_waits_for_a_notice(self) -> None:
        async with self.open() as bus, bus.inbox(NOTICE) as inbox:
            taking = asyncio.create_task(inbox.take(5))
            await asyncio.sleep(0)
            assert not taking.done()
            await bus.publish(parcels("a", subject=NOTICE))
            assert names(await taking) == ["a"]
