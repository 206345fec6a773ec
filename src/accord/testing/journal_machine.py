"""A journal against a simple model under random calls: subclass `JournalMachine`, say how the journal is opened."""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

import asyncio
from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from accord.codec import chained, follow
from accord.domain.ids import PARTITIONS, RunId, StreamId
from accord.errors import AccordError, Fenced, SequenceConflict
from accord.ports import Answer, Append, Fence, Head, Journal, Letter, Record, RunQuery, RunState, RunSummary
from accord.testing.journal_values import NOON, TTL, run_id, summary_of

RUNS = st.integers(1, 3)
STATES: tuple[RunState, ...] = ("running", "paused", "completed", "failed")
PARTITION_NUMBERS = st.integers(1, 3)


class Holding(msgspec.Struct):
    """Who has a partition."""

    epoch: int = 0
    owner: str | None = None
    until: int = 0


class Attempt(msgspec.Struct, frozen=True):
    """An append as Hypothesis draws it: what is right about it, and what is not."""

    run: int
    events: list[bytes]
    state: RunState
    stale_by: int
    """How many events the expected head lies before the true one."""
    epoch_off: int
    letter: int


ATTEMPTS = st.builds(
    Attempt,
    run=RUNS,
    events=st.lists(st.binary(max_size=4), min_size=1, max_size=3),
    state=st.sampled_from(STATES),
    stale_by=st.sampled_from([0, 0, 0, 0, 1, -1]),
    epoch_off=st.sampled_from([0, 0, 0, 0, -1, 1]),
    letter=st.integers(0, 3),
)


