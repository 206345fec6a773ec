"""Functions: the schema of what each function and operator of CEL gives, by the schemas of its arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from accord.domain.expression.syntax import Constant, Node
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import JSON_TYPES, types_of
from accord.domain.schema_range import EXACT, Number, Range, covering, exact, lengths_of, numbers_of
from accord.domain.schema_union import item_of, list_of, union

BOOLEAN: Final[JsonSchema] = {"type": "boolean"}
_TEXT: Final[JsonSchema] = {"type": "string"}
_INTEGER: Final[JsonSchema] = {"type": "integer"}

TRUTHS: Final = frozenset(
    "_&&_ _||_ !_ _==_ _!=_ _<_ _<=_ _>_ _>=_ @in startsWith endsWith contains matches hasValue bool"  # noqa: SIM905 - words read better
    " @not_strictly_false math.isNaN math.isInf math.isFinite".split()
)
"""What gives true or false."""

_TEXTS: Final = frozenset({"replace", "join", "format", "strings.quote", "base64.encode", "string"})
_INTEGERS: Final = frozenset(
    "math.bitAnd math.bitOr math.bitXor math.bitNot math.bitShiftLeft math.bitShiftRight"  # noqa: SIM905 - as above
    " getFullYear getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours getMinutes getSeconds"
    " getMilliseconds".split()
)
_LIMITS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_SAME_LENGTH: Final = frozenset({"lowerAscii", "upperAscii", "reverse"})
_ROUNDED: Final = frozenset({"math.ceil", "math.floor", "math.round", "math.trunc"})


def given_by(function: str, given: Sequence[JsonSchema], arguments: Sequence[Node]) -> JsonSchema:
    """The schema of what a function gives; True where nothing is known of it, False where it never gives anything."""
    if function in _TEXTS:
        return _TEXT
    if function in _INTEGERS:
        return _INTEGER
    if function in _SAME_LENGTH and len(given) == 1:
        return _text(*lengths_of(given[0], "string"))
    if function in _ROUNDED and len(given) == 1:
        return _rounded(given[0])
    rule = _RULES.get(function)
    return True if rule is None else rule(given, arguments)


def coarse(schema: JsonSchema) -> JsonSchema:
    """The types of a schema alone."""
    types = types_of(schema)
    return True if types == JSON_TYPES else {"type": sorted(types)} if types else False


# -- operators -------------------------------------------------------------------------------------------------------


def plus(one: JsonSchema, other: JsonSchema) -> JsonSchema:
    """What `+` gives: a sum, or both texts or lists behind each other; what becomes text in JSON may be moments."""
    types = types_of(one) & types_of(other)
    found: list[JsonSchema | None] = []
    numbers = _arithmetic(one, other, _sum)
    if numbers is not False:
        found.append(numbers)
    if "string" in types:
        lengths = _added(lengths_of(one, "string"), lengths_of(other, "string"))
        found.append(_text(*lengths) if _is_text(one) or _is_text(other) else _TEXT)
    if "array" in types:
        items = union((item_of(one), item_of(other)))
        found.append(list_of(items, *_added(lengths_of(one, "array"), lengths_of(other, "array"))))
    return _known(union(found))


def _plus(given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    return plus(given[0], given[1])


def _minus(given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    numbers = _arithmetic(given[0], given[1], _difference)
    moments: JsonSchema = _TEXT if True in given and _may_be_text(given) else False
    return _known(union((numbers, moments)))


def _may_be_text(given: Sequence[JsonSchema]) -> bool:
    return all("string" in types_of(each) for each in given)


def _times(given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    return _arithmetic(given[0], given[1], _product)


def whole(schema: JsonSchema) -> JsonSchema:
    """The schema, of what is known to be integers."""
    if schema is True or (isinstance(schema, dict) and schema.get("type") != "number"):
        return schema
    found = numbers_of(schema)
    if found is None:
        return False
    least, most = found.least, found.most
    return Range(least if least is None else math.ceil(least), most if most is None else math.floor(most), True).schema


def _divided(given: Sequence[JsonSchema], arguments: Sequence[Node]) -> JsonSchema:
    """3.0 is an integer to a schema, and half of it is none: so a quotient is one where a side is written as one."""
    one, other = numbers_of(given[0]), numbers_of(given[1])
    if one is None or other is None:
        return False
    integers = any(isinstance(each, Constant) and isinstance(each.value, int) for each in arguments)
    return Range(*_quotient(one, other), integers).schema


def _quotient(one: Range, other: Range) -> tuple[Number | None, Number | None]:
    """Between which bounds a quotient is, be it rounded to 0 or not: known of what is divided by 1 or more."""
    least, most, near = exact(one.least), exact(one.most), other.least
    if near is None or near < 1:
        return None, None
    low = least if least is None else least / near if least <= 0 else _shrunk(least, other.most)
    high = most if most is None else most / near if most >= 0 else _shrunk(most, other.most)
    return low, high


def _shrunk(bound: Number, divisor: Number | None) -> int:
    return 0 if divisor is None else math.trunc(bound / divisor)


def _rest(given: Sequence[JsonSchema], arguments: Sequence[Node]) -> JsonSchema:
    one, other = numbers_of(given[0]), numbers_of(given[1])
    if one is None or other is None:
        return False
    divisor = arguments[1].value if isinstance(arguments[1], Constant) else None
    if not isinstance(divisor, int) or not divisor:
        return _INTEGER
    least = 0 if one.least is not None and one.least >= 0 else 1 - abs(divisor)
    return Range(least, abs(divisor) - 1, whole=True).schema


def _minus_sign(given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    return _arithmetic({"const": 0}, given[0], _difference)


def _arithmetic(
    one: JsonSchema, other: JsonSchema, bounds: Callable[[Range, Range], tuple[Number | None, Number | None]]
) -> JsonSchema:
    first, second = numbers_of(one), numbers_of(other)
    if first is None or second is None:
        return False
    least, most = bounds(first, second)
    return Range(exact(least), exact(most), first.whole and second.whole).schema


def _sum(one: Range, other: Range) -> tuple[Number | None, Number | None]:
    return _together(one.least, other.least, 1), _together(one.most, other.most, 1)


def _difference(one: Range, other: Range) -> tuple[Number | None, Number | None]:
    return _together(one.least, other.most, -1), _together(one.most, other.least, -1)


def _together(one: Number | None, other: Number | None, sign: int) -> Number | None:
    if one is None or other is None or abs(one) > EXACT or abs(other) > EXACT:
        return None
    return one + sign * other


def _product(one: Range, other: Range) -> tuple[Number | None, Number | None]:
    bounds = (one.least, one.most, other.least, other.most)
    known = [each for each in bounds if each is not None and abs(each) <= EXACT]
    if len(known) < len(bounds):
        return None, None
    corners = [known[0] * known[2], known[0] * known[3], known[1] * known[2], known[1] * known[3]]
    return min(corners), max(corners)


# -- functions -------------------------------------------------------------------------------------------------------


def _size(given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    kinds = types_of(given[0]) & {"string", "array", "object"}
    if not kinds:
        return False
    spans = [(0, None) if given[0] is True else lengths_of(given[0], kind) for kind in kinds]
    return covering(Range(least, EXACT if most is None else most, whole=True) for least, most in spans).schema


def _position(_given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    return Range(-1, EXACT, whole=True).schema


def _shorter(given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    return _text(0, lengths_of(given[0], "string")[1])


def _cut(given: Sequence[JsonSchema], arguments: Sequence[Node]) -> JsonSchema:
    match arguments[1:]:
        case (Constant(int() as begin), Constant(int() as end)) if 0 <= begin <= end:
            return _text(end - begin, end - begin)
    return _shorter(given, arguments)


def _character(_given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    return _text(0, 1)


def _pieces(given: Sequence[JsonSchema], arguments: Sequence[Node]) -> JsonSchema:
    at_most_given = len(arguments) > 2
    return list_of(_text(0, lengths_of(given[0], "string")[1]), 0 if at_most_given else 1)


def _integer(given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    found = numbers_of(given[0])
    if found is None or not types_of(given[0]) <= {"integer", "number"}:
        return _INTEGER
    return found.mapped(math.trunc, whole=True).schema


def _natural(_given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    return Range(0, None, whole=True).schema


def _double(given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    found = numbers_of(given[0])
    if found is None or not types_of(given[0]) <= {"integer", "number"}:
        return {"type": "number"}
    return given[0] if _is_of_bounds(given[0]) else found.mapped(lambda bound: bound).schema


def _is_of_bounds(schema: JsonSchema) -> bool:
    """Whether a schema says no more than between which bounds numbers are, to which no rounding comes."""
    said = {} if isinstance(schema, bool) else {name: each for name, each in schema.items() if name != "type"}
    return said.keys() <= _LIMITS and all(exact(each) is not None for each in said.values())  # type: ignore[arg-type]  # they are numbers


def _size_of_number(given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    found = numbers_of(given[0])
    if found is None:
        return False
    ends = [found.least, found.most]
    most = None if None in ends else exact(max(abs(each) for each in ends if each is not None))
    return Range(0, most, found.whole).schema


def _sign(_given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    return Range(-1, 1, whole=True).schema


def _root(_given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    return {"type": "number", "minimum": 0}


def _rounded(given: JsonSchema) -> JsonSchema:
    """Whichever way it is rounded."""
    found = numbers_of(given)
    if found is None:
        return False
    least = None if found.least is None else exact(math.floor(found.least))
    return Range(least, None if found.most is None else exact(math.ceil(found.most)), whole=True).schema


def _extreme(most: bool) -> Callable[[Sequence[JsonSchema], Sequence[Node]], JsonSchema]:
    """Of the largest of several numbers, or the smallest: it is one of them, and beyond none."""

    def rule(given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
        schemas = list(given)
        if len(schemas) == 1 and "array" in types_of(schemas[0]):
            item = item_of(schemas[0]) if types_of(schemas[0]) == {"array"} else None
            found = None if item is None else numbers_of(item)
            return {"type": "number"} if found is None else found.schema
        ranges = [one for one in map(numbers_of, schemas) if one is not None]
        if len(ranges) < len(schemas) or not ranges:
            return False
        whole = covering(ranges)
        if most:
            return Range(_furthest([one.least for one in ranges], max), whole.most, whole.whole).schema
        return Range(whole.least, _furthest([one.most for one in ranges], min), whole.whole).schema

    return rule


def _furthest(bounds: Sequence[Number | None], choose: Callable[[list[Number]], Number]) -> Number | None:
    known = [one for one in bounds if one is not None]
    return choose(known) if known else None


def _same(given: Sequence[JsonSchema], _arguments: Sequence[Node]) -> JsonSchema:
    return given[0]


_RULES: Final[dict[str, Callable[[Sequence[JsonSchema], Sequence[Node]], JsonSchema]]] = {
    "_+_": _plus,
    "_-_": _minus,
    "_*_": _times,
    "_/_": _divided,
    "_%_": _rest,
    "-_": _minus_sign,
    "size": _size,
    "indexOf": _position,
    "lastIndexOf": _position,
    "substring": _cut,
    "trim": _shorter,
    "charAt": _character,
    "split": _pieces,
    "int": _integer,
    "uint": _natural,
    "double": _double,
    "dyn": _same,
    "math.abs": _size_of_number,
    "math.sign": _sign,
    "math.sqrt": _root,
    "math.@max": _extreme(most=True),
    "math.@min": _extreme(most=False),
}


# -- texts -----------------------------------------------------------------------------------------------------------


def _text(least: int, most: int | None) -> JsonSchema:
    found: dict[str, object] = {"type": "string"}
    if least:
        found["minLength"] = least
    if most is not None:
        found["maxLength"] = most
    return found


def _is_text(schema: JsonSchema) -> bool:
    """Whether texts of the schema are texts to CEL as well, and no moments."""
    return schema is not True


def _added(one: tuple[int, int | None], other: tuple[int, int | None]) -> tuple[int, int | None]:
    most = None if one[1] is None or other[1] is None else one[1] + other[1]
    return one[0] + other[0], most


def _known(schema: JsonSchema | None) -> JsonSchema:
    return True if schema is None else schema
