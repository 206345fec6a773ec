"""Regular expressions of CEL (RE2) that say the same as patterns of JSON Schema (ECMA 262): those parts of RE2 that are
read the same way by everybody, once classes are written out. All others are not read, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

_MOST: Final = 100
"""Repetitions in each other are of so many at most: RE2 refuses large ones, and each is a state."""
_DEEPEST: Final = 20


class Letters(msgspec.Struct, frozen=True):
    """One letter of these ranges, ends included, or one of no such range."""

    ranges: tuple[tuple[int, int], ...]
    others: bool = False


class Joined(msgspec.Struct, frozen=True):
    """One after the other."""

    parts: tuple[Regex, ...]


class OneOf(msgspec.Struct, frozen=True):
    """One of these."""

    parts: tuple[Regex, ...]


class Repeated(msgspec.Struct, frozen=True):
    """So often one after the other; None where nothing says a most."""

    part: Regex
    least: int
    most: int | None


class Edge(msgspec.Struct, frozen=True):
    """The beginning of the text, or its end."""

    end: bool


Regex: TypeAlias = Letters | Joined | OneOf | Repeated | Edge

_DIGITS: Final = ((48, 57),)
_WORD: Final = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Final = ((9, 10), (12, 13), (32, 32))
_CLASSES: Final = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_CONTROLS: Final = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_REPEATED: Final = re.compile(r"\*|\+|\?|\{([0-9]{1,3})(,([0-9]{0,3}))?\}")
_META: Final = frozenset(r"\^$.[]|()?*+{}")


class _UnreadError(Exception):
    """A part is not read."""


@lru_cache(maxsize=1024)
def regex_of(pattern: str) -> Regex | None:
    """A pattern of `matches`; None where it is not read."""
    try:
        return _Reader(pattern).whole()
    except _UnreadError:
        return None


def schema_pattern(pattern: str) -> str | None:
    """The `pattern` of a schema that holds for just the texts that match; None where it is not known."""
    found = regex_of(pattern)
    return None if found is None else _written(found)


def quoted_pattern(text: str, before: str = "", after: str = "") -> str:
    """The `pattern` for texts that have this text in them, `before` and `after` which stand edges."""
    return before + "".join(_letter(ord(each)) for each in text) + after


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._text, self._at, self._deep = pattern, 0, 0

    def whole(self) -> Regex:
        found = self._alternatives()
        if self._at < len(self._text):
            raise _UnreadError
        return found

    def _alternatives(self) -> Regex:
        self._deep += 1
        if self._deep > _DEEPEST:
            raise _UnreadError
        parts = [self._sequence()]
        while self._takes("|"):
            parts.append(self._sequence())
        self._deep -= 1
        return parts[0] if len(parts) == 1 else OneOf(tuple(parts))

    def _sequence(self) -> Regex:
        parts: list[Regex] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else Joined(tuple(parts))

    def _repeated(self, part: Regex) -> Regex:
        found = _REPEATED.match(self._text, self._at)
        if found is None:
            return part
        self._at = found.end()
        self._takes("?")  # that it takes as little as it can changes no text that matches
        if isinstance(part, Edge) or _REPEATED.match(self._text, self._at) is not None:
            raise _UnreadError
        least, most = _times(found)
        again = Repeated(part, least, most)
        if _weight(again) > _MOST or (most is not None and most < least):
            raise _UnreadError
        return again

    def _atom(self) -> Regex:
        letter = self._next()
        match letter:
            case "^" | "$":
                return Edge(letter == "$")
            case ".":
                return Letters(((10, 10),), others=True)
            case "[":
                return self._class()
            case "(":
                return self._group()
            case "\\":
                return self._escaped()
        if letter in _META:
            raise _UnreadError
        return _one(letter)

    def _group(self) -> Regex:
        if self._takes("?") and not self._takes(":"):
            raise _UnreadError
        found = self._alternatives()
        if not self._takes(")"):
            raise _UnreadError
        return found

    def _escaped(self) -> Letters:
        letter = self._next()
        if letter.lower() in _CLASSES:
            return Letters(_CLASSES[letter.lower()], others=letter.isupper())
        if letter in _CONTROLS:
            return Letters(((_CONTROLS[letter],) * 2,))
        if letter.isascii() and letter.isprintable() and not letter.isalnum() and letter != " ":
            return _one(letter)
        raise _UnreadError

    def _class(self) -> Letters:
        others = self._takes("^")
        ranges: list[tuple[int, int]] = []
        while not self._takes("]"):
            first = self._member(is_first=not ranges)
            if self._text[self._at : self._at + 1] != "-" or self._text[self._at + 1 : self._at + 2] == "]":
                ranges.extend(first.ranges)
                continue
            self._at += 1
            last = self._member(is_first=False)
            ranges.append(_spanned(first, last))
        if not ranges:
            raise _UnreadError
        return Letters(tuple(sorted(ranges)), others)

    def _member(self, *, is_first: bool) -> Letters:
        letter = self._next()
        if letter == "\\":
            found = self._escaped()
            if found.others:
                raise _UnreadError
            return found
        if letter in "[]&~" or (letter == "-" and not (is_first or self._text[self._at : self._at + 1] == "]")):
            raise _UnreadError
        return _one(letter)

    def _next(self) -> str:
        if self._at == len(self._text):
            raise _UnreadError
        self._at += 1
        return self._text[self._at - 1]

    def _takes(self, letter: str) -> bool:
        found = self._text.startswith(letter, self._at)
        self._at += found
        return found


def _spanned(first: Letters, last: Letters) -> tuple[int, int]:
    """From one letter to another."""
    ((begin, same), *_), ((end, alike), *_) = first.ranges, last.ranges
    if len(first.ranges) + len(last.ranges) > 2 or begin != same or end != alike or begin > end:
        raise _UnreadError
    return begin, end


def _times(found: re.Match[str]) -> tuple[int, int | None]:
    if found[0] in ("*", "+", "?"):
        return (1 if found[0] == "+" else 0), (1 if found[0] == "?" else None)
    least = int(found[1])
    return least, least if found[2] is None else int(found[3]) if found[3] else None


def _weight(regex: Regex) -> int:
    """How often something in it is repeated at most, as far as that is counted."""
    match regex:
        case Joined(parts) | OneOf(parts):
            return max(map(_weight, parts), default=1)
        case Repeated(part, least, most):
            return max(least, most or 0, 1) * _weight(part)
    return 1


def _one(letter: str) -> Letters:
    if 0xD800 <= ord(letter) <= 0xDFFF:
        raise _UnreadError
    return Letters(((ord(letter),) * 2,))


def _written(regex: Regex) -> str:
    """As ECMA has it."""
    match regex:
        case Letters(((first, last),), False) if first == last:
            return _letter(first)
        case Letters(ranges, others):
            return f"[{'^' if others else ''}{''.join(_between(*each) for each in ranges)}]"
        case Joined(parts):
            return "".join(f"(?:{_written(each)})" if isinstance(each, OneOf) else _written(each) for each in parts)
        case OneOf(parts):
            return "|".join(_written(each) for each in parts)
        case Repeated(part, least, most):
            inner = _written(part) if isinstance(part, Letters) else f"(?:{_written(part)})"
            return f"{inner}{{{least},{'' if most is None else most}}}"
        case Edge(end):
            return "$" if end else "^"


def _between(first: int, last: int) -> str:
    return _letter(first) if first == last else f"{_letter(first)}-{_letter(last)}"


def _letter(code: int) -> str:
    letter = chr(code)
    if letter.isascii() and letter.isalnum():
        return letter
    if code in _CONTROLS.values():
        return "\\" + next(name for name, each in _CONTROLS.items() if each == code)
    if letter in _META or letter in "-/":
        return f"\\{letter}"
    return letter if code >= 32 else f"\\x{code:02x}"


def flattened(regex: Regex) -> Iterator[tuple[Regex, bool, bool]]:
    """The alternatives of a pattern, each without the edges around it, and whether it has them: at its beginning, and
    at its end. Raises ValueError where an edge stands elsewhere.
    """
    for each in regex.parts if isinstance(regex, OneOf) else (regex,):
        parts = list(each.parts) if isinstance(each, Joined) else [each]
        begins = bool(parts) and parts[0] == Edge(end=False)
        parts = parts[begins:]
        ends = bool(parts) and parts[-1] == Edge(end=True)
        parts = parts[: len(parts) - ends]
        if any(_has_edge(part) for part in parts):
            raise ValueError("an edge inside")
        yield Joined(tuple(parts)), begins, ends


def _has_edge(regex: Regex) -> bool:
    match regex:
        case Joined(parts) | OneOf(parts):
            return any(map(_has_edge, parts))
        case Repeated(part):
            return _has_edge(part)
    return isinstance(regex, Edge)
