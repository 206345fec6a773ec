"""The checked syntax tree of a CEL expression, read from the bytes that the CEL runtime serialises.

The runtime shows its tree only as a protobuf `Any` of `cel.expr.CheckedExpr`; the few fields needed here are
read by a small strict reader of the wire format, so that no protobuf runtime is needed. Field numbers:
`cel/expr/syntax.proto` and `cel/expr/checked.proto` of github.com/google/cel-spec.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from typing import TypeAlias

import msgspec

MAX_DEPTH = 250
"""Nesting of the tree; the parser stops at 32 levels of source, macros multiply that by up to six."""

MAX_QUOTED = 120

_ANY_VALUE, _CHECKED_EXPR = 2, 4
_CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = 3, 4, 5, 6, 7, 8, 9
_VARINT, _FIXED64, _BYTES = 0, 1, 2

Field: TypeAlias = tuple[int, int | bytes]


def quoted(source: str) -> str:
    """An expression as it stands in messages: in backticks, cut where it is long."""
    return f"`{source}`" if len(source) <= MAX_QUOTED else f"`{source[:MAX_QUOTED]}…`"


class UnreadableSyntaxError(Exception):
    """The runtime serialised a tree that this reader does not know: a new version of it, or a bug here."""


class Constant(msgspec.Struct, frozen=True):
    """A literal; bytes, doubles and null are of no interest by value beyond their size."""

    value: bool | int | float | str | bytes | None
    unsigned: bool = False


class Name(msgspec.Struct, frozen=True):
    """A variable, a type, or a variable of a comprehension."""

    name: str


class Select(msgspec.Struct, frozen=True):
    """`operand.field`, or `has(operand.field)` where `test` is set."""

    operand: Node
    field: str
    test: bool = False


class Call(msgspec.Struct, frozen=True):
    """A function or operator; of a method call the target is the first argument."""

    function: str
    arguments: tuple[Node, ...]


class Sequence(msgspec.Struct, frozen=True):
    """A list literal."""

    elements: tuple[Node, ...]
    optional: frozenset[int] = frozenset()
    """Which of them are written with `?`: an optional, which may add nothing."""


class Record(msgspec.Struct, frozen=True):
    """A map literal (or a message, which has field names for keys)."""

    entries: tuple[tuple[Node, Node], ...]
    optional: frozenset[int] = frozenset()
    """Which of them are written with `?`: an optional, which may add nothing."""


class Comprehension(msgspec.Struct, frozen=True, kw_only=True):
    """A fold, which is what `map`, `filter`, `all`, `exists` and `cel.bind` expand to."""

    variables: frozenset[str]
    """Names of the element."""

    accumulator: str
    over: Node
    start: Node
    condition: Node
    step: Node
    result: Node


Node: TypeAlias = Constant | Name | Select | Call | Sequence | Record | Comprehension


def read_syntax(serialized: bytes) -> Node:
    """The tree inside a serialised checked expression.

    Raises:
        UnreadableSyntaxError: the bytes are no such tree, or nested deeper than `MAX_DEPTH`.
    """
    checked = _only(_fields(serialized), _ANY_VALUE)
    try:
        return _node(_only(_fields(checked), _CHECKED_EXPR), MAX_DEPTH)
    except KeyError as missing:
        raise UnreadableSyntaxError(f"field {missing} is missing") from None


def walked(node: Node) -> Iterator[Node]:
    """A tree and all trees inside of it."""
    yield node
    match node:
        case Select(operand):
            yield from walked(operand)
        case Call(_, children) | Sequence(children):
            yield from itertools.chain.from_iterable(map(walked, children))
        case Record(entries):
            yield from itertools.chain.from_iterable(map(walked, itertools.chain.from_iterable(entries)))
        case Comprehension():
            parts = (node.over, node.start, node.condition, node.step, node.result)
            yield from itertools.chain.from_iterable(map(walked, parts))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise UnreadableSyntaxError("a varint that does not end")


def _fields(data: bytes) -> Iterator[Field]:
    """Field numbers with their values: an int for varints, bytes for everything else."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire_type == _BYTES:
            size, at = _varint(data, at)
        elif wire_type == _FIXED64:
            size = 8
        else:
            raise UnreadableSyntaxError(f"wire type {wire_type}")
        if at + size > len(data):
            raise UnreadableSyntaxError("a field that is longer than its message")
        yield number, data[at : at + size]
        at += size


