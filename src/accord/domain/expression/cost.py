"""An upper bound of the work that an evaluation can take, from the syntax tree and the size of the data.

The CEL runtime stops after 10 000 iterations of its comprehensions, but that alone bounds nothing: `map` and `filter`
copy their result for every item (3 s for 9 999 items), `in` and `==` read whole lists, `replace` multiplies lengths,
and `map(x, x + x)` repeated 30 times asks for gigabytes. It cannot be interrupted, and holds the interpreter's lock.
So the work is bounded before it begins: `MAX_STEPS` of about 20 ns each, 100 ms. The bound holds for the functions of
the extensions that are loaded; it is generous for expressions that read uneven lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import TypeAlias

import msgspec

from accord.domain.expression.reference import plain_path
from accord.domain.expression.syntax import Call, Comprehension, Constant, Name, Node, Record, Select, Sequence, quoted
from accord.errors import ExpressionInvalid

MAX_STEPS = 5_000_000
"""One step is about 20 ns; copying a value, or comparing two, takes one or two."""

MAX_ITERATIONS = 10_000
"""Of all comprehensions of one evaluation together; the runtime counts them."""

_PER_NODE = 3
_CHARACTERS_PER_STEP = 8
_TEXT_OF_NUMBER = 32
_TEXT_OF_CLAUSE = 1000
"""The longest that one `%` of format() can write for a number."""

_REGEX_STEPS = 500
_SCALARS = frozenset({"size", "int", "uint", "double", "bool", "_<_", "_<=_", "_>_", "_>=_", "_&&_", "_||_", "!_"})


class Growth(IntEnum):
    """How work and results grow with the data."""

    FLAT = 0
    """Each value is looked at once per mention."""
    EVEN = 1
    """Values are added up: at most the data, times the length of the expression."""
    STEEP = 2
    """Loops, and functions that multiply lengths."""


_GROWTH = {"_+_": Growth.EVEN, "replace": Growth.STEEP, "join": Growth.STEEP, "format": Growth.STEEP}


class Size(msgspec.Struct, frozen=True):
    """How large a value is: direct children, values in all, characters in all, and the largest of its children."""

    count: int
    values: int
    characters: int
    part: Size | None = None

    @property
    def child(self) -> Size:
        """A bound of each child; of what has none, a bound of anything inside it."""
        return self.part or Size(self.values - 1, self.values, self.characters)


_SCALAR = Size(0, 1, 0)
Sizes: TypeAlias = Mapping[tuple[str, ...], Size]
"""Of the data, by the paths at which it was cut out of the scope."""


def size_of(value: object) -> Size:
    """The size of a JSON value; of its parts, those equally deep are taken together."""
    levels: list[list[int]] = []
    _measure(value, 0, levels)
    size: Size | None = None
    for count, values, characters in reversed(levels):
        size = Size(count, values, characters, size)
    return size or _SCALAR


def _measure(value: object, level: int, levels: list[list[int]]) -> tuple[int, int]:
    """Values and characters of `value`; raises the maxima of its level."""
    if level == len(levels):
        levels.append([0, 1, 0])
    count, values, characters = 0, 1, 0
    if isinstance(value, str):
        characters = len(value)
    elif isinstance(value, dict | list):
        count = len(value)
        if isinstance(value, dict):
            characters = sum(map(len, value))
        for child in value.values() if isinstance(value, dict) else value:
            inner_values, inner_characters = _measure(child, level + 1, levels)
            values += inner_values
            characters += inner_characters
    highest = levels[level]
    if count > highest[0]:
        highest[0] = count
    if values > highest[1]:
        highest[1] = values
    if characters > highest[2]:
        highest[2] = characters
    return values, characters


def growth_of(node: Node) -> Growth:
    """How the work of an expression grows with its data."""
    match node:
        case Comprehension():
            return Growth.STEEP
        case Call(function, arguments):
            return max(_GROWTH.get(function, Growth.FLAT), *map(growth_of, arguments), Growth.FLAT)
        case Sequence(elements):
            return max(map(growth_of, elements), default=Growth.FLAT)
        case Record(entries):
            return max((growth_of(part) for entry in entries for part in entry), default=Growth.FLAT)
        case Select(operand):
            return growth_of(operand)
    return Growth.FLAT


def check_cost(syntax: Node, sizes: Sizes, source: str) -> None:
    """Refuse an evaluation that could take more than `MAX_STEPS`.

    Raises:
        ExpressionInvalid: ACC216.
    """
    bound = _Bound(sizes)
    bound.of(syntax, {})
    if bound.steps > MAX_STEPS:
        message = f"{quoted(source)} could take {bound.steps} steps on this data, at most {MAX_STEPS} are allowed"
        hint = "use for_each for long lists, or let an agent do the work"
        raise ExpressionInvalid.of("ACC216", message, hint=hint)


def _container(parts: list[Size], characters: int) -> Size:
    values = 1 + sum(part.values for part in parts)
    characters += sum(part.characters for part in parts)
    return Size(len(parts), values, characters, _largest(parts))


def _largest(parts: Iterable[Size | None]) -> Size | None:
    """A size that none of the parts exceeds."""
    known = [part for part in parts if part is not None]
    if len(known) <= 1:
        return known[0] if known else None
    return Size(
        max(part.count for part in known),
        max(part.values for part in known),
        max(part.characters for part in known),
        _largest(part.part for part in known),
    )


def _sum(parts: Iterable[Size]) -> Size:
    known = list(parts)
    return Size(
        sum(part.count for part in known),
        sum(part.values for part in known),
        sum(part.characters for part in known),
        _largest(part.part for part in known),
    )


class _Bound:
    """Adds up the steps of one evaluation while it bounds the size of every intermediate value."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.steps = 0

    def of(self, node: Node, scope: Mapping[str, Size]) -> Size:
        """The size of what `node` gives, where `scope` has the sizes of the variables of comprehensions."""
        self.steps += _PER_NODE
        match node:
            case Constant(value):
                return Size(0, 1, len(value)) if isinstance(value, str | bytes) else _SCALAR
            case Name(name) if name in scope:
                return scope[name]
            case Call(function, arguments):
                return self._call(function, [self.of(each, scope) for each in arguments], arguments)
            case Sequence(elements):
                return self._copied(_container([self.of(each, scope) for each in elements], 0))
            case Record(entries):
                parts = [self.of(part, scope) for entry in entries for part in entry]
                return self._copied(_container(parts, 0))
            case Comprehension():
                return self._fold(node, scope)
        return self._read(node, scope)

    def _read(self, node: Node, scope: Mapping[str, Size]) -> Size:
        """A path: as it was measured where it starts at a root, else a child of what it starts from."""
        path = plain_path(node, frozenset(scope))
        for length in range(len(path), 0, -1):
            if path[:length] in self.sizes:
                size = self.sizes[path[:length]]
                for _ in path[length:]:
                    size = size.child
                return size
        if isinstance(node, Select):
            inside = self.of(node.operand, scope).child
            return _SCALAR if node.test else inside
        return _SCALAR

    def _copied(self, size: Size) -> Size:
        self.steps += 2 * size.count
        return size

    def _call(self, function: str, sizes: list[Size], arguments: tuple[Node, ...]) -> Size:
        known = _FUNCTIONS.get(function)
        if known is not None:
            steps, size = known(sizes, arguments)
            self.steps += steps
            return size
        whole = _sum(sizes)
        self.steps += 2 * whole.values + whole.characters // _CHARACTERS_PER_STEP
        if function in _SCALARS:
            return _SCALAR
        # Anything else gives at most what it got, or the text of a number, or base64 of it.
        return Size(whole.count, whole.values, 2 * whole.characters + _TEXT_OF_NUMBER, whole.part)

    def _fold(self, fold: Comprehension, scope: Mapping[str, Size]) -> Size:
        over, start = self.of(fold.over, scope), self.of(fold.start, scope)
        rounds = min(over.count, MAX_ITERATIONS)
        inner = {**scope, **dict.fromkeys(fold.variables, over.child), fold.accumulator: start}
        before = self.steps
        added = self._added(fold, inner) if rounds else None
        per_round = self.steps - before
        self.steps = before + rounds * per_round
        if added is not None:
            # The runtime copies the list for every element that it appends: 31 ns for each that is there.
            self.steps += rounds * rounds * 4 // 5
            start = Size(rounds, 1 + rounds * added.values, rounds * added.characters, added)
        return self.of(fold.result, {**scope, fold.accumulator: start})

    def _added(self, fold: Comprehension, scope: Mapping[str, Size]) -> Size | None:
        """Counts one round; what it appends to the accumulator, if anything (`map` and `filter`)."""
        self.of(fold.condition, scope)
        step = fold.step
        while isinstance(step, Call) and step.function == "_?_:_":
            self.of(step.arguments[0], scope)
            step = step.arguments[1]
        match step:
            case Call("_+_", (Name(name), Sequence((element,)))) if name == fold.accumulator:
                return self.of(element, scope)
        self.of(step, scope)
        return None


