"""Readings: the one value that a scalar of the wrong type or spelling stands for, where there is only one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from decimal import Decimal

import msgspec
import orjson

from accord.domain.message import strict_json
from accord.errors import MessageRefused

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_MOST_DIGITS = 400
_EXACT = 1 << 63
_BOOLEANS = {"true": True, "false": False}


class Reading(msgspec.Struct, frozen=True):
    """What a value stands for, and by which rule."""

    value: object
    rule: str


def retyped(value: object, types: Collection[str]) -> Reading | None:
    """A scalar as one of the JSON types that are wanted: numbers and booleans from their text, text from a number.

    A number only becomes text where nothing but text is wanted; 0 and 1 are never booleans.
    """
    if isinstance(value, str):
        return _from_text(value.strip(), types)
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and {"string"} <= set(types) <= {"string", "null"}
    ):
        return Reading(orjson.dumps(value).decode(), "text-from-number")
    return None


def _from_text(text: str, types: Collection[str]) -> Reading | None:
    if "boolean" in types and text.lower() in _BOOLEANS:
        return Reading(_BOOLEANS[text.lower()], "boolean-from-text")
    if not {"integer", "number"} & set(types) or len(text) > _MOST_DIGITS or _NUMBER.fullmatch(text) is None:
        return None
    number = Decimal(text)
    if "." not in text and "e" not in text.lower():
        return _number(int(text))
    if "number" in types:
        return _number(float(text))
    return _number(int(number)) if abs(number) < _EXACT and number == int(number) else None


def _number(value: float) -> Reading | None:
    """The number, where it is one that every reader of JSON understands."""
    try:
        strict_json(str(value).encode())
    except MessageRefused:
        return None
    return Reading(value, "number-from-text")


def chosen(value: object, options: Sequence[object]) -> Reading | None:
    """The only option that a value can mean: the same but for case, spaces, hyphens and underscores, or its text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = value.strip() if isinstance(value, str) else orjson.dumps(value).decode()
    for spelling in (_plain, _folded):
        wanted = spelling(text)
        found = [one for one in options if wanted and spelling(_text(one)) == wanted]
        if found:
            return Reading(found[0], "matched-option") if len(found) == 1 else None
    return None


def _text(option: object) -> str:
    return option if isinstance(option, str) else orjson.dumps(option).decode()


def _plain(text: str) -> str:
    return text


def _folded(text: str) -> str:
    return re.sub(r"[\s_-]+", "", text).casefold()


def respelt(text: str, format_name: str | None) -> Iterator[Reading]:
    """Other spellings of a text that mean the same: without spaces around it; dates, times and ids as formats ask."""
    trimmed = text.strip()
    if trimmed != text:
        yield Reading(trimmed, "trimmed")
    spelling = {"date": _date, "date-time": _date_time, "uuid": _uuid}.get(format_name or "")
    found = spelling(trimmed) if spelling else None
    if found is not None:
        yield Reading(found, f"respelt-{format_name}")


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<month>[A-Za-z]{3,9})\.?"
_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DATES = tuple(
    re.compile(form + r"(?:[Tt ]00:00(?::00(?:\.0+)?)?(?:[Zz]|\+00:00)?)?", re.ASCII)
    for form in (
        r"(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[ -]{_MONTH}[ -](?P<year>\d{{4}})",
        rf"{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}})",
    )
)
_DAY_OR_MONTH = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})", re.ASCII)
_DATE_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<time>\d\d:\d\d:\d\d(?:\.\d+)?) ?"
    r"(?:(?P<utc>[Zz]|UTC|GMT)|(?P<hours>[+-]\d\d):?(?P<minutes>\d\d))",
    re.ASCII,
)
_UUID = re.compile(r"(?:urn:uuid:)?\{?([0-9a-fA-F]{8})-?([0-9a-fA-F]{4})-?(\w{4})-?(\w{4})-?(\w{12})\}?", re.ASCII)


def _date(text: str) -> str | None:
    """The date in ISO 8601; none where day and month could be either way."""
    for form in _DATES:
        found = form.fullmatch(text)
        if found is not None:
            return _iso(found["year"], _month(found["month"]), int(found["day"]))
    either = _DAY_OR_MONTH.fullmatch(text)
    if either is None:
        return None
    readings = {_iso(either[4], int(either[1]), int(either[3])), _iso(either[4], int(either[3]), int(either[1]))}
    readings.discard(None)
    return readings.pop() if len(readings) == 1 else None


def _month(text: str) -> int:
    """The number of a month, 0 where it is none."""
    if text.isdigit():
        return int(text)
    name = text.lower()
    if name not in _NAMES and name not in (*_MONTHS, "sept"):
        return 0
    return _MONTHS.index(name[:3]) + 1


def _iso(year: str, month: int, day: int) -> str | None:
    try:
        return date(int(year), month, day).isoformat()
    except ValueError:
        return None


def _date_time(text: str) -> str | None:
    """The time as RFC 3339 writes it; none without an offset from UTC, which nobody can know."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return None
    offset = "Z" if found["utc"] else f"{found['hours']}:{found['minutes']}"
    return f"{found['date']}T{found['time']}{offset}"


def _uuid(text: str) -> str | None:
    found = _UUID.fullmatch(text)
    return "-".join(found.groups()) if found else None
