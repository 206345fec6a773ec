"""Partial: functions and operators that may fail on values of the right kinds: beyond a list, by zero, out of range."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal, TypeAlias

from accord.domain.expression.given import Given, known
from accord.domain.expression.inference import Inference
from accord.domain.expression.kinds import LARGE, NUMBERS, Kinds, of_data, of_made
from accord.domain.expression.magnitude import HELD, overflows, span
from accord.domain.expression.syntax import Call, Constant, Node
from accord.domain.schema import JsonSchema
from accord.domain.schema_range import lengths_of, numbers_of
from accord.domain.schema_union import item_of

Fits: TypeAlias = Callable[[JsonSchema, JsonSchema], bool]
"""Whether it is proven that the first schema holds for all for which the second one does."""

Kind: TypeAlias = Literal[
    "absent",
    "type",
    "member",
    "result",
    "unknown",
    "index",
    "division",
    "conversion",
    "regex",
    "function",
    "overflow",
    "large",
    "infinite",
]
"""How a part of an expression may fail. `member`: one is asked of what is no object; `result`: what it gives is not
what is needed there; `unknown`: no schema says anything of what it reads.
"""

Reason: TypeAlias = tuple[Kind, str]

TOO_LARGE: Final[Reason] = "large", "an integer that is read stays within 64 bits"

_DAY: Final = r"[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])"
MOMENT: Final[JsonSchema] = {"type": "string", "pattern": f"^{_DAY}T{_TIME}$"}
"""Texts that are a time for certain."""

INTEGER_TEXT: Final = 18
"""A text of so many digits is an integer that CEL can hold."""

_NOT_ZERO: Final[JsonSchema] = {
    "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "number", "exclusiveMaximum": 0}]
}
_CONVERTED: Final[dict[str, list[JsonSchema]]] = {
    "int": [
        {"type": "boolean"},
        {"type": "number", "minimum": -9e18, "maximum": 9e18},
        {"type": "string", "pattern": f"^-?[0-9]{{1,{INTEGER_TEXT}}}$"},
    ],
    "uint": [
        {"type": "integer", "minimum": 0, "maximum": 9e18},
        {"type": "string", "pattern": f"^[0-9]{{1,{INTEGER_TEXT}}}$"},
    ],
    "double": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"}],
    "bool": [{"type": "boolean"}, {"enum": ["true", "false"]}],
    "timestamp": [MOMENT],
    "duration": [{"type": "string", "pattern": "^-?[0-9]{1,6}(ms|s|m|h)$"}],
}
"""What each conversion never fails on."""

_CONVERTED_ALWAYS: Final[dict[str, Kinds]] = {
    "int": frozenset({"bool", "int", "timestamp"}),
    "uint": frozenset({"uint"}),
    "double": NUMBERS,
    "bool": frozenset({"bool"}),
    "timestamp": frozenset({"timestamp"}),
    "duration": frozenset({"duration"}),
}
_PARTIAL: Final = frozenset({"substring", "charAt", "format", "base64.decode"})
_AT: Final = frozenset({"indexOf", "lastIndexOf"})
_SHIFTS: Final = frozenset({"math.bitShiftLeft", "math.bitShiftRight"})
_EXTREMES: Final = frozenset({"math.@max", "math.@min"})
_SUMS: Final = frozenset({"_+_", "_-_", "_*_", "-_"})


class Partial:
    """Says of a call whose arguments are of the right kinds whether it may fail."""

    def __init__(self, fits: Fits) -> None:
        self._fits = fits

    def reasons(self, node: Call, here: Inference) -> Iterator[Reason]:
        """Why it may fail."""
        match node:
            case Call("_[_]", (operand, index)):
                if not (here.is_there(node) or self._is_inside(here.of(operand), here.of(index))):
                    yield "index", "the index or key is there"
            case Call("_/_" | "_%_", (one, divisor)):
                yield from self._divided(node, one, divisor, here)
            case Call(function) if function in _SUMS:
                yield from _computed(node, here)
            case Call(function, (operand,)) if function in _CONVERTED:
                yield from self._converted(function, here.of(operand))
            case Call(function, (operand, *_)):
                yield from self._of_function(function, node.arguments, here.of(operand), here)

    def _of_function(
        self, function: str, arguments: tuple[Node, ...], operand: Given, here: Inference
    ) -> Iterator[Reason]:
        if function == "matches" and not isinstance(arguments[1], Constant):
            yield "regex", "the pattern of matches() is one"
        elif function == "join":
            yield from _of_items("join()", operand, frozenset({"string"}))
        elif function in _EXTREMES and operand.kinds == {"list"}:
            yield from _extreme(operand)
        elif function == "value" and not operand.present:
            yield "function", "there is a value for value()"
        elif function == "math.abs" and (span(arguments[0], here.of) or (0,))[0] <= HELD[0]:
            yield "overflow", "an integer stays within 64 bits"
        elif (least := _reaches(function, arguments)) is not None and self._is_as_long(operand, least):
            return
        elif _may_fail(function, arguments, here):
            yield "function", f"{function.removeprefix('math.')}() never fails"

    def holds(self, wanted: JsonSchema, given: Given) -> bool:
        """Whether a value always has a schema."""
        return given.schema is not True and self._fits(wanted, given.schema)

    def _is_as_long(self, text: Given, least: int) -> bool:
        return self.holds({"type": "string", "minLength": least}, text)

    def _is_inside(self, operand: Given, index: Given) -> bool:
        found = numbers_of(index.schema) if index.kinds <= NUMBERS else None
        if found is None or not found.whole or found.least is None or found.most is None or found.least < 0:
            return False
        return self.holds({"type": "array", "minItems": int(found.most) + 1}, operand)

    def _converted(self, function: str, operand: Given) -> Iterator[Reason]:
        if operand.kinds <= _CONVERTED_ALWAYS[function] or self.holds({"anyOf": _CONVERTED[function]}, operand):
            return
        if operand.kinds - LARGE <= _CONVERTED_ALWAYS[function]:
            yield TOO_LARGE
        else:
            yield "conversion", f"{function}() can convert it"

    def _divided(self, node: Call, one: Node, divisor: Node, here: Inference) -> Iterator[Reason]:
        if not self.holds(_NOT_ZERO, here.of(divisor)):
            yield "division", "the divisor is not 0"
        elif (span(one, here.of) or HELD)[0] <= HELD[0] and not self._is_positive(divisor, here):
            yield "function", "the smallest integer is not divided by -1"

    def _is_positive(self, node: Node, here: Inference) -> bool:
        return self.holds({"type": "number", "exclusiveMinimum": 0}, here.of(node))


def _extreme(operand: Given) -> Iterator[Reason]:
    if lengths_of(operand.schema, "array")[0] < 1:
        yield "function", "the list is not empty of which an extreme is taken"
    yield from _of_items("greatest() and least()", operand, NUMBERS)


def _of_items(what: str, operand: Given, wanted: Kinds) -> Iterator[Reason]:
    """Whether all items of a list are of some kinds."""
    schema = known(item_of(operand.schema))
    kinds = of_data(schema) if operand.plain else of_made(schema)
    if lengths_of(operand.schema, "array")[1] != 0 and not kinds <= wanted:
        other = " or ".join(sorted(kinds - wanted))
        yield ("type" if schema is not True else "unknown"), f"an item may be {other}, which {what} is not for"


def _reaches(function: str, arguments: tuple[Node, ...]) -> int | None:
    """How long a text has to be of which a part is taken between constant positions; the library takes an end of its
    size for too great.
    """
    if function not in ("substring", "charAt"):
        return None
    match arguments[1:]:
        case (Constant(int() as at),) if at >= 0:
            return at
        case (Constant(int() as begin), Constant(int() as end)) if 0 <= begin <= end:
            return end + 1
    return None


def _may_fail(function: str, arguments: tuple[Node, ...], here: Inference) -> bool:
    """Whether a function may fail on values of the right kinds, or nothing is known of it."""
    if function in _PARTIAL or (function in _AT and len(arguments) == 3):
        return True
    if function in _SHIFTS:
        by = arguments[1]
        return not (isinstance(by, Constant) and isinstance(by.value, int) and by.value >= 0)
    if function == "math.sqrt":  # what is no number has no JSON
        found = numbers_of(here.of(arguments[0]).schema)
        return found is None or found.least is None or found.least < 0
    return function.startswith("get") and len(arguments) == 2  # a time zone


def _computed(node: Call, here: Inference) -> Iterator[Reason]:
    kinds = frozenset().union(*(here.of(each).kinds for each in node.arguments))
    if "int" in kinds and overflows(node, here.of):
        yield "overflow", "an integer stays within 64 bits"
    elif not kinds.isdisjoint({"uint", "timestamp", "duration"}):
        yield "function", "what is computed of moments, durations or unsigned integers can be held"