_Rule: TypeAlias = Callable[[list[Size], tuple[Node, ...]], tuple[int, Size]]


def _plus(sizes: list[Size], _arguments: tuple[Node, ...]) -> tuple[int, Size]:
    whole = _sum(sizes)
    return 2 * (whole.count + 1) + whole.characters // 32, whole


def _equal(sizes: list[Size], _arguments: tuple[Node, ...]) -> tuple[int, Size]:
    # Comparing stops at the first difference, and the smaller side runs out first.
    less = min(sizes, key=lambda size: size.values)
    fewer = min(size.characters for size in sizes)
    return 3 * less.values + fewer // 64, _SCALAR


def _contained(sizes: list[Size], _arguments: tuple[Node, ...]) -> tuple[int, Size]:
    item, container = sizes
    each = min(item.values, container.child.values)
    characters = min(item.characters, container.child.characters) // 64
    return (container.count + 1) * (each + characters), _SCALAR


def _either(sizes: list[Size], _arguments: tuple[Node, ...]) -> tuple[int, Size]:
    return 1, _largest(sizes[1:]) or _SCALAR


def _child(sizes: list[Size], _arguments: tuple[Node, ...]) -> tuple[int, Size]:
    return _PER_NODE, sizes[0].child


def _replace(sizes: list[Size], _arguments: tuple[Node, ...]) -> tuple[int, Size]:
    text, new = sizes[0], sizes[2]
    length = (text.characters + 1) * (new.characters + 1)
    return 2 * text.characters + length // _CHARACTERS_PER_STEP, Size(0, 1, length)


