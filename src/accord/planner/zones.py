"""Time zones as people write them behind a time of day: `UTC`, `+01:00`, `UTC+1`, `CET`, `Europe/Berlin`."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MINUTES: Final = {
    "WET": 0,
    "WEST": 60,
    "CET": 60,
    "CEST": 120,
    "EET": 120,
    "EEST": 180,
    "MSK": 180,
    "JST": 540,
    "KST": 540,
    "AWST": 480,
    "ACST": 570,
    "ACDT": 630,
    "AEST": 600,
    "AEDT": 660,
    "NZST": 720,
    "NZDT": 780,
    "HST": -600,
    "AKST": -540,
    "AKDT": -480,
    "PDT": -420,
    "MDT": -360,
    "EDT": -240,
}
"""Minutes from UTC of what is the name of one zone only: not `IST`, `CST`, `EST` or `BST`."""

ZONE: Final = (
    r"(?: ?(?:UTC|GMT) ?[+-]\d{1,2}(?::?\d\d)?(?!\d)| ?\+\d\d:\d\d(?!\d)| ?(?:Z|UTC|GMT)\b"
    r"| (?-i:[A-Z][A-Za-z_]+(?:/[A-Z][\w+-]*)+)| (?:local|my|our|your|his|her|their|(?-i:[A-Z][a-z]+)) time\b"
    r"| (?-i:[A-Z]{2,5})\b|(?-i: (?!\w+day\b|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[A-Z][a-z]+\b))"
)
"""A time zone behind a time of day, a city included; it need not be one that is known. `10:00-12:00` has none."""

_OFFSET: Final = re.compile(r"(?:UTC|GMT)? ?(?P<sign>[+-])(?P<hours>\d{1,2}):?(?P<minutes>\d\d)?", re.IGNORECASE)
_DAY: Final = 24 * 60


def zone_named(text: str) -> tzinfo | None:
    """The time zone of this name; None where it is none, or may be one of several."""
    plain = text.strip()
    offset = _OFFSET.fullmatch(plain)
    if plain.upper() in ("", "Z", "UTC", "GMT"):
        return UTC
    if offset is not None:
        minutes = int(offset["hours"]) * 60 + int(offset["minutes"] or 0)
        sign = -1 if offset["sign"] == "-" else 1
        return timezone(timedelta(minutes=sign * minutes)) if minutes < _DAY else None
    if plain in _MINUTES:
        return timezone(timedelta(minutes=_MINUTES[plain]))
    try:
        return ZoneInfo(plain) if "/" in plain else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
