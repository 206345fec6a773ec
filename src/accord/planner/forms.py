"""Forms: texts that a schema has a format for, as people write them: dates, times, durations, addresses, paths."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Final

from accord.domain.schema import JsonSchema, compile_schema
from accord.domain.schema_path import types_of

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTH = f"(?P<month>{'|'.join(f'{name[:3]}(?:{name[3:]})?' for name in _MONTHS)})"
_DAY, _YEAR = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?", r"(?P<year>\d{4})"
_DATES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<year>\d{4})[-/.](?P<number>\d{1,2})[-/.](?P<day>\d{1,2})",
        rf"{_DAY}(?: of)? {_MONTH}\.?,? {_YEAR}",
        rf"{_MONTH}\.? {_DAY},? {_YEAR}",
    )
)
_CLOCK = re.compile(r"(?:at )?(\d{1,2})(?::(\d{2}))? ?(am|pm)?", re.IGNORECASE)
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


def date_of(text: str, schema: JsonSchema) -> str | None:
    """`12 March 2027`, `March 12, 2027` and `2027-03-12` as the last; None where it is none. Without its year, a date
    would be a guess.
    """
    if _format_of(schema) != "date":
        return None
    for pattern in _DATES:
        found = pattern.fullmatch(text.strip())
        if found is None:
            continue
        parts = found.groupdict()
        month = int(parts["number"]) if "number" in parts else _month_of(parts["month"])
        try:
            return date(int(parts["year"]), month, int(parts["day"])).isoformat()
        except ValueError:
            return None
    return None


def time_of(text: str, schema: JsonSchema) -> str | None:
    """`7 pm` and `19:00` as a time of day where a pattern of the schema takes it."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None or not isinstance(schema, dict) or "pattern" not in schema or not (found[2] or found[3]):
        return None
    half = (found[3] or "").casefold()
    hour = int(found[1]) % 12 + (12 if half == "pm" else 0) if half else int(found[1])
    return _valid(f"{hour:02}:{found[2] or '00'}", schema)


def duration_of(text: str, schema: JsonSchema) -> str | None:
    """`90 minutes`, `1 hour and 30 minutes`: by ISO 8601 where the schema's format is that, or short (`1h30m`) where
    its pattern takes that.
    """
    if not isinstance(schema, dict) or ("pattern" not in schema and _format_of(schema) != "duration"):
        return None
    pieces = _pieces(text.strip().casefold())
    if not pieces:
        return None
    if _format_of(schema) == "duration":
        return _valid(_iso(pieces), schema)
    return _valid("".join(f"{number}{unit}" for number, unit in pieces), schema)


def pattern_of(text: str, schema: JsonSchema) -> str | None:
    """What is written as it has to be: an address, a path, or what a pattern of the schema takes."""
    if not isinstance(schema, dict) or "string" not in types_of(schema) or "enum" in schema:
        return None
    name = _format_of(schema)
    if name in _PATTERNS:
        return _valid(text, schema) if _PATTERNS[name].fullmatch(text) else None
    if name in _PATH_FORMATS:
        return _valid(text, schema) if _PATH.fullmatch(text) else None
    return _valid(text, schema) if "pattern" in schema and " " not in text else None


FORMS: Final[tuple[Callable[[str, JsonSchema], str | None], ...]] = (date_of, time_of, duration_of, pattern_of)
"""Each gives the value that a text stands for by a schema, None where it stands for none."""

_TOLD: Final = frozenset({"date", "date-time", "time", "duration", *_PATH_FORMATS, *_PATTERNS})


def _format_of(schema: JsonSchema) -> str:
    return str(schema.get("format", "")) if isinstance(schema, dict) else ""


def _month_of(name: str) -> int:
    return next(number for number, month in enumerate(_MONTHS, 1) if month.startswith(name[:3].casefold()))


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
