"""JSON (RFC 8259) read into nodes; duplicate keys, NaN, unsafe integers and large depth are refused."""

from __future__ import annotations

import json
import re
from bisect import bisect_right

from accord.errors import Place, Problem, TemplateInvalid
from accord.templates.nodes import MAX_DEPTH, MAX_NODES, Document, Entry, Leaf, Listing, Mapping, Node, refuse

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<mark>[{}\[\],:])
      | (?P<string>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")
      | (?P<number>-?(?:0|[1-9][0-9]*)(?P<real>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![0-9A-Za-z_.+-]))
      | (?P<word>true|false|null)(?![0-9A-Za-z_])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS = {"true": True, "false": False, "null": None}
MAX_SAFE_INTEGER = 2**53 - 1
"""RFC 8785 and most readers of JSON know no larger integers."""


def parse_json(text: str, file: str | None) -> Document:
    """The document that a JSON text is."""
    reader = _Reader(text, file)
    root = reader.value(0)
    reader.take("end", "the end of the document")
    return Document(file, root, tuple(reader.problems))


class _Reader:
    """One pass over the text: always one token ahead."""

    def __init__(self, text: str, file: str | None) -> None:
        self.text, self.file = text, file
        self.lines = [match.end() for match in re.finditer("\n", text)]
        self.offset = self.nodes = 0
        self.problems: list[Problem] = []
        self.next()

    def next(self) -> None:
        """Go on to the next token."""
        match = _TOKEN.match(self.text, self.offset)
        if match is None:
            start = re.compile(r"[ \t\r\n]*").match(self.text, self.offset)
            raise self.wrong("this is not JSON", start.end() if start else self.offset)
        self.kind = match.lastgroup if match.lastgroup != "real" else "number"
        if match.group("number") is not None:
            self.kind = "number"
        self.token = match.group(self.kind or "end")
        self.start, self.offset = match.start(self.kind or "end"), match.end()
        self.real = bool(match.group("real"))

    def spot(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1."""
        line = bisect_right(self.lines, offset)
        return line + 1, offset - (self.lines[line - 1] if line else 0) + 1

    def wrong(self, message: str, offset: int, code: str = "ACC101") -> TemplateInvalid:
        line, column = self.spot(offset)
        return refuse(code, message, Place(self.file, line, column))

    def note(self, code: str, message: str) -> None:
        """Keep a problem of the present token that does not keep the rest from being read."""
        line, column = self.spot(self.start)
        self.problems.append(Problem(code, message, Place(self.file, line, column)))

    def take(self, what: str, wanted: str) -> None:
        """Go past this mark, or complain that `wanted` should be here."""
        if self.token != what and self.kind != what:
            raise self.wrong(f"expected {wanted}, found `{self.token or 'the end'}`", self.start)
        if self.kind != "end":
            self.next()

    def is_mark(self, mark: str) -> bool:
        """Whether this bracket is next."""
        return self.kind == "mark" and self.token == mark

    def value(self, depth: int) -> Node:
        """The value that starts at the present token."""
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise self.wrong(f"more than {MAX_DEPTH} levels or {MAX_NODES} values", self.start, "ACC103")
        if self.is_mark("{"):
            return self.mapping(depth)
        if self.is_mark("["):
            return self.listing(depth)
        line, column = self.spot(self.start)
        leaf = Leaf(line, column, self.scalar())
        self.next()
        return leaf

    def scalar(self) -> str | int | float | bool | None:
        match self.kind:
            case "string":
                return self.unquoted()
            case "number":
                return self.number()
            case "word":
                return _WORDS[self.token]
            case _:
                raise self.wrong(f"expected a value, found `{self.token or 'the end'}`", self.start)

    def unquoted(self) -> str:
        text: str = json.loads(self.token)
        if _SURROGATE.search(text):
            raise self.wrong("half of a surrogate pair", self.start)
        return text

    def number(self) -> int | float:
        if self.real:
            number = float(self.token)
            if number in (float("inf"), float("-inf")):
                raise self.wrong("the number is too large", self.start)
            return number
        if len(self.token) > 17 or abs(int(self.token)) > MAX_SAFE_INTEGER:
            self.note("ACC103", "integers beyond 2^53 lose digits in JSON; write a string")
            return 0
        return int(self.token)

    def listing(self, depth: int) -> Listing:
        line, column = self.spot(self.start)
        items: list[Node] = []
        self.next()
        while not self.is_mark("]"):
            if items:
                self.take(",", "`,` or `]`")
            items.append(self.value(depth + 1))
        self.next()
        return Listing(line, column, items, 1 + sum(item.size for item in items), _depth(items))

    def mapping(self, depth: int) -> Mapping:
        line, column = self.spot(self.start)
        entries: dict[str, Entry] = {}
        self.next()
        while not self.is_mark("}"):
            if entries:
                self.take(",", "`,` or `}`")
            self.member(entries, depth)
        self.next()
        nodes = [entry.node for entry in entries.values()]
        return Mapping(line, column, entries, 1 + sum(node.size for node in nodes), _depth(nodes))

    def member(self, entries: dict[str, Entry], depth: int) -> None:
        if self.kind != "string":
            raise self.wrong(f"expected a key in quotes, found `{self.token or 'the end'}`", self.start)
        key, start = self.unquoted(), self.start
        if key in entries:
            self.note("ACC102", f"the key `{key}` occurs twice")
        self.next()
        self.take(":", "`:`")
        entries.setdefault(key, Entry(*self.spot(start), self.value(depth + 1)))


def _depth(nodes: list[Node]) -> int:
    return 1 + max((node.depth for node in nodes), default=0)
