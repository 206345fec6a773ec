"""Nodes: what a YAML or JSON text says, each part with its line and column."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from accord.errors import Place, Problem, TemplateInvalid

MAX_DEPTH = 64
MAX_NODES = 5_000_000
"""Nodes of a document with all its aliases written out."""

MAX_ALIASED_NODES = 100_000
"""Nodes that aliases may add: enough for shared settings, too few for a billion laughs."""

Scalar: TypeAlias = str | int | float | bool | None


class Leaf(msgspec.Struct, frozen=True):
    """A string, number, boolean or null, and where it starts (from 1)."""

    line: int
    column: int
    value: Scalar
    size: int = 1
    depth: int = 0


class Entry(msgspec.Struct, frozen=True):
    """A member of a mapping: where its key starts, and its value."""

    line: int
    column: int
    node: Node


class Mapping(msgspec.Struct, frozen=True):
    """An object; `size` and `depth` count what is below it, aliases written out."""

    line: int
    column: int
    entries: dict[str, Entry]
    size: int
    depth: int


class Listing(msgspec.Struct, frozen=True):
    """An array."""

    line: int
    column: int
    items: list[Node]
    size: int
    depth: int


Node: TypeAlias = Leaf | Mapping | Listing


class Document(msgspec.Struct, frozen=True):
    """What a file or text says, and where it says it."""

    file: str | None
    root: Node
    problems: tuple[Problem, ...] = ()
    """What breaks the language's syntax, and did not keep the rest from being read."""

    @property
    def value(self) -> Any:
        """The document as a JSON value; nodes that aliases share are shared here too."""
        return _value(self.root, {})

    def place(self, pointer: str, *, key: bool = False) -> Place:
        """Where the value at a JSON pointer is, or its key; the nearest one that exists where it does not."""
        line, column = self.root.line, self.root.column
        node: Node = self.root
        for token in pointer_tokens(pointer):
            found = _child(node, token)
            if found is None:
                break
            line, column, node = found
            if not key and not _is_nothing(node):
                line, column = node.line, node.column
        return Place(self.file, line, column, pointer or None)


def pointer(*tokens: str | int) -> str:
    """The JSON pointer (RFC 6901) with these tokens."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


def pointer_tokens(text: str) -> list[str]:
    """The inverse of `pointer`, all tokens as text."""
    return [token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:]]


def refuse(code: str, message: str, place: Place, hint: str | None = None) -> TemplateInvalid:
    """The error of a document that cannot be read further than `place`."""
    return TemplateInvalid(Problem(code, message, place, hint))


def _is_nothing(node: Node) -> bool:
    """Whether it may be that nothing is written there: then the place of its key says more."""
    return isinstance(node, Leaf) and node.value is None


def _child(node: Node, token: str) -> tuple[int, int, Node] | None:
    if isinstance(node, Mapping) and token in node.entries:
        entry = node.entries[token]
        return entry.line, entry.column, entry.node
    if isinstance(node, Listing) and token.isdecimal() and int(token) < len(node.items):
        item = node.items[int(token)]
        return item.line, item.column, item
    return None


def _value(node: Node, made: dict[int, Any]) -> Any:
    if isinstance(node, Leaf):
        return node.value
    if id(node) not in made:
        if isinstance(node, Mapping):
            made[id(node)] = {key: _value(entry.node, made) for key, entry in node.entries.items()}
        else:
            made[id(node)] = [_value(item, made) for item in node.items]
    return made[id(node)]
