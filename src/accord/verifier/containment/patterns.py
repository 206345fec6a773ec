"""Regular expressions of ECMA 262 as languages: the texts in which an expression is found somewhere.

Read is what is regular: alternatives, sequences, classes, repetitions, groups, anchors anywhere, and looking ahead
right after a leading `^`. What is not read (back references, other looking around, `\\b`, `\\p`) is refused, never
guessed.

Engines disagree about two classes: in ECMA `.` stands for no line terminator and `\\s` has U+FEFF, in engines like
Rust's `.` is all but U+000A and `\\s` has U+0085. `engine` says which is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

import msgspec

from accord.verifier.containment.languages import (
    LETTERS,
    Automaton,
    Language,
    TooManyStatesError,
    complement,
    explored,
    intersection,
    letter_of,
    minimal,
)

MAX_PARTS = 4000
"""Of the automaton that an expression is read into first."""

CACHED = 2048
_MAX_NESTED = 60

Letters: TypeAlias = tuple[tuple[int, int], ...]
"""Ranges of letters, in order, apart from each other, ends excluded."""


class Engine(Enum):
    """Whose classes are meant."""

    ECMA = "ecma"
    RUST = "rust"


class UnreadPatternError(Exception):
    """An expression has parts that are not regular, or not read."""


class _Set(msgspec.Struct, frozen=True):
    letters: Letters


class _Sequence(msgspec.Struct, frozen=True):
    parts: tuple[_Part, ...]


class _Choice(msgspec.Struct, frozen=True):
    parts: tuple[_Part, ...]


class _Repeated(msgspec.Struct, frozen=True):
    part: _Part
    least: int
    most: int | None


class _Anchor(msgspec.Struct, frozen=True):
    at_end: bool


_Part: TypeAlias = _Set | _Sequence | _Choice | _Repeated | _Anchor

_DIGITS: Letters = ((0x30, 0x3A),)
_WORD: Letters = ((0x30, 0x3A), (0x41, 0x5B), (0x5F, 0x60), (0x61, 0x7B))
_SPACE: Letters = (
    *((0x9, 0xE), (0x20, 0x21), (0xA0, 0xA1), (0x1680, 0x1681)),
    *((0x2000, 0x200B), (0x2028, 0x202A), (0x202F, 0x2030), (0x205F, 0x2060), (0x3000, 0x3001)),
)
_ECMA_SPACE = letter_of("\ufeff")
_CONTROLS = {"t": 0x9, "n": 0xA, "v": 0xB, "f": 0xC, "r": 0xD, "0": 0x0}
_LINES: dict[Engine, Letters] = {
    Engine.ECMA: ((0xA, 0xB), (0xD, 0xE), (0x2028, 0x202A)),
    Engine.RUST: ((0xA, 0xB),),
}


@lru_cache(maxsize=CACHED)
def language_of(pattern: str, engine: Engine = Engine.ECMA) -> Language:
    """The texts in which the expression is found.

    Raises:
        UnreadPatternError: it is no regular expression, has parts that are not read, or is too large.
    """
    try:
        reader = _Reader(pattern, engine)
        language: Language = _found(reader.alternatives(0))
        reader.end()
        for ahead, wanted in reader.ahead:
            looked = _found(_Sequence((_Anchor(at_end=False), ahead)))
            language = intersection(language, looked if wanted else complement(looked))
    except TooManyStatesError:
        raise UnreadPatternError(pattern) from None
    return language


def depends_on_engine(pattern: str) -> bool:
    """Whether engines may read the expression differently."""
    return "." in pattern or "\\s" in pattern or "\\S" in pattern


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, source: str, engine: Engine) -> None:
        self.source, self._engine, self._at = source, engine, 0
        self.ahead: list[tuple[_Part, bool]] = []
        """What a leading `^` is followed by, and whether it has to be."""
        space = (0x85, 0x86) if engine is Engine.RUST else (_ECMA_SPACE, _ECMA_SPACE + 1)
        self._classes = {"d": _DIGITS, "w": _WORD, "s": merged((*_SPACE, space))}

    def end(self) -> None:
        """Refuse what is left, and looking ahead that holds for one of several alternatives only."""
        if self._at < len(self.source) or (self.ahead and self._has_choice()):
            raise UnreadPatternError(self.source)

    def alternatives(self, depth: int) -> _Part:
        if depth > _MAX_NESTED:
            raise UnreadPatternError(self.source)
        parts = [self._sequence(depth)]
        while self._peek() == "|":
            self._take()
            parts.append(self._sequence(depth))
        if depth == 0:
            self._choices = len(parts)
        return parts[0] if len(parts) == 1 else _Choice(tuple(parts))

    def _has_choice(self) -> bool:
        return self._choices > 1

    def _peek(self) -> str:
        return self.source[self._at : self._at + 1]

    def _take(self) -> str:
        if self._at >= len(self.source):
            raise UnreadPatternError(self.source)
        self._at += 1
        return self.source[self._at - 1]

    def _sequence(self, depth: int) -> _Part:
        parts: list[_Part] = []
        while self._peek() not in ("", "|", ")"):
            if depth == 0 and self.source.startswith(("(?=", "(?!"), self._at) and parts == [_Anchor(at_end=False)]:
                self._look_ahead()
                continue
            parts.append(self._repeated(self._atom(depth)))
        return _Sequence(tuple(parts))

    def _look_ahead(self) -> None:
        self._at += 2
        wanted = self._take() == "="
        part = self.alternatives(1)
        if self._take() != ")":
            raise UnreadPatternError(self.source)
        self.ahead.append((part, wanted))

    def _atom(self, depth: int) -> _Part:
        sign = self._take()
        match sign:
            case "(":
                return self._group(depth)
            case "[":
                return _Set(self._class())
            case "\\":
                return _Set(self._escape(in_class=False))
            case ".":
                return _Set(inverted(_LINES[self._engine]))
            case "^" | "$":
                return _Anchor(at_end=sign == "$")
            case "*" | "+" | "?" | "{" | "}" | "]":
                raise UnreadPatternError(self.source)
        return _Set(_one(letter_of(sign)))

    def _group(self, depth: int) -> _Part:
        if self._peek() == "?":
            self._take()
            sign = self._take()
            if sign == "<" and self._peek() not in ("=", "!"):
                while self._take() != ">":
                    pass
            elif sign != ":":
                raise UnreadPatternError(self.source)
        inner = self.alternatives(depth + 1)
        if self._take() != ")":
            raise UnreadPatternError(self.source)
        return inner

    def _repeated(self, part: _Part) -> _Part:
        sign = self._peek()
        if not sign or sign not in "*+?{":
            return part
        self._take()
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(sign) or self._counts()
        if self._peek() == "?":
            self._take()
        if self._peek() in ("*", "+", "?", "{") and self._peek():
            raise UnreadPatternError(self.source)
        return _Repeated(part, least, most)

    def _counts(self) -> tuple[int, int | None]:
        least, sign = self._number()
        if sign == "}":
            return least, least
        if sign != ",":
            raise UnreadPatternError(self.source)
        if self._peek() == "}":
            self._take()
            return least, None
        most, sign = self._number()
        if sign != "}" or most < least:
            raise UnreadPatternError(self.source)
        return least, most

    def _number(self) -> tuple[int, str]:
        digits = ""
        while (sign := self._take()) in "0123456789":
            digits += sign
        if not digits or len(digits) > 4:
            raise UnreadPatternError(self.source)
        return int(digits), sign

    def _escape(self, *, in_class: bool) -> Letters:
        sign = self._take()
        if sign in _CONTROLS:
            if sign == "0" and self._peek().isdigit():
                raise UnreadPatternError(self.source)
            return _one(_CONTROLS[sign])
        if sign.lower() in self._classes:
            letters = self._classes[sign.lower()]
            return letters if sign.islower() else inverted(letters)
        if sign == "b" and in_class:
            return _one(0x8)
        if sign in "xuc":
            return _one(self._coded(sign))
        if sign.isalnum() or ord(sign) > 0x7F:
            raise UnreadPatternError(self.source)
        return _one(letter_of(sign))

    def _coded(self, sign: str) -> int:
        if sign == "c":
            letter = self._take()
            if not ("a" <= letter.lower() <= "z"):
                raise UnreadPatternError(self.source)
            return ord(letter) % 32
        if sign == "u" and self._peek() == "{":
            end = self.source.find("}", self._at)
            digits, self._at = self.source[self._at + 1 : max(end, self._at)], end + 1
        else:
            digits = "".join(self._take() for _ in range(2 if sign == "x" else 4))
        try:
            point = int(digits, 16)
        except ValueError:
            raise UnreadPatternError(self.source) from None
        if 0xD800 <= point < 0xE000 or point > 0x10FFFF:
            raise UnreadPatternError(self.source)
        return letter_of(chr(point))

    def _class(self) -> Letters:
        negated = self._peek() == "^"
        if negated:
            self._take()
        ranges: list[tuple[int, int]] = []
        while self._peek() != "]":
            ranges.extend(self._class_range())
        self._take()
        letters = merged(tuple(ranges))
        return inverted(letters) if negated else letters

    def _class_range(self) -> Letters:
        first = self._class_atom()
        if self._peek() != "-" or self.source[self._at + 1 : self._at + 2] in ("]", ""):
            return first
        self._take()
        last = self._class_atom()
        if not (_is_one(first) and _is_one(last)) or first[0][0] > last[0][0]:
            raise UnreadPatternError(self.source)
        return ((first[0][0], last[0][1]),)

    def _class_atom(self) -> Letters:
        sign = self._take()
        return self._escape(in_class=True) if sign == "\\" else _one(letter_of(sign))


def merged(ranges: Letters) -> Letters:
    """The ranges in order, without what they share."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


