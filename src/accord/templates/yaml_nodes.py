"""YAML 1.2 (core schema) read into nodes that know their line and column.

Refused are tags, merge keys, keys that are no strings, a second document in the file, and aliases that grow
without bound. Values are read by the core schema's table alone: `yes`, `no`, `on` and dates are strings.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from accord.errors import Place, Problem, TemplateInvalid
from accord.templates.json_nodes import MAX_SAFE_INTEGER
from accord.templates.nodes import (
    MAX_ALIASED_NODES,
    MAX_DEPTH,
    Document,
    Entry,
    Leaf,
    Listing,
    Mapping,
    Node,
    Scalar,
    refuse,
)

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_QUOTE_IT = 'put the expression into quotes: "${ ... }"'


def parse_yaml(text: str, file: str | None) -> Document:
    """The document that a YAML text is."""
    builder = _Builder(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for event in YAML(typ="safe", pure=True).parse(text):
                builder.add(event)
    except YAMLError as error:
        raise _syntax_error(error, text, file) from error
    except (ValueError, AssertionError, IndexError, AttributeError, TypeError, Warning) as error:
        # The scanner lets such errors through for a few broken texts, e.g. a bad escape.
        raise refuse("ACC101", f"this is not YAML: {error}", Place(file)) from error
    if builder.root is None:
        raise refuse("ACC101", "the document is empty", Place(file, 1, 1))
    return Document(file, builder.root, tuple(builder.problems))


class _Open:
    """A collection whose end has not come yet."""

    def __init__(self, event: Any) -> None:
        self.line, self.column = event.start_mark.line + 1, event.start_mark.column + 1
        self.anchor: str | None = event.anchor
        self.is_mapping = isinstance(event, MappingStartEvent)
        self.entries: dict[str, Entry] = {}
        self.items: list[Node] = []
        self.key: tuple[str, int, int] | None = None
        self.size, self.depth = 1, 1

    def closed(self) -> Node:
        if self.is_mapping:
            return Mapping(self.line, self.column, self.entries, self.size, self.depth)
        return Listing(self.line, self.column, self.items, self.size, self.depth)


class _Builder:
    """Makes nodes of the parser's events, without recursion."""

    def __init__(self, file: str | None) -> None:
        self.file = file
        self.root: Node | None = None
        self.open: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.aliased = self.documents = 0
        self.problems: list[Problem] = []

    def add(self, event: Any) -> None:
        """Take one event in."""
        if isinstance(event, DocumentStartEvent):
            self.start_document(event)
        elif isinstance(event, AliasEvent):
            self.put(self.alias(event), event)
        elif isinstance(event, (ScalarEvent, MappingStartEvent, SequenceStartEvent)):
            self.start(event)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            closed = self.open.pop()
            node = closed.closed()
            if closed.anchor:
                self.anchors[closed.anchor] = node
            self.put(node, event)

    def start(self, event: Any) -> None:
        tag = event.tag
        if tag is not None and not (tag == "!" and isinstance(event, ScalarEvent)):
            self.note("ACC103", f"tags such as `{tag}` are not allowed", event, "write the value without it")
        if not isinstance(event, ScalarEvent):
            self.enter(event)
            return
        mark = event.start_mark
        leaf = Leaf(mark.line + 1, mark.column + 1, self.scalar(event))
        if event.anchor:
            self.anchors[event.anchor] = leaf
        self.put(leaf, event)

    def start_document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            raise self.wrong("ACC103", "a file holds one document only", event, "remove the line `---`")
        if event.version is not None and str(".".join(map(str, event.version))) != "1.2":
            raise self.wrong("ACC103", "only YAML 1.2 is read", event, "remove the line `%YAML`")

    def enter(self, event: Any) -> None:
        if len(self.open) > MAX_DEPTH:
            raise self.wrong("ACC103", f"more than {MAX_DEPTH} levels", event)
        if self.open and self.open[-1].is_mapping and self.open[-1].key is None:
            hint = 'for an expression, write "${ ... }" in quotes'
            raise self.wrong("ACC104", "a key must be a string, not a list or a mapping", event, hint)
        self.open.append(_Open(event))

    def alias(self, event: Any) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            hint = "an anchor cannot hold an alias of itself, and comes before its aliases"
            self.note("ACC103", f"there is no anchor `&{event.anchor}` before this", event, hint)
            return Leaf(event.start_mark.line + 1, event.start_mark.column + 1, None)
        self.aliased += node.size
        if self.aliased > MAX_ALIASED_NODES:
            raise self.wrong("ACC103", f"aliases add more than {MAX_ALIASED_NODES} values", event)
        return node

    def put(self, node: Node, event: Any) -> None:
        """Add a complete node to the collection it is in."""
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        if parent.is_mapping and parent.key is None:
            self.put_key(parent, node, event)
            return
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)
        if parent.depth + len(self.open) > MAX_DEPTH + 2:
            raise self.wrong("ACC103", f"more than {MAX_DEPTH} levels", event)
        if parent.key is None:
            parent.items.append(node)
            return
        key, line, column = parent.key
        parent.entries.setdefault(key, Entry(line, column, node))
        parent.key = None

    def put_key(self, parent: _Open, node: Node, event: Any) -> None:
        value = node.value if isinstance(node, Leaf) else None
        if not isinstance(value, str):
            self.note("ACC103", "a key must be a string", event, f'write "{_shown(value)}" in quotes')
            value = _shown(value)
        elif value == "<<":
            self.note("ACC103", "merge keys belong to YAML 1.1", event, "write the entries out")
        elif value in parent.entries:
            self.note("ACC102", f"the key `{value}` occurs twice", event, self.first_use(parent, value))
        mark = event.start_mark
        parent.key = (value, mark.line + 1, mark.column + 1)

    def first_use(self, parent: _Open, key: str) -> str:
        return f"it is first in line {parent.entries[key].line}"

    def scalar(self, event: Any) -> Scalar:
        text: str = event.value
        if event.style is not None or event.tag == "!":
            return self.checked(text, event)
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return self.integer(text, event)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if number in (float("inf"), float("-inf")):
                self.note("ACC103", "the number is too large", event)
                return 0
            return number
        if _NO_NUMBER.fullmatch(text):
            self.note("ACC103", f"`{text}` is no JSON number", event, "for the word, put it into quotes")
            return 0
        return self.checked(text, event)

    def checked(self, text: str, event: Any) -> str:
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise self.wrong("ACC101", "half of a surrogate pair", event)
        return text

    def integer(self, text: str, event: Any) -> int:
        number = int(text, 0 if text.startswith(("0o", "0x")) else 10) if len(text) <= 17 else MAX_SAFE_INTEGER + 1
        if abs(number) > MAX_SAFE_INTEGER:
            self.note("ACC103", "integers beyond 2^53 lose digits in JSON", event, "put it into quotes")
            return 0
        return number

    def note(self, code: str, message: str, event: Any, hint: str | None = None) -> None:
        """Keep a problem that does not keep the rest from being read."""
        self.problems.extend(self.wrong(code, message, event, hint).problems)

    def wrong(self, code: str, message: str, event: Any, hint: str | None = None) -> TemplateInvalid:
        mark = event.start_mark
        return refuse(code, message, Place(self.file, mark.line + 1, mark.column + 1), hint)