def _split(sizes: list[Size], _arguments: tuple[Node, ...]) -> tuple[int, Size]:
    pieces = sizes[0].characters + 1
    return 4 * pieces, Size(pieces, 1 + pieces, sizes[0].characters, sizes[0])


def _join(sizes: list[Size], _arguments: tuple[Node, ...]) -> tuple[int, Size]:
    between = sizes[1].characters if len(sizes) > 1 else 0
    length = sizes[0].characters + sizes[0].count * between
    return 2 * sizes[0].count + length // _CHARACTERS_PER_STEP, Size(0, 1, length)


def _format(sizes: list[Size], arguments: tuple[Node, ...]) -> tuple[int, Size]:
    template = arguments[0]
    text = template.value if isinstance(template, Constant) else None
    clauses = text.count("%") if isinstance(text, str) else sizes[0].characters
    length = sizes[0].characters + (clauses + 1) * (_TEXT_OF_CLAUSE + 2 * sizes[1].child.characters)
    length += clauses * _TEXT_OF_NUMBER * sizes[1].child.values
    return length // _CHARACTERS_PER_STEP, Size(0, 1, length)


def _matches(sizes: list[Size], _arguments: tuple[Node, ...]) -> tuple[int, Size]:
    text, pattern = sizes
    return _REGEX_STEPS + 50 * pattern.characters + text.characters // 4, _SCALAR


_FUNCTIONS: dict[str, _Rule] = {
    "_+_": _plus,
    "_==_": _equal,
    "_!=_": _equal,
    "@in": _contained,
    "_?_:_": _either,
    "_[_]": _child,
    "_[?_]": _child,
    "_?._": _child,
    "replace": _replace,
    "split": _split,
    "join": _join,
    "format": _format,
    "matches": _matches,
}
