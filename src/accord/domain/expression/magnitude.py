"""Magnitude: how far numbers go that an expression computes: beyond 64 bits, or to no finite double."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Final, TypeAlias

from accord.domain.expression.given import Given
from accord.domain.expression.kinds import DOUBLES, INT64
from accord.domain.expression.syntax import Call, Node
from accord.domain.schema_range import numbers_of

Of: TypeAlias = Callable[[Node], Given]
Span: TypeAlias = tuple[int, int]
"""The least and the most integer that something may give."""

HELD: Final[Span] = (-INT64, INT64 - 1)
ARITHMETIC: Final = frozenset({"_+_", "_-_", "_*_", "_/_"})

_LARGEST: Final = int(math.nextafter(math.inf, 0))
_BEYOND: Final = 2 * _LARGEST
_ABSORBED: Final = 2**960
"""What is smaller is lost in the rounding where it is added to the largest double."""

_ROUNDING: Final = 50
"""Bits of a bound below which no rounding of a result reaches."""


def overflows(node: Call, of: Of) -> bool:
    """Whether the operands are integers of 64 bits, and what comes of them may be none; both, as far as is known."""
    return not _is_held(span(node, of)) and all(_is_held(span(each, of)) for each in node.arguments)


def _is_held(found: Span | None) -> bool:
    return found is None or (found[0] >= HELD[0] and found[1] <= HELD[1])


def span(node: Node, of: Of) -> Span | None:
    """Between which bounds the integers are that a node gives, were they of any size; None where it gives none."""
    if "int" not in of(node).inside:
        return None
    match node:
        case Call(("_+_" | "_-_" | "_*_") as function, (one, other)):
            first, second = span(one, of), span(other, of)
            return None if first is None or second is None else _computed(function, first, second)
        case Call("-_", (one,)):
            found = span(one, of)
            return None if found is None else (-found[1], -found[0])
    return _stated(of(node))


def _computed(function: str, one: Span, other: Span) -> Span:
    if function == "_+_":
        return one[0] + other[0], one[1] + other[1]
    if function == "_-_":
        return one[0] - other[1], one[1] - other[0]
    corners = [first * second for first in one for second in other]
    return min(corners), max(corners)


def _stated(given: Given) -> Span | None:
    """As the schema says; an integer of CEL has 64 bits."""
    numbers = numbers_of(given.schema)
    if numbers is None:
        return None
    least = HELD[0] if numbers.least is None else max(HELD[0], math.floor(numbers.least))
    most = HELD[1] if numbers.most is None else min(HELD[1], math.ceil(numbers.most))
    return least, most


def is_finite(function: str, arguments: tuple[Node, ...], of: Of) -> bool:
    """Whether no double that is computed of finite ones is infinite, or no number."""
    return _size(Call(function, arguments), of) <= _LARGEST


def _size(node: Node, of: Of) -> int:
    """No double that a node gives of finite ones is further from 0."""
    match node:
        case Call(("_+_" | "_-_"), (one, other)):
            return _added(*sorted((_size(one, of), _size(other, of))))
        case Call("_*_", (one, other)):
            return _multiplied(*sorted((_size(one, of), _size(other, of))))
        case Call("_/_", (one, divisor)):
            return _divided(_size(one, of), of(divisor))
        case Call(("-_" | "double"), (one,)):
            return _size(one, of)
    given = of(node)
    numbers = numbers_of(given.schema)
    if numbers is not None and numbers.least is not None and numbers.most is not None:
        return max(abs(math.floor(numbers.least)), abs(math.ceil(numbers.most)))
    return INT64 if given.inside.isdisjoint(DOUBLES | {"string"}) else _LARGEST


def _added(small: int, large: int) -> int:
    if small < _ABSORBED and large <= _LARGEST:
        return min(_rounded(small + large), _LARGEST)
    return _rounded(small + large)


def _multiplied(small: int, large: int) -> int:
    return large if small <= 1 else _rounded(small * large)


def _divided(size: int, divisor: Given) -> int:
    numbers = numbers_of(divisor.schema)
    if numbers is None or size == 0:
        return size
    nearest = max(numbers.least or 0, -(numbers.most or 0))  # to 0
    if nearest >= 1:
        return size
    return _rounded(math.ceil(size / Fraction(nearest))) if nearest > 0 else _BEYOND


def _rounded(bound: int) -> int:
    return bound + (bound >> _ROUNDING)
