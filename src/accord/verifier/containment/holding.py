"""Whether a formula holds of a value."""

from __future__ import annotations

from typing import cast

from accord.verifier.containment.arrays import key_of
from accord.verifier.containment.formulas import (
    Among,
    Atom,
    Both,
    Bound,
    Containing,
    Distinct,
    Either,
    Formula,
    Formulas,
    IsTrue,
    Items,
    Members,
    Multiple,
    OfType,
    Opaque,
    Reference,
    Size,
    SomeMember,
    Text,
    number_of,
    type_of_atom,
)
from accord.verifier.containment.languages import holds as is_in
from accord.verifier.containment.numbers import holds_of
from accord.verifier.containment.texts import has_property

_TYPES: dict[type, str] = {str: "string", list: "array", dict: "object", type(None): "null"}


class Holding:
    """Tells whether formulas hold of values; where nobody can tell, that they do not."""

    def __init__(self, formulas: Formulas) -> None:
        self._formulas = formulas
        self._told: dict[tuple[Formula, int], bool] = {}
        """What is known of one value and all inside of it, by their identity: alternatives ask for the same again."""

    def holds(self, formula: Formula, value: object) -> bool:
        """Whether it certainly holds."""
        self._told.clear()
        return self._holds(formula, value)

    def _holds(self, formula: Formula, value: object) -> bool:
        if not isinstance(value, dict | list):
            return self._found(formula, value)
        key = formula, id(value)
        if key not in self._told:
            self._told[key] = self._found(formula, value)
        return self._told[key]

    def _found(self, formula: Formula, value: object) -> bool:
        node = self._formulas.node(formula)
        match node:
            case OfType(types):
                return type_of(value) in types
            case Both(parts):
                return all(self._holds(part, value) for part in parts)
            case Either(parts):
                return any(self._holds(part, value) for part in parts)
            case Reference():
                return self._holds(self._formulas.expanded(node), value)
            case _:
                return type_of_atom(node) == type_of(value) and self._atom(node, value)

    def _atom(self, atom: Atom, value: object) -> bool:
        match atom:
            case IsTrue(wanted):
                return value is wanted
            case Bound() | Multiple() | Among():
                return holds_of(atom, number_of(cast("float", value)))
            case Text(language):
                return is_in(language, cast("str", value))
            case Size(_, least, most):
                size = len(cast("list[object]", value))
                return least <= size and (most is None or size <= most)
            case Opaque(type="string") as opaque:
                return has_property(opaque, cast("str", value))
            case Opaque():
                return False
            case Members(names, inner):
                members = cast("dict[str, object]", value)
                return all(self._holds(inner, each) for name, each in members.items() if is_in(names, name))
            case SomeMember(names, inner):
                members = cast("dict[str, object]", value)
                return any(self._holds(inner, each) for name, each in members.items() if is_in(names, name))
            case _:
                return self._of_items(atom, cast("list[object]", value))

    def _of_items(self, atom: Atom, items: list[object]) -> bool:
        match atom:
            case Items(start, item, end):
                return all(self._holds(item, each) for each in items[start:end])
            case Containing(item, least, most, start, end):
                if most is not None:
                    no = self._formulas.negated(item)
                    return (
                        all(self._holds(item, each) or self._holds(no, each) for each in items[start:end])
                        and least <= sum(self._holds(item, each) for each in items[start:end]) <= most
                    )
                return sum(self._holds(item, each) for each in items[start:end]) >= least
            case Distinct(positive):
                return (len({key_of(each) for each in items}) == len(items)) == positive
        return False


def type_of(value: object) -> str:
    """The JSON type of a value; integers are numbers."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return _TYPES[type(value)]
