"""Narrowing: what a condition says of the values that it asks about, where it is true and where it is false."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from accord.domain.expression.kinds import ALL, DOUBLES, Kinds
from accord.domain.expression.regex import quoted_pattern, schema_pattern
from accord.domain.expression.syntax import Call, Constant, Name, Node, Select, Sequence
from accord.domain.schema_path import JSON_TYPES
from accord.domain.schema_range import EXACT


class Fact(msgspec.Struct, frozen=True):
    """What is known of a part of an expression, which is there."""

    node: Node
    says: Mapping[str, object] = {}
    """Keywords of a schema that hold for it."""
    kinds: Kinds | None = None
    """The kinds that it may be of, where these are told."""
    about: Literal["this", "member", "value"] = "this"
    """`member`: only if it is a member of an object, and no item of a list. `value`: it is an optional that has one."""

    def excludes(self, text: str) -> bool:
        """Whether it is not this text."""
        if "const" in self.says:
            return self.says["const"] != text
        if "enum" in self.says:
            return text not in self.says["enum"]  # type: ignore[operator]  # it is a list
        denied = self.says.get("not")
        if not isinstance(denied, dict):
            return False
        return bool(denied.get("const") == text or text in denied.get("enum", ()))


_MIRRORED: Final = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_"}
_DENIED: Final = {"_<_": "_>=_", "_<=_": "_>_", "_>_": "_<=_", "_>=_": "_<_", "_==_": "_!=_", "_!=_": "_==_"}
_BOUNDS: Final = {"_<_": "exclusiveMaximum", "_<=_": "maximum", "_>_": "exclusiveMinimum", "_>=_": "minimum"}
_TYPES: Final = {
    "string": "string",
    "bool": "boolean",
    "list": "array",
    "map": "object",
    "null_type": "null",
    "int": "integer",
    "double": "number",
}
_KINDS: Final[Mapping[str, Kinds]] = {
    "string": frozenset({"string"}),
    "bool": frozenset({"bool"}),
    "list": frozenset({"list"}),
    "map": frozenset({"map"}),
    "null_type": frozenset({"null"}),
    "int": frozenset({"int"}),
    "double": DOUBLES,
}
_INEXACT: Final = frozenset({"int", "double"})
"""Types of CEL that schemas do not tell apart: an expression's `1.0` is an integer to a schema, and a double to CEL."""


def facts_of(condition: Node, *, holds: bool) -> Iterator[Fact]:
    """What is known of parts of a condition where it is true (`holds`), or where it is false."""
    match condition:
        case Call("!_", (operand,)):
            yield from facts_of(operand, holds=not holds)
        case Call(("_&&_" | "_||_") as function, (one, other)):
            if (function == "_&&_") == holds:
                yield from facts_of(one, holds=holds)
                yield from facts_of(other, holds=holds)
        case Call(function, (one, other)) if function in _DENIED:
            yield from _compared(function if holds else _DENIED[function], one, other)
        case Call("@in", (one, other)):
            yield from _among(one, other, holds=holds)
        case Call(("matches" | "startsWith" | "endsWith" | "contains") as function, (one, Constant(str() as text))):
            yield from _found_in(function, one, text, holds=holds)
        case Select(_, _, True) | Call("hasValue"):
            yield from _asked(condition) if holds else ()
        case Select(_, _, False) | Name() | Call("_[_]"):
            yield Fact(condition, {"const": holds})


def _among(one: Node, others: Node, *, holds: bool) -> Iterator[Fact]:
    match one, others:
        case _, Sequence(elements, optional) if not optional and all(map(_is_exact, elements)):
            values = [each.value for each in elements if isinstance(each, Constant)]
            if values:
                yield Fact(one, {"enum": values} if holds else {"not": {"enum": values}})
        case Constant(str() as name), _ if holds:
            yield Fact(Select(others, name), about="member")


def _found_in(function: str, one: Node, text: str, *, holds: bool) -> Iterator[Fact]:
    """Where a text has something in it, or has not."""
    if function == "matches":
        pattern = schema_pattern(text)
    else:
        before, after = "^" * (function == "startsWith"), "$" * (function == "endsWith")
        pattern = quoted_pattern(text, before, after) if text.isascii() else None
    says = {} if pattern is None else {"pattern": pattern}
    told = {"type": "string", **(says if holds or not says else {"not": says})}
    yield Fact(one, told, frozenset({"string"}))


def _asked(condition: Node) -> Iterator[Fact]:
    """Where has() has found a member, or an optional has a value."""
    match condition:
        case Select(operand, field):
            yield Fact(operand, {"type": "object", "required": [field]})
            yield Fact(Select(operand, field))
        case Call(_, (optional,)):
            yield Fact(optional, about="value")
            match optional:
                case Call("_?._", (operand, Constant(str() as name))):
                    yield Fact(Select(operand, name))


def _compared(function: str, one: Node, other: Node) -> Iterator[Fact]:
    if isinstance(one, Constant):
        one, other, function = other, one, _MIRRORED.get(function, function)
    match one, other:
        case Call("type", (operand,)), Name(name) if name.removeprefix(".") in _TYPES:
            yield from _typed(function, operand, name.removeprefix("."))
        case Call("size", (operand,)), Constant(int() as count) if not isinstance(count, bool):
            yield from _sized(function, operand, count)
        case _, Constant(value) if _is_exact(other):
            yield from _valued(function, one, value)


def _valued(function: str, node: Node, value: Any) -> Iterator[Fact]:
    if function == "_==_":
        yield Fact(node, {"type": "null"} if value is None else {"const": value})
    elif function == "_!=_":
        yield Fact(node, {"type": sorted(JSON_TYPES - {"null"})} if value is None else {"not": {"const": value}})
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield Fact(node, {"type": "number", _BOUNDS[function]: value})


def _typed(function: str, node: Node, name: str) -> Iterator[Fact]:
    kinds = _KINDS[name]
    if function == "_==_":
        yield Fact(node, {"type": _TYPES[name]}, kinds)
    elif function == "_!=_":
        left = JSON_TYPES if name in _INEXACT else JSON_TYPES - {_TYPES[name]}
        yield Fact(node, {"type": sorted(left)}, ALL - kinds)


def _sized(function: str, node: Node, count: int) -> Iterator[Fact]:
    least = {"_>_": count + 1, "_>=_": count, "_==_": count}.get(function)
    if function == "_!=_" and count == 0:
        least = 1
    most = {"_<_": count - 1, "_<=_": count, "_==_": count}.get(function)
    kinds = ("Items", "Length", "Properties")
    if least is not None and least > 0:
        yield Fact(node, {f"min{kind}": least for kind in kinds})
    if most is not None and most >= 0:
        yield Fact(node, {f"max{kind}": most for kind in kinds})


def _is_exact(node: Node) -> bool:
    """Whether it is a constant that JSON Schema tells from all others as CEL does."""
    if not isinstance(node, Constant) or isinstance(node.value, bytes):
        return False
    number = node.value if isinstance(node.value, int | float) and not isinstance(node.value, bool) else 0
    return abs(number) <= EXACT
