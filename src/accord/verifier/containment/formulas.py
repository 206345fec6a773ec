"""Formulas about a JSON value: what a schema says, in a form that can be negated.

A formula is a number; equal formulas have equal numbers. Each atom speaks of one type of value and is false of all
others, which is what makes the negation of every formula a formula again (negation normal form, after Habib et al.,
"Finding Data Compatibility Bugs with JSON Subschema Checking", ISSTA 2021, and Attouche et al., "Witness Generation for
JSON Schema", VLDB 2022). What cannot be read becomes an opaque atom, of which nothing is known but that it and its
negation are not both true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import TypeAlias, assert_never

import msgspec

from accord.verifier.containment.languages import Language, Words, complement

Formula: TypeAlias = int

TYPES = ("number", "string", "array", "object", "null", "boolean")
"""In the order in which witnesses are looked for: those of the first ones are the shortest."""

EVERY_TYPE = frozenset(TYPES)


class OfType(msgspec.Struct, frozen=True):
    """The value is of one of these types."""

    types: frozenset[str]


class Both(msgspec.Struct, frozen=True):
    """All of these hold."""

    parts: frozenset[Formula]


class Either(msgspec.Struct, frozen=True):
    """At least one of these holds."""

    parts: frozenset[Formula]


class Reference(msgspec.Struct, frozen=True):
    """What a schema says that is referred to, by its number; or its negation."""

    target: int
    positive: bool


class IsTrue(msgspec.Struct, frozen=True):
    """A boolean: this one."""

    value: bool


class Bound(msgspec.Struct, frozen=True):
    """A number above (or below) a limit."""

    limit: Fraction
    above: bool
    strict: bool


class Multiple(msgspec.Struct, frozen=True):
    """A number that is (or is not) a multiple."""

    of: Fraction
    positive: bool


class Among(msgspec.Struct, frozen=True):
    """One of these numbers; or with `others` any but these."""

    numbers: frozenset[Fraction]
    others: bool = False


class Text(msgspec.Struct, frozen=True):
    """A text of a language."""

    language: Language


class Size(msgspec.Struct, frozen=True):
    """A text, an array or an object of such a length."""

    type: str
    least: int
    most: int | None


class Items(msgspec.Struct, frozen=True):
    """An array whose items are such, from an index on; with an `end` up to there."""

    start: int
    item: Formula
    end: int | None = None


class Containing(msgspec.Struct, frozen=True):
    """An array with so many such items, from an index on; with an `end` up to there."""

    item: Formula
    least: int
    most: int | None = None
    start: int = 0
    end: int | None = None


class Distinct(msgspec.Struct, frozen=True):
    """An array with no two equal items; or with such two."""

    positive: bool


class Members(msgspec.Struct, frozen=True):
    """An object whose members of these names are such."""

    names: Language
    value: Formula


class SomeMember(msgspec.Struct, frozen=True):
    """An object with at least one such member of these names."""

    names: Language
    value: Formula


class Opaque(msgspec.Struct, frozen=True):
    """A value of a type that has a property of which nothing is known, or has it not."""

    type: str
    kind: str
    """`format`, `pattern`, …"""
    key: str
    positive: bool


Atom: TypeAlias = (
    IsTrue | Bound | Multiple | Among | Text | Size | Items | Containing | Distinct | Members | SomeMember | Opaque
)
Node: TypeAlias = OfType | Both | Either | Reference | Atom

TRUE: Formula = 0
FALSE: Formula = 1


def type_of_atom(atom: Atom) -> str:
    """The type of value that an atom speaks of."""
    match atom:
        case Size(type=name) | Opaque(type=name):
            return name
        case IsTrue():
            return "boolean"
        case Bound() | Multiple() | Among():
            return "number"
        case Text():
            return "string"
        case Items() | Containing() | Distinct():
            return "array"
        case Members() | SomeMember():
            return "object"
        case _:
            assert_never(atom)


class Formulas:
    """The formulas of one question."""

    def __init__(self, expand: Callable[[int], Formula]) -> None:
        self._expand = expand
        self._nodes: list[Node] = [Both(frozenset()), Either(frozenset())]
        self._numbers: dict[Node, Formula] = {self._nodes[0]: TRUE, self._nodes[1]: FALSE}
        self._negated: dict[Formula, Formula] = {TRUE: FALSE, FALSE: TRUE}

    def node(self, formula: Formula) -> Node:
        """What a formula is."""
        return self._nodes[formula]

    def of(self, node: Node) -> Formula:
        """The formula that a node is."""
        if node not in self._numbers:
            self._numbers[node] = len(self._nodes)
            self._nodes.append(node)
        return self._numbers[node]

    def both(self, parts: Iterable[Formula]) -> Formula:
        """The formula that all of them hold."""
        given = set(parts)
        if len(given) == 1:
            return next(iter(given))
        found: set[Formula] = set()
        for part in given:
            node = self._nodes[part]
            found.update(node.parts if isinstance(node, Both) else (part,))
        if FALSE in found or any(self._negated.get(each) in found for each in found):
            return FALSE
        return next(iter(found)) if len(found) == 1 else self.of(Both(frozenset(found)))

    def either(self, parts: Iterable[Formula]) -> Formula:
        """The formula that at least one of them holds."""
        given = set(parts)
        if len(given) == 1:
            return next(iter(given))
        found: set[Formula] = set()
        for part in given:
            node = self._nodes[part]
            found.update(node.parts if isinstance(node, Either) else (part,))
        if TRUE in found or any(self._negated.get(each) in found for each in found):
            return TRUE
        return next(iter(found)) if len(found) == 1 else self.of(Either(frozenset(found)))

    def only(self, *types: str) -> Formula:
        """The formula that a value is of one of these types."""
        return TRUE if len(types) == len(TYPES) else self.of(OfType(frozenset(types))) if types else FALSE

    def unless(self, type_name: str, formula: Formula) -> Formula:
        """The formula that a value is of another type, or that this holds."""
        return self.either((self.of(OfType(EVERY_TYPE - {type_name})), formula))

    def expanded(self, reference: Reference) -> Formula:
        """What is referred to."""
        target = self._expand(reference.target)
        return target if reference.positive else self.negated(target)

    def negated(self, formula: Formula) -> Formula:
        """The formula that holds of all other values."""
        if formula not in self._negated:
            found = self._negation(self._nodes[formula])
            self._negated[formula] = found
            self._negated.setdefault(found, formula)
        return self._negated[formula]

    def _negation(self, node: Node) -> Formula:
        match node:
            case OfType(types):
                return self.only(*(EVERY_TYPE - types))
            case Both(parts):
                return self.either(map(self.negated, sorted(parts)))
            case Either(parts):
                return self.both(map(self.negated, sorted(parts)))
            case Reference(target, positive):
                return self.of(Reference(target, not positive))
            case _:
                found = self._opposites(node)
                return self.unless(type_of_atom(node), self.either(map(self.of, found)))

    def _opposites(self, atom: Atom) -> tuple[Atom, ...]:
        """What else a value of the type may be."""
        match atom:
            case IsTrue(value):
                return (IsTrue(not value),)
            case Bound(limit, above, strict):
                return (Bound(limit, not above, not strict),)
            case Among(numbers, others):
                return (Among(numbers, not others),)
            case Text(language):
                return (Text(complement(language)),)
            case Size(name, least, most):
                return tuple(Size(name, *bounds) for bounds in _outside(least, most))
            case Multiple() | Distinct() | Opaque():
                return (msgspec.structs.replace(atom, positive=not atom.positive),)
            case _:
                return self._opposites_inside(atom)

    def _opposites_inside(self, atom: Items | Containing | Members | SomeMember) -> tuple[Atom, ...]:
        match atom:
            case Items(start, item, end):
                return (Containing(self.negated(item), 1, None, start, end),)
            case Containing(item, 1, None, start, end):
                return (Items(start, self.negated(item), end),)
            case Containing(item, least, most, start, end):
                return tuple(Containing(item, *bounds, start, end) for bounds in _outside(least, most))
            case Members(names, value):
                return (SomeMember(names, self.negated(value)),)
            case SomeMember(names, value):
                return (Members(names, self.negated(value)),)
            case _:
                assert_never(atom)

    def equal_to(self, value: object) -> Formula:
        """The formula that a value is this one (as JSON is compared: 1 is 1.0, and no boolean)."""
        match value:
            case None:
                return self.only("null")
            case bool():
                return self.of(IsTrue(value))
            case int() | float():
                return self.of(Among(frozenset((number_of(value),))))
            case str():
                return self.of(Text(Words(frozenset((value,)))))
            case list():
                each = (self.of(Containing(self.equal_to(one), 1, None, at, at + 1)) for at, one in enumerate(value))
                return self.both((self.of(Size("array", len(value), len(value))), *each))
            case Mapping():
                each = (
                    self.of(SomeMember(Words(frozenset((name,))), self.equal_to(one))) for name, one in value.items()
                )
                return self.both((self.of(Size("object", len(value), len(value))), *each))
        raise TypeError(type(value))

    def one_of(self, values: Iterable[object]) -> Formula:
        """The formula that a value is one of these."""
        listed = list(values)
        texts = frozenset(each for each in listed if isinstance(each, str))
        numbers = [each for each in listed if isinstance(each, int | float) and not isinstance(each, bool)]
        parts = [self.equal_to(each) for each in listed if isinstance(each, bool | list | dict) or each is None]
        if texts:
            parts.append(self.of(Text(Words(texts))))
        if numbers:
            parts.append(self.of(Among(frozenset(map(number_of, numbers)))))
        return self.either(parts)


def number_of(value: float) -> Fraction:
    """The number that the JSON text says, exactly."""
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def _outside(least: int, most: int | None) -> tuple[tuple[int, int | None], ...]:
    below: tuple[tuple[int, int | None], ...] = ((0, least - 1),) if least > 0 else ()
    return below if most is None else (*below, (most + 1, None))
