"""`unevaluatedProperties` and `unevaluatedItems`, told without annotations.

What a value's members are evaluated by depends only on which schemas in place hold of it. So the schemas are split into
cases, each with a formula; in each case the evaluated names are a language, and the evaluated items those before an
index and those that a `contains` holds of. The cases cover everything and the formula of each implies its evaluation,
so the disjunction says just what the keyword does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from accord.verifier.containment.formulas import TRUE, Formula, Formulas, Items, Members
from accord.verifier.containment.languages import EVERYTHING, NOTHING, Language, complement, union
from accord.verifier.containment.references import UnreadSchemaError

if TYPE_CHECKING:
    from accord.verifier.containment.reading import Reader

MAX_CASES = 256
_MAX_NESTED = 40


class Evaluation(msgspec.Struct, frozen=True):
    """What of a value is evaluated."""

    names: Language = NOTHING
    first: int | None = 0
    """So many items; None: all."""
    contained: frozenset[Formula] = frozenset()
    """Items of which one of these holds."""


_NONE = Evaluation()
Case: TypeAlias = tuple[Formula, Evaluation]


class Evaluated:
    """Tells what the schemas of one document evaluate."""

    def __init__(self, reader: Reader, formulas: Formulas) -> None:
        self._reader, self._formulas = reader, formulas

    def unevaluated(self, schema: dict[str, object]) -> Iterator[Formula]:
        """What the two keywords of a schema say.

        Raises:
            UnreadSchemaError: there are too many cases.
        """
        cases = self._cases(schema, 0, own=False)
        if "unevaluatedProperties" in schema:
            value = self._reader.read(schema["unevaluatedProperties"])
            yield self._in_each(cases, lambda found: self._members(found, value))
        if "unevaluatedItems" in schema:
            item = self._reader.read(schema["unevaluatedItems"])
            yield self._in_each(cases, lambda found: self._items(found, item))

    def _in_each(self, cases: list[Case], said: Callable[[Evaluation], Formula]) -> Formula:
        return self._formulas.either(self._formulas.both((case, said(found))) for case, found in cases)

    def _members(self, found: Evaluation, value: Formula) -> Formula:
        return self._formulas.unless("object", self._formulas.of(Members(complement(found.names), value)))

    def _items(self, found: Evaluation, item: Formula) -> Formula:
        if found.first is None:
            return TRUE
        allowed = self._formulas.either((item, *sorted(found.contained)))
        return self._formulas.unless("array", self._formulas.of(Items(found.first, allowed)))

    def _cases(self, schema: object, depth: int, *, own: bool = True) -> list[Case]:
        """The cases of a schema that holds."""
        if depth > _MAX_NESTED:
            raise UnreadSchemaError("evaluates itself, or too deep")
        if not isinstance(schema, dict):
            return [(TRUE, _NONE)]
        cases: list[Case] = [(TRUE, self._directly(schema, own=own))]
        for factor in self._factors(schema, depth + 1):
            if all(found == _NONE for _, found in factor):
                continue
            cases = [self._together(one, other) for one in cases for other in factor]
            if len(cases) > MAX_CASES:
                raise UnreadSchemaError("too many cases of what is evaluated")
        return cases

    def _directly(self, schema: dict[str, object], *, own: bool) -> Evaluation:
        everything = "additionalProperties" in schema or (own and "unevaluatedProperties" in schema)
        first, rest = self._reader.items(schema)
        all_items = rest is not None or (own and "unevaluatedItems" in schema)
        contained = frozenset((self._reader.read(schema["contains"]),) if "contains" in schema else ())
        return Evaluation(
            EVERYTHING if everything else self._reader.names(schema), None if all_items else len(first), contained
        )

    def _factors(self, schema: dict[str, object], depth: int) -> Iterator[list[Case]]:
        for keyword in ("$ref", "$dynamicRef"):
            if keyword in schema:
                yield self._cases(self._reader.references.target(schema, keyword), depth)
        yield from (self._cases(each, depth) for each in _listed(schema.get("allOf")))
        for keyword in ("anyOf", "oneOf"):
            for each in _listed(schema.get(keyword)):
                holds = self._reader.read(each)
                yield [*self._when(holds, self._cases(each, depth)), (self._formulas.negated(holds), _NONE)]
        if "if" in schema:
            yield self._conditional(schema, depth)
        dependent = schema.get("dependentSchemas")
        for name, each in dependent.items() if isinstance(dependent, dict) else ():
            absent = self._reader.absent(name)
            yield [*self._when(self._formulas.negated(absent), self._cases(each, depth)), (absent, _NONE)]

    def _conditional(self, schema: dict[str, object], depth: int) -> list[Case]:
        holds = self._reader.read(schema["if"])
        both = (
            self._together(one, other)
            for one in self._cases(schema["if"], depth)
            for other in self._cases(schema.get("then"), depth)
        )
        otherwise = self._cases(schema.get("else"), depth)
        return [*self._when(holds, both), *self._when(self._formulas.negated(holds), otherwise)]

    def _when(self, condition: Formula, cases: Iterable[Case]) -> list[Case]:
        return [(self._formulas.both((condition, case)), found) for case, found in cases]

    def _together(self, one: Case, other: Case) -> Case:
        mine, theirs = one[1], other[1]
        first = None if mine.first is None or theirs.first is None else max(mine.first, theirs.first)
        found = Evaluation(union(mine.names, theirs.names), first, mine.contained | theirs.contained)
        return self._formulas.both((one[0], other[0])), found


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
