"""Durations and times as people write them."""

from __future__ import annotations

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


def parse_moment(text: str) -> datetime | None:
    """An RFC 3339 time with its offset, as UTC; None where the text is none."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
