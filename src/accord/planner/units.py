"""Units of measure: which one is said behind a number, which one a part of an input is counted in, and what the number
is in that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Final

import msgspec

from accord.domain.schema import JsonSchema

_FAHRENHEIT: Final = Fraction(5, 9)
_TABLE: Final[dict[str, tuple[tuple[str, Fraction, Fraction], ...]]] = {
    "time": (
        ("ms msec msecs millisecond milliseconds", Fraction(1, 1000), Fraction(0)),
        ("s sec secs second seconds", Fraction(1), Fraction(0)),
        ("min mins minute minutes", Fraction(60), Fraction(0)),
        ("h hr hrs hour hours", Fraction(3600), Fraction(0)),
        ("day days", Fraction(86400), Fraction(0)),
        ("week weeks", Fraction(604800), Fraction(0)),
        ("fortnight fortnights", Fraction(1209600), Fraction(0)),
    ),
    "length": (
        ("mm millimetre millimetres millimeter millimeters", Fraction(1, 1000), Fraction(0)),
        ("cm centimetre centimetres centimeter centimeters", Fraction(1, 100), Fraction(0)),
        ("metre metres meter meters", Fraction(1), Fraction(0)),
        ("km kilometre kilometres kilometer kilometers", Fraction(1000), Fraction(0)),
        ("inch inches", Fraction("0.0254"), Fraction(0)),
        ("ft foot feet", Fraction("0.3048"), Fraction(0)),
        ("yd yard yards", Fraction("0.9144"), Fraction(0)),
        ("mi mile miles", Fraction("1609.344"), Fraction(0)),
    ),
    "mass": (
        ("mg milligram milligrams", Fraction(1, 1000), Fraction(0)),
        ("g gram grams gramme grammes", Fraction(1), Fraction(0)),
        ("kg kilo kilos kilogram kilograms", Fraction(1000), Fraction(0)),
        ("tonne tonnes", Fraction(1000000), Fraction(0)),
        ("oz ounce ounces", Fraction("28.349523125"), Fraction(0)),
        ("lb lbs", Fraction("453.59237"), Fraction(0)),
    ),
    "volume": (
        ("ml millilitre millilitres milliliter milliliters", Fraction(1, 1000), Fraction(0)),
        ("cl centilitre centilitres centiliter centiliters", Fraction(1, 100), Fraction(0)),
        ("dl decilitre decilitres deciliter deciliters", Fraction(1, 10), Fraction(0)),
        ("l litre litres liter liters", Fraction(1), Fraction(0)),
    ),
    "temperature": (
        ("\u00b0c celsius centigrade", Fraction(1), Fraction(0)),
        ("\u00b0f fahrenheit", _FAHRENHEIT, -32 * _FAHRENHEIT),
        ("kelvin", Fraction(1), Fraction("-273.15")),
    ),
}
_COMPOUND: Final = r"(?:[A-Za-z\u00b5\u03bc]+/[A-Za-z]+[23\u00b2\u00b3]?)"
_DEGREES: Final = (
    r"(?:degrees? (?:(?:Celsius|centigrade|Fahrenheit|Kelvin)\b|[CF]\b)|\u00b0 ?[CF]\b|[CF]\b|\u00b0|degrees?\b)"
)
_BEHIND: Final = re.compile(rf"[ -]?(?P<unit>{_COMPOUND}|{_DEGREES}|[A-Za-z]+\b)", re.IGNORECASE)
_ADDED: Final = re.compile(
    r"(?:,?\s+and)?\s+(?P<number>\d+(?:\.\d+)?)(?:[ -]|(?=[A-Za-z]{2}))(?P<unit>[A-Za-z]+)\b", re.IGNORECASE
)
"""What is added to a measure; `30s` may be other things."""

_COUNTED_IN: Final = re.compile(
    rf"(?:\b(?:in|many|number of|amount of)|\()\s*(?P<unit>{_COMPOUND}|(?:degrees? )?[A-Za-z\u00b0]+)", re.IGNORECASE
)
_PIECE: Final = re.compile(r"[a-z]+|[A-Z][a-z]*")
_SHORT_SUFFIXES: Final = frozenset({"s", "h", "l", "g"})
"""What is a unit at the end of a name with several words only: `timeout_s`."""

_ANNOTATIONS: Final = ("unit", "x-unit")


UNIT_NAMES: Final = frozenset(
    name for several in _TABLE.values() for names, _, _ in several for name in names.split() if len(name) > 2
) - {"second", "minute"}
"""How units are written in full; a `second` may be the one after the first."""


class Unit(msgspec.Struct, frozen=True):
    """A unit: of the same kind are those that can be told in each other."""

    name: str
    kind: str
    """What it measures; of a unit that is in no table, the unit itself."""
    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    @property
    def is_scale(self) -> bool:
        """Whether it only says that degrees are meant, and not which."""
        return self.kind == "degrees"


class Measure(msgspec.Struct, frozen=True):
    """What is said behind a number."""

    written: str
    """With what stands between it and the number."""
    unit: Unit
    more: tuple[tuple[str, Unit], ...] = ()
    """What is added to it in smaller units: `1 hour and 30 minutes`."""

    def fits(self, wanted: Unit) -> bool:
        """Whether it can be told in that unit."""
        return self.unit.kind == wanted.kind or (self.unit.is_scale and wanted.kind == "temperature")

    def into(self, number: str | float, wanted: Unit) -> int | float | None:
        """The number in a unit that fits, exactly; None where no decimal is that number."""
        told = (_told(each, unit, wanted) for each, unit in ((str(number), self.unit), *self.more))
        return _decimal(sum(told, Fraction(0)))


def measure_behind(text: str) -> Measure | None:
    """The unit with which what comes after a number begins; None where a unit does not come next."""
    found = _BEHIND.match(text)
    unit = unit_named(found["unit"]) if found is not None else None
    if found is None or unit is None:
        return None
    end, more = found.end(), list[tuple[str, Unit]]()
    while added := _added(text[end:], more[-1][1] if more else unit):
        length, number, smaller = added
        end += length
        more.append((number, smaller))
    return Measure(text[:end], unit, tuple(more))


def _added(text: str, unit: Unit) -> tuple[int, str, Unit] | None:
    """How long what is added in a smaller unit is, its number, and the unit; None where nothing is."""
    found = _ADDED.match(text)
    smaller = unit_named(found["unit"]) if found is not None else None
    if found is None or smaller is None or smaller.kind != unit.kind or not smaller.factor < unit.factor:
        return None
    return (found.end(), found["number"], smaller) if not smaller.offset else None


def unit_of(name: str, description: str, schema: JsonSchema) -> Unit | None:
    """The unit in which a part of an input is counted: as an annotation, its name, or its description says, in that
    order; None where none of them does, or the description has several.
    """
    for key in _ANNOTATIONS:
        told = schema.get(key) if isinstance(schema, dict) else None
        if isinstance(told, str):
            return unit_named(told) or Unit(told, told)
    pieces = [piece.lower() for piece in _PIECE.findall(name)]
    if pieces and (len(pieces[-1]) > 1 or (len(pieces) > 1 and pieces[-1] in _SHORT_SUFFIXES)):
        unit = unit_named(pieces[-1])
        if unit is not None:
            return unit
    return unit_in(description)


def unit_in(description: str) -> Unit | None:
    """The one unit that a description says that something is counted in."""
    found = {unit.name: unit for unit in _units_in(description)}
    return next(iter(found.values())) if len(found) == 1 else None


def _units_in(description: str) -> Iterator[Unit]:
    for one in _COUNTED_IN.finditer(description):
        unit = unit_named(one["unit"])
        if unit is not None and not unit.is_scale:
            yield unit


def unit_named(text: str) -> Unit | None:
    """The unit of this name; None where it is none. `mg/dl` is one of its own kind."""
    plain = re.sub(r"\s+", " ", text.strip().lower())
    plain = re.sub(r"^degrees? (?=\w)", "", re.sub(r"\u00b0 ", "\u00b0", plain))
    if plain in ("c", "f"):
        plain = f"\u00b0{plain}" if text.strip()[-1].isupper() else plain
    if re.fullmatch(_COMPOUND, plain):
        return Unit(plain, plain)
    if plain in ("\u00b0", "degree", "degrees"):
        return Unit("degrees", "degrees")
    return _named().get(plain)


@cache
def _named() -> dict[str, Unit]:
    return {
        name: Unit(names.split()[-1], kind, factor, offset)
        for kind, several in _TABLE.items()
        for names, factor, offset in several
        for name in names.split()
    }


def _told(number: str, unit: Unit, wanted: Unit) -> Fraction:
    """A number of one unit in another one."""
    if unit.is_scale or unit.name == wanted.name:
        return Fraction(number)
    return (Fraction(number) * unit.factor + unit.offset - wanted.offset) / wanted.factor


def _decimal(number: Fraction) -> int | float | None:
    """The number as a whole one or a decimal; None where no decimal is exactly that."""
    if number.denominator == 1:
        return int(number)
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return float(number) if rest == 1 else None