def _only(fields: Iterator[Field], number: int) -> bytes:
    for found, value in fields:
        if found == number and isinstance(value, bytes):
            return value
    raise UnreadableSyntaxError(f"field {number} is missing")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    raise UnreadableSyntaxError("a number where a message should be")


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError:
        raise UnreadableSyntaxError("a name that is not UTF-8") from None


def _node(data: bytes, depth: int) -> Node:
    if depth == 0:
        raise UnreadableSyntaxError("nested too deeply")
    for number, value in _fields(data):
        reader = _READERS.get(number)
        if reader is not None:
            return reader(_bytes(value), depth - 1)
    raise UnreadableSyntaxError("an expression of an unknown kind")


def _constant(data: bytes, _depth: int) -> Node:
    for number, value in _fields(data):
        match number, value:
            case 1, int():
                return Constant(None)
            case 2, int():
                return Constant(bool(value))
            case 3, int():
                return Constant(value - (1 << 64) if value >> 63 else value)
            case 4, int():
                return Constant(value, unsigned=True)
            case 5, bytes():
                return Constant(float(struct.unpack("<d", value)[0]))
            case 6, bytes():
                return Constant(_text(value))
            case 7, bytes():
                return Constant(value)
    raise UnreadableSyntaxError("a constant of an unknown kind")


def _name(data: bytes, _depth: int) -> Node:
    # A leading dot (`.input`) only says that no variable of a comprehension is meant; see `references`.
    return Name(_text(_only(_fields(data), 1)))


def _select(data: bytes, depth: int) -> Node:
    fields = dict(_fields(data))
    return Select(_node(_bytes(fields[1]), depth), _text(fields[2]), bool(fields.get(3, 0)))


def _call(data: bytes, depth: int) -> Node:
    function = ""
    target: list[Node] = []
    arguments: list[Node] = []
    for number, value in _fields(data):
        if number == 2:
            function = _text(value)
        else:
            (target if number == 1 else arguments).append(_node(_bytes(value), depth))
    return Call(function, (*target, *arguments))


def _list(data: bytes, depth: int) -> Node:
    fields = list(_fields(data))
    elements = tuple(_node(_bytes(value), depth) for number, value in fields if number == 1)
    optional = frozenset(itertools.chain.from_iterable(_numbers(each) for number, each in fields if number == 2))
    return Sequence(elements, optional)


def _numbers(value: int | bytes) -> Iterator[int]:
    """The integers of a repeated field, written one by one or packed."""
    if isinstance(value, int):
        yield value
        return
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        yield number


def _struct(data: bytes, depth: int) -> Node:
    entries = [_bytes(value) for number, value in _fields(data) if number == 2]
    optional = frozenset(position for position, entry in enumerate(entries) if dict(_fields(entry)).get(5))
    return Record(tuple(_entry(entry, depth) for entry in entries), optional)


def _entry(data: bytes, depth: int) -> tuple[Node, Node]:
    fields = dict(_fields(data))
    key = Constant(_text(fields[2])) if 2 in fields else _node(_bytes(fields[3]), depth)
    return key, _node(_bytes(fields[4]), depth)


def _comprehension(data: bytes, depth: int) -> Node:
    fields = dict(_fields(data))
    return Comprehension(
        variables=frozenset(_text(fields[number]) for number in (1, 8) if number in fields),
        accumulator=_text(fields[3]),
        over=_node(_bytes(fields[2]), depth),
        start=_node(_bytes(fields[4]), depth),
        condition=_node(_bytes(fields[5]), depth),
        step=_node(_bytes(fields[6]), depth),
        result=_node(_bytes(fields[7]), depth),
    )


_READERS = {
    _CONST: _constant,
    _IDENT: _name,
    _SELECT: _select,
    _CALL: _call,
    _LIST: _list,
    _STRUCT: _struct,
    _COMPREHENSION: _comprehension,
}
