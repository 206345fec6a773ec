"""Dates and moments as people write them in English: `3 December 2026`, `24.12.2026`, `tomorrow`, `next Friday`,
`in two weeks`, `tomorrow at 3 pm`. What can be read in two ways is given in both.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Final

from accord.planner.zones import ZONE, zone_named

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_COUNTED: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_ANY_MONTH: Final = f"(?:{'|'.join(f'{name[:3]}(?:{name[3:]})?' for name in _MONTHS)}|sept)"
_MONTH: Final = f"(?P<month>{_ANY_MONTH})"
_DAY, _YEAR = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?", r"(?P<year>\d{4})"
_NAMED: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:the )?{_DAY}(?: of)? {_MONTH}\.?(?:,? {_YEAR})?",
        rf"{_MONTH}\.? (?:the )?{_DAY}(?:,? {_YEAR})?",
    )
)
_NUMERIC: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_ISO: Final = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_WEEKDAY: Final = re.compile(rf"(?:(next|this|coming) )?({'|'.join(_WEEKDAYS)})")
_MANY: Final = rf"(?:\d{{1,4}}|an?|{'|'.join(_COUNTED)})"
_SPANS: Final = r"(?:days?|weeks?|fortnights?|months?|years?)"
_LATER: Final = re.compile(rf"(?:in )?(?P<many>{_MANY}) (?P<unit>{_SPANS})(?P<from> from (?:now|today))?")
_SOON: Final = re.compile(rf"in ({_MANY}) (seconds?|minutes?|hours?)")
_NEAR: Final = {"today": 0, "tomorrow": 1, "day after tomorrow": 2, "the day after tomorrow": 2}
_CLOCK: Final = re.compile(
    r"(?:(?P<hour>\d{1,2})(?::(?P<minute>\d\d))? ?(?P<half>a|p)\.?m\.?(?!\w)|(?P<hours>\d{1,2}):(?P<minutes>\d\d)(?!\d)"
    r"|(?P<name>noon|midday|midnight))"
)
_UTC: Final = re.compile(r" ?(?:z|utc|gmt)$")
_ZONE: Final = re.compile(ZONE, re.IGNORECASE)
_AROUND: Final = re.compile(r"^(?:at|on|,|\s)+|(?:\b(?:at|on)|,|\s)+$")

WRITTEN: Final = (
    rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_ANY_MONTH}\b(?:\.?,? \d{{4}}\b)?"
    rf"|\b{_ANY_MONTH}\.? (?:the )?\d{{1,2}}(?:st|nd|rd|th)?\b(?:,? \d{{4}}\b)?"
    r"|\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b|\b\d{1,2}(?:-\d{1,2}-|/\d{1,2}/|\.\d{1,2}\.)\d{4}\b"
)
"""A date that is written out, wherever it stands."""

RELATIVE: Final = (
    rf"\b(?:the )?day after tomorrow\b|\btomorrow\b|\btoday\b|\b(?:(?:next|this|coming) )?(?:{'|'.join(_WEEKDAYS)})\b"
    rf"|\bin {_MANY} {_SPANS}\b|\b{_MANY} {_SPANS} from (?:now|today)\b"
)
"""A date that is told from the present, wherever it stands."""

TIME: Final = rf"\b(?:\d{{1,2}}(?::\d\d)? ?[ap]\.?m\b\.?|\d{{1,2}}:\d\d(?!\d)|noon|midday|midnight){ZONE}?"
"""A time of day with its time zone, wherever it stands."""

MOMENT: Final = (
    rf"(?:{WRITTEN}|{RELATIVE})(?:,? at|,)? (?:{TIME})"
    r"|\b\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?"
)
"""A date with a time of day, wherever it stands."""


def dates(text: str, now: datetime | None) -> tuple[date, ...]:
    """The dates that a text may be, the earliest first; none where it is no date, and one that needs the present where
    that is not known.
    """
    plain = re.sub(r"\s+", " ", text.strip().lower()).removeprefix("on ")
    today = now.date() if now is not None else None
    found = {one for read in _READERS for one in read(plain, today)}
    return tuple(sorted(found))


def moments(text: str, now: datetime | None) -> tuple[datetime, ...]:
    """The moments that a text may be, the earliest first: a date with a time of day, or `in two hours`. Where no time
    zone is said, it is UTC; none where the zone is not known.
    """
    written = re.sub(r"\s+", " ", text.strip())
    plain = written.lower()
    exact = _exact(written)
    soon = _SOON.fullmatch(plain)
    if exact is not None:
        return (exact,)
    if soon is not None and now is not None:
        return (now + _count(soon[1]) * timedelta(**{f"{soon[2].removesuffix('s')}s": 1}),)
    clock = _CLOCK.search(plain)
    of_day = clock_of(clock[0]) if clock is not None else None
    said = zone_said(written)
    zone = zone_named(said)
    if clock is None or of_day is None or zone is None:
        return ()
    rest = _AROUND.sub("", plain[: clock.start()]) + _AROUND.sub("", plain[clock.end() + len(said) :])
    days = dates(rest, now.astimezone(zone) if now is not None else None)
    return tuple(one for day in days for one in _in_zone(datetime.combine(day, of_day, zone)))


def zone_said(text: str) -> str:
    """The time zone behind a time of day, whether it is known or not; empty where none is said."""
    clock = _CLOCK.search(text.lower())
    found = _ZONE.match(text, clock.end()) if clock is not None else None
    return found[0] if found is not None else ""


def _in_zone(moment: datetime) -> Iterator[datetime]:
    """A time of day in its zone; two of them in the hours when clocks are changed."""
    later = moment.replace(fold=1)
    yield moment
    if later.utcoffset() != moment.utcoffset():
        yield later


def clock_of(text: str) -> time | None:
    """The time of day that a text is; None where it is none."""
    found = _CLOCK.fullmatch(_UTC.sub("", text.strip().lower().removeprefix("at ")))
    if found is None:
        return None
    if found["name"] is not None:
        return time(0 if found["name"] == "midnight" else 12)
    hour, minute = int(found["hour"] or found["hours"]), int(found["minute"] or found["minutes"] or 0)
    if found["half"] is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"] == "p" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _exact(text: str) -> datetime | None:
    """A moment as ISO 8601 has it, with its time zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _iso(plain: str, today: date | None) -> Iterator[date]:
    del today
    found = _ISO.fullmatch(plain)
    if found is not None:
        yield from _day(int(found[1]), int(found[2]), int(found[3]))