def _shown(value: Scalar) -> str:
    return str(msgspec.json.encode(value), "utf-8")


def _syntax_error(error: YAMLError, text: str, file: str | None) -> TemplateInvalid:
    if not isinstance(error, MarkedYAMLError):
        return refuse("ACC101", f"this is not YAML: {str(error).splitlines()[0]}", Place(file, *_odd_character(text)))
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return refuse("ACC101", f"this is not YAML: {error.problem}", Place(file))
    place = Place(file, mark.line + 1, mark.column + 1)
    line = (text.splitlines() or [""])[min(mark.line, len(text.splitlines()) - 1)]
    if "\t" in line[: mark.column + 1] and "\\t" in str(error.problem):
        return refuse("ACC101", "a tab cannot be used here", place, "indent with spaces")
    lines: Iterable[str] = (line, _line_of(error.context_mark, text))
    if any(_has_open_expression(one) for one in lines):
        return refuse("ACC104", "an expression without quotes is not YAML here", place, _QUOTE_IT)
    return refuse("ACC101", f"this is not YAML: {error.problem}", place, _context(error))


def _line_of(mark: Any, text: str) -> str:
    lines = text.splitlines()
    return lines[mark.line] if mark is not None and mark.line < len(lines) else ""


def _has_open_expression(line: str) -> bool:
    return re.search(r"""(?<!["'\w])\$\{|\{\{""", re.sub(r""""(?:[^"\\]|\\.)*"|'[^']*'""", "", line)) is not None


def _context(error: MarkedYAMLError) -> str | None:
    if not error.context or error.context_mark is None:
        return None
    return f"{error.context} that starts in line {error.context_mark.line + 1}"


def _odd_character(text: str) -> tuple[int, int]:
    found = re.search("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    before = text[: found.start()] if found else ""
    return before.count("\n") + 1, len(before) - before.rfind("\n")
