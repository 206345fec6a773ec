"""Following a run: everything is told once and in order, whoever carries it on, and whatever the feed loses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from accord.codec import chained, decode_event, encode_event
from accord.domain import event as e
from accord.domain.document import document_of
from accord.domain.ids import Digest, RunId, StreamId, partition_of
from accord.domain.news import Happened, Progressed
from accord.domain.run import begin, evolve
from accord.domain.state import Run
from accord.engine import feed as feed_module
from accord.engine import following
from accord.engine.feed import Feed
from accord.engine.following import followed
from accord.engine.parts import Parts
from accord.errors import NotFound, StoreCorrupt
from accord.ports import Fence, Head, Record
from accord.testing.graphs import graph_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunId("run_00000000000000000000abcdef")
GRAPH = graph_of({"nap": {"sleep": "1h"}})
EVENTS: list[e.Event] = [
    e.RunStarted(
        at=NOW, run=RUN, template="play@1.0.0", graph=Digest("0" * 64), input=document_of(b"1"), title="t", by="me"
    ),
    e.RunPaused(at=NOW, by="me"),
    e.RunResumed(at=NOW, by="me"),
    e.RunCancelling(at=NOW, by="me"),
    e.RunCancelled(at=NOW),
]


class Replayed:
    """The parts that following needs, of one run: a journal with its first `written` events, and a feed."""

    def __init__(self, written: int, *, ours: bool = True) -> None:
        self.ports = self.journal = self.ledger = self
        self.feed = Feed()
        self.written = written
        self.ours = ours
        self.epoch = 1
        self.reads: list[int] = []
        self.when_read: dict[int, Any] = {}
        """By number of the reading: what happens while it goes on."""
        self.all = list(chained(StreamId(RUN), Head(), map(encode_event, EVENTS)))
        self.states = [begin(GRAPH, cast("e.RunStarted", EVENTS[0]))]
        for event in EVENTS[1:]:
            self.states.append(evolve(self.states[-1], event))

    async def read(self, stream: StreamId, *, after: int = 0) -> list[Record]:
        self.reads.append(after)
        found = self.all[after : self.written] if stream == RUN else []
        act = self.when_read.get(len(self.reads))
        if act is not None:
            act()
        return found

    async def fold(self, records: Sequence[Record]) -> Run | None:
        return self.states[len(records) - 1] if records else None

    def fence(self, run: RunId) -> Fence | None:
        return Fence(partition_of(run), self.epoch) if self.ours else None

    def take_over(self) -> None:
        """Another process has ended the run, and is gone; now it is ours."""
        self.written, self.ours, self.epoch = 5, True, self.epoch + 1

    def happen(self, first: int, last: int, *, told: bool = True) -> None:
        """The events of these numbers are committed; without `told` the run was only read again."""
        self.written = max(self.written, last)
        events = tuple(map(decode_event, self.all[first - 1 : last])) if told else ()
        self.feed.publish(RUN, Happened(self.states[last - 1], last, events))


async def told(parts: Replayed, then: dict[int, Any] | None = None) -> list[int]:
    """The sequence numbers of what is told; `then` says what happens once a number is told."""
    numbers, events = [], []
    async for news in followed(cast("Parts", parts), RUN):
        assert isinstance(news, Happened)
        assert news.run == parts.states[news.sequence - 1]
        numbers.append(news.sequence)
        events.extend(news.events)
        for act in (then or {}).get(news.sequence, ()):
            act()
    assert events == EVENTS, "each once, in order"
    return numbers


async def test_nothing_is_told_twice_that_happens_while_the_journal_is_read() -> None:
    parts = Replayed(2)
    parts.when_read[1] = lambda: parts.happen(2, 3)
    assert await told(parts, {3: [lambda: parts.happen(4, 5)]}) == [2, 3, 5]


async def test_what_the_feed_has_left_out_is_read() -> None:
    parts = Replayed(1)
    assert await told(parts, {1: [lambda: parts.happen(3, 3)], 3: [lambda: parts.happen(5, 5, told=False)]}) == [
        1,
        3,
        5,
    ]
    assert parts.reads == [0, 1, 3]


async def test_a_run_of_another_process_is_read_from_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.001)
    parts = Replayed(1, ours=False)
    parts.when_read = {2: lambda: setattr(parts, "written", 3), 4: lambda: setattr(parts, "written", 5)}
    assert await told(parts) == [1, 3, 5]


async def test_a_run_that_was_taken_from_us_is_followed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(following, "ASK_EVERY_S", 0.001)
    parts = Replayed(1)
    lost = [lambda: setattr(parts, "ours", False), lambda: setattr(parts, "written", 5)]
    assert await told(parts, {1: lost}) == [1, 5]


async def test_what_happened_just_before_the_run_came_to_be_ours_is_told() -> None:
    """The other process has ended it, and nothing will ever happen here that the feed could tell."""
    parts = Replayed(1, ours=False)
    assert await told(parts, {1: [parts.take_over]}) == [1, 5]


async def test_what_happened_while_the_run_was_not_ours_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "ASK_EVERY_S", 0.001)
    parts = Replayed(1)
    assert await told(parts, {1: [parts.take_over]}) == [1, 5]


async def test_whoever_was_too_slow_finds_it_in_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "QUEUE_LIMIT", 1)
    parts = Replayed(1)
    flood = [lambda: parts.happen(2, 2), lambda: parts.happen(3, 3), lambda: parts.happen(4, 5)]
    assert await told(parts, {1: flood}) == [1, 5]


async def test_progress_is_handed_on() -> None:
    parts = Replayed(1)
    news = followed(cast("Parts", parts), RUN)
    await anext(news)
    progress = Progressed(RUN, GRAPH.order[0], 1, 0.5, "half")
    parts.feed.publish(RUN, progress)
    assert await asyncio.wait_for(anext(news), 60) == progress
    await news.aclose()  # type: ignore[attr-defined]  # it is an async generator


async def test_a_chain_that_does_not_hold_and_a_run_that_is_not_there_are_refused() -> None:
    parts = Replayed(3)
    parts.all[1] = Record(StreamId(RUN), 2, encode_event(EVENTS[2]), parts.all[1].digest)
    with pytest.raises(StoreCorrupt, match="ACC526"):
        await told(parts)
    with pytest.raises(NotFound, match="ACC409"):
        await anext(followed(cast("Parts", parts), RunId("run_x")))
