"""What every journal must do. An adapter is proved by a subclass that says how it is opened.

class TestMyJournal(JournalSuite, RunListSuite):
    @pytest.fixture
    async def journal(self, tmp_path):
        async with MyJournal.open(tmp_path / "journal") as journal:
            yield journal
"""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator

import pytest

from accord.codec import chained, follow
from accord.domain.ids import PARTITIONS, StreamId
from accord.errors import AccordError, Fenced, SequenceConflict, StoreCorrupt
from accord.ports import (
    SEQUENCE_MAX,
    Answer,
    Append,
    Fence,
    Head,
    Journal,
    Owner,
    Record,
    RunQuery,
    Snapshot,
)
from accord.testing.journal_values import (
    NOON,
    SYSTEM,
    TTL,
    claimed,
    end,
    letter_to,
    run_append,
    run_id,
    start,
    summary_of,
    system_append,
)


class JournalSuite:
    """The contract of `Journal`, except durability: that is for the adapter's own tests."""

    @pytest.fixture
    @abstractmethod
    def journal(self) -> AsyncIterator[Journal]:
        """An open, empty journal."""

    # -- appending and reading

    async def test_a_stream_that_does_not_exist_is_empty(self, journal: Journal) -> None:
        assert await journal.head(SYSTEM) == Head()
        assert await journal.read(SYSTEM) == []
        assert await journal.run(run_id(1)) is None
        assert await journal.snapshot(SYSTEM) is None

    async def test_what_was_appended_is_read(self, journal: Journal) -> None:
        first = system_append(Head(), b"one", b"two")
        await journal.append([first])
        second = system_append(end(first), b"three")
        await journal.append([second])
        assert await journal.read(SYSTEM) == [*first.records, *second.records]
        assert await journal.head(SYSTEM) == end(second)
        assert follow(await journal.read(SYSTEM), Head()) == end(second)

    async def test_reading_in_pages(self, journal: Journal) -> None:
        append = system_append(Head(), *(str(number).encode() for number in range(10)))
        await journal.append([append])
        assert await journal.read(SYSTEM, after=4) == list(append.records[4:])
        assert await journal.read(SYSTEM, after=4, limit=3) == list(append.records[4:7])
        assert await journal.read(SYSTEM, limit=0) == []

    async def test_numbers_that_no_event_has(self, journal: Journal) -> None:
        append = system_append(Head(), b"one", b"two")
        await journal.append([append])
        assert await journal.read(SYSTEM, after=SEQUENCE_MAX + 1) == []
        assert await journal.read(SYSTEM, limit=10**40) == list(append.records)
        assert await journal.read(SYSTEM, after=10) == []

    @pytest.mark.parametrize("data", [b"", b"\x00\xff\xfe", b"'; DROP TABLE events", bytes(3_000_000)])
    async def test_any_bytes_come_back(self, journal: Journal, data: bytes) -> None:
        append = system_append(Head(), data, b"last")
        await journal.append([append])
        assert await journal.read(SYSTEM) == list(append.records)

    async def test_one_call_is_all_or_nothing(self, journal: Journal) -> None:
        other = StreamId("sys:control")
        await journal.append([system_append(Head(), b"there", stream=other)])
        with pytest.raises(SequenceConflict):
            await journal.append([system_append(Head(), b"new"), system_append(Head(), b"late", stream=other)])
        assert await journal.head(SYSTEM) == Head()
        assert len(await journal.read(other)) == 1

    async def test_one_call_may_append_to_a_stream_twice(self, journal: Journal) -> None:
        first = system_append(Head(), b"one")
        await journal.append([first, system_append(end(first), b"two")])
        assert [record.data for record in await journal.read(SYSTEM)] == [b"one", b"two"]

    async def test_an_append_without_records_still_checks_the_head(self, journal: Journal) -> None:
        await journal.append([Append(stream=SYSTEM, expected=Head(), records=())])
        assert await journal.head(SYSTEM) == Head()
        with pytest.raises(SequenceConflict):
            await journal.append(
                [Append(stream=SYSTEM, expected=Head(2, chained(SYSTEM, Head(), [b""])[0].digest), records=())]
            )

    # -- conflicts

    async def test_the_expected_sequence_must_be_the_head(self, journal: Journal) -> None:
        append = system_append(Head(), b"one")
        await journal.append([append])
        for expected in (Head(), Head(2, end(append).digest)):
            with pytest.raises(SequenceConflict) as refusal:
                await journal.append([system_append(expected, b"two")])
            assert refusal.value.problems[0].code == "ACC501"
        assert await journal.head(SYSTEM) == end(append)

    async def test_the_expected_digest_must_be_the_head(self, journal: Journal) -> None:
        await journal.append([system_append(Head(), b"one")])
        with pytest.raises(SequenceConflict):
            await journal.append([system_append(Head(1, chained(SYSTEM, Head(), [b"other"])[0].digest), b"two")])
        empty = Head(0, chained(SYSTEM, Head(), [b"x"])[0].digest)
        with pytest.raises(SequenceConflict):
            await journal.append([system_append(empty, b"one", stream=StreamId("sys:templates"))])

    async def test_records_must_follow_without_gaps(self, journal: Journal) -> None:
        good = chained(SYSTEM, Head(), [b"one", b"two", b"three"])
        elsewhere = tuple(Record(StreamId("sys:control"), r.sequence, r.data, r.digest) for r in good)
        for records in (good[1:], (good[0], good[2]), (good[1], good[0]), elsewhere):
            with pytest.raises(StoreCorrupt) as refusal:
                await journal.append([Append(stream=SYSTEM, expected=Head(), records=records)])
            assert refusal.value.problems[0].code == "ACC504"
        assert await journal.head(SYSTEM) == Head()

    async def test_two_writers_of_one_stream(self, journal: Journal) -> None:
        """Exactly one of them wins each sequence number, and nothing of the other one is there."""

        async def write(name: str) -> list[bytes]:
            won = []
            for number in range(30):
                data = f"{name} {number}".encode()
                try:
                    await journal.append([system_append(await journal.head(SYSTEM), data)])
                    won.append(data)
                except SequenceConflict:
                    continue
            return won

        winners = await asyncio.gather(*(write(name) for name in ("left", "right", "third")))
        records = await journal.read(SYSTEM)
        assert sorted(record.data for record in records) == sorted(data for won in winners for data in won)
        follow(records, Head())

    async def test_only_the_conflicting_call_is_refused(self, journal: Journal) -> None:
        streams = [StreamId(f"sys:{number}") for number in range(50)]
        await journal.append([system_append(Head(), b"first", stream=stream) for stream in streams[::2]])
        calls = [journal.append([system_append(Head(), b"second", stream=stream)]) for stream in streams]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(outcome, SequenceConflict) for outcome in outcomes] == [True, False] * 25
        for number, stream in enumerate(streams):
            assert [r.data for r in await journal.read(stream)] == [b"second" if number % 2 else b"first"]

    async def test_a_refused_call_does_not_refuse_its_neighbours(self, journal: Journal) -> None:
        """The first call is wrong about one stream and, unwritten, must not stand in the way on its other stream."""
        other = StreamId("sys:control")
        first = system_append(Head(), b"there", stream=other)
        await journal.append([first])
        outcomes = await asyncio.gather(
            journal.append([system_append(Head(), b"x"), system_append(Head(), b"wrong", stream=other)]),
            journal.append([system_append(end(first), b"right", stream=other)]),
            journal.append([system_append(Head(), b"y")]),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [SequenceConflict, type(None), type(None)]
        assert [record.data for record in await journal.read(SYSTEM)] == [b"y"]
        assert [record.data for record in await journal.read(other)] == [b"there", b"right"]

    async def test_a_call_that_is_refused_for_one_stream_says_nothing_about_another(self, journal: Journal) -> None:
        """The second call loses against the first; what it wrongly expects elsewhere must not refuse the third."""
        other = StreamId("sys:control")
        there = system_append(Head(), b"there", stream=other)
        await journal.append([there])
        outcomes = await asyncio.gather(
            journal.append([system_append(Head(), b"x")]),
            journal.append([system_append(Head(), b"late"), system_append(Head(), b"wrong", stream=other)]),
            journal.append([system_append(end(there), b"right", stream=other)]),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [type(None), SequenceConflict, type(None)]
        assert [record.data for record in await journal.read(other)] == [b"there", b"right"]

    async def test_appends_at_once_to_many_streams(self, journal: Journal) -> None:
        async def write(stream: StreamId) -> None:
            head = Head()
            for number in range(10):
                append = system_append(head, b"a%d" % number, b"b%d" % number, stream=stream)
                await journal.append([append])
                head = end(append)

        streams = [StreamId(f"sys:{number}") for number in range(100)]
        await asyncio.gather(*(write(stream) for stream in streams))
        for stream in streams:
            assert follow(await journal.read(stream), Head()).sequence == 20

    async def test_calls_of_one_caller_in_a_row_need_no_waiting(self, journal: Journal) -> None:
        """Calls are written in the order in which they were made, so a caller may know its head in advance."""
        appends, head = [], Head()
        for number in range(20):
            appends.append(system_append(head, str(number).encode()))
            head = end(appends[-1])
        await asyncio.gather(*(journal.append([append]) for append in appends))
        assert await journal.head(SYSTEM) == head

    # -- fences

    async def test_a_run_needs_the_present_fence(self, journal: Journal) -> None:
        old = await claimed(journal)
        append = run_append(old, summary_of(1), Head(), b"started")
        await journal.append([append])
        new = await claimed(journal)
        assert new.epoch == old.epoch + 1
        for fence in (old, Fence(3, new.epoch + 1), Fence(4, new.epoch)):
            with pytest.raises(Fenced) as refusal:
                await journal.append([run_append(fence, summary_of(1, state="failed"), end(append), b"late")])
            assert refusal.value.problems[0].code == "ACC502"
        await journal.append([run_append(new, summary_of(1), end(append), b"next")])
        assert [r.data for r in await journal.read(StreamId(run_id(1)))] == [b"started", b"next"]

    async def test_a_run_without_a_fence_is_refused(self, journal: Journal) -> None:
        with pytest.raises(Fenced) as refusal:
            await journal.append([system_append(Head(), b"x", stream=StreamId(run_id(1)))])
        assert refusal.value.problems[0].code == "ACC503"

    async def test_a_partition_has_one_owner(self, journal: Journal) -> None:
        first = await claimed(journal)
        assert await journal.claim("two", partition=3, now=NOON + TTL / 2, ttl=TTL) is None
        assert await journal.renew([first], now=NOON + TTL / 2, ttl=TTL) == [first]
        assert await journal.claim("two", partition=3, now=NOON + TTL, ttl=TTL) is None
        second = await journal.claim("two", partition=3, now=NOON + TTL * 1.5, ttl=TTL)
        assert second == Fence(3, first.epoch + 1)
        assert await journal.renew([first], now=NOON + TTL * 1.5, ttl=TTL) == []

    async def test_what_ran_out_can_be_renewed_until_somebody_claims_it(self, journal: Journal) -> None:
        fence = await claimed(journal)
        assert await journal.renew([fence], now=NOON + 5 * TTL, ttl=TTL) == [fence]
        assert await journal.claim("two", partition=3, now=NOON + 5 * TTL, ttl=TTL) is None

    async def test_a_released_partition_is_free_at_once(self, journal: Journal) -> None:
        first = await claimed(journal)
        await journal.release([first])
        assert await journal.renew([first], now=NOON, ttl=TTL) == []
        second = await journal.claim("two", partition=3, now=NOON, ttl=TTL)
        assert second == Fence(3, first.epoch + 1)
        await journal.release([first])
        assert await journal.claim("three", partition=3, now=NOON, ttl=TTL) is None

    async def test_any_free_partition(self, journal: Journal) -> None:
        await claimed(journal, partition=0, owner="somebody")
        got = [await journal.claim("me", partition=None, now=NOON, ttl=TTL) for _ in range(PARTITIONS)]
        assert sorted(fence.partition for fence in got if fence) == list(range(1, PARTITIONS))
        assert got[-1] is None
        again = await journal.claim("me", partition=None, now=NOON + TTL, ttl=TTL)
        assert again is not None
        assert again.epoch == 2

    async def test_claims_at_once(self, journal: Journal) -> None:
        claims = (journal.claim(f"owner {n}", partition=None, now=NOON, ttl=TTL) for n in range(PARTITIONS + 20))
        fences = [fence for fence in await asyncio.gather(*claims) if fence]
        assert sorted(fence.partition for fence in fences) == list(range(PARTITIONS))

    async def test_owners_are_told_also_when_their_time_has_run_out(self, journal: Journal) -> None:
        assert await journal.owners() == []
        first, second = await claimed(journal, 7, "one"), await claimed(journal, 3, "two")
        kept = await claimed(journal, 5, "three")
        await journal.renew([kept], now=NOON + TTL, ttl=TTL)
        await journal.release([first])
        assert await journal.owners() == [
            Owner(3, second.epoch, "two", NOON + TTL),
            Owner(5, kept.epoch, "three", NOON + 2 * TTL),
        ]
        again = await journal.claim("four", partition=3, now=NOON + TTL, ttl=TTL)
        assert again is not None
        assert (await journal.owners())[0] == Owner(3, again.epoch, "four", NOON + 2 * TTL)

    # -- trimming

    async def test_a_trimmed_stream_goes_on_from_its_floor(self, journal: Journal) -> None:
        first = system_append(Head(), b"one", b"two", b"three", b"four")
        await journal.append([first])
        assert await journal.floor(SYSTEM) == Head()
        assert await journal.trim(SYSTEM, until=2) == 2
        floor = await journal.floor(SYSTEM)
        assert floor == Head(2, first.records[1].digest)
        assert [record.data for record in await journal.read(SYSTEM)] == [b"three", b"four"]
        assert [record.data for record in await journal.read(SYSTEM, after=1, limit=1)] == [b"three"]
        assert [record.data for record in await journal.read(SYSTEM, after=3)] == [b"four"]
        second = system_append(end(first), b"five")
        await journal.append([second])
        assert follow(await journal.read(SYSTEM), floor) == end(second) == await journal.head(SYSTEM)

    async def test_trimming_is_done_once_and_up_to_the_end(self, journal: Journal) -> None:
        first = system_append(Head(), b"one", b"two", b"three")
        await journal.append([first])
        assert [await journal.trim(SYSTEM, until=until) for until in (0, 2, 1, 2, 9, 9)] == [0, 2, 0, 0, 1, 0]
        assert await journal.read(SYSTEM) == []
        assert await journal.floor(SYSTEM) == await journal.head(SYSTEM) == end(first)
        assert await journal.trim(StreamId("sys:none"), until=9) == 0
        assert await journal.floor(StreamId("sys:none")) == Head()
        with pytest.raises(SequenceConflict):
            await journal.append([system_append(Head(), b"again")])
        await journal.append([system_append(end(first), b"four")])

    async def test_a_part_of_a_run_is_never_removed(self, journal: Journal) -> None:
        append = (await start(journal, summary_of(1, state="completed", wake_at=None)))[0]
        with pytest.raises(StoreCorrupt, match="ACC506"):
            await journal.trim(append.stream, until=1)
        assert len(await journal.read(append.stream)) == 1

    # -- snapshots and letters

    async def test_the_newest_snapshot_stays(self, journal: Journal) -> None:
        for sequence, data in ((5, b"five"), (9, b"nine"), (7, b"seven")):
            await journal.save_snapshot(Snapshot(SYSTEM, sequence, data))
        assert await journal.snapshot(SYSTEM) == Snapshot(SYSTEM, 9, b"nine")

    async def test_letters_in_the_order_of_posting(self, journal: Journal) -> None:
        posted = [letter_to(partition, name) for name, partition in (("z", 1), ("a", 2), ("m", 1), ("b", 3))]
        for letter in posted:
            await journal.post(letter)
        assert await journal.letters([1, 2]) == posted[:3]
        assert await journal.letters([1, 2], limit=1) == posted[:1]
        assert await journal.letters([]) == []

    async def test_a_letter_is_posted_once(self, journal: Journal) -> None:
        await journal.post(letter_to(1, "a"))
        await journal.post(letter_to(2, "a"))
        assert await journal.letters([1, 2]) == [letter_to(1, "a")]
        await journal.answer([Answer("a", b"done")])
        await journal.post(letter_to(1, "a"))
        assert await journal.letters([1, 2]) == []

    async def test_the_first_answer_counts(self, journal: Journal) -> None:
        await journal.post(letter_to(1, "a"))
        assert await journal.answered("a") is None
        await journal.answer([Answer("a", b"first"), Answer("unknown", b"")])
        await journal.answer([Answer("a", b"second")])
        assert await journal.answered("a") == Answer("a", b"first")
        assert await journal.answered("unknown") is None

    async def test_an_append_answers_a_letter_or_does_nothing(self, journal: Journal) -> None:
        await journal.post(letter_to(1, "a"))
        append = system_append(Head(), b"one")
        await journal.append([append])
        answering = Append(stream=SYSTEM, expected=Head(), records=append.records, answers=(Answer("a", b"\x00done"),))
        with pytest.raises(SequenceConflict):
            await journal.append([answering])
        assert await journal.answered("a") is None
        records = chained(SYSTEM, end(append), [b"two"])
        await journal.append([Append(stream=SYSTEM, expected=end(append), records=records, answers=answering.answers)])
        assert await journal.answered("a") == Answer("a", b"\x00done")
        again = system_append(end(append), b"two")
        third = chained(SYSTEM, end(again), [b"three"])
        await journal.append(
            [Append(stream=SYSTEM, expected=end(again), records=third, answers=(Answer("a", b"again"),))]
        )
        assert await journal.answered("a") == Answer("a", b"\x00done")

    async def test_retiring_removes_answered_letters(self, journal: Journal) -> None:
        await journal.post(letter_to(1, "a"))
        await journal.post(letter_to(1, "b"))
        await journal.answer([Answer("a", b"done")])
        await journal.retire(ended_before=NOON)
        assert await journal.answered("a") is not None
        await journal.retire(ended_before=NOON + TTL)
        assert await journal.answered("a") is None
        assert await journal.letters([1]) == [letter_to(1, "b")]

    # -- all together

    async def test_everything_at_once(self, journal: Journal) -> None:
        """Reads, writes and claims in parallel: no call fails but for the conflicts that it causes."""
        fence = await claimed(journal)

        async def life(number: int) -> None:
            append = run_append(fence, summary_of(number), Head(), b"started", b"assigned")
            await journal.append([append])
            await journal.save_snapshot(Snapshot(append.stream, 2, b"state"))
            await journal.post(letter_to(1, f"letter {number}"))
            ended = run_append(fence, summary_of(number, state="completed", wake_at=None), end(append), b"done")
            await journal.append([ended])
            assert follow(await journal.read(append.stream), Head()) == end(ended)
            await journal.answer([Answer(f"letter {number}", b"done")])

        outcomes = await asyncio.gather(*(life(number) for number in range(60)), return_exceptions=True)
        assert [outcome for outcome in outcomes if isinstance(outcome, AccordError | AssertionError)] == []
        assert len(await journal.runs(RunQuery(states=("completed",), limit=100))) == 60
        assert await journal.letters([1]) == []
