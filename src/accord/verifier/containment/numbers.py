"""Numbers that lie between bounds and are multiples of some numbers and of others not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

import msgspec

from accord.verifier.containment.answers import UndecidedError
from accord.verifier.containment.formulas import Among, Bound, Multiple, number_of

_TRIED = 20_000
_LARGEST = 10**330


def number_in(atoms: Iterable[Bound | Multiple | Among]) -> int | float | None:
    """The number nearest to zero that all of them hold of; None where there is none.

    Multiples of several numbers are the multiples of their least common one, and of those the ones that are no multiple
    of another number repeat: the search over one period, or over all between two bounds, leaves nothing out. Where
    nothing has to be a multiple, an interval of more than one point has numbers that are multiples of none of finitely
    many, and not among finitely many others.

    Raises:
        UndecidedError: a period or a list of multiples is too long, or no number found can be written down.
    """
    wanted = list(atoms)
    among = [each.numbers for each in wanted if isinstance(each, Among) and not each.others]
    if among:
        return _listed(frozenset.intersection(*among), wanted)
    steps = [each.of for each in wanted if isinstance(each, Multiple) and each.positive]
    holes = _Holes(
        tuple(each.of for each in wanted if isinstance(each, Multiple) and not each.positive),
        frozenset().union(*(each.numbers for each in wanted if isinstance(each, Among))),
    )
    low = max((_key_low(each) for each in wanted if isinstance(each, Bound) and each.above), default=None)
    high = min((_key_high(each) for each in wanted if isinstance(each, Bound) and not each.above), default=None)
    if steps:
        return _multiple(_common(steps), low, high, holes)
    return _real(low, high, holes)


def holds_of(atom: Bound | Multiple | Among, value: Fraction) -> bool:
    """Whether an atom holds of a number."""
    match atom:
        case Among(numbers, others):
            return (value in numbers) != others
        case Multiple(of, positive):
            return ((value / of).denominator == 1) == positive
        case Bound(limit, above, strict):
            return not strict if value == limit else (value > limit) == above


class _Holes(msgspec.Struct, frozen=True):
    """Numbers that are not meant."""

    steps: tuple[Fraction, ...]
    """Nor any of their multiples."""
    points: frozenset[Fraction]

    def have(self, value: Fraction) -> bool:
        return value in self.points or any((value / step).denominator == 1 for step in self.steps)


def _listed(numbers: frozenset[Fraction], wanted: list[Bound | Multiple | Among]) -> int | float | None:
    fitting = sorted(
        (each for each in numbers if all(holds_of(atom, each) for atom in wanted)), key=lambda each: (abs(each), each)
    )
    written = next((found for found in map(_written, fitting) if found is not None), None)
    if fitting and written is None:
        raise UndecidedError
    return written


def _key_low(bound: Bound) -> tuple[Fraction, bool]:
    return bound.limit, bound.strict


def _key_high(bound: Bound) -> tuple[Fraction, bool]:
    return bound.limit, not bound.strict


def _common(steps: list[Fraction]) -> Fraction:
    found = steps[0]
    for step in steps[1:]:
        numerator = math.lcm(found.numerator * step.denominator, step.numerator * found.denominator)
        found = Fraction(numerator, found.denominator * step.denominator)
    return found


def _multiple(
    step: Fraction, low: tuple[Fraction, bool] | None, high: tuple[Fraction, bool] | None, holes: _Holes
) -> int | float | None:
    first = None if low is None else _above(low, step)
    last = None if high is None else _below(high, step)
    if first is not None and last is not None and first > last:
        return None
    # k * step is a multiple of a hole just where k is one of its period: a whole number, the numerator of hole / step.
    periods = {(hole / step).numerator for hole in holes.steps}
    if 1 in periods:
        return None
    unwritten = False
    for tried, factor in enumerate(_outwards(first, last)):
        if tried > _TRIED:
            raise UndecidedError
        if factor * step not in holes.points and all(factor % period for period in periods):
            written = _written(factor * step)
            if written is not None:
                return written
            unwritten = True
    if unwritten:
        raise UndecidedError
    return None


def _above(low: tuple[Fraction, bool], step: Fraction) -> int:
    limit, strict = low
    factor = math.ceil(limit / step)
    return factor + 1 if strict and factor * step == limit else factor


def _below(high: tuple[Fraction, bool], step: Fraction) -> int:
    limit, closed = high
    factor = math.floor(limit / step)
    return factor - 1 if not closed and factor * step == limit else factor


def _outwards(first: int | None, last: int | None) -> Iterator[int]:
    """All whole numbers between, those near zero first."""
    middle = 0
    if first is not None and first > 0:
        middle = first
    elif last is not None and last < 0:
        middle = last
    yield middle
    distance = 1
    while True:
        more = [
            each
            for each in (middle + distance, middle - distance)
            if (first is None or each >= first) and (last is None or each <= last)
        ]
        if not more:
            return
        yield from more
        distance += 1


def _real(low: tuple[Fraction, bool] | None, high: tuple[Fraction, bool] | None, holes: _Holes) -> int | float | None:
    if low is not None and high is not None:
        if low[0] > high[0] or (low[0] == high[0] and (low[1] or not high[1])):
            return None
        if low[0] == high[0]:
            point = low[0]
            if holes.have(point):
                return None
            written = _written(point)
            if written is None:
                raise UndecidedError
            return written
    for candidate in _candidates(low, high):
        inside = (low is None or candidate > low[0] or (candidate == low[0] and not low[1])) and (
            high is None or candidate < high[0] or (candidate == high[0] and high[1])
        )
        if inside and not holes.have(candidate):
            written = _written(candidate)
            if written is not None:
                return written
    raise UndecidedError


def _candidates(low: tuple[Fraction, bool] | None, high: tuple[Fraction, bool] | None) -> Iterator[Fraction]:
    """Numbers with short decimals in an interval of more than one point, ever closer together."""
    start = low[0] if low is not None else (high[0] - 10 if high is not None else Fraction(-10))
    end = high[0] if high is not None else start + 20
    yield from (Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 2), Fraction(-1, 2), start, end)
    yield from (end + 1, start - 1, 2 * end, 2 * start) if low is None or high is None else ()
    for digits in range(12):
        unit = Fraction(1, 10**digits)
        near = math.floor(start / unit)
        yield from ((near + offset) * unit for offset in range(20))
        if (end - start) / unit < 2000:
            middle = math.floor((start + end) / 2 / unit)
            yield from ((middle + offset) * unit for offset in range(-10, 11))
        for base in (2, 5):
            yield from ((near * base + offset) * unit / base for offset in range(20))
    yield (start + end) / 2


def _written(value: Fraction) -> int | float | None:
    """The number as JSON says it, where it is exact and every reader gets the same."""
    if value.denominator == 1:
        return int(value) if abs(value) <= _LARGEST else None
    found = float(value)
    return found if number_of(found) == value else None
