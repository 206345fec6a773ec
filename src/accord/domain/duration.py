"""Durations and times as people write them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")


LONGEST = timedelta(days=36500)
"""A longer duration is none: adding it to a time could leave the calendar."""


def parse_duration(text: str) -> timedelta | None:
    """`500ms`, `10s`, `1h30m`, `2d`; None where the text is no duration, or one of more than a hundred years."""
    if not _WHOLE.fullmatch(text):
        return None
    seconds = sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(text))
    return timedelta(seconds=seconds) if seconds <= LONGEST.total_seconds() else None


def duration_words(seconds: float) -> str:
    """`240 ms`, `12.3 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`: the same as the console's `duration`."""
    if (thousandths := _rounded(seconds * 1000)) < 1000:
        return f"{max(thousandths, 0)} ms"
    if (tenths := _rounded(seconds * 10)) < 600:
        return f"{tenths / 10:.1f} s"
    whole = _rounded(seconds)
    if whole < 3600:
        return _two(whole, (60, "min"), (1, "s"))
    return _two(whole, (3600, "h"), (60, "min")) if whole < 86_400 else _two(whole, (86_400, "d"), (3600, "h"))


def _two(seconds: int, large: tuple[int, str], small: tuple[int, str]) -> str:
    rest = seconds % large[0] // small[0]
    return f"{seconds // large[0]} {large[1]}" + (f" {rest} {small[1]}" if rest else "")


def _rounded(number: float) -> int:
    """Halves are rounded up."""
    return math.floor(number + 0.5)


def parse_moment(text: str) -> datetime | None:
    """An RFC 3339 time with its offset, as UTC; None where the text is none."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
