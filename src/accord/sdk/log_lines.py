"""Lines of a log, made of whatever code logs."""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from accord.domain.log import LINE_MAX_BYTES, MESSAGE_MAX_CHARACTERS, Level, LogLine

DEPTH_MAX: Final = 8
INTEGER_MAX: Final = (1 << 63) - 1


def line_of(level: int, message: str, fields: Mapping[str, Any], at: datetime) -> LogLine:
    """A line of this level, as `logging` numbers them; what is too long is cut, what is no JSON is written as text."""
    text = _text(message)
    if len(text) > MESSAGE_MAX_CHARACTERS:
        text = text[: MESSAGE_MAX_CHARACTERS - 1] + "…"
    plain = {_text(str(name)): _plain(value, 1) for name, value in fields.items()}
    line = LogLine(at=at, level=level_of(level), message=text, fields=plain)
    if len(msgspec.json.encode(line)) > LINE_MAX_BYTES:
        line = msgspec.structs.replace(line, fields={"cut": sorted(plain)[:16]} if plain else {})
    while len(msgspec.json.encode(line)) > LINE_MAX_BYTES:
        line = msgspec.structs.replace(line, message=line.message[: len(line.message) // 2] + "…", fields={})
    return line


def level_of(number: int) -> Level:
    """The level of a number of `logging`."""
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"


def _plain(value: Any, depth: int) -> Any:
    """The value as JSON that everybody reads alike."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -INTEGER_MAX <= value <= INTEGER_MAX else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth < DEPTH_MAX and isinstance(value, Mapping):
        return {_text(str(name)): _plain(one, depth + 1) for name, one in value.items()}
    if depth < DEPTH_MAX and isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one, depth + 1) for one in value]
    return _text(value if isinstance(value, str) else str(value))


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def raised(exc_info: Any) -> dict[str, str]:
    """The exception that a record is about, as a field; the end of it, where it is long."""
    if not exc_info or exc_info is True or exc_info[0] is None:
        return {}
    return {"exception": "".join(traceback.format_exception(*exc_info)).rstrip()[-LINE_MAX_BYTES // 4 :]}
