"""Totality: whether evaluating an expression ever fails, by the schemas of what it reads and by its own conditions.

Every part has a rule that says when it gives a value; a part that has none, or whose rule is not met, may fail. Where
nothing may fail the expression is total: that is proven by induction over the tree. What may fail says what is known
where it is evaluated, for those who know more: the conditions of a graph may rule it out, or an input may show it.

That there is too much data is not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from accord.domain.expression.given import Given, surely
from accord.domain.expression.inference import Inference, Types, is_binding
from accord.domain.expression.kinds import JSON, LARGE, Kinds, is_known, undefined
from accord.domain.expression.partial import TOO_LARGE, Fits, Kind, Partial
from accord.domain.expression.reference import Reference, member
from accord.domain.expression.syntax import Call, Comprehension, Constant, Name, Node, Record, Select, walked
from accord.domain.expression.syntax import Sequence as Listed
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import Alternatives, declared_names, schema_at

Known: TypeAlias = Literal["holds", "denies", "not holds", "not denies"]
Guard: TypeAlias = tuple[Node, Known]
"""A condition, and what is known of it where something is evaluated."""

_NAMES: Final = {
    "_[_]": "[]",
    "_?._": ".?",
    "_[?_]": "[?]",
    "_?_:_": "? :",
    "@in": "in",
    "math.@max": "greatest()",
    "math.@min": "least()",
    "!_": "!",
    "-_": "-",
}


class Failure(msgspec.Struct, frozen=True):
    """A part of an expression that may fail."""

    kind: Kind
    node: Node
    what: str
    """What happens, where something is read that is absent or of another type, or else what is not proven."""
    guards: tuple[Guard, ...]
    free: bool
    """Whether it is about nothing that a comprehension goes through."""


class Totality:
    """Finds what may fail; `asked` are the references that are asked for with has() or `.?`."""

    def __init__(self, types: Types, fits: Fits, asked: Iterable[Reference] = ()) -> None:
        self._here = _Here(Inference(types))
        self._partial = Partial(fits)
        self._asked = [(each.root, *each.path) for each in asked]

    def failures(self, node: Node, wanted: Kinds = JSON) -> list[Failure]:
        """All that may fail in an expression whose value has to be of one of these kinds: none where it is total."""
        return [*self._part(node, self._here), *self._result(node, self._here, wanted)]

    def _part(self, node: Node, here: _Here) -> Iterator[Failure]:
        match node:
            case Select(operand, field) | Call("_[_]", (operand, Constant(str() as field))):
                yield from self._member(node, operand, field, here)
            case Call("_?_:_", (condition, one, other)):
                yield from self._truth(condition, "? :", here)
                yield from self._part(one, here.where(condition, "holds"))
                yield from self._part(other, here.where(condition, "denies"))
            case Call(("_&&_" | "_||_") as function, (one, other)):
                yield from self._both(function, one, other, here)
            case Call("orValue", (operand, other)) if here.known.of(operand).optional:
                yield from self._part(operand, here)
                yield from () if here.known.of(operand).present else self._part(other, here)
            case Call(function, arguments):
                yield from self._all(arguments, here)
                yield from self._call(node, function, arguments, here)
            case Listed(elements):
                yield from self._all(elements, here)
            case Record():
                yield from self._record(node, here)
            case Comprehension():
                yield from self._fold(node, here)

    def _all(self, nodes: Iterable[Node], here: _Here) -> Iterator[Failure]:
        for each in nodes:
            yield from self._part(each, here)

    # -- members -------------------------------------------------------------------------------------------------

    def _member(self, node: Node, operand: Node, field: str, here: _Here) -> Iterator[Failure]:
        test = isinstance(node, Select) and node.test
        if not test and here.known.is_root(node):
            yield from self._root(node, here)
            return
        yield from self._part(operand, here)
        given = here.known.of(operand)
        if not given.inside <= {"map"}:
            yield here.failure(*_no_object(operand, given, field), node)
        elif not (test or given.optional or here.known.is_there(node) or self._has(given.schema, field)):
            kind: Kind = "absent" if _is_stated(given.schema, field) else "unknown"
            yield here.failure(kind, f"`{as_written(operand)}{member(field)}` may be absent", node)

    def _root(self, node: Node, here: _Here) -> Iterator[Failure]:
        """What has a schema of its own is there, as others say, unless it is asked whether it is."""
        path = here.known.path(node) or ()
        if any(path[: len(each)] == each for each in self._asked) and not here.known.is_there(node):
            yield here.failure("absent", f"`{as_written(node)}` may be absent", node)

    def _has(self, schema: JsonSchema, field: str) -> bool:
        return surely(schema, field) or (schema is not True and self._partial.holds(_requiring(field), Given(schema)))

    # -- conditions ----------------------------------------------------------------------------------------------

    def _truth(self, node: Node, what: str, here: _Here) -> Iterator[Failure]:
        """What has to be true or false."""
        yield from self._part(node, here)
        given = here.known.of(node)
        if not given.kinds <= {"bool"}:
            yield here.failure(*_misused(what, [given], " or ".join(sorted(given.kinds - {"bool"}))), node)

    def _both(self, function: str, one: Node, other: Node, here: _Here) -> Iterator[Failure]:
        """A part's failure counts only where the other one does not decide. That is true of both, but each may be
        shown by the other only if that one does not need it: the second by the first, or the first by the second.
        """
        known: Known = "not denies" if function == "_&&_" else "not holds"
        what = "&&" if function == "_&&_" else "||"
        first = list(self._truth(one, what, here))
        if not first:
            yield from self._truth(other, what, here.where(one, known))
            return
        second = list(self._truth(other, what, here))
        inner = here.where(other, known, proven=not second)
        yield from self._truth(one, what, inner)
        yield from self._truth(other, what, here.where(one, known)) if second else ()

    # -- calls ---------------------------------------------------------------------------------------------------

    def _call(self, node: Call, function: str, arguments: tuple[Node, ...], here: _Here) -> Iterator[Failure]:
        given = [here.known.of(each) for each in arguments]
        wrong = None if here.known.is_there(node) else _used_wrongly(function, given)
        if wrong is not None:
            yield here.failure(*wrong, node)
            return
        for kind, what in self._partial.reasons(node, here.known):
            yield here.failure(kind, what, node)

    # -- literals and comprehensions -----------------------------------------------------------------------------

    def _record(self, node: Record, here: _Here) -> Iterator[Failure]:
        keys = [key for key, _ in node.entries]
        yield from self._all((part for entry in node.entries for part in entry), here)
        if any(not here.known.of(key).kinds <= {"string"} for key in keys):
            yield here.failure("function", "all keys of an object are texts", node)
        elif len(keys) > 1 and (not all(isinstance(key, Constant) for key in keys) or max(Counter(keys).values()) > 1):
            yield here.failure("function", "no two keys of an object are the same", node)

    def _fold(self, fold: Comprehension, here: _Here) -> Iterator[Failure]:
        yield from self._all((fold.over, fold.start), here)
        given = here.known.of(fold.over)
        if not given.kinds <= {"list", "map"}:
            other = " or ".join(sorted(given.kinds - {"list", "map"}))
            yield here.failure(*_misused("a macro such as map()", [given], other), fold)
        if not is_binding(fold):
            inside = here.inside(here.known.within(fold), fold.variables | {fold.accumulator})
            yield from self._all((fold.condition, fold.step), inside)
        yield from self._part(fold.result, here.inside(here.known.after(fold), {fold.accumulator}))

    def _result(self, node: Node, here: _Here, wanted: Kinds) -> Iterator[Failure]:
        """What is given has to be JSON, and what is needed there."""
        if isinstance(node, Call) and node.function == "_?_:_":
            condition, one, other = node.arguments
            yield from self._result(one, here.where(condition, "holds"), wanted)
            yield from self._result(other, here.where(condition, "denies"), wanted)
            return
        given = here.known.of(node)
        if wanted == JSON and given.plain and given.told is None and not (given.optional or given.infinite):
            return  # it is data, as most is
        if not given.kinds <= wanted:
            unfit = " or ".join(sorted(given.kinds - wanted))
            kind: Kind = "unknown" if given.schema is True and given.told is None else "result"
            needed = "JSON" if wanted == JSON else " or ".join(sorted(wanted))
            yield here.failure(kind, f"it may give {unfit}, where {needed} is needed", node)
        elif not given.is_json and msgspec.structs.replace(given, infinite=False).is_json:
            yield here.failure("infinite", "a number stays finite", node)
        elif not given.is_json:
            yield here.failure("function", "all inside of what it gives has a form in JSON", node)


class _Here(msgspec.Struct, frozen=True):
    """What is known where a part is evaluated."""

    known: Inference
    guards: tuple[Guard, ...] = ()
    bound: frozenset[str] = frozenset()
    """The variables of the comprehensions around it."""

    def where(self, condition: Node, known: Known, *, proven: bool = True) -> _Here:
        """Where this is known of a condition; what it says of values counts if it is `proven` to give something."""
        holds = known in ("holds", "not denies")
        inner = self.known.where(condition, holds=holds) if proven else self.known
        return _Here(inner, self.guards if self.bound else (*self.guards, (condition, known)), self.bound)

    def inside(self, known: Inference, variables: Iterable[str]) -> _Here:
        """Inside of a comprehension."""
        return _Here(known, self.guards, self.bound.union(variables))

    def failure(self, kind: Kind, what: str, node: Node) -> Failure:
        """That something may fail here."""
        return Failure(kind, node, what, self.guards, self.bound.isdisjoint(_names(node)))


def _used_wrongly(function: str, given: Sequence[Given]) -> tuple[Kind, str] | None:
    """Why a function may not be defined on what it is used on."""
    what = _NAMES.get(function, function.strip("_") if function.startswith("_") else f"{function}()")
    if function == "_[_]" and given[0].schema is True:
        return None  # whether the index is there says whether it is a list
    if function == "_[_]":
        unfit = sorted(given[0].inside - {"list", "map"})
        return _misused("[]", [given[0]], unfit[0]) if unfit else None
    if function in ("_?._", "_[?_]"):
        operand, key = given[0].inside, given[1].kinds
        listed = function == "_[?_]" and key <= {"int"} | LARGE
        unfit = sorted(operand - ({"list", "map"} if listed else {"map"}))
        if unfit:
            return _misused(what, [given[0]], unfit[0])
        return TOO_LARGE if "list" in operand and "large" in key else None
    if not is_known(function):
        return "function", f"{what} never fails"
    wrong = undefined(function, [each.kinds for each in given])
    if wrong is None:
        return None
    return TOO_LARGE if "large" in wrong else _misused(what, given, " and ".join(wrong))


def _misused(what: str, given: Sequence[Given], kinds: str) -> tuple[Kind, str]:
    kind: Kind = "unknown" if any(each.schema is True and each.told is None for each in given) else "type"
    return kind, f"`{what}` may be used on {kinds}" if "()" not in what else f"{what} may be used on {kinds}"


def _no_object(operand: Node, given: Given, field: str) -> tuple[Kind, str]:
    other = " or ".join(sorted(given.inside - {"map"}))
    kind: Kind = "unknown" if given.schema is True and given.told is None else "member"
    return kind, f"`{as_written(operand)}` may be {other}, which has no member `{field}`"


def _requiring(field: str) -> JsonSchema:
    return {"type": "object", "required": [field]}


def _is_stated(schema: JsonSchema, field: str) -> bool:
    """Whether a schema says anything of a member."""
    if schema_at(schema, (field,)) not in (None, True) or field in declared_names(schema):
        return True
    alternatives = Alternatives(schema).of(schema) or ()
    return any("patternProperties" in part for each in alternatives for part in each)


def as_written(node: Node) -> str:
    """A part as one writes it, where it is a path; the rest is left out."""
    match node:
        case Name(name):
            return name.removeprefix(".")
        case Select(operand, field, False):
            return as_written(operand) + member(field)
        case Call("_[_]", (operand, Constant((str() | int()) as step))):
            return as_written(operand) + member(step)
        case Call("_[_]", (operand, _)):
            return f"{as_written(operand)}[…]"
        case Call("_?._", (operand, Constant(str() as step))):
            return f"{as_written(operand)}.?{step}"
    return "…"


def _names(node: Node) -> Iterator[str]:
    return (each.name.removeprefix(".") for each in walked(node) if isinstance(each, Name))
