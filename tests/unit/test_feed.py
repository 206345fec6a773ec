"""The live feed: who hears what."""

from accord.domain.ids import RunId, TaskId
from accord.domain.news import News, Progressed
from accord.engine.feed import Feed

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
