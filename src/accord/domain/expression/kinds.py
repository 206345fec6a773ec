"""Kinds: the types of CEL that values have, and on which of them each operator and function is defined.

What is not defined here for a kind fails there with "no matching overload".
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from accord.domain.schema import JsonSchema
from accord.domain.schema_path import types_of
from accord.domain.schema_range import Range, numbers_of

Kind: TypeAlias = Literal[
    "null",
    "bool",
    "int",
    "uint",
    "double",
    "large",
    "string",
    "bytes",
    "list",
    "map",
    "timestamp",
    "duration",
    "type",
    "optional",
]
"""`large` is a double that is an integer to a schema, as it has no fraction, and which 64 bits do not hold."""

Kinds: TypeAlias = frozenset[Kind]

LETTERS: Final[Mapping[str, Kind]] = {
    "n": "null",
    "b": "bool",
    "i": "int",
    "u": "uint",
    "d": "double",
    "s": "string",
    "y": "bytes",
    "l": "list",
    "m": "map",
    "t": "timestamp",
    "p": "duration",
    "T": "type",
    "o": "optional",
}
LARGE: Final[Kinds] = frozenset({"large"})
DOUBLES: Final[Kinds] = LARGE | {"double"}
ALL: Final[Kinds] = LARGE.union(LETTERS.values())
JSON: Final[Kinds] = ALL - {"type", "optional"}
"""Of these kinds are values that have a form in JSON."""

NUMBERS: Final[Kinds] = DOUBLES | {"int", "uint"}
INT64: Final = 2**63
"""An integer of CEL is below it, and not below its negative."""

_AS_DATA: Final[Mapping[str, Kinds]] = {
    "null": frozenset({"null"}),
    "boolean": frozenset({"bool"}),
    "integer": frozenset({"int"}),
    "number": frozenset({"int", "double"}),
    "string": frozenset({"string"}),
    "array": frozenset({"list"}),
    "object": frozenset({"map"}),
}
"""What data is to CEL: an integer is one however it is written, `1` or `1.0`, if 64 bits hold it."""

_AS_MADE: Final[Mapping[str, Kinds]] = {
    **_AS_DATA,
    "integer": NUMBERS,
    "number": NUMBERS,
    "string": frozenset({"string", "bytes", "timestamp", "duration"}),
}
"""What gives such JSON in the end, and may be something else before."""


def of_data(schema: JsonSchema) -> Kinds:
    """The kinds of data that keeps a schema."""
    types = types_of(schema)
    found = frozenset().union(*(_AS_DATA[each] for each in types))
    numbers = numbers_of(schema) if "int" in found else None
    if numbers is None or ("number" in types and not numbers.whole):
        return found
    found -= {"double"}
    return found if are_held(numbers) else found | LARGE


def are_held(numbers: Range) -> bool:
    """Whether 64 bits hold all integers of a range."""
    bounds = (numbers.least, numbers.most)
    return all(bound is not None and -INT64 <= bound < INT64 for bound in bounds)


def of_made(schema: JsonSchema) -> Kinds:
    """The kinds of what an expression may make that keeps a schema once it is JSON."""
    return ALL if schema is True else frozenset().union(*(_AS_MADE[each] for each in types_of(schema)))


# `ii:i` takes two integers and gives one; `?` stands for any kind, and for all.
_ORDERED: Final = (
    " ".join(f"{one}{other}:b" for one, other in itertools.product("iud", repeat=2)) + " ss:b bb:b yy:b tt:b pp:b"
)
_MEMBERSHIP: Final = "?l:b im:b um:b dm:b sm:b bm:b"
_BITS: Final = "ii:i uu:u"
_DATE: Final = "t:i ts:i"
_CLOCK: Final = f"{_DATE} p:i"
OVERLOADS: Final[Mapping[str, str]] = {
    "_+_": "ii:i uu:u dd:d ss:s yy:y ll:l tp:t pt:t pp:p",
    "_-_": "ii:i uu:u dd:d tt:p tp:t pp:p",
    "_*_": "ii:i uu:u dd:d",
    "_/_": "ii:i uu:u dd:d",
    "_%_": "ii:i uu:u",
    "-_": "i:i d:d",
    "!_": "b:b",
    "_==_": "??:b",
    "_!=_": "??:b",
    **dict.fromkeys(("_<_", "_<=_", "_>_", "_>=_"), _ORDERED),
    "@in": _MEMBERSHIP,
    "@not_strictly_false": "?:b",
    "size": "s:i y:i l:i m:i",
    "type": "?:T",
    "dyn": "?:?",
    "bool": "b:b s:b",
    "int": "b:i i:i u:i d:i s:i t:i",
    "uint": "i:u u:u d:u s:u",
    "double": "i:d u:d d:d s:d",
    "string": "b:s i:s u:s d:s s:s t:s p:s",
    "bytes": "s:y y:y",
    "timestamp": "s:t t:t",
    "duration": "s:p p:p",
    **dict.fromkeys(("contains", "startsWith", "endsWith", "matches"), "ss:b"),
    "charAt": "si:s",
    **dict.fromkeys(("indexOf", "lastIndexOf"), "ss:i ssi:i"),
    "join": "l:s ls:s",
    **dict.fromkeys(("lowerAscii", "upperAscii", "reverse", "trim", "strings.quote"), "s:s"),
    "replace": "sss:s sssi:s",
    "split": "ss:l ssi:l",
    "substring": "si:s sii:s",
    "format": "sl:s",
    "base64.encode": "y:s",
    "base64.decode": "s:y",
    "math.abs": "i:i u:u d:d",
    "math.sign": "i:i u:u d:d",
    "math.sqrt": "i:d u:d d:d",
    **dict.fromkeys(("math.ceil", "math.floor", "math.round", "math.trunc"), "d:d"),
    **dict.fromkeys(("math.isNaN", "math.isInf", "math.isFinite"), "d:b"),
    **dict.fromkeys(("math.bitAnd", "math.bitOr", "math.bitXor"), _BITS),
    "math.bitNot": "i:i u:u",
    **dict.fromkeys(("math.bitShiftLeft", "math.bitShiftRight"), "ii:i ui:u"),
    **dict.fromkeys(("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"), _DATE),
    **dict.fromkeys(("getHours", "getMinutes", "getSeconds", "getMilliseconds"), _CLOCK),
    "first": "l:o",
    "last": "l:o",
    "optional.of": "?:o",
    "optional.ofNonZeroValue": "?:o",
    "optional.none": ":o",
    "hasValue": "o:b",
    "value": "o:?",
    "or": "oo:o",
    "orValue": "o?:?",
}
_VARIADIC: Final = frozenset({"math.@max", "math.@min"})


_TAKEN: Final[Mapping[str, Kinds]] = {letter: frozenset({kind}) for letter, kind in LETTERS.items()} | {
    "d": DOUBLES,
    "?": ALL,
}


class _Overload:
    """One way to use a function: the kinds that it takes and gives."""

    def __init__(self, text: str) -> None:
        takes, _, gives = text.partition(":")
        self.takes = [_TAKEN[one] for one in takes]
        self.gives: Kinds = ALL if gives == "?" else frozenset({LETTERS[gives]})

    def fits(self, given: Sequence[Kinds]) -> bool:
        """Whether it may be the one that is used."""
        pairs = zip(self.takes, given, strict=False)
        return len(self.takes) == len(given) and all(not one.isdisjoint(other) for one, other in pairs)


_KNOWN: Final = {name: [_Overload(one) for one in text.split()] for name, text in OVERLOADS.items()}


FUNCTIONS: Final = sorted(
    {name for name in OVERLOADS if name[0].isalpha()}
    | {"math.greatest", "math.least", "has", "all", "exists", "exists_one", "filter", "map", "cel.bind"}
)
"""All that can be called by name, macros included."""


def is_known(function: str) -> bool:
    """Whether it is said here on what the function is defined."""
    return function in _KNOWN or function in _VARIADIC


def result_of(function: str, given: Sequence[Kinds]) -> Kinds:
    """The kinds that a function may give, where it gives anything."""
    if function in _VARIADIC:
        return NUMBERS if any("list" in one for one in given) else frozenset().union(*given) & NUMBERS
    if function not in _KNOWN:
        return ALL
    found = frozenset().union(*(one.gives for one in _KNOWN[function] if one.fits(given)))
    if {"int", "double"} <= found and not any("double" in one for one in given):
        found = found - {"double"} | LARGE  # a double is given for what is large, and for nothing else
    return found


def undefined(function: str, given: Sequence[Kinds]) -> tuple[Kind, ...] | None:
    """Kinds of arguments that may come together and on which a function is not defined, those of them first that are
    not `large`; None where there are none.
    """
    return min(_undefined(function, given), key=lambda each: "large" in each, default=None)


def _undefined(function: str, given: Sequence[Kinds]) -> Iterator[tuple[Kind, ...]]:
    for each in itertools.product(*map(sorted, given)):
        if function in _VARIADIC:
            defined = NUMBERS.issuperset(each) or each == ("list",)
        else:
            one_by_one = [frozenset({one}) for one in each]
            defined = any(overload.fits(one_by_one) for overload in _KNOWN[function])
        if not defined:
            yield each