class JournalMachine(RuleBasedStateMachine):
    """Makes the same changes to a journal and to dictionaries, and compares all that can be read."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.now = 0
        self.streams: dict[StreamId, list[Record]] = {}
        self.heads: dict[StreamId, Head] = {}
        self.retired: set[StreamId] = set()
        self.runs: dict[RunId, RunSummary] = {}
        self.holdings = {number: Holding() for number in range(PARTITIONS)}
        self.letters: dict[str, Letter] = {}
        self.answers: dict[str, bytes] = {}
        self.enter()

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[Journal]:
        """The journal of this machine: the same one, with what was written, each time that it is called."""

    def enter(self) -> None:
        """Open the journal."""
        self.context = self.open()
        self.journal = self.runner.run(self.context.__aenter__())

    def leave(self) -> None:
        """Close it."""
        self.runner.run(self.context.__aexit__(None, None, None))

    def teardown(self) -> None:
        self.leave()
        self.runner.close()

    # -- what is done to both

    @initialize()
    def begin(self) -> None:
        self.claim("a", 3)

    @rule()
    def reopen(self) -> None:
        self.leave()
        self.enter()

    @rule(seconds=st.integers(1, 20))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(attempts=st.lists(ATTEMPTS, min_size=1, max_size=4))
    def append_at_once(self, attempts: list[Attempt]) -> None:
        """Calls that are made together; each is judged as if they had come one after the other."""
        appends = [self.drawn(attempt) for attempt in attempts]
        expected = [self.judge(append) for append in appends]

        async def together() -> list[BaseException | None]:
            calls = (self.journal.append([append]) for append in appends)
            return await asyncio.gather(*calls, return_exceptions=True)

        outcomes = self.runner.run(together())
        assert [type(outcome) if outcome else None for outcome in outcomes] == expected

    @rule(attempts=st.lists(ATTEMPTS, min_size=2, max_size=3, unique_by=lambda attempt: attempt.run))
    def append_in_one_call(self, attempts: list[Attempt]) -> None:
        appends = [self.drawn(attempt) for attempt in attempts]
        refusals = [refusal for append in appends if (refusal := self.refusal(append))]
        if refusals:
            with pytest.raises(refusals[0]):
                self.runner.run(self.journal.append(appends))
        else:
            self.runner.run(self.journal.append(appends))
            for append in appends:
                self.write(append)

    @rule(owner=st.sampled_from("ab"), partition=PARTITION_NUMBERS)
    def claim_one(self, owner: str, partition: int) -> None:
        self.claim(owner, partition)

    def claim(self, owner: str, partition: int) -> None:
        held = self.holdings[partition]
        fence = self.runner.run(self.journal.claim(owner, partition=partition, now=self.clock(), ttl=TTL))
        if held.owner not in (None, owner) and held.until > self.now:
            assert fence is None
        else:
            assert fence == self.take(partition, owner)

    @rule(owner=st.sampled_from("ab"))
    def claim_any(self, owner: str) -> None:
        fence = self.runner.run(self.journal.claim(owner, partition=None, now=self.clock(), ttl=TTL))
        assert fence is not None
        held = self.holdings[fence.partition]
        assert held.owner is None or held.until <= self.now
        assert fence == self.take(fence.partition, owner)

    @rule(partition=PARTITION_NUMBERS, epoch_off=st.sampled_from([0, 0, -1]), give_up=st.booleans())
    def renew_or_release(self, partition: int, epoch_off: int, give_up: bool) -> None:
        held = self.holdings[partition]
        fence = Fence(partition, held.epoch + epoch_off)
        ours = epoch_off == 0 and held.owner is not None
        if give_up:
            self.runner.run(self.journal.release([fence]))
            held.owner = None if ours else held.owner
            return
        assert self.runner.run(self.journal.renew([fence], now=self.clock(), ttl=TTL)) == ([fence] if ours else [])
        if ours:
            held.until = self.now + int(TTL.total_seconds())

    @rule(number=st.integers(0, 3), partition=PARTITION_NUMBERS)
    def post(self, number: int, partition: int) -> None:
        letter = Letter(id=f"letter {number}", partition=partition, data=b"{}", posted_at=self.clock())
        self.runner.run(self.journal.post(letter))
        self.letters.setdefault(letter.id, letter)

    @rule(number=st.integers(0, 3))
    def answer(self, number: int) -> None:
        answer = Answer(f"letter {number}", str(self.now).encode())
        self.runner.run(self.journal.answer([answer]))
        self.write_answer(answer)

    @rule(age=st.integers(0, 30), limit=st.integers(1, 3))
    def retire(self, age: int, limit: int) -> None:
        before = self.clock() - timedelta(seconds=age)
        ended = sorted(
            (summary.updated_at, summary.run)
            for summary in self.runs.values()
            if summary.state in ("completed", "failed") and summary.updated_at < before
        )[:limit]
        assert self.runner.run(self.journal.retire(ended_before=before, limit=limit)) == [run for _, run in ended]
        for _, run in ended:
            del self.runs[run]
            self.streams[StreamId(run)] = []
            self.retired.add(StreamId(run))
        for id_ in [id_ for id_ in self.answers if self.letters[id_].posted_at < before]:
            del self.letters[id_], self.answers[id_]

    # -- what must be so

    @invariant()
    def streams_are_the_same(self) -> None:
        for number in range(1, 4):
            stream = StreamId(run_id(number))
            records = self.runner.run(self.journal.read(stream))
            assert records == self.streams.get(stream, [])
            assert self.runner.run(self.journal.head(stream)) == self.heads.get(stream, Head())
            if records:
                assert follow(records, Head()) == self.heads[stream]

    @invariant()
    def runs_are_the_same(self) -> None:
        expected = [self.runs[run] for run in sorted(self.runs, reverse=True)]
        assert self.runner.run(self.journal.runs(RunQuery())) == expected
        due = sorted(
            (run for run in expected if run.wake_at is not None and run.wake_at <= self.clock()),
            key=lambda run: (run.wake_at, run.run),
        )
        assert self.runner.run(self.journal.overdue(self.clock(), partitions=range(PARTITIONS))) == due

    @invariant()
    def letters_are_the_same(self) -> None:
        waiting = [letter for letter in self.letters.values() if letter.id not in self.answers]
        assert self.runner.run(self.journal.letters(range(PARTITIONS))) == waiting
        for number in range(4):
            answer = self.runner.run(self.journal.answered(f"letter {number}"))
            assert (answer and answer.data) == self.answers.get(f"letter {number}")

    # -- the model

    def clock(self) -> datetime:
        """The model's time."""
        return NOON + timedelta(seconds=self.now)

    def drawn(self, attempt: Attempt) -> Append:
        """The append that an attempt stands for, as things are now."""
        run = run_id(attempt.run)
        stream = StreamId(run)
        ended = attempt.state in ("completed", "failed")
        summary = summary_of(
            attempt.run, state=attempt.state, wake_at=None if ended else self.clock(), updated_at=self.clock()
        )
        expected = self.expected(stream, attempt.stale_by)
        return Append(
            stream=stream,
            expected=expected,
            records=chained(stream, expected, attempt.events),
            fence=Fence(summary.partition, self.holdings[summary.partition].epoch + attempt.epoch_off),
            summary=summary,
            answers=(Answer(f"letter {attempt.letter}", b"by an append"),),
        )

    def expected(self, stream: StreamId, stale_by: int) -> Head:
        """The stream's head, or one that it had, or one that it never had."""
        head = self.heads.get(stream, Head())
        if stale_by == 0:
            return head
        if stale_by > 0 and head.sequence > 1 and stream not in self.retired:
            earlier = self.streams[stream][-2]
            return Head(earlier.sequence, earlier.digest)
        return Head(head.sequence + 1, head.digest)

    def refusal(self, append: Append) -> type[AccordError] | None:
        """Why the append must be refused."""
        fence = append.fence
        assert fence is not None
        if self.holdings[fence.partition].epoch != fence.epoch or fence.epoch == 0:
            return Fenced
        if append.expected != self.heads.get(append.stream, Head()) or append.stream in self.retired:
            return SequenceConflict
        return None

    def judge(self, append: Append) -> type[AccordError] | None:
        """The refusal; where there is none, the append is written."""
        refusal = self.refusal(append)
        if refusal is None:
            self.write(append)
        return refusal

    def write(self, append: Append) -> None:
        """What the append changes."""
        self.streams.setdefault(append.stream, []).extend(append.records)
        self.heads[append.stream] = Head(append.records[-1].sequence, append.records[-1].digest)
        assert append.summary is not None
        self.runs[append.summary.run] = append.summary
        for answer in append.answers:
            self.write_answer(answer)

    def write_answer(self, answer: Answer) -> None:
        """The first answer to a letter that was posted counts."""
        if answer.letter in self.letters:
            self.answers.setdefault(answer.letter, answer.data)

    def take(self, partition: int, owner: str) -> Fence:
        """The partition's next epoch begins."""
        held = self.holdings[partition]
        self.holdings[partition] = Holding(held.epoch + 1, owner, self.now + int(TTL.total_seconds()))
        return Fence(partition, held.epoch + 1)
