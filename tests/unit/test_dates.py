"""Dates and moments, as they are said on Thursday, 26 November 2026, at noon."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accord.planner.dates import dates, moments

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-03", "2026-12-03"),
        ("3 December 2026", "2026-12-03"),
        ("the 3rd of December, 2026", "2026-12-03"),
        ("December 3, 2026", "2026-12-03"),
        ("Sept 3rd 2027", "2027-09-03"),
        ("3 Dec. 2026", "2026-12-03"),
        ("24.12.2026", "2026-12-24"),
        ("04.05.2026", "2026-05-04"),
        ("12/24/2026", "2026-12-24"),
        ("04/05/2026", "2026-04-05 2026-05-04"),
        ("05/05/2026", "2026-05-05"),
        ("3 December", "2026-12-03"),
        ("3 November", "2027-11-03"),
        ("29 February", "2028-02-29"),
        ("30 February 2026", ""),
        ("2026-13-01", ""),
        ("today", "2026-11-26"),
        ("on Friday", "2026-11-27"),
        ("Thursday", "2026-11-26 2026-12-03"),
        ("this Thursday", "2026-11-26"),
        ("next Friday", "2026-11-27 2026-12-04"),
        ("next Monday", "2026-11-30"),
        ("next Thursday", "2026-12-03"),
        ("the day after tomorrow", "2026-11-28"),
        ("in two weeks", "2026-12-10"),
        ("a fortnight from now", "2026-12-10"),
        ("in 3 months", "2027-02-26"),
        ("two weeks", ""),
        ("in two weeks from now", ""),
        ("next week", ""),
        ("may", ""),
        ("10", ""),
    ],
)
def test_a_date_is_read_in_each_way_that_it_may_be(text: str, expected: str) -> None:
    assert " ".join(one.isoformat() for one in dates(text, NOW)) == expected


@pytest.mark.parametrize("text", ["tomorrow", "Friday", "in two weeks", "3 December"])
def test_nothing_is_told_from_a_present_that_is_not_known(text: str) -> None:
    assert dates(text, None) == ()


def test_a_month_later_is_the_last_day_of_a_shorter_one() -> None:
    assert [one.isoformat() for one in dates("in 1 month", datetime(2027, 1, 31, tzinfo=UTC))] == ["2027-02-28"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tomorrow at 3 pm", "2026-11-27T15:00:00+00:00"),
        ("3 December 2026, 14:30 UTC", "2026-12-03T14:30:00+00:00"),
        ("noon on 24.12.2026", "2026-12-24T12:00:00+00:00"),
        ("2026-12-03T10:00:00+02:00", "2026-12-03T10:00:00+02:00"),
        ("in two hours", "2026-11-26T14:00:00+00:00"),
        ("04/05/2026 at 12 am", "2026-04-05T00:00:00+00:00 2026-05-04T00:00:00+00:00"),
        ("tomorrow", ""),
        ("at 3 pm", ""),
        ("tomorrow at 25:00", ""),
        ("tomorrow at 13 pm", ""),
    ],
)
def test_a_moment_is_a_day_with_a_time(text: str, expected: str) -> None:
    assert " ".join(one.isoformat() for one in moments(text, NOW)) == expected
