"""Log records as JSON lines: one object each, with the event's name from the table, and ids where they are known."""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from accord.telemetry.logs import BY_TEXT, LogEvent

IDS: Final = ("run", "task", "attempt", "agent")
"""Extra members of records that are told."""

TEXT_MAX_CHARACTERS: Final = 2000
"""Of what stands in a record, the beginning is told."""

UNNAMED: Final = "log"
"""The event of records that are not Accord's own."""


def event_of(record: logging.LogRecord) -> LogEvent | None:
    """The event of a record of Accord's own."""
    return BY_TEXT.get((record.name, record.msg)) if isinstance(record.msg, str) else None


def members_of(record: logging.LogRecord) -> dict[str, Any]:
    """What stands in the record, by name: fields of its event, ids, trace and span, and what was raised."""
    event = event_of(record)
    said: dict[str, Any] = {}
    if event is not None and isinstance(record.args, tuple):
        said.update({name: _plain(value) for name, value in zip(event.fields, record.args, strict=False)})
    said.update({name: _plain(value) for name in IDS if (value := getattr(record, name, None)) is not None})
    _, _, trace = str(getattr(record, "traceparent", "")).partition("-")
    if trace:
        said["trace_id"], said["span_id"] = trace.split("-")[:2]
    if record.exc_info and record.exc_info[1] is not None:
        # What an exception says may hold what an agent was given: its kind and its place do not.
        said["exception"] = record.exc_info[1].__class__.__qualname__
        said["stack"] = "".join(traceback.format_tb(record.exc_info[1].__traceback__))
    return said


def name_of(record: logging.LogRecord) -> str:
    """The name of the record's event."""
    event = event_of(record)
    return UNNAMED if event is None else event.name


class JsonLines(logging.Formatter):
    """Formats records so."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": name_of(record),
            "logger": record.name,
            "message": _text(record.getMessage()),
            **members_of(record),
        }
        return orjson.dumps(line).decode()


def _plain(value: object) -> str | int | float | bool:
    """A value as JSON has it; an error, a digest or an address is told in its own words."""
    return value if isinstance(value, int | float | bool) else _text(str(value))


def _text(text: str) -> str:
    """The beginning of a text, with what is no character written out."""
    return text[:TEXT_MAX_CHARACTERS].encode("utf-8", "backslashreplace").decode()