def inverted(letters: Letters) -> Letters:
    """All other letters."""
    starts = (0, *(high for _, high in letters))
    ends = (*(low for low, _ in letters), LETTERS)
    return tuple((low, high) for low, high in zip(starts, ends, strict=True) if low < high)


def _one(letter: int) -> Letters:
    return ((letter, letter + 1),)


def _is_one(letters: Letters) -> bool:
    return len(letters) == 1 and letters[0][1] - letters[0][0] == 1


class _Net:
    """A nondeterministic automaton (Thompson's construction), with steps that need the start or the end of the text."""

    def __init__(self) -> None:
        self.silent: list[list[tuple[int, bool | None]]] = []
        """By state: where it leads without a letter; True: only at the end, False: only at the start."""
        self.loud: list[list[tuple[Letters, int]]] = []

    def state(self) -> int:
        if len(self.silent) >= MAX_PARTS:
            raise TooManyStatesError
        self.silent.append([])
        self.loud.append([])
        return len(self.silent) - 1

    def add(self, part: _Part, start: int) -> int:
        """Add a part; gives the state after it."""
        match part:
            case _Set(letters):
                end = self.state()
                self.loud[start].append((letters, end))
                return end
            case _Anchor(at_end):
                end = self.state()
                self.silent[start].append((end, at_end))
                return end
            case _Sequence(parts):
                for each in parts:
                    start = self.add(each, start)
                return start
            case _Choice(parts):
                end = self.state()
                for each in parts:
                    self.silent[self.add(each, start)].append((end, None))
                return end
            case _Repeated(inner, least, most):
                return self._repeat(inner, start, least, most)

    def _repeat(self, part: _Part, start: int, least: int, most: int | None) -> int:
        for _ in range(least):
            start = self.add(part, start)
        if most is None:
            loop = self.state()
            self.silent[start].append((loop, None))
            self.silent[self.add(part, loop)].append((loop, None))
            return loop
        end = self.state()
        for _ in range(most - least):
            self.silent[start].append((end, None))
            start = self.add(part, start)
        self.silent[start].append((end, None))
        return end

    def closure(self, states: frozenset[int], *, at_start: bool, at_end: bool) -> frozenset[int]:
        """What is reached without a letter."""
        found = set(states)
        waiting = list(states)
        while waiting:
            for to, condition in self.silent[waiting.pop()]:
                open_now = condition is None or (at_end if condition else at_start)
                if open_now and to not in found:
                    found.add(to)
                    waiting.append(to)
        return frozenset(found)