def _numeric(plain: str, today: date | None) -> Iterator[date]:
    """Day and month in either order, but for dots, which have the day first."""
    del today
    found = _NUMERIC.fullmatch(plain)
    if found is not None:
        one, other, year = int(found[1]), int(found[3]), int(found[4])
        yield from _day(year, other, one)
        if found[2] != ".":
            yield from _day(year, one, other)


def _named(plain: str, today: date | None) -> Iterator[date]:
    """With the month in words; without a year, the next one."""
    found = next((one for pattern in _NAMED if (one := pattern.fullmatch(plain)) is not None), None)
    if found is None:
        return
    month = next(at for at, name in enumerate(_MONTHS, 1) if name.startswith(found["month"][:3]))
    if found["year"] is not None:
        yield from _day(int(found["year"]), month, int(found["day"]))
    elif today is not None:
        days = (day for year in range(today.year, today.year + 9) for day in _day(year, month, int(found["day"])))
        yield from (day for day in [next((day for day in days if day >= today), None)] if day is not None)


def _near(plain: str, today: date | None) -> Iterator[date]:
    if today is not None and plain in _NEAR:
        yield today + timedelta(_NEAR[plain])


def _weekday(plain: str, today: date | None) -> Iterator[date]:
    """The nearest one; today's own name may be today, and `next` may mean that of next week."""
    found = _WEEKDAY.fullmatch(plain)
    if found is None or today is None:
        return
    ahead = (_WEEKDAYS.index(found[2]) - today.weekday()) % 7
    if found[1] == "next":
        yield today + timedelta(ahead or 7)
        yield today + timedelta(7 - today.weekday() + _WEEKDAYS.index(found[2]))
    else:
        yield today + timedelta(ahead)
        if ahead == 0 and found[1] != "this":
            yield today + timedelta(7)


def _later(plain: str, today: date | None) -> Iterator[date]:
    found = _LATER.fullmatch(plain)
    if found is None or today is None or plain.startswith("in ") == (found["from"] is not None):
        return
    many, unit = _count(found["many"]), found["unit"].removesuffix("s")
    days = {"day": 1, "week": 7, "fortnight": 14}.get(unit)
    if days is not None:
        yield today + timedelta(many * days)
    else:
        months = today.year * 12 + today.month - 1 + many * (12 if unit == "year" else 1)
        year, month = divmod(months, 12)
        if year <= date.max.year:
            yield date(year, month + 1, min(today.day, monthrange(year, month + 1)[1]))


_READERS: Final[tuple[Callable[[str, date | None], Iterator[date]], ...]] = (
    *(_iso, _numeric, _named, _near, _weekday, _later),
)


def _count(text: str) -> int:
    if text in ("a", "an"):
        return 1
    return int(text) if text.isdigit() else _COUNTED.index(text)


def _day(year: int, month: int, day: int) -> Iterator[date]:
    """The day, where there is one."""
    try:
        yield date(year, month, day)
    except ValueError:
        return
