"""The live feed: who hears what."""

from datetime import UTC, datetime

import pytest

from accord.domain import event as e
from accord.domain.document import document_of
from accord.domain.ids import Digest, RunId, TaskId
from accord.domain.news import Happened, News, Progressed
from accord.domain.run import begin
from accord.domain.state import Run
from accord.engine.feed import Feed
from accord.testing.graphs import graph_of

ONE, OTHER = RunId("run_one"), RunId("run_other")


def progress(run: RunId, fraction: float) -> Progressed:
    return Progressed(run, TaskId("work"), 1, fraction, "")


def is_over(news: News) -> bool:
    return isinstance(news, Progressed) and news.fraction == 1


async def test_a_watcher_hears_of_its_run_in_order() -> None:
    feed = Feed()
    with feed.subscribe(ONE) as mine, feed.subscribe() as everything:
        told = [progress(ONE, 0.5), progress(OTHER, 0.5), progress(ONE, 1)]
        for news in told:
            feed.publish(news.run, news)
        assert [await mine.take() for _ in range(2)] == [told[0], told[2]]
        assert [await everything.take() for _ in range(3)] == told
        assert not mine.waiting


async def test_a_watcher_is_not_woken_for_what_it_does_not_want() -> None:
    feed = Feed()
    with feed.subscribe(ONE, is_over) as news:
        feed.publish(ONE, progress(ONE, 0.5))
        assert not news.waiting
        feed.publish(ONE, progress(ONE, 1))
        assert news.waiting
        assert await news.take() == progress(ONE, 1)


def begun() -> Run:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    started = e.RunStarted(
        at=at, run=ONE, template="play@1.0.0", graph=Digest("0" * 64), input=document_of(b"1"), title="t", by="me"
    )
    return begin(graph_of({"work": {"sleep": "1h"}}), started)


async def heard(feed: Feed) -> list[News | None]:
    with feed.subscribe(ONE) as news:
        return [await news.take() for _ in range(2) if news.waiting]


@pytest.mark.parametrize(
    ("event", "still"),
    [
        (e.AttemptAccepted(at=datetime(2026, 1, 1, tzinfo=UTC), task=TaskId("work"), attempt=1), True),
        (e.AttemptCancelled(at=datetime(2026, 1, 1, tzinfo=UTC), task=TaskId("work"), attempt=1, reason=""), False),
        (e.AttemptCancelled(at=datetime(2026, 1, 1, tzinfo=UTC), task=TaskId("rest"), attempt=1, reason=""), True),
    ],
)
async def test_who_comes_late_hears_how_far_those_are_that_are_at_work(event: e.Event, still: bool) -> None:
    feed, said = Feed(), [progress(ONE, 0.25), progress(ONE, 0.5)]
    for news in (*said, progress(OTHER, 0.75)):
        feed.publish(news.run, news)
    assert await heard(feed) == said[1:]
    feed.publish(ONE, Happened(begun(), 2, (event,)))
    assert await heard(feed) == (said[1:] if still else [])