_Place: TypeAlias = tuple[frozenset[int], bool]
"""States before anything is done without a letter, and whether the text begins here."""


def _found(part: _Part) -> Automaton:
    net = _Net()
    start = net.state()
    final = net.add(part, start)
    every = frozenset(each for row in net.loud for letters, _ in row for one in letters for each in one)
    cuts = tuple(sorted({0} | {each for each in every if each < LETTERS}))
    accepting: dict[_Place, bool] = {}

    def step(place: _Place) -> list[_Place]:
        states, at_start = place
        now = net.closure(states, at_start=at_start, at_end=False)
        if final in now:
            accepting[place] = True
            return [(frozenset((final,)), False)] * len(cuts)
        accepting[place] = final in net.closure(states, at_start=at_start, at_end=True)
        moves: list[set[int]] = [{start} for _ in cuts]
        for state in now:
            for letters, to in net.loud[state]:
                for index in _indexes(cuts, letters):
                    moves[index].add(to)
        return [(frozenset(each), False) for each in moves]

    states, moves = explored((frozenset((start,)), True), step)
    return minimal(cuts, moves, [accepting[each] for each in states])


def _indexes(cuts: tuple[int, ...], letters: Letters) -> Iterator[int]:
    yield from (index for index, cut in enumerate(cuts) if any(low <= cut < high for low, high in letters))
