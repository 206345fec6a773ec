"""Ranges: between which bounds the numbers lie, and the lengths of texts, lists and objects, that keep a schema.

They are wide enough always, and exact where a schema bounds them by its own keywords, `const`, `enum` and unions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Any, Final, TypeAlias, cast

import msgspec

from accord.domain.schema import JsonSchema
from accord.domain.schema_path import Alternative, Alternatives, types_together

Number: TypeAlias = int | float

EXACT: Final = 2**53 - 1
"""Up to here the doubles hold every integer, so that no sum or product below it is rounded past a bound; a larger bound
has no canonical form.
"""

_NUMBERS: Final = frozenset({"integer", "number"})
_LENGTHS: Final = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_KINDS: Final[dict[str, type]] = {"string": str, "array": list, "object": dict}


class Range(msgspec.Struct, frozen=True):
    """Numbers from a least to a most one, both included; None where there is no bound."""

    least: Number | None = None
    most: Number | None = None
    whole: bool = False
    """Whether they have no fraction; they may still be written as doubles."""

    @property
    def schema(self) -> JsonSchema:
        """The schema of just these numbers."""
        found: dict[str, object] = {"type": "integer" if self.whole else "number"}
        if self.least is not None:
            found["minimum"] = self.least
        if self.most is not None:
            found["maximum"] = self.most
        return found

    def mapped(self, change: Callable[[Number], Number], *, whole: bool | None = None) -> Range:
        """The range of what a function that never falls makes of these numbers."""
        least, most = (None if one is None else exact(change(one)) for one in (self.least, self.most))
        return Range(least, most, self.whole if whole is None else whole)


def exact(bound: Number | None) -> Number | None:
    """The bound, where no arithmetic has rounded it."""
    return bound if bound is not None and math.isfinite(bound) and abs(bound) <= EXACT else None


def numbers_of(schema: JsonSchema) -> Range | None:
    """The range of the numbers among the values of a schema; None where there can be none."""
    found = Alternatives(schema).of(schema)
    if found is None:
        return Range()
    ranges = [one for one in map(numbers_together, found) if one is not None]
    return covering(ranges) if ranges else None


def covering(ranges: Iterable[Range]) -> Range:
    """The smallest range with all numbers of these; at least one."""
    known = list(ranges)
    least, most = [one.least for one in known], [one.most for one in known]
    return Range(
        None if None in least else min(cast("list[Number]", least)),
        None if None in most else max(cast("list[Number]", most)),
        all(one.whole for one in known),
    )


def lengths_of(schema: JsonSchema, kind: str) -> tuple[int, int | None]:
    """The least and the most characters, items or members that a `string`, `array` or `object` of the schema has."""
    found = Alternatives(schema).of(schema)
    if found is None:
        return 0, None
    spans = [_length_together(each, kind) for each in found if kind in types_together(each)]
    longest = [most for _, most in spans]
    least = min((one for one, _ in spans), default=0)
    return least, None if None in longest else max(cast("list[int]", longest), default=0)


def numbers_together(alternative: Alternative) -> Range | None:
    """The range of the numbers of which these schemas hold together; None where there can be none."""
    types = types_together(alternative) & _NUMBERS
    if not types:
        return None
    whole = types == {"integer"}
    least, most = _tightest(alternative, ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"), whole)
    for part in alternative:
        values = _listed(part)
        if values is not None:
            numbers = [one for one in values if isinstance(one, int | float) and not isinstance(one, bool)]
            if not numbers:
                return None
            least, most = _larger(least, min(numbers)), _smaller(most, max(numbers))
            whole = whole or all(float(one).is_integer() for one in numbers)
    return Range(least, most, whole)


def _tightest(
    alternative: Alternative, low: tuple[str, str], high: tuple[str, str], whole: bool
) -> tuple[Number | None, Number | None]:
    least: Number | None = None
    most: Number | None = None
    for part in alternative:
        for keyword in low:
            bound = _number(part.get(keyword))
            if bound is not None:
                least = _larger(least, _inside(bound, keyword, math.floor, 1) if whole else bound)
        for keyword in high:
            bound = _number(part.get(keyword))
            if bound is not None:
                most = _smaller(most, _inside(bound, keyword, math.ceil, -1) if whole else bound)
    return least, most


def _inside(bound: Number, keyword: str, rounded: Callable[[Number], int], step: int) -> int:
    """The nearest integer that the bound allows: of `> 2` it is 3, of `>= 2.5` as well."""
    near = rounded(bound)
    return near if near == bound and not keyword.startswith("exclusive") else near + step


def _number(value: object) -> Number | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _larger(one: Number | None, other: Number) -> Number:
    return other if one is None else max(one, other)


def _smaller(one: Number | None, other: Number) -> Number:
    return other if one is None else min(one, other)


def _listed(part: Mapping[str, Any]) -> list[Any] | None:
    if "const" in part:
        return [part["const"]]
    listed = part.get("enum")
    return listed if isinstance(listed, list) else None


def _length_together(alternative: Alternative, kind: str) -> tuple[int, int | None]:
    low, high = _LENGTHS[kind]
    least, most = 0, None
    for part in alternative:
        at_least, at_most, values = part.get(low), part.get(high), _listed(part)
        if kind == "object" and isinstance(part.get("required"), list):
            least = max(least, len(set(cast("list[str]", part["required"]))))
        if isinstance(at_least, int | float):
            least = max(least, math.ceil(at_least))
        if isinstance(at_most, int | float):
            most = _smaller_length(most, math.floor(at_most))
        if values is not None:
            lengths = [len(cast("Sized", one)) for one in values if isinstance(one, _KINDS[kind])]
            least = max(least, min(lengths, default=0))
            most = _smaller_length(most, max(lengths, default=0))
    return least, most


def _smaller_length(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)
