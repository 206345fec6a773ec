"""Units of measure, and of money: which one is said with a number, which one a part of an input is counted in, and what
the number is in that one. What has no exact factor (a month in weeks, euros in dollars) is of another kind.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from fractions import Fraction
from functools import cache
from typing import Final

import msgspec

from accord.domain.schema import JsonSchema
from accord.planner.numbers import NUMBER_WORDS, number_in_words

_FAHRENHEIT: Final = Fraction(5, 9)
_CODES: Final = ("CHF", "JPY", "CAD", "AUD", "SEK", "NOK", "DKK", "PLN", "CZK", "INR", "CNY")
_HUNDREDTHS: Final = frozenset({"EUR", "USD", "CAD", "AUD"})
"""What has cents; cents alone are of any of these."""

MONEY: Final = frozenset({"EUR", "USD", "GBP", *_CODES})
"""The currencies that are known, by their codes."""
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
    "night": (("night nights", Fraction(1), Fraction(0)),),
    "month": (
        ("month months", Fraction(1), Fraction(0)),
        ("year years", Fraction(12), Fraction(0)),
    ),
    "percent": (("% percent", Fraction(1), Fraction(0)),),
    "EUR": (("\u20ac euro euros EUR", Fraction(1), Fraction(0)),),
    "USD": (("$ dollar dollars USD", Fraction(1), Fraction(0)),),
    "GBP": (("\u00a3 GBP", Fraction(1), Fraction(0)), ("penny pence", Fraction(1, 100), Fraction(0))),
    **{code: ((code, Fraction(1), Fraction(0)),) for code in _CODES},
    **{one: ((f"{one[:-1]} {one}", Fraction(1), Fraction(0)),) for one in ("pounds", "gallons", "pints", "tons")},
    "m": (("m", Fraction(1), Fraction(0)),),
    "data": (
        ("byte bytes", Fraction(1), Fraction(0)),
        ("kb kilobyte kilobytes", Fraction(10**3), Fraction(0)),
        ("mb megabyte megabytes", Fraction(10**6), Fraction(0)),
        ("gb gigabyte gigabytes", Fraction(10**9), Fraction(0)),
        ("tb terabyte terabytes", Fraction(10**12), Fraction(0)),
        ("kib", Fraction(2**10), Fraction(0)),
        ("mib", Fraction(2**20), Fraction(0)),
        ("gib", Fraction(2**30), Fraction(0)),
    ),
    "cent": (("cent cents", Fraction(1, 100), Fraction(0)),),
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
CURRENCY: Final = rf"(?:[$\u20ac\u00a3] ?|\b(?:{'|'.join(sorted(MONEY))}) ?(?=-?\d))"
"""A currency before a number."""

_CURRENCY: Final = re.compile(CURRENCY)
_COMPOUND: Final = r"(?:[A-Za-z\u00b5\u03bc]+/[A-Za-z]+[23\u00b2\u00b3]?)"
_DEGREES: Final = (
    r"(?:degrees? (?:(?:Celsius|centigrade|Fahrenheit|Kelvin)\b|[CF]\b)|\u00b0 ?[CF]\b|[CF]\b|\u00b0|degrees?\b)"
)
_BEHIND: Final = re.compile(rf"[ -]?(?P<unit>{_COMPOUND}|{_DEGREES}|[%$\u20ac\u00a3]|[A-Za-z]+\b)", re.IGNORECASE)
_COUNTED_IN: Final = re.compile(
    rf"(?:\b(?:in|many|number of|amount of)|\(|^(?=\w+\s+per\b))\s*"
    rf"(?P<unit>{_COMPOUND}|(?:degrees? )?[A-Za-z\u00b0%$\u20ac\u00a3]+)",
    re.IGNORECASE,
)
_PER: Final = re.compile(r" ?(?:/|\b(?:per|each|every|an?)\b) ?(?P<per>[A-Za-z]+)\b", re.IGNORECASE)
_NAMED_PER: Final = re.compile(r"(?:^|[\s_-])per[\s_-]+(?P<per>[A-Za-z]+)", re.IGNORECASE)
_MORE: Final = re.compile(
    rf"(?:,? and |, | )(?:(?P<half>a half)\b|(?P<number>\d+(?:\.\d+)?(?![\w./:-]*\d)|an?(?= )|{NUMBER_WORDS}))",
    re.IGNORECASE,
)
"""What may be said on top of a number with a unit: `and 30` minutes."""

_PIECE: Final = re.compile(r"[a-z]+|[A-Z][a-z]*")
_SHORT_SUFFIXES: Final = frozenset({"s", "h", "l", "g"})
"""What is a unit at the end of a name with several words only: `timeout_s`."""

_ANNOTATIONS: Final = ("unit", "x-unit")
_OF_CALENDAR: Final = frozenset({"month", "year"})
"""As a name, one of the calendar."""


UNIT_NAMES: Final = frozenset(
    name.lower() for several in _TABLE.values() for names, _, _ in several for name in names.split() if len(name) > 2
) - {"second", "minute"}
"""How units are written in full; a `second` may be the one after the first."""


MEASURED: Final = r"\d[\d.,]*[ -]?(?:{})\b".format(
    "|".join(sorted({name for of in _TABLE.values() for names, _, _ in of for name in names.split() if name.isalpha()}))
)
"""A number with a unit behind it, wherever it stands."""


class Unit(msgspec.Struct, frozen=True):
    """A unit: of the same kind are those that can be told in each other."""

    name: str
    kind: str
    """What it measures; of a unit that is in no table, the unit itself."""
    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    per: str = ""
    """For each of what: `day` of cents per day."""

    @property
    def is_scale(self) -> bool:
        """Whether it only says that degrees are meant, and not which."""
        return self.kind == "degrees"

    @property
    def told(self) -> str:
        """The unit in words."""
        return f"{self.name} per {self.per.removesuffix('s')}" if self.per else self.name

    @property
    def is_money(self) -> bool:
        return self.kind in MONEY or self.kind == "cent"

    def of(self, currencies: Collection[str]) -> Unit:
        """Cents of the one currency that is told elsewhere."""
        known = [one for one in currencies if one in _HUNDREDTHS]
        is_known = self.kind == "cent" and len(known) == len(currencies) == 1
        return msgspec.structs.replace(self, kind=known[0]) if is_known else self


class Measure(msgspec.Struct, frozen=True):
    """What is said with a number."""

    written: str
    """What stands behind the number, with what is between."""
    unit: Unit
    more: Fraction = Fraction(0)
    """What is said on top, in the least unit of that kind: the 30 minutes of `1 hour and 30 minutes`."""

    def fits(self, wanted: Unit) -> bool:
        """Whether it can be told in that unit."""
        is_alike = (
            self.unit.kind == wanted.kind
            or (self.unit.is_scale and wanted.kind == "temperature")
            or (self.unit.kind == "cent" and wanted.kind in _HUNDREDTHS)
        )
        return is_alike and self.unit.per in ("", wanted.per)

    def into(self, number: str | float, wanted: Unit) -> int | float | None:
        """The number in a unit that fits, exactly; None where no decimal is that number."""
        exact = Fraction(str(number))
        if not self.unit.is_scale and (self.unit.name != wanted.name or self.more):
            whole = exact * self.unit.factor + self.more + self.unit.offset
            exact = (whole - wanted.offset) / wanted.factor
        return _decimal(exact)


def measure_behind(text: str) -> Measure | None:
    """The unit with which what comes after a number begins, with more of that kind that is said on top of it, and for
    each of what it is; None where a unit does not come next.
    """
    written, unit = _unit_behind(text)
    if unit is None:
        return None
    more, least = Fraction(0), unit
    while not unit.offset and (on_top := _on_top(text[len(written) :], least)) is not None:
        words, least, amount = on_top
        more, written = more + amount, written + words
    per, of_each = _per(text[len(written) :])
    return Measure(written + per, msgspec.structs.replace(unit, per=of_each or unit.per), more)


def measure_with(number: str, behind: str) -> Measure | None:
    """The unit that is written before, in or behind a number: `$5`, `EUR 5`, `5 %`, `5 km`."""
    before = _CURRENCY.match(number)
    name = before[0] if before is not None else "%" if number.endswith("%") else ""
    unit = unit_named(name) if name else None
    if unit is None:
        return measure_behind(behind)
    per, of_each = _per(behind)
    return Measure(per, msgspec.structs.replace(unit, per=of_each))


def _unit_behind(text: str) -> tuple[str, Unit | None]:
    found = _BEHIND.match(text)
    return (found[0], unit_named(found["unit"])) if found is not None else ("", None)


def _on_top(text: str, last: Unit) -> tuple[str, Unit, Fraction] | None:
    """The words of what is said on top, its unit, and how much it is: of the same kind as the last one, and less."""
    found = _MORE.match(text)
    if found is None:
        return None
    if found["half"] is not None:
        return found[0], last, last.factor / 2
    written, unit = _unit_behind(text[found.end() :])
    if unit is None or unit.kind != last.kind or unit.factor >= last.factor or len(written) == 1:
        return None  # `30s` may be another thing
    said = found["number"].lower()
    number = Fraction(1) if said in ("a", "an") else number_in_words(said)
    return found[0] + written, unit, (Fraction(said) if number is None else number) * unit.factor


def _per(text: str) -> tuple[str, str]:
    """The words that say for each of what a number is, and what that is."""
    found = _PER.match(text)
    if found is None:
        return "", ""
    unit = unit_named(found["per"])
    if unit is None and not re.match(r" ?(?:per\b|/)", found[0], re.IGNORECASE):
        return "", ""
    return found[0], unit.name if unit is not None else found["per"].lower()


def unit_of(name: str, description: str, schema: JsonSchema) -> Unit | None:
    """The unit in which a part of an input is counted: as an annotation, its name, or its description says, in that
    order; None where none of them does, or the description has several.
    """
    for key in _ANNOTATIONS:
        told = schema.get(key) if isinstance(schema, dict) else None
        if isinstance(told, str):
            return unit_named(told) or Unit(told, told)
    unit = _unit_of_name(name) or unit_in(description)
    per = _NAMED_PER.search(name) or _NAMED_PER.search(description)
    if unit is None or unit.per or per is None:
        return unit
    each = unit_named(per["per"])
    return msgspec.structs.replace(unit, per=each.name if each is not None else per["per"].lower())


def _unit_of_name(name: str) -> Unit | None:
    """The unit with which a name ends; what is counted by the calendar is in the plural: `years`."""
    pieces = [piece.lower() for piece in _PIECE.findall(name)]
    if "per" in pieces:
        pieces = pieces[: pieces.index("per")]
    if len(pieces) > 1 and pieces[-1] in ("c", "f") and pieces[-2] in ("temp", "temperature"):
        return unit_named(f"\u00b0{pieces[-1]}")
    if not pieces or (len(pieces[-1]) == 1 and (len(pieces) == 1 or pieces[-1] not in _SHORT_SUFFIXES)):
        return None
    return unit_named(pieces[-1]) if pieces[-1] not in _OF_CALENDAR else None


def unit_in(description: str) -> Unit | None:
    """The one unit that a description says that something is counted in."""
    found = {unit.name: unit for unit in _units_in(description)}
    return next(iter(found.values())) if len(found) == 1 else None


def currencies_in(texts: Iterable[str]) -> frozenset[str]:
    """The currencies that texts name, by their codes."""
    words = (word.upper() for text in texts for word in re.findall(r"[A-Za-z]+", text.replace("_", " ")))
    return frozenset(word for word in words if word in MONEY)


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
        top, _, each = plain.partition("/")
        money, of_each = _named().get(top), _named().get(each)
        is_rate = money is not None and money.is_money
        return (
            msgspec.structs.replace(money, per=of_each.name if of_each else each)
            if is_rate and money
            else Unit(plain, plain)
        )
    if plain in ("\u00b0", "degree", "degrees"):
        return Unit("degrees", "degrees")
    return _named().get(plain)


@cache
def _named() -> dict[str, Unit]:
    return {
        name.lower(): Unit(names.split()[-1], kind, factor, offset)
        for kind, several in _TABLE.items()
        for names, factor, offset in several
        for name in names.split()
    }


def _decimal(number: Fraction) -> int | float | None:
    """The number as a whole one or a decimal; None where no decimal is exactly that."""
    if number.denominator == 1:
        return int(number)
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return float(number) if rest == 1 else None
