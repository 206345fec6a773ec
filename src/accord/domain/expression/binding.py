"""Bindings: JSON values of a template with `${ CEL }` in them, compiled once and evaluated per use.

A string that is one `${ ... }` and nothing else but space around it has the expression's typed value. One with
`${ ... }` inside other text is text, in which strings stand as they are, other values as compact JSON. `$${` is
a literal `${`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TypeAlias

import msgspec
import orjson

from accord.domain.expression.json_value import with_integers
from accord.domain.expression.program import Expression, compile_expression
from accord.domain.expression.reference import Reference, Scope
from accord.errors import ExpressionInvalid, Place, Problem

_OPEN, _ESCAPED = "${", "$${"
_MARK = re.compile(r"""\"{3}|'{3}|["'{}]|//""")
"""What opens or closes something inside of an expression."""
_NOTHING: frozenset[Reference] = frozenset()
UNKNOWN = Expression(source="", references=_NOTHING, result_type="dyn")
"""Stands for an expression of which nothing can be told, because it does not compile."""


class Literal(msgspec.Struct, frozen=True):
    """A value without expressions; given out as it is, not to be changed."""

    value: object

    @property
    def references(self) -> frozenset[Reference]:
        return _NOTHING


class Computed(msgspec.Struct, frozen=True):
    """The typed value of one expression."""

    expression: Expression
    pointer: str

    @property
    def references(self) -> frozenset[Reference]:
        return self.expression.references


class Text(msgspec.Struct, frozen=True):
    """Text with values in it."""

    parts: tuple[str | Computed, ...]

    @property
    def references(self) -> frozenset[Reference]:
        return _NOTHING.union(*(part.references for part in self.parts if isinstance(part, Computed)))


class Entries(msgspec.Struct, frozen=True):
    """An object of which at least one member is computed."""

    members: tuple[tuple[str, Binding], ...]

    @property
    def references(self) -> frozenset[Reference]:
        return _NOTHING.union(*(member.references for _, member in self.members))


class Items(msgspec.Struct, frozen=True):
    """A list of which at least one item is computed."""

    items: tuple[Binding, ...]

    @property
    def references(self) -> frozenset[Reference]:
        return _NOTHING.union(*(item.references for item in self.items))


Binding: TypeAlias = Literal | Computed | Text | Entries | Items


def compile_binding(value: object, *, pointer: str = "") -> Binding:
    """The binding that a JSON value of a template is.

    Raises:
        ExpressionInvalid: all problems of all expressions in it, each with its JSON pointer (after
            `pointer`), and a column that counts from 1 in that string.
    """
    binding, problems = compile_partly(value, pointer=pointer)
    ExpressionInvalid.raise_if(problems)
    return binding


def compile_partly(value: object, *, pointer: str = "") -> tuple[Binding, tuple[Problem, ...]]:
    """The binding as far as it compiles, and all problems as `compile_binding` raises them.

    An expression that does not compile is `UNKNOWN` in it: for what is told of a template, never to be evaluated.
    """
    problems: list[Problem] = []
    return _compile(value, pointer, problems), tuple(problems)


def unknown_at(binding: Binding, pointers: Collection[str]) -> Binding:
    """The binding with `UNKNOWN` in place of the expressions at these pointers."""
    match binding:
        case Computed(_, pointer) if pointer in pointers:
            return Computed(UNKNOWN, pointer)
        case Text(parts):
            return Text(tuple(_part_unknown_at(part, pointers) for part in parts))
        case Entries(members):
            return Entries(tuple((name, unknown_at(member, pointers)) for name, member in members))
        case Items(items):
            return Items(tuple(unknown_at(item, pointers) for item in items))
    return binding


def _part_unknown_at(part: str | Computed, pointers: Collection[str]) -> str | Computed:
    return Computed(UNKNOWN, part.pointer) if isinstance(part, Computed) and part.pointer in pointers else part


def evaluate(binding: Binding, scope: Scope) -> object:
    """The JSON value of a binding.

    Raises:
        ExpressionInvalid: all problems of all its expressions (ACC210 to ACC218), each with its JSON pointer.
    """
    if type(binding) is Literal:
        return binding.value
    problems: list[Problem] = []
    value = _evaluate(binding, scope, problems)
    ExpressionInvalid.raise_if(problems)
    return value


def expressions(binding: Binding) -> Iterator[Computed]:
    """All expressions in a binding with their pointers, in the order of the document."""
    match binding:
        case Computed():
            yield binding
        case Text(parts):
            yield from (part for part in parts if isinstance(part, Computed))
        case Entries(members):
            for _, member in members:
                yield from expressions(member)
        case Items(items):
            for item in items:
                yield from expressions(item)


def part_of(binding: Binding, name: str) -> Binding | None:
    """The member or item of this name; None where one expression made all of it."""
    if isinstance(binding, Entries):
        return dict(binding.members).get(name)
    if isinstance(binding, Items) and name.isdecimal() and int(name) < len(binding.items):
        return binding.items[int(name)]
    return None


