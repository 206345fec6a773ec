"""Forms: texts that a schema has a format for, as people write them: dates, times, durations, addresses, paths."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from accord.domain.schema import JsonSchema, compile_schema
from accord.domain.schema_path import types_of
from accord.planner.dates import clock_of, dates, moments, zone_said
from accord.planner.zones import zone_named

_PIECE = re.compile(r"(\d+(?:\.\d+)?) ?(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)(?![a-z])")
_BETWEEN = re.compile(r"(?:,? and |, | )")
_UNITS: Final = {"s": ("T", "S"), "m": ("T", "M"), "h": ("T", "H"), "d": ("", "D"), "w": ("", "W")}
_PATH = re.compile(r"(?:[./~]|[A-Za-z]:\\)\S*|\S+/\S*|\S+\.[A-Za-z]\w{0,4}|\.")
_PATH_FORMATS: Final = frozenset({"path", "file-path", "directory-path"})
_PATTERNS: Final = {
    "email": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "uri": re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE),
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE),
}


def is_free_text(schema: JsonSchema) -> bool:
    """Whether nearly any words could be meant: a text without a format that tells it apart, or anything."""
    if not isinstance(schema, dict):
        return True
    told = "enum" in schema or "const" in schema or "pattern" in schema or _format_of(schema) in _TOLD
    return not told and bool(types_of(schema) & {"string", "array", "object"})


class Unclear(Exception):
    """The words may be one of several; the message says which."""


def date_of(text: str, schema: JsonSchema, now: datetime | None) -> str | None:
    """`12 March 2027`, `24.12.2026` and `tomorrow` as `2027-03-12`; None where it is none. Raises Unclear."""
    return _one(text, (day.isoformat() for day in dates(text, now))) if _format_of(schema) == "date" else None


def moment_of(text: str, schema: JsonSchema, now: datetime | None) -> str | None:
    """`tomorrow at 3 pm` as `2026-11-27T15:00:00Z`; None where it is none. Raises Unclear."""
    if _format_of(schema) != "date-time":
        return None
    zone = zone_said(text).strip()
    if zone_named(zone) is None:
        raise Unclear(f"`{zone}` is no time zone, or more than one; say it as `+01:00` or `Europe/Berlin`")
    return _one(text, (one.isoformat().replace("+00:00", "Z") for one in moments(text, now)))


def _one(text: str, several: Iterable[str]) -> str | None:
    found = list(several)
    if len(found) > 1:
        raise Unclear(f"`{text}` may be {' or '.join(found)}")
    return found[0] if found else None


def time_of(text: str, schema: JsonSchema, now: datetime | None) -> str | None:
    """`7 pm` and `19:00` as a time of day where a pattern of the schema takes it, or its format is that."""
    del now
    found = clock_of(text)
    if found is None or not isinstance(schema, dict):
        return None
    if _format_of(schema) == "time":
        return _valid(f"{found:%H:%M:%S}Z", schema)
    return _valid(f"{found:%H:%M}", schema) if "pattern" in schema else None


def duration_of(text: str, schema: JsonSchema, now: datetime | None) -> str | None:
    """`90 minutes`, `1 hour and 30 minutes`: by ISO 8601 where the schema's format is that, or short (`1h30m`) where
    its pattern takes that.
    """
    del now
    if not isinstance(schema, dict) or ("pattern" not in schema and _format_of(schema) != "duration"):
        return None
    pieces = _pieces(text.strip().casefold())
    if not pieces:
        return None
    if _format_of(schema) == "duration":
        return _valid(_iso(pieces), schema)
    return _valid("".join(f"{number}{unit}" for number, unit in pieces), schema)


def pattern_of(text: str, schema: JsonSchema, now: datetime | None) -> str | None:
    """What is written as it has to be: an address, a path, or what a pattern of the schema takes."""
    del now
    if not isinstance(schema, dict) or "string" not in types_of(schema) or "enum" in schema:
        return None
    name = _format_of(schema)
    if name in _PATTERNS:
        return _valid(text, schema) if _PATTERNS[name].fullmatch(text) else None
    if name in _PATH_FORMATS:
        return _valid(text, schema) if _PATH.fullmatch(text) else None
    return _valid(text, schema) if "pattern" in schema and " " not in text else None


_FORMS: Final[tuple[Callable[[str, JsonSchema, datetime | None], str | None], ...]] = (
    *(date_of, moment_of, time_of, duration_of, pattern_of),
)


def form_of(text: str, schema: JsonSchema, now: datetime | None) -> str | None:
    """The value that a text stands for by the format or the pattern of a schema, None where it stands for none; `now`
    is the present, where that is known. Raises Unclear.
    """
    values = (form(text, schema, now) for form in _FORMS)
    return next((value for value in values if value is not None), None)


_TOLD: Final = frozenset({"date", "date-time", "time", "duration", *_PATH_FORMATS, *_PATTERNS})


def _format_of(schema: JsonSchema) -> str:
    return str(schema.get("format", "")) if isinstance(schema, dict) else ""


def _pieces(text: str) -> list[tuple[str, str]]:
    """Numbers and the first letters of their units, where the text is nothing else."""
    pieces: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None:
            return []
        pieces.append((found[1], found[2][0]))
        gap = _BETWEEN.match(text, found.end())
        at = gap.end() if gap is not None else found.end()
    return pieces


def _iso(pieces: list[tuple[str, str]]) -> str:
    days = "".join(f"{number}{_UNITS[unit][1]}" for number, unit in pieces if not _UNITS[unit][0])
    times = "".join(f"{number}{_UNITS[unit][1]}" for number, unit in pieces if _UNITS[unit][0])
    return f"P{days}{'T' + times if times else ''}"


def _valid(value: str, schema: JsonSchema) -> str | None:
    return value if not compile_schema(schema).violations(value) else None
