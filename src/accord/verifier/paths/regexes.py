"""Regular expressions of conditions as those of Z3."""

from __future__ import annotations

from functools import reduce
from typing import Any, Final

import z3

from accord.domain.expression.regex import Joined, Letters, OneOf, Regex, Repeated, flattened, regex_of
from accord.formulas import literal

_LAST: Final = 0x2FFFF
"""Z3's alphabet ends here."""


def matching(pattern: str) -> Any | None:
    """The texts in which a pattern is found; None where Z3 has no term for it."""
    regex = regex_of(pattern)
    if regex is None:
        return None
    try:
        return _either([_found(part, begins, ends) for part, begins, ends in flattened(regex)])
    except ValueError:
        return None


def _found(regex: Regex, begins: bool, ends: bool) -> Any:
    any_ = z3.Full(z3.ReSort(z3.StringSort()))
    parts = [] if begins else [any_]
    parts.append(_term(regex))
    return _joined(parts if ends else [*parts, any_])


def _term(regex: Regex) -> Any:
    match regex:
        case Letters():
            return _either([_range(first, last) for first, last in _ranges(regex)])
        case Joined(parts):
            return _joined([_term(each) for each in parts])
        case OneOf(parts):
            return _either([_term(each) for each in parts])
        case Repeated(part, 0, None):
            return z3.Star(_term(part))
        case Repeated(part, least, None):
            return z3.Concat(z3.Loop(_term(part), least, least), z3.Star(_term(part)))
        case Repeated(part, least, most):
            return z3.Loop(_term(part), least, most) if most else z3.Re(z3.StringVal(""))
    raise ValueError("an edge inside")


def _ranges(letters: Letters) -> list[tuple[int, int]]:
    if not letters.others:
        return [(first, min(last, _LAST)) for first, last in letters.ranges if first <= _LAST]
    found, begin = [], 0
    for first, last in letters.ranges:
        if begin < first:
            found.append((begin, first - 1))
        begin = max(begin, last + 1)
    return [*found, (begin, _LAST)] if begin <= _LAST else found


def _range(first: int, last: int) -> Any:
    return z3.Range(literal(chr(first)), literal(chr(last)))


def _either(parts: list[Any]) -> Any:
    return reduce(z3.Union, parts) if parts else z3.Empty(z3.ReSort(z3.StringSort()))


def _joined(parts: list[Any]) -> Any:
    return reduce(z3.Concat, parts) if parts else z3.Re(z3.StringVal(""))
