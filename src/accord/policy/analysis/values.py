"""Values of Cedar as terms of Z3: text, truth, numbers, sets of text, records, and the entities of a request.

Sets are exact although they are finite here. A condition can tell sets apart only by what it names: its text values,
and one element of difference for each comparison of two sets. So a set is a truth value for each of those (`Universe`),
and where any sets satisfy a condition, such ones do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import z3

from accord.formulas import both, either, negated


class Untranslatable(Exception):
    """What a condition says has no formula here: the answer is that nobody knows."""


class Text(msgspec.Struct, frozen=True):
    """A string."""

    term: z3.SeqRef


class Truth(msgspec.Struct, frozen=True):
    """A truth value; a constant where `term` is one of Python's."""

    term: z3.BoolRef | bool


class Number(msgspec.Struct, frozen=True):
    """A long that is written in the policy: no request has one."""

    value: int


class Entity(msgspec.Struct, frozen=True):
    """The principal or the resource of a request, by its attributes; its id follows from them."""

    kind: str
    attributes: Mapping[str, Value]


class Named(msgspec.Struct, frozen=True):
    """An entity that a policy names."""

    kind: str
    id: str


class RecordOf(msgspec.Struct, frozen=True):
    """A record."""

    members: Mapping[str, Value]


class TextSet(msgspec.Struct, frozen=True):
    """A set of strings of the request: for each text of the universe, whether it is in."""

    members: Sequence[z3.BoolRef]


class Listed(msgspec.Struct, frozen=True):
    """A set that is written in the policy."""

    elements: Sequence[Value]


Value = Text | Truth | Number | Entity | Named | RecordOf | TextSet | Listed


class Universe:
    """The texts that sets are told apart by."""

    def __init__(self, texts: Sequence[z3.SeqRef], witnesses: int) -> None:
        self.texts = [*texts, *(z3.String(f"witness{number}") for number in range(witnesses))]
        self.conditions: list[z3.BoolRef] = []
        """What holds of every set: equal texts are in it, or are not, together."""

    def variable(self, name: str) -> TextSet:
        """A set of the request."""
        members = [z3.Bool(f"{name}#{number}") for number in range(len(self.texts))]
        for number, one in enumerate(self.texts):
            for other in range(number):
                if not (z3.is_string_value(one) and z3.is_string_value(self.texts[other])):  # else they are different
                    self.conditions.append(z3.Implies(one == self.texts[other], members[number] == members[other]))
        return TextSet(members)

    def holds(self, value: TextSet | Listed, number: int) -> z3.BoolRef | bool:
        """Whether the text of this number is in the set."""
        if isinstance(value, TextSet):
            return value.members[number]
        return either(self.texts[number] == text_of(one) for one in value.elements)

    def contains(self, value: TextSet | Listed, text: z3.SeqRef) -> z3.BoolRef | bool:
        """Whether the text is in the set."""
        if isinstance(value, Listed):
            return either(text == text_of(one) for one in value.elements)
        found = [number for number, one in enumerate(self.texts) if one.eq(text)]
        if not found:
            raise Untranslatable("a text that is made by a condition is looked for in a set")
        return value.members[found[0]]

    def subset(self, one: TextSet | Listed, other: TextSet | Listed) -> z3.BoolRef | bool:
        """Whether everything of one set is in the other."""
        numbers = range(len(self.texts))
        return both(either([negated(self.holds(one, number)), self.holds(other, number)]) for number in numbers)

    def meets(self, one: TextSet | Listed, other: TextSet | Listed) -> z3.BoolRef | bool:
        """Whether the sets have something in common."""
        numbers = range(len(self.texts))
        return either(both([self.holds(one, number), self.holds(other, number)]) for number in numbers)

    def is_empty(self, value: TextSet | Listed) -> z3.BoolRef | bool:
        """Whether nothing is in the set."""
        if isinstance(value, Listed):
            return not value.elements
        return both(negated(member) for member in value.members)


def text_of(value: Value) -> z3.SeqRef:
    """The text that a value is. Raises Untranslatable where it is none."""
    if not isinstance(value, Text):
        raise Untranslatable("a set of anything but texts is compared")
    return value.term
