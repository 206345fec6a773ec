"""What a program writes to its standard error, as lines of a log.

A line that is a JSON object with a `message` (or `msg`) is read as one: its `level`, its `time`, all else as fields.
Every other line is a message of level `info`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from accord.domain.log import LINE_MAX_BYTES
from accord.sdk.context import Link
from accord.sdk.log_lines import line_of

_LEVELS: Final[Mapping[str, int]] = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "err": logging.ERROR,
    "critical": logging.ERROR,
    "fatal": logging.ERROR,
    "panic": logging.ERROR,
}
_TIMES: Final = ("time", "at", "timestamp", "ts")

Whose = Callable[[Mapping[str, Any]], Link | None]
"""The link of the attempt whose line it is; of a line that is no JSON, nothing is known."""


class Written:
    """Takes bytes as they come, and says each line once it is whole; the rest of one that is too long is left out."""

    def __init__(self, whose: Whose) -> None:
        self._whose = whose
        self._rest = b""
        self._is_over = False

    def feed(self, chunk: bytes) -> None:
        """Take what has come."""
        *whole, rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            if not self._is_over:
                self._say(line)
            self._is_over = False
        self._rest = rest
        if len(rest) > LINE_MAX_BYTES and not self._is_over:
            self._say(rest)
            self._is_over = True
        if self._is_over:
            self._rest = b""

    def close(self) -> None:
        """Nothing more comes."""
        if not self._is_over:
            self._say(self._rest)
        self._rest = b""

    def _say(self, data: bytes) -> None:
        text = data[:LINE_MAX_BYTES].decode("utf-8", "replace").strip()
        if not text:
            return
        said = _object(text)
        link = self._whose(said)
        if link is None or link.say is None:
            return
        fields = dict(said)
        message = fields.pop("message", None) or fields.pop("msg", None)
        if not isinstance(message, str):
            link.say(line_of(logging.INFO, text, {}, datetime.now(UTC)))
            return
        level = _LEVELS.get(str(fields.pop("level", "info")).lower(), logging.INFO)
        link.say(line_of(level, message, fields, _moment(fields)))


def _object(text: str) -> dict[str, Any]:
    if not text.startswith("{"):
        return {}
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _moment(fields: dict[str, Any]) -> datetime:
    """When the program says that it was, where that is an RFC 3339 time; it is no field then. Else now."""
    for name in _TIMES:
        try:
            moment = msgspec.convert(fields.get(name), datetime)
        except msgspec.ValidationError:
            continue
        if moment.tzinfo is not None:
            del fields[name]
            return moment
    return datetime.now(UTC)
