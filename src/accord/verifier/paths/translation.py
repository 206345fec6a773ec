"""Translation: the checked syntax tree of an expression becomes a term of Z3.

What has no term here is opaque: it may give anything or fail, but twice the same where it is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
import z3

from accord.domain.expression import UNKNOWN, Expression, Types, syntax_of
from accord.domain.expression.inference import is_binding
from accord.domain.expression.syntax import Call, Comprehension, Constant, Name, Node, Record, Select, Sequence
from accord.formulas import Formula, both, either, hold, implied, negated
from accord.verifier.paths.canonical import canonical
from accord.verifier.paths.computing import COMPUTED, computed, minus
from accord.verifier.paths.opaque import Opaque, names_of
from accord.verifier.paths.places import Place, as_term
from accord.verifier.paths.regexes import matching
from accord.verifier.paths.terms import (
    Case,
    Kind,
    Term,
    as_numbers,
    choice,
    conjunction,
    constant,
    disjunction,
    guarded,
    is_number,
    negation,
    truth,
)

_OPTIONAL: Final = frozenset({"_?._", "_[?_]"})
_TYPES: Final[Mapping[str, Kind]] = {
    "null_type": "null",
    "bool": "bool",
    "int": "int",
    "double": "double",
    "string": "string",
    "list": "list",
    "map": "map",
}
_ORDER: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "_<_": lambda one, other: one < other,
    "_<=_": lambda one, other: one <= other,
    "_>_": lambda one, other: one > other,
    "_>=_": lambda one, other: one >= other,
}
_TEXTS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "startsWith": lambda text, part: z3.PrefixOf(part, text),
    "endsWith": lambda text, part: z3.SuffixOf(part, text),
    "contains": z3.Contains,
}


class Reader(Protocol):
    """Whose expression it is: what it sees."""

    @property
    def name(self) -> str:
        """Tells readers apart that may see different things of the same tasks; empty for all that see the same."""
        ...

    def place(self, path: tuple[str, ...]) -> tuple[Place, Formula] | None:
        """The place that the beginning of a path leads to, and whether there is something; None where nothing is
        known of it.
        """
        ...


class Read(msgspec.Struct, frozen=True):
    """A place that an expression comes to: whether it is there, and whether coming there fails."""

    place: Place
    present: Formula
    wrong: Formula = False
    doubt: Formula = False


class Translation:
    """Translates the expressions of one graph; the same opaque part has the same term everywhere."""

    def __init__(self, solver: z3.Solver, types: Types) -> None:
        self._solver, self._opaque = solver, Opaque(solver, types)

    def of(self, expression: Expression, reader: Reader) -> Term:
        """What an expression gives, for whom."""
        if expression is UNKNOWN:
            return self._opaque.anew()
        return self.term(syntax_of(expression), reader)

    def term(self, node: Node, reader: Reader) -> Term:
        """What the tree gives, for whom."""
        found = self._read(node, reader)
        if found is not None:
            return _required(found)
        match node:
            case Constant(value) if not isinstance(value, bytes):
                return constant(value) or self._unknown(node, reader)
            case Select(operand, field, True):
                return self._has(operand, field, node, reader)
            case Call("matches", (text, Constant(str() as pattern))) if (language := matching(pattern)) is not None:
                return self._matches(self.term(text, reader).among("string"), language)
            case Call(("_==_" | "_!=_") as function, (Call("type", (operand,)), Name(name))) if name in _TYPES:
                return self._typed(operand, _TYPES[name], node, reader, holds=function == "_==_")
            case Call(function, arguments):
                return self._call(function, arguments, node, reader)
            case Comprehension():
                return self._fold(node, reader)
        return self._unknown(node, reader)

    # -- places --------------------------------------------------------------------------------------------------

    def _read(self, node: Node, reader: Reader) -> Read | None:
        """The place that a path of constant names leads to, which must be there all the way; None where it is none."""
        names = names_of(node)
        if names is None:
            return None
        for length in range(len(names), 0, -1):
            root = reader.place(names[:length])
            if root is not None:
                found = Read(*root)
                for name in names[length:]:
                    found = _step(found, name)
                return found
        return None

    def _has(self, operand: Node, field: str, node: Node, reader: Reader) -> Term:
        whole = self._read(Select(operand, field), reader)
        if whole is None:
            return self._unknown(node, reader)
        return truth(whole.present, whole.wrong, whole.doubt)

    def _typed(self, operand: Node, kind: Kind, node: Node, reader: Reader, *, holds: bool) -> Term:
        """Whether what is read is of a type."""
        read = self._read(operand, reader)
        if read is None or not (read.place.stated and read.place.kinds):
            return self._unknown(node, reader)
        is_of = read.place.is_of(kind)
        return truth(is_of if holds else negated(is_of), *_missing(read, negated(read.present)))

    def _maybe(self, node: Node, reader: Reader) -> Read | None:
        """The place that a path with `.?` in it leads to; from there on nothing need be there."""
        match node:
            case Call(function, (operand, Constant(str() as name))) if function in _OPTIONAL:
                root = self._root(operand, name, reader)
                if root is not None:
                    return root
                before = self._maybe(operand, reader)
                if before is None:
                    outer = self._read(operand, reader)
                    before = None if outer is None else _required_read(outer)
            case Select(operand, name, False):
                before = self._maybe(operand, reader)
            case _:
                return None
        return None if before is None else _optional_step(before, name)

    def _root(self, operand: Node, name: str, reader: Reader) -> Read | None:
        """The place, where something of its own is there under this name: the output of a task."""
        names = names_of(operand)
        found = None if names is None else reader.place((*names, name))
        return None if found is None else Read(*found)

    # -- calls ---------------------------------------------------------------------------------------------------

    def _call(self, function: str, arguments: tuple[Node, ...], node: Node, reader: Reader) -> Term:
        match function, arguments:
            case "_&&_", (left, right):
                return conjunction(self.term(left, reader), self.term(right, reader))
            case "_||_", (left, right):
                return disjunction(self.term(left, reader), self.term(right, reader))
            case "!_", (operand,):
                return negation(self.term(operand, reader))
            case "_?_:_", (condition, left, right):
                return choice(*(self.term(each, reader) for each in (condition, left, right)))
            case "@in", (item, container):
                return self._in(item, container, node, reader)
            case "size", (operand,):
                return self._size(self.term(operand, reader), node, reader)
            case (("orValue" | "hasValue"), (operand, *rest)):
                return self._optional(operand, rest, node, reader)
            case _, (left, right) if function in _BINARY or function in _ORDER or function in _TEXTS:
                return self._binary(function, self.term(left, reader), self.term(right, reader), node, reader)
        if function in COMPUTED or function == "-_":
            return self._computed(function, [self.term(each, reader) for each in arguments], node, reader)
        return self._unknown(node, reader)

    def _matches(self, text: Term, language: Any) -> Term:
        holds = either(both((case.guard, z3.InRe(case.value, language))) for case in text.cases)
        return truth(holds, text.wrong, text.doubt)

    def _in(self, item: Node, container: Node, node: Node, reader: Reader) -> Term:
        """Whether a list that is written out has an item, or an object a member, where it can be no list."""
        if isinstance(container, Sequence):
            return self._among(item, container.elements, node, reader)
        outer = self._read(container, reader)
        if outer is None or "list" in outer.place.kinds or not isinstance(item, Constant):
            return self._unknown(node, reader)
        return (
            self._has(container, item.value, node, reader)
            if isinstance(item.value, str)
            else self._unknown(node, reader)
        )

    def _computed(self, function: str, operands: list[Term], node: Node, reader: Reader) -> Term:
        if not self._opaque.is_stable(node):
            return self._unknown(node, reader)
        double = z3.Real(f"{self._opaque.name(node, reader)} double")
        if function == "-_":
            return minus(operands[0], double)
        return computed(function, operands[0], operands[1], double)

    def _optional(self, operand: Node, rest: list[Node], node: Node, reader: Reader) -> Term:
        found = self._maybe(operand, reader)
        if found is None:
            return self._indexed(operand, rest, node, reader)
        if not rest:
            return truth(found.present, found.wrong, found.doubt)
        there, absent = as_term(found.place, False, False), self.term(rest[0], reader)
        missing = negated(found.present)
        return Term(
            (*guarded(there, found.present), *guarded(absent, missing)),
            either((found.wrong, both((missing, absent.wrong)))),
            either((found.doubt, absent.doubt, both((found.present, absent.wrong)))),
            found.place.stated and absent.stated,
        )

    def _indexed(self, operand: Node, rest: list[Node], node: Node, reader: Reader) -> Term:
        """What `l[?2]` has, or whether it has anything: it is asked of lists that are there."""
        match operand:
            case Call("_[?_]", (inner, Constant(int() as index))) if not isinstance(index, bool) and index >= 0:
                whole = self.term(inner, reader).among("list")
            case _:
                return self._unknown(node, reader)
        there = either(both((case.guard, case.value > index)) for case in whole.cases)
        if not rest:
            return truth(there, whole.wrong, whole.doubt)
        default, missing, found = self.term(rest[0], reader), negated(there), self._opaque.of(node, reader)
        return Term(
            found.cases,
            either((whole.wrong, both((missing, default.wrong)))),
            either((whole.doubt, both((missing, default.doubt)))),
            whole.stated and default.stated and found.stated,
        )

    def _binary(self, function: str, one: Term, other: Term, node: Node, reader: Reader) -> Term:
        if function in _BINARY:
            same = self._equal(one, other, _as_equal(node), reader)
            holds = same if function == "_==_" else negated(same)
            return truth(holds, either((one.wrong, other.wrong)), either((one.doubt, other.doubt)))
        if function in _TEXTS:
            one, other = one.among("string"), other.among("string")
            pairs = ((a, b, _TEXTS[function](a.value, b.value)) for a in one.cases for b in other.cases)
            holds = either(both((a.guard, b.guard, formula)) for a, b, formula in pairs)
            return truth(holds, either((one.wrong, other.wrong)), either((one.doubt, other.doubt)))
        return self._ordered(function, one, other, node, reader)

    def _equal(self, one: Term, other: Term, node: Node, reader: Reader) -> Formula:
        found = []
        for a in one.cases:
            for b in other.cases:
                same = self._same(a, b, node, reader)
                if same is not False:
                    found.append(both((a.guard, b.guard, same)))
        return either(found)

    def _same(self, a: Case, b: Case, node: Node, reader: Reader) -> Formula:
        if is_number(a) and is_number(b):
            pair = as_numbers(a, b)
            return self._bool(node, reader) if pair is None else pair[0] == pair[1]
        if a.kind != b.kind:
            return False
        if a.kind in ("list", "map"):
            return self._bool(node, reader)
        if isinstance(a.value, bool) or isinstance(b.value, bool):
            return _same_truth(a.value, b.value)
        return True if a.kind == "null" else a.value == b.value

    def _among(self, item: Node, elements: tuple[Node, ...], node: Node, reader: Reader) -> Term:
        one, others = self.term(item, reader), [self.term(each, reader) for each in elements]
        pairs = zip(others, elements, strict=True)
        holds = either(self._equal(one, other, Sequence((node, each)), reader) for other, each in pairs)
        wrong, doubt = either(each.wrong for each in (one, *others)), either(each.doubt for each in (one, *others))
        return truth(holds, wrong, doubt)

    def _ordered(self, function: str, one: Term, other: Term, node: Node, reader: Reader) -> Term:
        found, other_types = [], []
        for a in one.cases:
            for b in other.cases:
                together = both((a.guard, b.guard))
                pair = as_numbers(a, b) if is_number(a) and is_number(b) else None
                if pair is not None:
                    found.append(both((together, _ORDER[function](*pair))))
                elif (is_number(a) and is_number(b)) or (a.kind == b.kind and a.kind in ("string", "bool")):
                    found.append(both((together, self._bool(node, reader))))
                else:
                    other_types.append(together)
        mixed = either(other_types)
        wrong, doubt = (one.wrong, other.wrong), (one.doubt, other.doubt)
        if one.stated and other.stated:
            return truth(either(found), either((*wrong, mixed)), either(doubt))
        return truth(either(found), either(wrong), either((*doubt, mixed)))

    def _size(self, one: Term, node: Node, reader: Reader) -> Term:
        one = one.among("string", "list", "map")
        cases = []
        for case in one.cases:
            length = z3.Length(case.value) if case.kind == "string" else case.value
            if case.kind == "map":
                length = z3.Int(f"{self._opaque.name(node, reader)} members")
                self._solver.add(length >= 0)
            cases.append(Case(case.guard, "int", length))
        return Term(tuple(cases), one.wrong, one.doubt, one.stated)

    def _fold(self, fold: Comprehension, reader: Reader) -> Term:
        """`all` is `exists` denied; where one exists, there are some."""
        found = canonical(fold)
        if isinstance(found, Call):
            return negation(self.term(found.arguments[0], reader))
        exists = self._unknown(found, reader)
        if isinstance(found, Comprehension) and _is_exists(found):
            true = both((negated(exists.fails), either(both((one.guard, one.value)) for one in exists.cases)))
            for case in self.term(found.over, reader).cases:
                if case.kind == "list":
                    hold(self._solver, implied(both((true, case.guard)), case.value > 0))
        return exists

    # -- what has no term ----------------------------------------------------------------------------------------

    def _unknown(self, node: Node, reader: Reader) -> Term:
        """An opaque part, which fails where a part of it does that is evaluated first in any case."""
        opaque = self._opaque.of(node, reader)
        before = [self.term(each, reader) for each in _evaluated_first(node)]
        wrong = either(each.wrong for each in before)
        return Term(opaque.cases, wrong, either((opaque.doubt, *(each.doubt for each in before))), opaque.stated)

    def _bool(self, node: Node, reader: Reader) -> Formula:
        return z3.Bool(f"{self._opaque.name(node, reader)} holds")


_BINARY: Final = frozenset({"_==_", "_!=_"})


def _is_exists(fold: Comprehension) -> bool:
    """Whether it is the macro, and no `cel.bind` of a value, of which 0 is False to Python."""
    return isinstance(fold.start, Constant) and fold.start.value is False and not is_binding(fold)


def _as_equal(node: Node) -> Node:
    """What says the same of two that are equal as of two that are not."""
    return Call("_==_", node.arguments) if isinstance(node, Call) else node


def _required(found: Read) -> Term:
    absent = negated(found.present)
    return as_term(found.place, *_missing(found, absent))


def _required_read(found: Read) -> Read:
    """The place, where it has to be there."""
    wrong, doubt = _missing(found, negated(found.present))
    return Read(found.place, True, wrong, doubt)


def _missing(found: Read, absent: Formula) -> tuple[Formula, Formula]:
    """Why reading fails: for certain, and perhaps; a member that no schema speaks of is there perhaps."""
    if found.place.declared:
        return either((found.wrong, absent)), found.doubt
    return found.wrong, either((found.doubt, absent))


def _step(found: Read, name: str) -> Read:
    """To a member of what has to be there."""
    wrong, doubt = _missing(found, negated(found.present))
    no_object = negated(found.place.is_a("map"))
    if found.place.stated:
        wrong = either((wrong, no_object))
    else:
        doubt = either((doubt, no_object))
    member = found.place.member(name)
    return Read(member, member.present, wrong, doubt)


def _optional_step(before: Read, name: str) -> Read:
    """To a member of what need not be there."""
    no_object = both((before.present, negated(before.place.is_a("map"))))
    wrong, doubt = before.wrong, before.doubt
    if before.place.stated:
        wrong = either((wrong, no_object))
    else:
        doubt = either((doubt, no_object))
    member = before.place.member(name)
    return Read(member, both((before.present, member.present)), wrong, doubt)


def _same_truth(one: Any, other: Any) -> Formula:
    if isinstance(one, bool):
        one, other = other, one
    if isinstance(one, bool):
        return bool(one == other)
    return one if other is True else negated(one) if other is False else one == other


def _evaluated_first(node: Node) -> tuple[Node, ...]:
    match node:
        case Select(operand):
            return (operand,)
        case Call(_, children) | Sequence(children):
            return children
        case Record(entries):
            return tuple(part for entry in entries for part in entry)
        case Comprehension(over=over, start=start):
            return (over, start)
    return ()