def _evaluate(binding: Binding, scope: Scope, problems: list[Problem]) -> object:
    match binding:
        case Literal(value):
            return value
        case Computed(expression, pointer):
            try:
                return expression.evaluate(scope)
            except ExpressionInvalid as error:
                problems.extend(_at(problem, pointer) for problem in error.problems)
                return None
        case Text(parts):
            values = [part if isinstance(part, str) else _evaluate(part, scope, problems) for part in parts]
            return "".join(value if isinstance(value, str) else _printed(value) for value in values)
        case Entries(members):
            return {name: _evaluate(member, scope, problems) for name, member in members}
        case Items(items):
            return [_evaluate(item, scope, problems) for item in items]


def _printed(value: object) -> str:
    """A value as compact JSON in a text: equal numbers as equal texts."""
    data = orjson.dumps(value)  # first, as it refuses what is nested too deeply
    return (data if isinstance(value, int) else orjson.dumps(with_integers(value))).decode()


def _compile(value: object, pointer: str, problems: list[Problem]) -> Binding:
    if isinstance(value, str):
        return _compile_text(value, pointer, problems)
    if isinstance(value, dict):
        members = tuple(
            (str(name), _compile(entry, f"{pointer}/{_escape(str(name))}", problems)) for name, entry in value.items()
        )
        if all(type(member) is Literal for _, member in members):
            return Literal({name: member.value for name, member in members if isinstance(member, Literal)})
        return Entries(members)
    if isinstance(value, list):
        items = tuple(_compile(entry, f"{pointer}/{index}", problems) for index, entry in enumerate(value))
        if all(type(item) is Literal for item in items):
            return Literal([item.value for item in items if isinstance(item, Literal)])
        return Items(items)
    return Literal(value)


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _compile_text(text: str, pointer: str, problems: list[Problem]) -> Binding:
    if "${" not in text:
        return Literal(text)
    parts: list[str | Computed] = []
    for chunk in _chunks(text):
        if isinstance(chunk, str):
            parts.append(chunk)
            continue
        start, end = chunk
        if end < 0:
            problems.append(
                Problem(
                    "ACC204",
                    "`${` without `}`",
                    Place(column=start - 1, pointer=pointer),
                    "write `$${` for a literal `${`",
                )
            )
            return Computed(UNKNOWN, pointer)
        parts.append(_compile_part(text[start:end], start, pointer, problems))
    return _joined(parts)


def _joined(parts: list[str | Computed]) -> Binding:
    computed = [part for part in parts if isinstance(part, Computed)]
    rest = "".join(part for part in parts if isinstance(part, str))
    if not computed:
        return Literal(rest)
    if len(computed) == 1 and not rest.strip():
        return computed[0]
    return Text(tuple(parts))


def _compile_part(source: str, start: int, pointer: str, problems: list[Problem]) -> Computed:
    """The expression, whose text begins at `start` of its string."""
    stripped = source.strip()
    offset = start + len(source) - len(source.lstrip())
    try:
        return Computed(compile_expression(stripped), pointer)
    except ExpressionInvalid as error:
        problems.extend(_at(problem, pointer, offset) for problem in error.problems)
        return Computed(UNKNOWN, pointer)


def _at(problem: Problem, pointer: str, offset: int = 0) -> Problem:
    place = problem.place
    column = place.column + offset if place.column is not None and place.line is None else place.column
    return msgspec.structs.replace(problem, place=Place(place.file, place.line, column, pointer))


def _chunks(text: str) -> Iterator[str | tuple[int, int]]:
    """Literal text, and the start and end of each expression (end -1 where it does not end)."""
    at, literal = 0, 0
    while (found := text.find("$", at)) >= 0:
        if text.startswith(_ESCAPED, found):
            yield text[literal:found] + _OPEN
            at = literal = found + len(_ESCAPED)
        elif text.startswith(_OPEN, found):
            yield text[literal:found]
            start = found + len(_OPEN)
            end = _closing(text, start)
            yield start, end
            if end < 0:
                return
            at = literal = end + 1
        else:
            at = found + 1
    yield text[literal:]


def _closing(text: str, at: int) -> int:
    """Where the brace is that closes an expression; those in strings and comments do not count."""
    depth = 0
    while (found := _MARK.search(text, at)) is not None:
        mark, at = found[0], found.end()
        if mark == "//":
            at = text.find("\n", at) % (len(text) + 1)
        elif mark == "{":
            depth += 1
        elif mark != "}":
            raw = found.start() > 0 and text[found.start() - 1] in "rR"
            at = _string_end(text, at, mark, raw)
        elif depth == 0:
            return found.start()
        else:
            depth -= 1
    return -1


def _string_end(text: str, at: int, quote: str, raw: bool) -> int:
    while at < len(text):
        if text.startswith(quote, at):
            return at + len(quote)
        at += 2 if text[at] == "\\" and not raw else 1
    return at
