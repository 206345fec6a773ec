"""Texts that match a regular expression, for the simple ones that contracts are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import msgspec

_CLASSES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "t": "\t", "n": "\n", "r": "\r"}
_ALPHABET = "a0A b1B-_./@~!\u00e9"
_COUNTS = re.compile(r"\{(\d{1,4})(?:,(\d{0,4}))?\}")
_COUNT = re.compile(r"\{(\d{1,4})(?:(,)(\d{0,4}))?\}")


class _UnknownSyntaxError(Exception):
    """Part of an expression that the reader does not know; then there is no text."""


class _Reader(msgspec.Struct):
    """Where a reading stands; `extra` is how often each repetition goes beyond its least."""

    source: str
    extra: int
    at: int = 0

    def peek(self) -> str:
        return self.source[self.at : self.at + 1]

    def take(self) -> str:
        self.at += 1
        return self.source[self.at - 1]


def counts_in(pattern: str) -> tuple[int, ...]:
    """The numbers of repetitions that an expression names."""
    return tuple(int(number) for found in _COUNTS.findall(pattern) for number in found if number)


def texts_for(pattern: str, extras: Iterable[int] = (0, 1, 2)) -> tuple[str, ...]:
    """Texts that match, each repetition so much beyond its least; none where the reader knows a part not.

    Never trusted: who uses them checks them against the schema.
    """
    found = []
    for extra in extras:
        try:
            reader = _Reader(pattern, extra)
            text = _alternation(reader)
        except (_UnknownSyntaxError, IndexError):
            return ()
        if reader.at < len(pattern):
            return ()
        found.append(text)
    return tuple(dict.fromkeys(found))


def _alternation(reader: _Reader) -> str:
    branches = [_sequence(reader)]
    while reader.peek() == "|":
        reader.take()
        branches.append(_sequence(reader))
    return branches[min(reader.extra, len(branches) - 1)]


def _sequence(reader: _Reader) -> str:
    text = ""
    while reader.peek() not in ("", "|", ")"):
        atom = _atom(reader)
        text += atom * _repetitions(reader)
    return text


def _repetitions(reader: _Reader) -> int:
    sign = reader.peek()
    if sign in ("*", "?", "+") and sign:
        reader.take()
        least = 1 if sign == "+" else 0
        most = 1 if sign == "?" else least + reader.extra
        return min(least + reader.extra, most)
    counted = _COUNT.match(reader.source, reader.at)
    if counted is None:
        return 1
    reader.at = counted.end()
    few, comma, many = counted.groups()
    if not comma:
        return int(few)
    return min(int(few) + reader.extra, int(many)) if many else int(few) + reader.extra


def _atom(reader: _Reader) -> str:
    sign = reader.take()
    known: dict[str, Callable[[_Reader], str]] = {"(": _group, "[": _class, "\\": _escape}
    if sign in known:
        return known[sign](reader)
    if sign in "^$":
        return ""
    if sign in "*+?{":
        raise _UnknownSyntaxError(sign)
    return "a" if sign == "." else sign


def _group(reader: _Reader) -> str:
    if reader.source.startswith("?", reader.at):
        if not reader.source.startswith("?:", reader.at):
            raise _UnknownSyntaxError("?")
        reader.at += 2
    inner = _alternation(reader)
    if reader.take() != ")":
        raise _UnknownSyntaxError("(")
    return inner


def _escape(reader: _Reader) -> str:
    sign = reader.take()
    if sign in "bB":
        return ""
    if sign.isalnum() and sign not in _CLASSES:
        raise _UnknownSyntaxError(sign)
    return _CLASSES.get(sign, sign)


def _class(reader: _Reader) -> str:
    """The first letter of a class, or for a negated one the first of an alphabet that is not in it."""
    start = reader.at
    negated = reader.peek() == "^"
    if negated:
        reader.take()
    first = _escape(reader) if reader.peek() == "\\" and reader.take() else reader.take()
    while reader.peek() not in ("]", ""):
        if reader.take() == "\\":
            reader.take()
    reader.take()
    if not negated:
        return first
    excluded = re.compile(f"[{reader.source[start : reader.at - 1]}]")
    return next((letter for letter in _ALPHABET if excluded.match(letter)), "")
