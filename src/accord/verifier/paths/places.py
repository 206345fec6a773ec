"""Places: what expressions can read, as unknowns of Z3, with what their schemas say of them.

A schema that says less here than in truth (`not`, `if`, …) leaves more open: proofs hold all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

import z3

from accord.domain.expression.kinds import are_held
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import Alternative, Alternatives, member_of, types_together
from accord.domain.schema_range import numbers_together
from accord.domain.schema_union import schema_key
from accord.formulas import Formula, at_most, both, either, hold, implied, negated, same
from accord.verifier.paths.regexes import matching
from accord.verifier.paths.terms import KINDS, Case, Kind, Term, constant

_KINDS_OF: Final[Mapping[str, tuple[Kind, ...]]] = {
    "null": ("null",),
    "boolean": ("bool",),
    "integer": ("int",),
    "number": ("int", "double"),
    "string": ("string",),
    "array": ("list",),
    "object": ("map",),
}
"""An integer in data is one to CEL as well, however it is written: `1` or `1.0`."""

_CLASS: Final = re.compile(r"\\[A-Za-z0-9]")
"""Classes of letters, edges and references."""

_ZERO: Final = z3.IntVal(0)
_LEAST: Final = z3.IntVal(-(2**63))
_MOST: Final = z3.IntVal(2**63 - 1)
_SORTS: Final[Mapping[Kind, Any]] = {"bool": z3.Bool, "int": z3.Int, "double": z3.Real, "string": z3.String}


class Place:
    """A place in what is read: whether there is something, of which type, and what."""

    def __init__(self, name: str, solver: z3.Solver, present: Formula, kinds: tuple[Kind, ...]) -> None:
        self.name, self.present = name, present
        self.stated = True
        """Whether the schemas say anything of what is there."""
        self.are_held = True
        """Whether 64 bits hold all integers that the schemas allow, so that none is a double to CEL."""
        self.declared = True
        """Whether they name it at all."""
        self.members: dict[str, Place] = {}
        self.kinds = kinds
        self._solver = solver
        self._schemas: list[tuple[Formula, Alternative, Alternatives]] = []
        self._values: dict[Kind, Any] = {}
        if len(self.kinds) > 1:
            hold(solver, at_most(_ZERO, self._selector), at_most(self._selector, z3.IntVal(len(self.kinds) - 1)))

    @cached_property
    def _selector(self) -> Any:
        return z3.Int(f"{self.name} type")

    def is_a(self, *kinds: Kind) -> Formula:
        """That what is there is of one of these types."""
        found = [number for number, kind in enumerate(self.kinds) if kind in kinds]
        if len(found) == len(self.kinds):
            return True
        return either(same(self._selector, z3.IntVal(number)) for number in found)

    def value(self, kind: Kind) -> Any:
        """What is there, where it is of this type: of a list the length."""
        if kind not in self._values:
            self._values[kind] = self._new(kind)
        return self._values[kind]

    def has_value(self, kind: Kind) -> bool:
        """Whether anything is said of what is there, where it is of this type."""
        return kind in self._values

    def _new(self, kind: Kind) -> Any:
        if kind == "list":
            length = z3.Int(f"{self.name} length")
            hold(self._solver, at_most(_ZERO, length))
            return length
        if kind not in _SORTS:
            return None
        value = _SORTS[kind](f"{self.name} {kind}")
        if kind == "int":
            # CEL takes no larger one in.
            hold(self._solver, at_most(_LEAST, value), at_most(value, _MOST))
        return value

    def is_of(self, *kinds: Kind) -> Formula:
        """That type() gives one of these types, of which a large integer is a double."""
        if self.are_held or ("int" in kinds) == ("double" in kinds):
            return self.is_a(*kinds)
        large = both((self.is_a("int"), z3.Bool(f"{self.name} large")))
        return either((self.is_a(*kinds), large)) if "double" in kinds else both((self.is_a(*kinds), negated(large)))

    @property
    def cases(self) -> tuple[Case, ...]:
        """The value, by its types."""
        return tuple(Case(self.is_a(kind), kind, self.value(kind)) for kind in self.kinds)

    def member(self, name: str) -> Place:
        """What is there under this name, where this is an object."""
        if name not in self.members:
            self.members[name] = self._new_member(name)
        return self.members[name]

    def _new_member(self, name: str) -> Place:
        where, solver = f"{self.name}.{name}", self._solver
        parts = [(guard, part, reader) for guard, parts, reader in self._schemas for part in parts]
        required = [both((guard, self.is_a("map"))) for guard, part, _ in parts if _requires(part, name)]
        present = True if True in required else z3.Bool(f"{where} there")
        told = _grouped([(guard, member_of(part, name), reader) for guard, part, reader in parts])
        place = place_of(where, solver, present, [(guard, schema, reader) for guard, schema, reader in told if schema])
        place.stated = any(isinstance(schema, dict) for _, schema, _ in told)
        place.declared = any(name in _listed(part) for _, part, _ in parts)
        for guard, schema, _ in told:
            if schema is False:
                hold(solver, negated(both((guard, present))))
        if present is not True:
            hold(solver, *(implied(guard, present) for guard in required))
        return place

    def constrain(self, guard: Formula, alternative: Alternative, reader: Alternatives) -> None:
        """That these schemas hold together where the guard does, and where there is something."""
        self._schemas.append((guard, alternative, reader))
        numbers = numbers_together(alternative)
        self.are_held = self.are_held and (numbers is None or are_held(numbers))
        said = self._said(alternative)
        hold(self._solver, implied(both((guard, self.present)), said))

    def _said(self, alternative: Alternative) -> Formula:
        return both((self.is_a(*_kinds(alternative)), *(one for part in alternative for one in self._bounds(part))))

    def _bounds(self, schema: Mapping[str, object]) -> Iterator[Formula]:
        if "const" in schema:
            yield self._is(schema["const"])
        listed = schema.get("enum")
        if isinstance(listed, list):
            yield either(self._is(each) for each in listed)
        pattern = schema.get("pattern")
        if "string" in self.kinds and isinstance(pattern, str) and (language := _language(pattern)) is not None:
            yield either((negated(self.is_a("string")), z3.InRe(self.value("string"), language)))
        for kind, keyword, compare in _BOUNDS:
            bound = schema.get(keyword)
            if kind in self.kinds and isinstance(bound, int | float) and not isinstance(bound, bool):
                value = z3.Length(self.value(kind)) if kind == "string" else self.value(kind)
                yield either((negated(self.is_a(kind)), compare(value, number(bound))))

    def _is(self, value: object) -> Formula:
        if isinstance(value, list | dict):
            return self.is_a("list" if isinstance(value, list) else "map")
        term = constant(value)  # type: ignore[arg-type]  # JSON has no other scalars
        if term is None:
            return self.is_a("string")
        (case,) = term.cases
        found = []
        for kind in self.kinds:
            if kind == case.kind or (kind in ("int", "double") and case.kind in ("int", "double")):
                equal = True if kind == "null" else self.value(kind) == case.value
                found.append(both((self.is_a(kind), equal)))
        return either(found)


def _language(pattern: str) -> Any | None:
    """The texts that a `pattern` lets through; None where somebody may read it otherwise than CEL does."""
    return matching(pattern) if _CLASS.search(pattern) is None else None


def _at_least(value: Any, bound: Any) -> Any:
    return at_most(bound, value) if z3.is_int_value(bound) else value >= bound


def _at_most(value: Any, bound: Any) -> Any:
    return at_most(value, bound) if z3.is_int_value(bound) else value <= bound


_BOUNDS: Final[tuple[tuple[Kind, str, Any], ...]] = (
    ("int", "minimum", _at_least),
    ("int", "maximum", _at_most),
    ("int", "exclusiveMinimum", lambda value, bound: value > bound),
    ("int", "exclusiveMaximum", lambda value, bound: value < bound),
    ("double", "minimum", lambda value, bound: value >= bound),
    ("double", "maximum", lambda value, bound: value <= bound),
    ("double", "exclusiveMinimum", lambda value, bound: value > bound),
    ("double", "exclusiveMaximum", lambda value, bound: value < bound),
    ("list", "minItems", _at_least),
    ("list", "maxItems", _at_most),
    ("string", "minLength", _at_least),
    ("string", "maxLength", _at_most),
)


def place_of(
    name: str, solver: z3.Solver, present: Formula, schemas: list[tuple[Formula, JsonSchema, Alternatives]]
) -> Place:
    """A place of which these schemas hold, each where its guard does."""
    spread = [(guard, reader.of(schema) or [({},)], reader) for guard, schema, reader in schemas]
    kinds: set[Kind] = set()
    for _, alternatives, _ in spread:
        kinds.update(kind for each in alternatives for kind in _kinds(each))
    place = Place(name, solver, present, tuple(kind for kind in KINDS if kind in kinds or not spread))
    for position, (guard, alternatives, reader) in enumerate(spread):
        if len(alternatives) == 1:
            place.constrain(guard, alternatives[0], reader)
            continue
        taken = [z3.Bool(f"{name} way {position}.{number}") for number in range(len(alternatives))]
        hold(solver, implied(guard, either(taken)))
        for one, alternative in zip(taken, alternatives, strict=True):
            place.constrain(both((guard, one)), alternative, reader)
    return place


def _grouped(
    told: list[tuple[Formula, JsonSchema | None, Alternatives]],
) -> list[tuple[Formula, JsonSchema | None, Alternatives]]:
    """The same schema once, where any of its guards holds: alternatives of alternatives would be all combinations."""
    if len(told) < 2:
        return told
    found: dict[tuple[int, bytes], tuple[JsonSchema | None, Alternatives, list[Formula]]] = {}
    for guard, schema, reader in told:
        key = id(reader), b"" if schema is None else schema_key(schema)
        found.setdefault(key, (schema, reader, []))[2].append(guard)
    return [(either(guards), schema, reader) for schema, reader, guards in found.values()]


def root_of(name: str, solver: z3.Solver, present: Formula, schema: JsonSchema) -> Place:
    """The place of a value that has this schema."""
    place = place_of(name, solver, present, [(True, schema, Alternatives(schema))])
    place.stated = schema is not True
    return place


def _kinds(alternative: Alternative) -> frozenset[Kind]:
    """The types of CEL that values have of which these schemas hold together."""
    found = frozenset(kind for each in types_together(alternative) for kind in _KINDS_OF[each])
    for part in alternative:
        listed = part.get("enum")
        if isinstance(listed, list):
            found &= frozenset(kind for each in listed for kind in _kinds_of_value(each))
        if "const" in part:
            found &= frozenset(_kinds_of_value(part["const"]))
    return found


def _kinds_of_value(value: object) -> tuple[Kind, ...]:
    """The types of CEL that values have which are equal to this one."""
    if isinstance(value, list | dict):
        return ("list",) if isinstance(value, list) else ("map",)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("int", "double")
    return ("bool",) if isinstance(value, bool) else ("null",) if value is None else ("string",)


def _listed(schema: Mapping[str, object]) -> set[object]:
    """The members that a schema names."""
    properties, required = schema.get("properties"), schema.get("required")
    found = set(properties) if isinstance(properties, dict) else set()
    return found.union(required) if isinstance(required, list) else found


def _requires(schema: Mapping[str, object], name: str) -> bool:
    required = schema.get("required")
    return isinstance(required, list) and name in required


def number(value: int | float) -> Any:
    """A number that a schema states."""
    term = constant(value)
    assert term is not None, "numbers have terms"  # noqa: S101
    return term.cases[0].value


def as_term(place: Place, wrong: Formula, doubt: Formula) -> Term:
    """What is at a place, where reading it does not fail."""
    return Term(place.cases, wrong, doubt, place.stated)
